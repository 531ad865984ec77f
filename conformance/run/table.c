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

#define CMOCKA_FILE "cmocka.xml"

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

/* cmocka cannot be silent: unless its lines are wanted, it writes a file that nobody reads. */
static int hush(char *folder, size_t size, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, size, "%s/standbox-cmocka-XXXXXX", tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
    if (mkdtemp(folder) == NULL)
        return err_set(err, ERR_IO, errno, "%s", folder);
    char path[512];
    snprintf(path, sizeof path, "%s/" CMOCKA_FILE, folder);
    setenv("CMOCKA_XML_FILE", path, 1);
    cmocka_set_message_output(CM_OUTPUT_XML);
    return 0;
}

static void unhush(const char *folder)
{
    char path[512];
    snprintf(path, sizeof path, "%s/" CMOCKA_FILE, folder);
    unlink(path);
    rmdir(folder);
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
    char folder[256] = "";
    int rc = 0;
    if (tests == NULL || rows == NULL || names == NULL)
        rc = err_set(err, ERR_NOMEM, 0, "table of tests");
    if (rc == 0 && !config->is_cmocka_heard)
        rc = hush(folder, sizeof folder, err);
    if (rc == 0) {
        fill(tests, rows, names, run, config);
        _cmocka_run_group_tests(config->group, tests, count, NULL, NULL);
        if (*folder != '\0')
            unhush(folder);
    }
    for (size_t i = 0; names != NULL && i < count; i++)
        free(names[i]);
    free(names);
    free(rows);
    free(tests);
    return rc;
}
