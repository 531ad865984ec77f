#include "tests/support/admin_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "lanes/puppeteer.h"
#include "scenario/scenario.h"

/* ---- the world -------------------------------------------------------------------------- */

static void note_shutdown(void *arg)
{
    struct admin_world *w = arg;
    w->shutdowns++;
    w->answered_before_shutdown = w->current->answered;
}

/* Like a puppet's check, but of no puppet: refuses a step called "bad". */
static int check_steps(const struct cJSON *steps, struct err *err)
{
    const cJSON *step;
    int i = 0;
    cJSON_ArrayForEach(step, steps) {
        if (cJSON_HasObjectItem(step, "bad"))
            return err_set(err, ERR_INVALID, 0, "/%d/bad: no such step", i);
        i++;
    }
    return 0;
}

static const struct scenario_hooks hooks = { .check_steps = check_steps };

static void make_sandbox(struct admin_world *w)
{
    struct err err = ERR_INIT;
    struct sandbox_spec spec = { .owner = lane_owner(w->lane), .dialect = "test", .user = "tester" };
    if (sandbox_create(w->base->engine, &spec, &w->sandbox, &err) != 0)
        fail_msg("%s", err.text);
}

int admin_world_setup(void **state)
{
    struct err err = ERR_INIT;
    struct admin_world *w = calloc(1, sizeof *w);
    void *base = NULL;
    assert_non_null(w);
    world_setup(&base);
    w->base = base;
    if (puppeteer_new(&w->puppeteer, &err) != 0)
        fail_msg("%s", err.text);
    const struct lanes_config lanes = {
        .engine = w->base->engine, .puppeteer = w->puppeteer, .clock_scale = 1, .seed = 1,
    };
    if (lanes_new(&w->lanes, &lanes, &err) != 0 || lanes_get(w->lanes, LANE_DEFAULT, true, &w->lane, &err) != 0)
        fail_msg("%s", err.text);
    lanes_seal(w->lanes);
    const struct admin_config config = {
        .lanes = w->lanes, .engine = w->base->engine, .puppeteer = w->puppeteer, .hooks = &hooks,
        .token = ADMIN_TOKEN, .shutdown = note_shutdown, .arg = w,
    };
    if (admin_new(&w->admin, &config, &err) != 0)
        fail_msg("%s", err.text);
    make_sandbox(w);
    *state = w;
    ASKED *doc = admin_ask_as(w, "GET", "/__admin/docs/openapi.json", "X-Standbox-Token", ADMIN_TOKEN);
    assert_int_equal(doc->f.status, 200);
    w->openapi = cJSON_Duplicate(doc->json, true);
    return 0;
}

int admin_world_teardown(void **state)
{
    struct admin_world *w = *state;
    json_free(w->openapi);
    admin_free(w->admin);
    sandbox_unref(w->sandbox);
    engine_reset(w->base->engine, NULL);
    lane_unref(w->lane);
    lanes_free(w->lanes);
    puppeteer_free(w->puppeteer);
    void *base = w->base;
    free(w);
    return world_teardown(&base);
}

struct proc *admin_world_start(struct admin_world *w, const char *line)
{
    char *argv[4];
    struct err err = ERR_INIT;
    struct proc *proc = NULL;
    struct proc_spec spec = world_shell(line, argv);
    spec.display = line;
    if (proc_start(w->sandbox, &spec, &proc, &err) != 0)
        fail_msg("%s", err.text);
    return proc;
}

uint64_t admin_world_say(struct lane *lane, const struct said *said)
{
    const struct wire_header headers[] = {
        { "User-Agent", "tester/1.0" }, { "Authorization", "Bearer very-secret" }, { "X-Trace", "abc" },
    };
    struct ledger *ledger = lane_ledger(lane);
    const char *body = said->body == NULL ? "" : said->body;
    uint64_t number = ledger_begin_request(ledger, said->id == NULL ? "req" : said->id,
                                           said->method == NULL ? "GET" : said->method,
                                           said->path == NULL ? "/" : said->path,
                                           said->query == NULL ? "" : said->query, headers, 3);
    ledger_set_request_body(ledger, number, body, strlen(body));
    if (said->op != NULL)
        ledger_set_request_op(ledger, number, "hyperbrowser", said->op, said->sandbox, said->process, said->command);
    if (said->fault != NULL)
        ledger_set_request_fault(ledger, number, "bad-day", 0, said->fault, true);
    if (said->status != 0)
        ledger_set_answer(ledger, number, said->status,
                          said->content_type == NULL ? "application/json" : said->content_type);
    if (!said->open)
        ledger_end_request(ledger, number, said->end);
    return number;
}

/* ---- is the answer as described? ---------------------------------------------------------- */

static const cJSON *get(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const cJSON *resolve(const struct admin_world *w, const cJSON *schema)
{
    static const char prefix[] = "#/components/schemas/";
    const cJSON *ref = get(schema, "$ref");
    if (ref == NULL)
        return schema;
    assert_int_equal(strncmp(ref->valuestring, prefix, sizeof prefix - 1), 0);
    const cJSON *found =
        get(get(get(w->openapi, "components"), "schemas"), ref->valuestring + sizeof prefix - 1);
    if (found == NULL)
        fail_msg("no schema %s", ref->valuestring);
    return found;
}

static bool has_type(const cJSON *value, const char *type)
{
    static const struct { const char *name; cJSON_bool (*is)(const cJSON *); } types[] = {
        { "string", cJSON_IsString }, { "number", cJSON_IsNumber }, { "boolean", cJSON_IsBool },
        { "array", cJSON_IsArray },   { "object", cJSON_IsObject }, { "null", cJSON_IsNull },
    };
    if (strcmp(type, "integer") == 0)
        return cJSON_IsNumber(value) && value->valuedouble == (double) (int64_t) value->valuedouble;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, type) == 0)
            return types[i].is(value);
    }
    fail_msg("a schema names the type %s", type);
    return false;
}

static bool has_any_type(const cJSON *value, const cJSON *type)
{
    const cJSON *one;
    if (type == NULL || cJSON_IsString(type))
        return type == NULL || has_type(value, type->valuestring);
    cJSON_ArrayForEach(one, type) {
        if (has_type(value, one->valuestring))
            return true;
    }
    return false;
}

static bool is_one_of(const cJSON *value, const cJSON *list)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, list) {
        if (cJSON_Compare(one, value, true))
            return true;
    }
    return list == NULL;
}

static bool is_in_range(const cJSON *value, const cJSON *schema)
{
    const cJSON *min = get(schema, "minimum"), *above = get(schema, "exclusiveMinimum"), *max = get(schema, "maximum");
    return !cJSON_IsNumber(value) ||
           ((min == NULL || value->valuedouble >= min->valuedouble) &&
            (above == NULL || value->valuedouble > above->valuedouble) &&
            (max == NULL || value->valuedouble <= max->valuedouble));
}

static bool fits(const struct admin_world *w, const cJSON *value, const cJSON *schema, struct buf *why);

static bool fits_object(const struct admin_world *w, const cJSON *value, const cJSON *schema, struct buf *why)
{
    const cJSON *member, *needed, *properties = get(schema, "properties");
    cJSON_ArrayForEach(needed, get(schema, "required")) {
        if (get(value, needed->valuestring) == NULL) {
            buf_printf(why, " has no \"%s\"", needed->valuestring);
            return false;
        }
    }
    cJSON_ArrayForEach(member, value) {
        const cJSON *known = get(properties, member->string);
        if (known == NULL && cJSON_IsFalse(get(schema, "additionalProperties"))) {
            buf_printf(why, " has \"%s\", which is not described", member->string);
            return false;
        }
        if (known != NULL && !fits(w, member, known, why)) {
            buf_printf(why, " in \"%s\"", member->string);
            return false;
        }
    }
    return true;
}

static bool fits(const struct admin_world *w, const cJSON *value, const cJSON *schema, struct buf *why)
{
    const cJSON *item, *choice, *any;
    schema = resolve(w, schema);
    any = get(schema, "anyOf");
    cJSON_ArrayForEach(choice, any) {
        if (fits(w, value, choice, why))
            return true;
    }
    if (any != NULL)
        return false;
    if (!has_any_type(value, get(schema, "type")) || !is_one_of(value, get(schema, "enum")) ||
        !is_in_range(value, schema)) {
        buf_str(why, " is not of the type or range described");
        return false;
    }
    if (cJSON_IsObject(value))
        return fits_object(w, value, schema, why);
    if (!cJSON_IsArray(value) || get(schema, "items") == NULL)
        return true;
    cJSON_ArrayForEach(item, value) {
        if (!fits(w, item, get(schema, "items"), why))
            return false;
    }
    return true;
}

/* "/a/{id}/b" against "/a/7/b". */
static bool fits_path(const char *template, const char *path)
{
    while (*template != '\0' && *path != '\0') {
        size_t len = strcspn(template + 1, "/") + 1, path_len = strcspn(path + 1, "/") + 1;
        bool varies = template[1] == '{' && path_len > 1;
        if (!varies && (len != path_len || memcmp(template, path, len) != 0))
            return false;
        template += len;
        path += path_len;
    }
    return *template == *path;
}

static const cJSON *find_operation(const struct admin_world *w, const char *method, const char *path)
{
    const cJSON *entry, *found = NULL;
    char lower[16] = "";
    for (size_t i = 0; i + 1 < sizeof lower && method[i] != '\0'; i++)
        lower[i] = (char) (method[i] | 0x20);
    cJSON_ArrayForEach(entry, get(w->openapi, "paths")) {
        if (get(entry, lower) == NULL || !fits_path(entry->string, path))
            continue;
        if (found == NULL || strchr(entry->string, '{') == NULL)
            found = get(entry, lower);
    }
    return found;
}

/* Where there is no such operation, there is nothing but a refusal. */
static void check_described(const struct admin_world *w, const struct asked *asked)
{
    char status[16];
    snprintf(status, sizeof status, "%d", asked->f.status);
    const cJSON *operation = find_operation(w, asked->f.method, asked->f.path);
    if (operation == NULL) {
        assert_in_range(asked->f.status, 404, 405);
        return;
    }
    const cJSON *answer = get(get(operation, "responses"), status);
    if (answer == NULL)
        fail_msg("%s %s answers %s, which is not described: %s", asked->f.method, asked->f.path, status,
                 buf_cstr(&asked->f.body));
    const cJSON *content = get(answer, "content")->child;
    assert_string_equal(content->string, asked->f.type);
    BUF_AUTO why = BUF_INIT;
    if (asked->json != NULL && !fits(w, asked->json, get(content, "schema"), &why))
        fail_msg("%s %s -> %s: the answer%s: %s", asked->f.method, asked->f.path, status, buf_cstr(&why),
                 buf_cstr(&asked->f.body));
}

/* ---- asking ----------------------------------------------------------------------------------- */

static void keep_header(struct exchange *x, const char *name, const char *value)
{
    buf_printf(&((struct asked *) x)->headers, "%s: %s\n", name, value);
}

static void handle(void *self, struct exchange *x)
{
    struct admin_world *w = self;
    w->current = x;
    admin_handle(w->admin, x);
}

/* A waiting call must not be seen by the callback of another. */
static void handle_later(void *self, struct exchange *x)
{
    struct admin_world *w = self;
    admin_handle(w->admin, x);
}

static const struct dialect asking = { .name = "admin", .handle = handle };
static const struct dialect asking_later = { .name = "admin", .handle = handle_later };

static struct asked *asked_new(const char *method, const char *target, const char *field, const char *value,
                               const void *body, size_t len)
{
    static struct exchange_ops ops;     /* filled by the first, before there is another thread */
    struct asked *asked = calloc(1, sizeof *asked);
    assert_non_null(asked);
    fake_exchange_init(&asked->f, method, target);
    if (ops.reply == NULL) {
        ops = *asked->f.x.ops;
        ops.add_header = keep_header;
    }
    asked->f.x.ops = &ops;
    fake_exchange_header(&asked->f, field, value);
    if (len > 0)
        fake_exchange_body(&asked->f, body, len);
    return asked;
}

static void read_answer(struct asked *asked)
{
    struct err err = ERR_INIT;
    assert_int_equal(asked->f.answers, 1);
    assert_true(asked->f.ended);
    if (strcmp(asked->f.type, "application/json") != 0)
        return;
    asked->json = json_parse(buf_cstr(&asked->f.body), asked->f.body.len, &err);
    if (asked->json == NULL)
        fail_msg("%s: %s", err.text, buf_cstr(&asked->f.body));
}

struct asked *admin_ask_as(struct admin_world *w, const char *method, const char *target, const char *field,
                           const char *value)
{
    struct asked *asked = asked_new(method, target, field, value, NULL, 0);
    fake_exchange_run(&asked->f, &asking, w);
    read_answer(asked);
    return asked;
}

struct asked *admin_ask_bytes(struct admin_world *w, const char *method, const char *target, const void *body,
                              size_t len)
{
    struct asked *asked = asked_new(method, target, "Authorization", "Bearer " ADMIN_TOKEN, body, len);
    fake_exchange_run(&asked->f, &asking, w);
    read_answer(asked);
    check_described(w, asked);
    return asked;
}

struct asked *admin_ask(struct admin_world *w, const char *method, const char *target, const char *body)
{
    return admin_ask_bytes(w, method, target, body, body == NULL ? 0 : strlen(body));
}

struct asked *admin_ask_later(struct admin_world *w, const char *method, const char *target, const char *body)
{
    struct asked *asked = asked_new(method, target, "Authorization", "Bearer " ADMIN_TOKEN, body,
                                    body == NULL ? 0 : strlen(body));
    fake_exchange_start(&asked->f, &asking_later, w);
    return asked;
}

void admin_answer(struct admin_world *w, struct asked *asked)
{
    assert_true(fake_exchange_await(&asked->f, NULL, ADMIN_SECONDS));
    fake_exchange_join(&asked->f);
    read_answer(asked);
    check_described(w, asked);
}

void asked_free(struct asked **asked)
{
    if (*asked == NULL)
        return;
    fake_exchange_hang_up(&(*asked)->f);
    fake_exchange_fini(&(*asked)->f);
    buf_fini(&(*asked)->headers);
    json_free((*asked)->json);
    free(*asked);
}

/* ---- JSON ------------------------------------------------------------------------------------- */

static const cJSON *need(const cJSON *object, const char *name, cJSON_bool (*is)(const cJSON *), const char *kind)
{
    const cJSON *member = get(object, name);
    if (!is(member)) {
        char *text = cJSON_PrintUnformatted(object);
        print_error("%s\n", text);
        free(text);
        fail_msg("no %s %s", kind, name);
    }
    return member;
}

const char *json_text(const cJSON *object, const char *name)
{
    return need(object, name, cJSON_IsString, "text")->valuestring;
}

int json_number(const cJSON *object, const char *name)
{
    return (int) need(object, name, cJSON_IsNumber, "number")->valuedouble;
}

bool json_bool(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(need(object, name, cJSON_IsBool, "boolean"));
}

const cJSON *json_item(const cJSON *object, const char *array, int index)
{
    const cJSON *found = cJSON_GetArrayItem(need(object, array, cJSON_IsArray, "list"), index);
    if (found == NULL)
        fail_msg("no %s[%d]", array, index);
    return found;
}

int json_length(const cJSON *object, const char *array)
{
    return cJSON_GetArraySize(need(object, array, cJSON_IsArray, "list"));
}

bool json_is_null(const cJSON *object, const char *name)
{
    return cJSON_IsNull(get(object, name));
}
