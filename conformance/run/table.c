#include "run/table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "report/results.h"

#define CMOCKA_FILE     "/cmocka.xml"
#define CMOCKA_VARIABLE "CMOCKA_XML_FILE"

struct row {
    struct run *run;
    size_t item;
    struct progress *progress;
};

static void case_holds(void **state)
{
    const struct row *row = *state;
    progress_wait(row->progress, row->item, run_done(row->run));
    const cJSON *record = run_await(row->run, row->item);
    progress_result(row->progress, row->item, record);
    if (record == NULL)
        fail();
    if (strcmp(results_text(record, "verdict"), "skipped") == 0)
        skip();
    enum result_standing standing = result_standing_of(record);
    if (standing == STANDING_UNEXPECTED || standing == STANDING_STALE)
        fail();   /* the progress has said why */
}

/* cmocka cannot be silent: unless its lines are wanted, it writes a file that nobody reads, whose name it takes from the
   environment when the last test is done.  It gets one then and no earlier: until then the workers read the environment
   to start adapters, and it is no business of an adapter. */
static char unread[256];

static int name_unread(void **state)
{
    (void) state;
    const char *tmp = getenv("TMPDIR");
    snprintf(unread, sizeof unread - sizeof CMOCKA_FILE, "%s/standbox-cmocka-XXXXXX",
             tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
    if (mkdtemp(unread) == NULL) {
        fprintf(stderr, "%s: %s\n", unread, strerror(errno));
        *unread = '\0';
        return -1;
    }
    size_t len = strlen(unread);
    snprintf(unread + len, sizeof unread - len, CMOCKA_FILE);
    setenv(CMOCKA_VARIABLE, unread, 1);
    return 0;
}

static void remove_unread(void)
{
    if (*unread == '\0')
        return;
    unsetenv(CMOCKA_VARIABLE);
    unlink(unread);
    *strrchr(unread, '/') = '\0';
    rmdir(unread);
}

static void fill(struct CMUnitTest *tests, struct row *rows, char **names, struct run *run,
                 const struct table_config *config)
{
    const struct run_plan *plan = config->plan;
    for (size_t i = 0; i < run_count(run); i++) {
        struct run_pair pair = run_plan_item(plan, i);
        const char *id = plan->cases[pair.row]->id, *client = plan->clients[pair.client].key;
        if (plan->client_count > 1 && asprintf(&names[i], "%s: %s", client, id) < 0)
            names[i] = NULL;
        rows[i] = (struct row) { run, i, config->progress };
        tests[i] = (struct CMUnitTest) { .name = names[i] != NULL ? names[i] : id, .test_func = case_holds,
                                         .initial_state = &rows[i] };
    }
}

int table_run(struct run *run, const struct table_config *config, struct err *err)
{
    size_t count = run_count(run);
    struct CMUnitTest *tests = calloc(count + 1, sizeof *tests);
    struct row *rows = calloc(count + 1, sizeof *rows);
    char **names = calloc(count + 1, sizeof *names);
    int rc = 0;
    if (tests == NULL || rows == NULL || names == NULL)
        rc = err_set(err, ERR_NOMEM, 0, "table of tests");
    if (rc == 0) {
        fill(tests, rows, names, run, config);
        if (!config->is_cmocka_heard)
            cmocka_set_message_output(CM_OUTPUT_XML);
        _cmocka_run_group_tests(config->group, tests, count, NULL, config->is_cmocka_heard ? NULL : name_unread);
        if (!config->is_cmocka_heard)
            remove_unread();
    }
    for (size_t i = 0; names != NULL && i < count; i++)
        free(names[i]);
    free(names);
    free(rows);
    free(tests);
    return rc;
}
