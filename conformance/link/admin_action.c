/* The actions of the case format: what the suite itself does at the server before and beside a run. */
#include <cjson/cJSON.h>
#include <string.h>

#include "base/json.h"
#include "link/admin.h"

#define WAIT_MAX_MS 600000   /* the server's own limit */
#define SLACK_MS    15000    /* for the answer to a wait to come */
#define CALL_MS     30000

enum action_kind { ACTION_WAIT, ACTION_CALL, ACTION_CLOCK };

static const struct action {
    const char *name;
    enum action_kind kind;
    const char *path;
} actions[] = {
    { "await_request", ACTION_WAIT, "/requests/wait" },    { "await_fact", ACTION_WAIT, "/facts/wait" },
    { "await_process", ACTION_WAIT, "/processes/wait" },   { "await_barrier", ACTION_WAIT, "/barriers/wait" },
    { "open_barrier", ACTION_CALL, "/barriers/open" },     { "scenario", ACTION_CALL, "/scenarios" },
    { "clock", ACTION_CLOCK, NULL },
};

static const struct clock_move {
    const char *name;
    const char *path;
    const char *argument;    /* its value goes there; NULL: it must be true, and nothing is sent */
} clock_moves[] = {
    { "freeze", "/clock/freeze", NULL },
    { "advance_ms", "/clock/advance", "ms" },
    { "scale", "/clock/run", "scale" },
    { "run", "/clock/run", NULL },
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const struct action *find_action(const struct cJSON *action)
{
    for (size_t i = 0; i < COUNT(actions); i++) {
        if (json_get(action, actions[i].name) != NULL)
            return &actions[i];
    }
    return NULL;
}

static const struct clock_move *find_move(const struct cJSON *clock)
{
    for (size_t i = 0; i < COUNT(clock_moves); i++) {
        if (json_get(clock, clock_moves[i].name) != NULL)
            return &clock_moves[i];
    }
    return NULL;
}

static int check_clock(const struct cJSON *clock, struct err *err)
{
    const struct clock_move *move = find_move(clock);
    if (cJSON_GetArraySize(clock) != 1 || move == NULL)
        return err_set(err, ERR_INVALID, 0, "/clock: must be one of {\"freeze\": true}, {\"advance_ms\": N}, "
                                            "{\"scale\": N}, {\"run\": true}");
    const struct cJSON *value = json_get(clock, move->name);
    if (move->argument == NULL && !cJSON_IsTrue(value))
        return err_set(err, ERR_INVALID, 0, "/clock/%s: must be true", move->name);
    if (move->argument != NULL && !cJSON_IsNumber(value))
        return err_set(err, ERR_INVALID, 0, "/clock/%s: must be a number", move->name);
    return 0;
}

int admin_action_check(const struct cJSON *action, struct err *err)
{
    const struct action *found = find_action(action);
    if (!json_is_object(action) || cJSON_GetArraySize(action) != 1)
        return err_set(err, ERR_INVALID, 0, "an action must be an object with one member, its name");
    if (found == NULL)
        return err_set(err, ERR_INVALID, 0, "/%s: there is no such action", action->child->string);
    if (!json_is_object(json_get(action, found->name)))
        return err_set(err, ERR_INVALID, 0, "/%s: must be an object", found->name);
    return found->kind == ACTION_CLOCK ? check_clock(json_get(action, found->name), err) : 0;
}

static enum admin_done done_of(int result, const struct err *err)
{
    if (result == 0)
        return ADMIN_DONE;
    return err->code == ERR_CLOSED ? ADMIN_CANCELLED : err->code == ERR_TIMEOUT ? ADMIN_TIMED_OUT : ADMIN_FAILED;
}

static int send_json(struct admin *admin, const char *path, const char *lane, const struct cJSON *body,
                     int64_t budget_ms, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    if (body != NULL)
        json_print(&text, body);
    if (text.failed)
        return err_set(err, ERR_NOMEM, 0, "POST %s", path);
    struct admin_request request = { .method = "POST", .path = path, .lane = lane, .body = text.data,
                                     .body_len = text.len, .budget_ms = budget_ms };
    return admin_call(admin, &request, NULL, err);
}

static int64_t wait_limit(const struct cJSON *body, int64_t budget_ms, double patience)
{
    const struct cJSON *own = json_get(body, "timeout_ms");
    int64_t limit = budget_ms < 0 ? 0 : budget_ms > WAIT_MAX_MS ? WAIT_MAX_MS : budget_ms;
    if (cJSON_IsNumber(own) && own->valuedouble >= 0 && own->valuedouble * patience < (double) limit)
        limit = (int64_t) (own->valuedouble * patience);
    return limit;
}

static int do_wait(struct admin *admin, const char *path, const char *lane, const struct cJSON *body,
                   int64_t budget_ms, struct err *err)
{
    int64_t limit_ms = wait_limit(body, budget_ms, admin_patience(admin));
    cJSON *copy = cJSON_Duplicate(body, true);
    cJSON_DeleteItemFromObjectCaseSensitive(copy, "timeout_ms");
    int result;
    if (cJSON_AddNumberToObject(copy, "timeout_ms", (double) limit_ms) == NULL)
        result = err_set(err, ERR_NOMEM, 0, "POST %s", path);
    else
        result = send_json(admin, path, lane, copy, limit_ms + SLACK_MS, err);
    cJSON_Delete(copy);
    return result;
}

static int do_clock(struct admin *admin, const char *lane, const struct cJSON *clock, struct err *err)
{
    const struct clock_move *move = find_move(clock);
    CHECK(move != NULL);   /* admin_action_check has seen to it */
    if (move->argument == NULL)
        return send_json(admin, move->path, lane, NULL, CALL_MS, err);
    cJSON *body = cJSON_CreateObject();
    double value = json_get(clock, move->name)->valuedouble;
    int result;
    if (cJSON_AddNumberToObject(body, move->argument, value) == NULL)
        result = err_set(err, ERR_NOMEM, 0, "POST %s", move->path);
    else
        result = send_json(admin, move->path, lane, body, CALL_MS, err);
    cJSON_Delete(body);
    return result;
}

enum admin_done admin_action(struct admin *admin, const char *lane, const struct cJSON *action, int64_t budget_ms,
                             struct err *err)
{
    struct err own = ERR_INIT;
    int result = admin_action_check(action, &own);
    if (result == 0) {
        const struct action *found = find_action(action);
        CHECK(found != NULL);
        const struct cJSON *body = json_get(action, found->name);
        switch (found->kind) {
        case ACTION_WAIT: result = do_wait(admin, found->path, lane, body, budget_ms, &own); break;
        case ACTION_CALL: result = send_json(admin, found->path, lane, body, CALL_MS, &own); break;
        case ACTION_CLOCK: result = do_clock(admin, lane, body, &own); break;
        }
    }
    if (result < 0 && err != NULL)
        *err = own;
    return done_of(result, &own);
}
