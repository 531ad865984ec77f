#include "run/select.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/hash.h"
#include "judge/verdict.h"

/* ---- cases ------------------------------------------------------------------------------- */

unsigned select_shard(const char *id, unsigned shards)
{
    return (unsigned) (hash_bytes(HASH_BEGIN, id, strlen(id)) % shards) + 1;
}

static bool is_named(struct wildcards *patterns, const struct case_def *def)
{
    bool found = wildcards_match(patterns, def->id);
    for (size_t i = 0; i < def->alias_count; i++)
        found = wildcards_match(patterns, def->aliases[i]) || found;
    return found;
}

/* Both lists are asked in any case, so that a pattern counts as used whatever the other says. */
static bool is_wanted(struct options *o, const struct case_def *def)
{
    bool is_run = is_named(&o->run, def) || o->run.count == 0;
    bool is_skipped = is_named(&o->skip, def);
    if (!is_run || is_skipped)
        return false;
    if (o->is_truth_documented && strcmp(def->tag, "documented") != 0)
        return false;
    if (o->server_only != NULL && !def->is_portable)
        return false;
    return select_shard(def->id, o->shards) == o->shard;
}

static int check_used(const struct wildcards *patterns, const char *vendor, struct err *err)
{
    const struct wildcard_row *row = wildcards_unused(patterns);
    if (row == NULL)
        return 0;
    return err_set(err, ERR_INVALID, 0, "%s: no case of %s is named by \"%.200s\" (--list lists them)", row->place,
                   vendor, row->pattern);
}

int select_cases(struct options *o, const struct case_list *list, struct selection *out, struct err *err)
{
    *out = (struct selection) { NULL, 0 };
    const struct case_def **cases = calloc(list->count + 1, sizeof *cases);
    if (cases == NULL)
        return err_set(err, ERR_NOMEM, 0, "cases");
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (is_wanted(o, list->cases[i]))
            cases[count++] = list->cases[i];
    }
    if (check_used(&o->run, o->vendor, err) != 0 || check_used(&o->skip, o->vendor, err) != 0) {
        free(cases);
        return -1;
    }
    *out = (struct selection) { cases, count };
    return 0;
}

void selection_fini(struct selection *selection)
{
    free(selection->cases);
    *selection = (struct selection) { NULL, 0 };
}

/* ---- what is known ----------------------------------------------------------------------- */

static int check_rows(const struct options *o, const struct known *k, struct err *err)
{
    for (size_t i = 0; i < k->count; i++) {
        const struct known_row *row = &k->rows[i];
        if (row->breadth == 0)
            return err_set(err, ERR_INVALID, 0, "%s: no case of %s is named by \"%.200s\"; take the line out",
                           row->place, o->vendor, row->pattern);
        if (row->breadth > KNOWN_MAX_BREADTH && !o->allow_broad)
            return err_set(err, ERR_INVALID, 0, "%s: \"%.200s\" names %zu cases, more than %d would hide too much "
                                                "(--allow-broad takes it)",
                           row->place, row->pattern, row->breadth, KNOWN_MAX_BREADTH);
    }
    return 0;
}

int select_check_known(struct options *o, const struct case_list *list, struct err *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *id = list->cases[i]->id;
        const struct known_row *failing = known_find(&o->failing, id), *flaky = known_find(&o->flaky, id);
        if (failing != NULL && flaky != NULL)
            return err_set(err, ERR_INVALID, 0, "%s is known as failing (%s) and as flaky (%s); it can be one of them",
                           id, failing->place, flaky->place);
    }
    return check_rows(o, &o->failing, err) != 0 ? -1 : check_rows(o, &o->flaky, err);
}

static const char *text_of(const cJSON *record, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, name));
    return text != NULL ? text : "";
}

static int put(cJSON *record, const char *name, cJSON *value, struct err *err)
{
    if (value == NULL || !cJSON_ReplaceItemInObjectCaseSensitive(record, name, value)) {
        cJSON_Delete(value);
        return err_set(err, ERR_NOMEM, 0, "result");
    }
    return 0;
}

static int put_listed(cJSON *record, const char *listed, bool is_stale, const char *reason, struct err *err)
{
    if (put(record, "listed", cJSON_CreateString(listed), err) != 0 ||
        put(record, "stale", cJSON_CreateBool(is_stale), err) != 0)
        return -1;
    return put(record, "listed_reason", cJSON_CreateString(reason), err);
}

/* Writes why the entry says too little or too much of what was seen; false when it fits. */
static bool is_stale(const struct known_row *row, const cJSON *record, struct buf *why)
{
    const char *verdict = text_of(record, "verdict"), *hash = text_of(record, "message_hash");
    if (strcmp(verdict, row->verdict) != 0)
        buf_printf(why, "%s lists it as %s, and it is %s now: mend the list", row->place, row->verdict, verdict);
    else if (row->message != NULL && strcmp(hash, row->message) != 0)
        buf_printf(why, "%s lists a failure with message=%s, and this one has %s: mend the client or the list",
                   row->place, row->message, hash);
    return why->len > 0;
}

static void describe(const struct known_row *row, struct buf *out)
{
    buf_str(out, row->why != NULL ? row->why : "");
    if (row->issue != NULL)
        buf_printf(out, "%s%s", out->len > 0 ? " " : "", row->issue);
}

int select_apply_known(struct options *o, const char *today, cJSON *record, struct err *err)
{
    BUF_AUTO why = BUF_INIT;
    const char *id = text_of(record, "case");
    const struct known_row *failing = known_find(&o->failing, id), *flaky = known_find(&o->flaky, id);
    const struct known_row *row = failing != NULL ? failing : flaky;
    if (row == NULL || known_is_expired(row, today))
        return 0;
    if (row == flaky) {
        describe(row, &why);
        return put_listed(record, "known-flaky", false, buf_cstr(&why), err);
    }
    bool stale = is_stale(row, record, &why);
    if (!stale)
        describe(row, &why);
    return put_listed(record, "known-failing", stale, buf_cstr(&why), err);
}
