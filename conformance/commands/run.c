/* The ordinary run: one client, the chosen cases, the reports. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "commands/clients.h"
#include "commands/commands.h"
#include "commands/place.h"
#include "commands/record.h"
#include "report/report.h"

#define REFERENCE_CLIENT "standbox-refclient"

/* With --server-only and no client it is ours. */
static int default_client(struct stage *stage, const char **argv, struct buf *path, struct err *err)
{
    if (stage->options->client.count > 0)
        return 0;
    if (place_program(stage->options, REFERENCE_CLIENT, path, err) != 0)
        return -1;
    argv[0] = buf_cstr(path);
    return 0;
}

static const char *key_of(const struct options *o, const char *const *argv, const cJSON *hello)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(hello, "name"));
    const char *slash = strrchr(argv[0], '/');
    return o->client_key != NULL ? o->client_key : name != NULL ? name : slash != NULL ? slash + 1 : argv[0];
}

/* The adapter says who it is before anything else; when it does not come up, the results say so for each case. */
static int meet_client(struct stage *stage, const char *const *argv, struct session *session, struct clients *clients,
                       struct err *err)
{
    const cJSON *hello = NULL;
    struct err silent = ERR_INIT;
    struct session_client how = { .argv = argv, .level = stage->options->level, .warden = buf_cstr(&stage->warden),
                                  .vendor = stage->options->vendor };
    session_use(session, &how);
    if (session_hello(session, &hello, &silent) != 0)
        complain("the adapter does not come up: %s", silent.text);
    int rc = clients_add(clients, stage, key_of(stage->options, argv, hello), argv, hello, false, NULL, NULL, err);
    if (rc == 0)
        session_adopt(session, &how, &clients->list[0].how);
    return rc;
}

static int finish(const struct stage *stage, const cJSON *document)
{
    struct report_totals totals;
    struct err err = ERR_INIT;
    BUF_AUTO line = BUF_INIT;
    report_summary(document, NULL, &totals);
    report_totals_line(&totals, &line);
    fprintf(stderr, "%s\n", buf_cstr(&line));
    int code = reports_write(stage->options, document);
    if (stage->options->record_failures != NULL &&
        record_failures(document, stage->options->record_failures, &err) != 0) {
        complain("--record-failures: %s", err.text);
        code = EXIT_HARNESS;
    }
    return code != 0 ? code : report_exit_code(&totals);
}

static int run_client(struct stage *stage)
{
    struct err err = ERR_INIT;
    struct clients clients = { 0 };
    struct session *first = NULL;
    cJSON *document = NULL;
    BUF_AUTO path = BUF_INIT;
    const char *reference[] = { NULL, NULL };
    const char *const *argv = stage->options->client.count > 0 ? (const char *const *) stage->options->client.words
                                                               : reference;
    int code = EXIT_HARNESS;
    if (default_client(stage, reference, &path, &err) != 0 || session_new(&first, &stage->server, "w0", &err) != 0 ||
        meet_client(stage, argv, first, &clients, &err) != 0) {
        complain("%s", err.text);
        session_free(first);
    } else {
        code = clients_run(stage, &clients, first, &document);
    }
    if (code == 0)
        code = finish(stage, document);
    cJSON_Delete(document);
    clients_fini(&clients);
    return code;
}

int command_run(struct options *options)
{
    struct stage stage;
    int code = stage_cases(&stage, options);
    if (code == 0)
        code = stage_server(&stage);
    if (code == 0)
        code = run_client(&stage);
    stage_fini(&stage);
    return code;
}
