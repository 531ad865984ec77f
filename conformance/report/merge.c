#include "report/merge.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "report/chars.h"
#include "report/results.h"

#define SHOWN 80 /* bytes of a name in a message */

struct merge {
    const struct merge_input *inputs;
    size_t count;
    struct merge_options options;
    struct err *err;
    cJSON *out, *clients, *cases, *results, *parts, *notes; /* `out` owns the others */
};

/* One item of one of the documents, to be sorted and grouped. */
struct piece {
    const cJSON *item;
    const char *id; /* of the case */
    size_t client;  /* results: place in the joined list of clients; else 0 */
    size_t input;
};

/* Names in messages may come from anywhere. */
#define SHOW(name, text) \
    BUF_AUTO name = BUF_INIT; \
    chars_show(&name, (text), SHOWN)

/* ---- what must agree ------------------------------------------------------------------------ */

/* "1.4" of "1.4.2-rc1"; the whole when it does not begin like that. */
static size_t minor_length(const char *version)
{
    size_t major = strspn(version, "0123456789");
    if (major == 0 || version[major] != '.')
        return strlen(version);
    size_t minor = strspn(version + major + 1, "0123456789");
    return minor == 0 ? strlen(version) : major + 1 + minor;
}

static bool is_same_minor(const char *a, const char *b)
{
    size_t len = minor_length(a);
    return len == minor_length(b) && memcmp(a, b, len) == 0;
}

static int check_suites(const struct merge *m)
{
    const struct merge_input *first = &m->inputs[0];
    SHOW(vendor, results_text(first->doc, "vendor"));
    SHOW(suite, results_text(first->doc, "suite"));
    for (size_t i = 1; i < m->count; i++) {
        const struct merge_input *other = &m->inputs[i];
        SHOW(other_vendor, results_text(other->doc, "vendor"));
        SHOW(other_suite, results_text(other->doc, "suite"));
        if (strcmp(results_text(first->doc, "vendor"), results_text(other->doc, "vendor")) != 0)
            return err_set(m->err, ERR_CONFLICT, 0, "%s is about %s, %s about %s: join each vendor's by itself",
                           first->name, buf_cstr(&vendor), other->name, buf_cstr(&other_vendor));
        if (!is_same_minor(results_text(first->doc, "suite"), results_text(other->doc, "suite")))
            return err_set(m->err, ERR_CONFLICT, 0, "%s is of suite %s, %s of %s: run them again with one suite",
                           first->name, buf_cstr(&suite), other->name, buf_cstr(&other_suite));
    }
    return 0;
}

/* The first of these members (the list ends with NULL) in which two objects differ, or NULL. */
static const char *find_difference(const cJSON *a, const cJSON *b, const char *const *members)
{
    for (size_t i = 0; members[i] != NULL; i++) {
        const cJSON *one = json_get(a, members[i]), *two = json_get(b, members[i]);
        if ((one == NULL) != (two == NULL) || (one != NULL && !cJSON_Compare(one, two, true)))
            return members[i];
    }
    return NULL;
}

static int complain_differs(const struct merge *m, const char *kind, const char *name, const char *member, size_t a,
                            size_t b)
{
    SHOW(shown, name);
    return err_set(m->err, ERR_CONFLICT, 0, "%s %s: \"%s\" is not the same in %s and %s", kind, buf_cstr(&shown),
                   member, m->inputs[a].name, m->inputs[b].name);
}

/* ---- building -------------------------------------------------------------------------------- */

static int no_memory(const struct merge *m)
{
    return err_set(m->err, ERR_NOMEM, 0, "joining %zu documents", m->count);
}

/* The copy at the end of the list, or NULL. */
static cJSON *add_copy(const struct merge *m, cJSON *list, const cJSON *item)
{
    cJSON *copy = cJSON_Duplicate(item, true);
    if (copy != NULL && cJSON_AddItemToArray(list, copy))
        return copy;
    cJSON_Delete(copy);
    no_memory(m);
    return NULL;
}

static int append_copy(const struct merge *m, cJSON *list, const cJSON *item)
{
    return add_copy(m, list, item) == NULL ? -1 : 0;
}

static int append_note(const struct merge *m, const char *text)
{
    cJSON *note = cJSON_CreateString(text);
    if (note == NULL || !cJSON_AddItemToArray(m->notes, note)) {
        cJSON_Delete(note);
        return no_memory(m);
    }
    return 0;
}

static int join_client(const struct merge *m, const cJSON *client, size_t input, size_t *from)
{
    static const char *const members[] = { "name",   "language",  "version",  "level",
                                           "mutant", "reference", "imitates", NULL };
    const char *key = results_text(client, "key");
    size_t place = 0;
    const cJSON *known;
    cJSON_ArrayForEach(known, m->clients)
    {
        if (strcmp(results_text(known, "key"), key) == 0) {
            const char *member = find_difference(known, client, members);
            return member == NULL ? 0 : complain_differs(m, "client", key, member, from[place], input);
        }
        place++;
    }
    from[place] = input;
    return append_copy(m, m->clients, client);
}

static int join_clients(const struct merge *m)
{
    size_t total = 1;
    for (size_t i = 0; i < m->count; i++)
        total += (size_t) cJSON_GetArraySize(results_list(m->inputs[i].doc, "clients"));
    size_t *from = calloc(total, sizeof *from);
    if (from == NULL)
        return no_memory(m);
    int rc = 0;
    for (size_t i = 0; i < m->count && rc == 0; i++) {
        const cJSON *client;
        cJSON_ArrayForEach(client, results_list(m->inputs[i].doc, "clients"))
        {
            rc = join_client(m, client, i, from);
            if (rc < 0)
                break;
        }
    }
    free(from);
    return rc;
}

/* ---- sorting --------------------------------------------------------------------------------- */

static int by_client_and_case(const void *a, const void *b)
{
    const struct piece *one = a, *two = b;
    if (one->client != two->client)
        return one->client < two->client ? -1 : 1;
    int order = results_compare_ids(one->id, two->id);
    if (order != 0)
        return order;
    return one->input < two->input ? -1 : one->input > two->input;
}

static bool is_same_place(const struct piece *a, const struct piece *b)
{
    return a->client == b->client && strcmp(a->id, b->id) == 0;
}

static size_t client_place(const struct merge *m, const char *key)
{
    size_t place = 0;
    const cJSON *client;
    cJSON_ArrayForEach(client, m->clients)
    {
        if (strcmp(results_text(client, "key"), key) == 0)
            break;
        place++;
    }
    return place;
}

/* All items of `list` of all documents, sorted; NULL when there is no memory.  `member` holds the case's id. */
static struct piece *collect(const struct merge *m, const char *list, const char *member, size_t *out_count)
{
    size_t total = 1, count = 0;
    for (size_t i = 0; i < m->count; i++)
        total += (size_t) cJSON_GetArraySize(results_list(m->inputs[i].doc, list));
    struct piece *pieces = calloc(total, sizeof *pieces);
    if (pieces == NULL)
        return NULL;
    for (size_t i = 0; i < m->count; i++) {
        const cJSON *item;
        cJSON_ArrayForEach(item, results_list(m->inputs[i].doc, list))
        {
            const char *client = results_text(item, "client");
            pieces[count++] =
                (struct piece){ item, results_text(item, member), client[0] == '\0' ? 0 : client_place(m, client), i };
        }
    }
    qsort(pieces, count, sizeof *pieces, by_client_and_case);
    *out_count = count;
    return pieces;
}

/* How many from `pieces` on are about the same case (and client). */
static size_t group_size(const struct piece *pieces, size_t count)
{
    size_t size = 1;
    while (size < count && is_same_place(&pieces[0], &pieces[size]))
        size++;
    return size;
}

typedef int join_fn(const struct merge *m, const struct piece *group, size_t size);

static int join_groups(const struct merge *m, const char *list, const char *member, join_fn *join)
{
    size_t count;
    struct piece *pieces = collect(m, list, member, &count);
    if (pieces == NULL)
        return no_memory(m);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0;) {
        size_t size = group_size(pieces + i, count - i);
        rc = join(m, pieces + i, size);
        i += size;
    }
    free(pieces);
    return rc;
}

/* ---- cases and results ------------------------------------------------------------------------ */

static int join_case(const struct merge *m, const struct piece *group, size_t size)
{
    static const char *const members[] = { "requirement", "source", "tag", "severity", "bug", "kills_none", NULL };
    for (size_t i = 1; i < size; i++) {
        const char *member = find_difference(group[0].item, group[i].item, members);
        if (member != NULL)
            return complain_differs(m, "case", group[0].id, member, group[0].input, group[i].input);
    }
    return append_copy(m, m->cases, group[0].item);
}

/* What hides the most when it is dropped is the worst. */
static int badness(const cJSON *result)
{
    static const int table[RESULT_VERDICTS] = {
        [RESULT_PASS] = 0,          [RESULT_SKIPPED] = 1, [RESULT_NON_STRICT] = 2,    [RESULT_NOT_EXERCISED] = 3,
        [RESULT_ADAPTER_ERROR] = 4, [RESULT_FAIL] = 5,    [RESULT_HARNESS_ERROR] = 6,
    };
    return table[result_verdict_of(result)];
}

/* "pass in a.json, fail in b.json" */
static void put_verdicts(const struct merge *m, const struct piece *group, size_t size, struct buf *out)
{
    for (size_t i = 0; i < size; i++)
        buf_printf(out, "%s%s in %s", i == 0 ? "" : ", ", result_verdict_name(result_verdict_of(group[i].item)),
                   m->inputs[group[i].input].name);
}

static int set_text(const struct merge *m, cJSON *object, const char *name, const char *text)
{
    cJSON *value = cJSON_CreateString(text);
    if (value == NULL)
        return no_memory(m);
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    if (!cJSON_AddItemToObject(object, name, value)) {
        cJSON_Delete(value);
        return no_memory(m);
    }
    return 0;
}

static int mark_flaky(const struct merge *m, cJSON *result, const struct piece *group, size_t size)
{
    BUF_AUTO reason = BUF_INIT;
    BUF_AUTO note = BUF_INIT;
    buf_str(&reason, "verdicts differ: ");
    put_verdicts(m, group, size, &reason);
    buf_printf(&note, "%s [%s]: %s", group[0].id, results_text(group[0].item, "client"), buf_cstr(&reason));
    cJSON_DeleteItemFromObjectCaseSensitive(result, "stale");
    if (reason.failed || note.failed || set_text(m, result, "listed", "known-flaky") < 0 ||
        set_text(m, result, "listed_reason", buf_cstr(&reason)) < 0)
        return no_memory(m);
    return append_note(m, buf_cstr(&note));
}

static int join_result(const struct merge *m, const struct piece *group, size_t size)
{
    const struct piece *worst = &group[0];
    bool differs = false;
    for (size_t i = 1; i < size; i++) {
        differs |= badness(group[i].item) != badness(group[0].item);
        if (badness(group[i].item) > badness(worst->item))
            worst = &group[i];
    }
    if (differs && !m->options.allow_flaky) {
        BUF_AUTO verdicts = BUF_INIT;
        SHOW(client, results_text(group[0].item, "client"));
        put_verdicts(m, group, size, &verdicts);
        return err_set(m->err, ERR_CONFLICT, 0, "%s [%s] has two verdicts: %s; run it again, or allow flaky cases",
                       group[0].id, buf_cstr(&client), buf_cstr(&verdicts));
    }
    cJSON *result = add_copy(m, m->results, worst->item);
    if (result == NULL)
        return -1;
    return differs ? mark_flaky(m, result, group, size) : 0;
}

/* ---- shards ------------------------------------------------------------------------------------ */

static bool has_client(const cJSON *doc, const char *key)
{
    return results_find_client(doc, key) != NULL;
}

static bool has_shard(const struct merge *m, const char *key, unsigned wanted, unsigned of)
{
    for (size_t i = 0; i < m->count; i++) {
        unsigned part, parts;
        if (results_shard(m->inputs[i].doc, &part, &parts) && part == wanted && parts == of &&
            has_client(m->inputs[i].doc, key))
            return true;
    }
    return false;
}

/* What is missing of the `parts` parts of this client's run. */
static int check_parts(const struct merge *m, const char *key, unsigned parts)
{
    unsigned missing = 0, first = 0;
    for (unsigned part = 1; part <= parts; part++) {
        if (has_shard(m, key, part, parts))
            continue;
        if (missing++ == 0)
            first = part;
    }
    if (missing == 0)
        return 0;
    BUF_AUTO text = BUF_INIT;
    SHOW(shown, key);
    buf_printf(&text, "%s: shard %u/%u", buf_cstr(&shown), first, parts);
    if (missing > 1)
        buf_printf(&text, " and %u more", missing - 1);
    buf_str(&text, missing > 1 ? " are missing" : " is missing");
    if (m->options.allow_missing)
        return append_note(m, buf_cstr(&text));
    return err_set(m->err, ERR_CONFLICT, 0, "%s", buf_cstr(&text));
}

/* Was this way of cutting the client's run into parts looked at already, with an earlier document? */
static bool is_seen(const struct merge *m, size_t input, const char *key, unsigned parts)
{
    for (size_t i = 0; i < input; i++) {
        unsigned part, others;
        if (results_shard(m->inputs[i].doc, &part, &others) && others == parts && has_client(m->inputs[i].doc, key))
            return true;
    }
    return false;
}

static int check_shards(const struct merge *m)
{
    for (size_t i = 0; i < m->count; i++) {
        unsigned part = 1, parts = 1;
        const cJSON *client;
        CHECK(results_shard(m->inputs[i].doc, &part, &parts));
        cJSON_ArrayForEach(client, results_list(m->inputs[i].doc, "clients"))
        {
            const char *key = results_text(client, "key");
            if (!is_seen(m, i, key, parts) && check_parts(m, key, parts) < 0)
                return -1;
        }
    }
    return 0;
}

/* ---- the top ------------------------------------------------------------------------------------ */

static cJSON *client_keys(const cJSON *doc)
{
    cJSON *keys = cJSON_CreateArray();
    const cJSON *client;
    cJSON_ArrayForEach(client, results_list(doc, "clients"))
        cJSON_AddItemToArray(keys, cJSON_CreateString(results_text(client, "key")));
    return keys;
}

static int join_part(const struct merge *m, const struct merge_input *input)
{
    static const char *const members[] = { "suite", "shard", "started_at", "duration_ms", "load_factor", "seed" };
    const cJSON *own = results_list(input->doc, "parts"), *part;
    cJSON_ArrayForEach(part, own)
    {
        if (append_copy(m, m->parts, part) < 0)
            return -1;
    }
    if (own != NULL && own->child != NULL)
        return 0;
    cJSON *made = cJSON_CreateObject();
    if (made == NULL || !cJSON_AddItemToArray(m->parts, made)) {
        cJSON_Delete(made);
        return no_memory(m);
    }
    cJSON_AddStringToObject(made, "name", input->name);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const cJSON *value = json_get(input->doc, members[i]);
        if (value != NULL)
            cJSON_AddItemToObject(made, members[i], cJSON_Duplicate(value, true));
    }
    return cJSON_AddItemToObject(made, "clients", client_keys(input->doc)) ? 0 : no_memory(m);
}

static int join_notes(const struct merge *m, const cJSON *doc)
{
    const cJSON *note;
    cJSON_ArrayForEach(note, results_list(doc, "notes"))
    {
        if (append_copy(m, m->notes, note) < 0)
            return -1;
    }
    return 0;
}

static void put_numbers(const struct merge *m)
{
    const char *started = results_text(m->inputs[0].doc, "started_at");
    double duration = 0, load = 0, seed = results_number(m->inputs[0].doc, "seed", -1);
    for (size_t i = 0; i < m->count; i++) {
        const cJSON *doc = m->inputs[i].doc;
        if (strcmp(results_text(doc, "started_at"), started) < 0)
            started = results_text(doc, "started_at");
        duration += results_number(doc, "duration_ms", 0);
        load = fmax(load, results_number(doc, "load_factor", 1));
        if (fabs(results_number(doc, "seed", -1) - seed) > 0)
            seed = -1;
    }
    cJSON_AddStringToObject(m->out, "started_at", started);
    cJSON_AddNumberToObject(m->out, "duration_ms", duration);
    cJSON_AddNumberToObject(m->out, "load_factor", load);
    if (seed >= 0)
        cJSON_AddNumberToObject(m->out, "seed", seed);
}

/* Everything but what the lists hold. */
static int begin(struct merge *m)
{
    m->out = cJSON_CreateObject();
    if (m->out == NULL)
        return no_memory(m);
    cJSON_AddNumberToObject(m->out, "standbox_results", RESULTS_FORMAT);
    cJSON_AddStringToObject(m->out, "suite", results_text(m->inputs[0].doc, "suite"));
    cJSON_AddStringToObject(m->out, "vendor", results_text(m->inputs[0].doc, "vendor"));
    put_numbers(m);
    cJSON_AddStringToObject(m->out, "shard", "1/1");
    m->notes = cJSON_AddArrayToObject(m->out, "notes");
    m->parts = cJSON_AddArrayToObject(m->out, "parts");
    m->clients = cJSON_AddArrayToObject(m->out, "clients");
    m->cases = cJSON_AddArrayToObject(m->out, "cases");
    m->results = cJSON_AddArrayToObject(m->out, "results");
    return m->results == NULL ? no_memory(m) : 0;
}

static int join(struct merge *m)
{
    if (check_suites(m) < 0 || begin(m) < 0 || join_clients(m) < 0 || check_shards(m) < 0)
        return -1;
    for (size_t i = 0; i < m->count; i++) {
        if (join_part(m, &m->inputs[i]) < 0 || join_notes(m, m->inputs[i].doc) < 0)
            return -1;
    }
    if (join_groups(m, "cases", "id", join_case) < 0)
        return -1;
    return join_groups(m, "results", "case", join_result);
}

struct cJSON *results_merge(const struct merge_input *inputs, size_t count, const struct merge_options *options,
                            struct err *err)
{
    struct merge m = { .inputs = inputs, .count = count, .err = err };
    if (options != NULL)
        m.options = *options;
    if (count == 0) {
        err_set(err, ERR_INVALID, 0, "no documents to join");
        return NULL;
    }
    if (join(&m) < 0 || results_check(m.out, err) < 0) {
        json_free(m.out);
        return NULL;
    }
    return m.out;
}
