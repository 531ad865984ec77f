#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/hb_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonw.h"
#include "dialects/op.h"

#define ANSWER_SECONDS 30

/* ---- making and unmaking ------------------------------------------------------------------ */

void hb_world_remake_dialect(struct hb_world *world)
{
    struct err err = ERR_INIT;
    struct dialect_env env = { .engine = world->base->engine, .lane = world->lane, .api_keys = world->api_keys };
    hyperbrowser_dialect.destroy(world->dialect);
    world->dialect = NULL;
    if (hyperbrowser_create(&world->dialect, &env, &world->settings, &err) < 0)
        fail_msg("%s", err.text);
}

static void make_lane(struct hb_world *world, double clock_scale)
{
    struct err err = ERR_INIT;
    if (puppeteer_new(&world->puppeteer, &err) < 0)
        fail_msg("%s", err.text);
    const struct lanes_config config = {
        .engine = world->base->engine, .puppeteer = world->puppeteer, .clock_scale = clock_scale, .seed = 1
    };
    if (lanes_new(&world->lanes, &config, &err) < 0 ||
        lanes_get(world->lanes, LANE_DEFAULT, true, &world->lane, &err) < 0)
        fail_msg("%s", err.text);
}

int hb_world_setup_empty(void **state)
{
    struct hb_world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    void *base = NULL;
    double clock_scale = world_clock_scale > 0 ? world_clock_scale : 1;
    world_setup(&base);
    world->base = base;
    make_lane(world, clock_scale);
    world->settings = hb_default_settings;
    hb_world_remake_dialect(world);
    *state = world;
    return 0;
}

int hb_world_setup(void **state)
{
    hb_world_setup_empty(state);
    hb_world_new_sandbox(*state);
    return 0;
}

static void free_answer(struct answer *answer)
{
    fake_exchange_hang_up(&answer->f);
    fake_exchange_join(&answer->f);
    op_end(&answer->f.x);
    fake_exchange_fini(&answer->f);
    cJSON_Delete(answer->json);
    free(answer);
}

int hb_world_teardown(void **state)
{
    struct hb_world *world = *state;
    while (world->answers != NULL) {
        struct answer *answer = world->answers;
        world->answers = answer->next;
        free_answer(answer);
    }
    hyperbrowser_dialect.destroy(world->dialect);
    engine_reset(world->base->engine, lane_owner(world->lane));
    lane_unref(world->lane);
    lanes_free(world->lanes);
    puppeteer_free(world->puppeteer);
    void *base = world->base;
    free(world);
    return world_teardown(&base);
}

/* ---- requests ------------------------------------------------------------------------------- */

struct answer *hb_new_answer(struct hb_world *world, const char *method, const char *target)
{
    struct answer *answer = calloc(1, sizeof *answer);
    assert_non_null(answer);
    fake_exchange_init(&answer->f, method, target);
    answer->f.x.lane = world->lane;
    answer->next = world->answers;
    world->answers = answer;
    return answer;
}

static void take_json(struct answer *answer)
{
    const struct fake_exchange *f = &answer->f;
    assert_int_equal(f->answers, 1);
    if (strcmp(f->type, "application/json") == 0) {
        answer->json = cJSON_Parse(buf_cstr(&f->body));
        if (answer->json == NULL)
            fail_msg("not JSON: %s", buf_cstr(&f->body));
    }
}

struct answer *hb_send(struct hb_world *world, struct answer *answer)
{
    assert_true(hyperbrowser_dialect.claims(world->dialect, &answer->f.x));
    fake_exchange_run(&answer->f, &hyperbrowser_dialect, world->dialect);
    op_end(&answer->f.x);
    take_json(answer);
    return answer;
}

static void add_body(struct answer *answer, const char *body)
{
    if (body != NULL)
        fake_exchange_body(&answer->f, body, strlen(body));
}

struct answer *hb_control(struct hb_world *world, const char *method, const char *target, const char *body)
{
    struct answer *answer = hb_new_answer(world, method, target);
    fake_exchange_header(&answer->f, "X-API-Key", "key");
    add_body(answer, body);
    return hb_send(world, answer);
}

static struct answer *new_runtime(struct hb_world *world, const char *method, const char *rest, const char *body)
{
    char target[1024], bearer[256];
    snprintf(target, sizeof target, "/sandbox/%s%s", world->sandbox, rest);
    snprintf(bearer, sizeof bearer, "Bearer %s", world->token);
    struct answer *answer = hb_new_answer(world, method, target);
    fake_exchange_header(&answer->f, "Authorization", bearer);
    add_body(answer, body);
    return answer;
}

struct answer *hb_runtime(struct hb_world *world, const char *method, const char *rest, const char *body)
{
    return hb_send(world, new_runtime(world, method, rest, body));
}

struct answer *hb_runtime_start(struct hb_world *world, const char *method, const char *rest, const char *body,
                                const char *accept)
{
    struct answer *answer = new_runtime(world, method, rest, body);
    if (accept != NULL)
        fake_exchange_header(&answer->f, "Accept", accept);
    fake_exchange_start(&answer->f, &hyperbrowser_dialect, world->dialect);
    return answer;
}

void hb_finish(struct answer *answer)
{
    if (!fake_exchange_await(&answer->f, NULL, ANSWER_SECONDS))
        fail_msg("not answered in %d s: %s", ANSWER_SECONDS, answer->f.path);
    fake_exchange_join(&answer->f);
    op_end(&answer->f.x);
    take_json(answer);
}

void hb_world_new_sandbox(struct hb_world *world)
{
    struct answer *answer = hb_control(world, "POST", "/api/sandbox", "{\"imageName\":\"node\"}");
    if (answer->f.status != 200)
        fail_msg("%s", buf_cstr(&answer->f.body));
    snprintf(world->sandbox, sizeof world->sandbox, "%s", hb_text(answer, "id"));
    snprintf(world->token, sizeof world->token, "%s", hb_text(answer, "token"));
}

static void command_body(struct buf *out, const char *command)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "command", command);
    jsonw_end_object(&w);
}

struct answer *hb_exec(struct hb_world *world, const char *command)
{
    BUF_AUTO body = BUF_INIT;
    command_body(&body, command);
    return hb_runtime(world, "POST", "/exec", body.data);
}

void hb_start(struct hb_world *world, const char *command, char id[64])
{
    BUF_AUTO body = BUF_INIT;
    command_body(&body, command);
    struct answer *answer = hb_runtime(world, "POST", "/processes", body.data);
    if (answer->f.status != 200)
        fail_msg("%s", buf_cstr(&answer->f.body));
    snprintf(id, 64, "%s", hb_text(answer, "process/id"));
}

struct answer *hb_post(struct hb_world *world, const char *id, const char *verb, const char *body)
{
    char rest[128];
    snprintf(rest, sizeof rest, "/processes/%s/%s", id, verb);
    return hb_runtime(world, "POST", rest, body);
}

/* ---- answers -------------------------------------------------------------------------------- */

static const struct cJSON *step(const struct cJSON *node, const char *name)
{
    return cJSON_IsArray(node) ? cJSON_GetArrayItem(node, (int) strtol(name, NULL, 10))
                               : cJSON_GetObjectItemCaseSensitive(node, name);
}

const struct cJSON *hb_at(const struct answer *answer, const char *path)
{
    const struct cJSON *node = answer->json;
    char copy[256], *rest = copy, *name;
    snprintf(copy, sizeof copy, "%s", path);
    while (node != NULL && (name = strsep(&rest, "/")) != NULL)
        node = step(node, name);
    if (node == NULL)
        fail_msg("no %s in %d %s", path, answer->f.status, buf_cstr(&answer->f.body));
    return node;
}

const char *hb_text(const struct answer *answer, const char *path)
{
    const struct cJSON *node = hb_at(answer, path);
    if (!cJSON_IsString(node))
        fail_msg("%s is no string in %s", path, buf_cstr(&answer->f.body));
    return node->valuestring;
}

int64_t hb_int(const struct answer *answer, const char *path)
{
    const struct cJSON *node = hb_at(answer, path);
    if (!cJSON_IsNumber(node) || node->valuedouble != (double) (int64_t) node->valuedouble)
        fail_msg("%s is no integer in %s", path, buf_cstr(&answer->f.body));
    return (int64_t) node->valuedouble;
}

void hb_assert_refused(const struct answer *answer, int status, const char *code)
{
    if (answer->f.status != status)
        fail_msg("%d, not %d: %.300s", answer->f.status, status, buf_cstr(&answer->f.body));
    assert_string_equal(hb_text(answer, "code"), code);
    assert_string_equal(hb_text(answer, "message"), hb_text(answer, "error"));
    assert_true(hb_text(answer, "message")[0] != '\0');
}

/* ---- events --------------------------------------------------------------------------------- */

static void parse_event(struct hb_event *event, const char *text, size_t len)
{
    static const char name_field[] = "event: ", data_field[] = "\ndata: ";
    const char *data = memmem(text, len, data_field, sizeof data_field - 1);
    if (len < sizeof name_field || memcmp(text, name_field, sizeof name_field - 1) != 0 || data == NULL)
        fail_msg("not an event of ours: %.*s", (int) len, text);
    const char *name = text + sizeof name_field - 1;
    snprintf(event->name, sizeof event->name, "%.*s", (int) (data - name), name);
    data += sizeof data_field - 1;
    event->data = cJSON_ParseWithLength(data, (size_t) (text + len - data));
    if (event->data == NULL)
        fail_msg("data is not JSON: %.*s", (int) len, text);
}

struct hb_event *hb_events(const struct answer *answer, size_t *out_count)
{
    const char *p = buf_cstr(&answer->f.body), *end;
    struct hb_event *events = NULL;
    size_t count = 0;
    for (; (end = strstr(p, "\n\n")) != NULL; p = end + 2) {
        if (*p == ':')
            continue;
        events = realloc(events, (count + 1) * sizeof *events);
        assert_non_null(events);
        parse_event(&events[count++], p, (size_t) (end - p));
    }
    assert_string_equal(p, "");
    *out_count = count;
    return events;
}

void hb_events_free(struct hb_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cJSON_Delete(events[i].data);
    free(events);
}
