#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/program.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "link/child.h"
#include "report/results.h"

#define LIMIT_NS INT64_C(170000000000)
#define WORDS_MAX 48

const char *program_env(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL || *value == '\0')
        fail_msg("%s is not set: run the tests by ctest", name);
    return value;
}

const char *program_adapter(const char *name)
{
    static char paths[4][1024];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", program_env("STANDBOX_ADAPTERS"), name);
    return path;
}

/* False at the end of the pipe. */
static bool drain(int fd, struct buf *out)
{
    char block[65536];
    ssize_t n;
    while ((n = read(fd, block, sizeof block)) > 0)
        buf_add(out, block, (size_t) n);
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void take(int *fd, struct buf *out)
{
    if (*fd < 0 || drain(*fd, out))
        return;
    close(*fd);
    *fd = -1;
}

static void collect(struct child *child, struct program_run *run)
{
    int64_t until = mono_ns() + LIMIT_NS;
    while (!child->ended && !child->lost) {
        struct pollfd fds[] = { { .fd = child->out, .events = POLLIN }, { .fd = child->err, .events = POLLIN },
                                { .fd = child->control, .events = POLLIN } };
        poll(fds, 3, 1000);
        take(&child->out, &run->out);
        take(&child->err, &run->err);
        child_hear(child);
        if (mono_ns() > until) {
            child_fini(child);
            fail_msg("standbox-conformance does not end; it said: %s", buf_cstr(&run->err));
        }
    }
    take(&child->out, &run->out);
    take(&child->err, &run->err);
}

struct program_run program_run(const char *const *words)
{
    struct program_run run = PROGRAM_RUN_INIT;
    struct child child = CHILD_INIT;
    struct err err = ERR_INIT;
    char own[] = "/tmp/standbox-suite-XXXXXX";
    const char *json = NULL;
    const char *argv[WORDS_MAX] = { program_env("STANDBOX_CONFORMANCE") };
    size_t count = 1;
    for (; words[count - 1] != NULL; count++) {
        assert_true(count < WORDS_MAX - 3);
        argv[count] = words[count - 1];
        if (strcmp(argv[count - 1], "--json") == 0)
            json = argv[count];
    }
    if (json == NULL) {
        int fd = mkstemp(own);
        assert_true(fd >= 0);
        close(fd);
        argv[count++] = "--json";
        argv[count] = json = own;
    }
    struct child_options options = { .argv = argv, .warden = program_env("STANDBOX_WARDEN") };
    if (child_start(&child, &options, 30000, &err) != 0)
        fail_msg("%s", err.text);
    child_close_stdin(&child);
    collect(&child, &run);
    run.code = child.ended && WIFEXITED(child.wait_status) ? WEXITSTATUS(child.wait_status) : -1;
    child_fini(&child);
    run.results = results_read(json, &err);
    if (json == own)
        unlink(own);
    return run;
}

void program_run_fini(struct program_run *run)
{
    buf_fini(&run->out);
    buf_fini(&run->err);
    cJSON_Delete(run->results);
}

size_t program_count(const struct program_run *run, const char *verdict)
{
    size_t count = 0;
    const cJSON *result;
    cJSON_ArrayForEach(result, results_list(run->results, "results"))
        count += verdict == NULL || strcmp(results_text(result, "verdict"), verdict) == 0;
    return count;
}

const cJSON *program_result(const struct program_run *run, const char *id)
{
    const cJSON *result;
    cJSON_ArrayForEach(result, results_list(run->results, "results")) {
        if (strcmp(results_text(result, "case"), id) == 0)
            return result;
    }
    fail_msg("no result for %s; stderr: %s", id, buf_cstr(&run->err));
    return NULL;
}
