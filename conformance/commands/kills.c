/*
 * kills: would the suite notice a wrong client?
 *
 * The client is a program of mutants: with --list-mutants it prints what it can do wrong, a JSON object a line, and
 * with --protocol P --mutant NAME it does that one thing wrong.  All cases are run against each, and against the same
 * program without a mutant in each protocol that the list names, which must pass.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/json.h"
#include "commands/clients.h"
#include "commands/commands.h"
#include "commands/pairs.h"
#include "commands/output.h"
#include "report/kills.h"
#include "report/report.h"

#define LIST_MS 20000
#define OPTION_WORDS 4   /* --protocol P --mutant NAME */

/* The command with more words behind it; `clients` owns the array. */
static const char **extended(struct clients *clients, const struct options *o, const char *const *more)
{
    size_t extra = 0;
    while (more[extra] != NULL)
        extra++;
    const char **argv = calloc(o->client.count + extra + 1, sizeof *argv);
    if (!clients_own(clients, argv))
        return NULL;
    memcpy(argv, o->client.words, o->client.count * sizeof *argv);
    memcpy(argv + o->client.count, more, extra * sizeof *argv);
    return argv;
}

static int add_client(struct clients *clients, const struct stage *stage, const char *protocol, const cJSON *mutant,
                      struct err *err)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(mutant, "name"));
    const char *what = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(mutant, "what"));
    const char *bug = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(mutant, "imitates"));
    char *own_protocol = strdup(protocol), *own_name = name != NULL ? strdup(name) : NULL;
    if (!clients_own(clients, own_protocol) || (name != NULL && !clients_own(clients, own_name)))
        return err_set(err, ERR_NOMEM, 0, "clients");
    const char *more[OPTION_WORDS + 1] = { "--protocol", own_protocol };
    if (name != NULL) {
        more[2] = "--mutant";
        more[3] = own_name;
    }
    const char **argv = extended(clients, stage->options, more);
    BUF_AUTO key = BUF_INIT;
    buf_printf(&key, name != NULL ? "mutant:%s/%s" : "reference/%s%.0s", name != NULL ? name : protocol, protocol);
    if (argv == NULL)
        return err_set(err, ERR_NOMEM, 0, "clients");
    return clients_add(clients, stage, buf_cstr(&key), argv, NULL, name == NULL, what, bug, err);
}

/* ---- what the program lists ------------------------------------------------------------------- */

static int check_mutant(const cJSON *mutant, const char *line, struct err *err)
{
    const cJSON *protocol, *protocols = cJSON_GetObjectItemCaseSensitive(mutant, "protocols");
    bool is_fine = cJSON_IsString(cJSON_GetObjectItemCaseSensitive(mutant, "name")) &&
                   cJSON_IsString(cJSON_GetObjectItemCaseSensitive(mutant, "what")) && cJSON_IsArray(protocols) &&
                   cJSON_GetArraySize(protocols) > 0;
    cJSON_ArrayForEach(protocol, protocols)
        is_fine = is_fine && cJSON_IsString(protocol);
    return is_fine ? 0
                   : err_set(err, ERR_INVALID, 0, "--list-mutants: no name, what or protocols in: %.200s", line);
}

/* Lines of JSON become the elements of `mutants`. */
static int read_mutants(const char *text, cJSON *mutants, struct err *err)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        cJSON *mutant = len > 0 ? json_parse(text, len, err) : NULL;
        if (len > 0 && mutant == NULL)
            return err_wrap(err, "--list-mutants");
        if (mutant != NULL && !cJSON_AddItemToArray(mutants, mutant))
            return err_set(err, ERR_NOMEM, 0, "mutants");
        if (mutant != NULL && check_mutant(mutant, text, err) != 0)
            return -1;
        text += len + (text[len] == '\n');
    }
    return cJSON_GetArraySize(mutants) > 0 ? 0 : err_set(err, ERR_INVALID, 0, "the client lists no mutants");
}

static bool has_text(const cJSON *list, const char *text)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        if (strcmp(item->valuestring, text) == 0)
            return true;
    }
    return false;
}

/* A reference client in each protocol that any mutant has. */
static int add_references(struct clients *clients, const struct stage *stage, const cJSON *mutants, struct err *err)
{
    cJSON *known = cJSON_CreateArray();
    const cJSON *mutant, *protocol;
    int rc = known != NULL ? 0 : err_set(err, ERR_NOMEM, 0, "clients");
    cJSON_ArrayForEach(mutant, mutants) {
        cJSON_ArrayForEach(protocol, cJSON_GetObjectItemCaseSensitive(mutant, "protocols")) {
            if (rc != 0 || has_text(known, protocol->valuestring))
                continue;
            rc = cJSON_AddItemToArray(known, cJSON_CreateString(protocol->valuestring))
                     ? add_client(clients, stage, protocol->valuestring, NULL, err)
                     : err_set(err, ERR_NOMEM, 0, "clients");
        }
    }
    cJSON_Delete(known);
    return rc;
}

static int add_mutants(struct clients *clients, const struct stage *stage, const cJSON *mutants, struct err *err)
{
    const cJSON *mutant, *protocol;
    cJSON_ArrayForEach(mutant, mutants) {
        cJSON_ArrayForEach(protocol, cJSON_GetObjectItemCaseSensitive(mutant, "protocols")) {
            if (add_client(clients, stage, protocol->valuestring, mutant, err) != 0)
                return -1;
        }
    }
    return 0;
}

static int add_all(struct clients *clients, const struct stage *stage, struct err *err)
{
    BUF_AUTO listed = BUF_INIT;
    const char *const more[] = { "--list-mutants", NULL };
    const char **argv = extended(clients, stage->options, more);
    cJSON *mutants = cJSON_CreateArray();
    int rc = argv != NULL && mutants != NULL ? 0 : err_set(err, ERR_NOMEM, 0, "clients");
    if (rc == 0)
        rc = output_of(argv, buf_cstr(&stage->warden), (int64_t) (LIST_MS * stage->server.patience), &listed, err);
    if (rc == 0)
        rc = read_mutants(buf_cstr(&listed), mutants, err);
    if (rc == 0)
        rc = add_references(clients, stage, mutants, err);
    if (rc == 0)
        rc = add_mutants(clients, stage, mutants, err);
    cJSON_Delete(mutants);
    return rc;
}

/* ---- the end ----------------------------------------------------------------------------------- */

static int judge_kills(const struct kills *kills)
{
    size_t count = kills_finding_count(kills);
    for (size_t i = 0; i < count; i++) {
        const struct kill_finding *f = kills_finding(kills, i);
        fprintf(stderr, "%s  %s: %s\n", kill_finding_name(f->kind), f->subject, f->text);
    }
    fprintf(stderr, "%zu mutants, %zu cases, %zu findings\n", kills_mutant_count(kills), kills_case_count(kills), count);
    return count > 0 ? EXIT_NOT_CONFORMANT : EXIT_CONFORMANT;
}

static int finish(const struct stage *stage, const cJSON *document)
{
    struct err err = ERR_INIT;
    const struct options *o = stage->options;
    struct kills *kills = kills_new(document, &err);
    int code = kills != NULL ? judge_kills(kills) : EXIT_HARNESS;
    if (kills == NULL)
        complain("%s", err.text);
    kills_free(kills);
    int report_code = reports_write(o, document);
    if (o->record_pairs != NULL && pairs_record(document, o->record_pairs, &err) != 0) {
        complain("--record-pairs: %s", err.text);
        report_code = EXIT_HARNESS;
    }
    return report_code != 0 ? report_code : code;
}

static int run_mutants(struct stage *stage)
{
    struct err err = ERR_INIT;
    struct clients clients = { 0 };
    cJSON *document = NULL;
    int code = EXIT_HARNESS;
    const char *pairs = stage->options->pairs;
    if (add_all(&clients, stage, &err) != 0) {
        complain("%s", err.text);
    } else if (pairs != NULL && pairs_read(&clients, stage, pairs, &err) != 0) {
        complain("--pairs: %s", err.text);
        code = EXIT_WRONG_USE;
    } else {
        code = clients_run(stage, &clients, NULL, &document);
    }
    if (code == 0)
        code = finish(stage, document);
    cJSON_Delete(document);
    clients_fini(&clients);
    return code;
}

int command_kills(struct options *options)
{
    struct stage stage;
    int code = stage_cases(&stage, options);
    if (code == 0)
        code = stage_server(&stage);
    if (code == 0)
        code = run_mutants(&stage);
    stage_fini(&stage);
    return code;
}
