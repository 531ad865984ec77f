/*
 * What the tests of link/ share: where programs are, runs to send, and the proof that nothing was left behind.
 *
 * `leaves_nothing` goes around each test: the same open descriptors and no child, dead or alive, afterwards.
 */
#ifndef STANDBOX_TESTS_LINK_SUPPORT_H
#define STANDBOX_TESTS_LINK_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "link/child.h"

#define UNUSED __attribute__((unused))

#define PLENTY_MS 60000 /* for what must happen: only a failure waits so long */
#define NS_IN_MS  1000000

static inline const char *warden_path(void)
{
    static struct buf path;
    struct err err = ERR_INIT;
    if (path.len == 0 && child_find_program("standbox-warden", "STANDBOX_WARDEN", &path, &err) < 0)
        fail_msg("%s", err.text);
    return buf_cstr(&path);
}

/* conformance/tests/adapters/NAME, from the folder of the fixtures.  Any thread: it fails nothing. */
static inline void adapter_path(char out[1000], const char *name)
{
    const char *fixtures = getenv("STANDBOX_FIXTURES");
    snprintf(out, 1000, "%s/../conformance/tests/adapters/%s", fixtures == NULL ? "fixtures" : fixtures, name);
}

/* A run with two steps, s1 and s2, whose second has `padding` bytes more. */
static inline struct cJSON *make_run(int64_t seq, size_t padding)
{
    BUF_AUTO text = BUF_INIT;
    struct err err = ERR_INIT;
    buf_printf(&text,
               "{\"type\":\"run\",\"seq\":%lld,\"case\":\"hyperbrowser/exec/some\",\"vendor\":"
               "\"hyperbrowser\",\"client\":{\"url\":\"http://127.0.0.1:9/lane/a\",\"api_key\":\"key-1\"},\"steps\":"
               "[{\"step\":\"s1\",\"op\":\"exec\",\"sandbox\":\"box\",\"command\":\"true\"},"
               "{\"step\":\"s2\",\"op\":\"exec\",\"sandbox\":\"box\",\"command\":\"",
               (long long) seq);
    for (size_t i = 0; i < padding; i++)
        buf_char(&text, 'x');
    buf_str(&text, "\"}]}");
    struct cJSON *run = json_parse(text.data, text.len, &err);
    if (run == NULL)
        fail_msg("%s", err.text);
    return run;
}

/* ---- nothing is left ------------------------------------------------------------------- */

static inline int count_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return -1;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static int descriptors_before;

static UNUSED int note_what_is_there(void **state)
{
    char path[1000];
    (void) state;
    warden_path();
    adapter_path(path, "behave.py");
    if (access(path, X_OK) != 0) {
        print_error("no %s: STANDBOX_FIXTURES must name the folder of the fixtures\n", path);
        return -1;
    }
    descriptors_before = count_descriptors();
    return 0;
}

static UNUSED int leaves_nothing(void **state)
{
    (void) state;
    int now = count_descriptors();
    if (now != descriptors_before)
        print_error("%d descriptors were open before, %d are now\n", descriptors_before, now);
    pid_t child = waitpid(-1, NULL, WNOHANG);
    bool childless = child < 0 && errno == ECHILD;
    if (!childless)
        print_error("a child is left (%d)\n", (int) child);
    return now == descriptors_before && childless ? 0 : -1;
}

#define leak_test(name) cmocka_unit_test_setup_teardown(name, note_what_is_there, leaves_nothing)

/* ---- a FIFO that processes hold open as long as they live ------------------------------ */

struct vigil {
    char folder[64], path[80];
    int fd;
};

static inline void vigil_open(struct vigil *v)
{
    snprintf(v->folder, sizeof v->folder, "/tmp/standbox-vigil-XXXXXX");
    assert_non_null(mkdtemp(v->folder));
    snprintf(v->path, sizeof v->path, "%s/fifo", v->folder);
    assert_int_equal(mkfifo(v->path, 0600), 0);
    v->fd = open(v->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(v->fd >= 0);
}

static inline void vigil_close(struct vigil *v)
{
    close(v->fd);
    unlink(v->path);
    rmdir(v->folder);
}

/* Wait until something can be read; false: not in time. */
static inline bool vigil_wait(const struct vigil *v, int64_t until_ns)
{
    struct pollfd fd = { .fd = v->fd, .events = POLLIN };
    int64_t left = (until_ns - mono_ns()) / NS_IN_MS;
    return left > 0 && poll(&fd, 1, (int) left) > 0;
}

/* Until `count` processes have said that they are there. */
static inline void vigil_until_up(const struct vigil *v, int count)
{
    int64_t until_ns = mono_ns() + (int64_t) PLENTY_MS * NS_IN_MS;
    char byte;
    for (int seen = 0; seen < count;) {
        if (!vigil_wait(v, until_ns))
            fail_msg("%d of %d processes came up", seen, count);
        if (read(v->fd, &byte, 1) == 1)
            seen += byte == '\n';
    }
}

/* Until all of them are dead; nobody may be left who could still come. */
static inline void vigil_until_dead(const struct vigil *v)
{
    int64_t until_ns = mono_ns() + (int64_t) PLENTY_MS * NS_IN_MS;
    char byte;
    for (;;) {
        if (!vigil_wait(v, until_ns))
            fail_msg("somebody lives on");
        ssize_t n = read(v->fd, &byte, 1);
        if (n == 0)
            return;
    }
}

#endif
