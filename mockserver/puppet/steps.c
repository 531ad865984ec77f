#include "puppet/steps.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/jsonw.h"
#include "puppet/steps_priv.h"
#include "puppet/words.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define WEEK_MS       (7LL * 24 * 3600 * 1000)
#define MEMORY_MB_MAX 65536
#define MODIFIERS     4

struct action {
    const char *name;
    enum step_kind kind;
    action_fn *parse;
    const char *keys[MODIFIERS + 1]; /* that may stand beside it */
    int64_t min, max;                /* of action_number */
};

static const struct action table[] = {
    { "out", STEP_OUT, action_out, { NULL }, 0, 0 },
    { "err", STEP_OUT, action_err, { NULL }, 0, 0 },
    { "sleep_ms", STEP_SLEEP, action_number, { NULL }, 0, WEEK_MS },
    { "read", STEP_READ, action_read, { "echo" }, 0, 0 },
    { "expect", STEP_EXPECT, action_expect, { NULL }, 0, 0 },
    { "on", STEP_ON, action_on, { "do" }, 0, 0 },
    { "listen", STEP_LISTEN, action_listen, { "http", "echo", "host", "print" }, 0, 65535 },
    { "unlisten", STEP_UNLISTEN, action_number, { NULL }, 0, 65535 },
    { "fork", STEP_FORK, action_fork, { "keeps", "setsid", "double" }, 0, 0 },
    { "wait", STEP_WAIT, action_flag, { NULL }, 0, 0 },
    { "close", STEP_CLOSE, action_close, { NULL }, 0, 0 },
    { "raise", STEP_RAISE, action_raise, { NULL }, 0, 0 },
    { "core", STEP_CORE, action_flag, { NULL }, 0, 0 },
    { "exit", STEP_EXIT, action_number, { NULL }, 0, 255 },
    { "hang", STEP_HANG, action_flag, { NULL }, 0, 0 },
    { "barrier", STEP_BARRIER, action_barrier, { NULL }, 0, 0 },
    { "env", STEP_ENV, action_text, { NULL }, 0, 0 },
    { "cwd", STEP_CWD, action_flag, { NULL }, 0, 0 },
    { "args", STEP_ARGS, action_flag, { NULL }, 0, 0 },
    { "title", STEP_TITLE, action_title, { NULL }, 0, 0 },
    { "loop", STEP_LOOP, action_loop, { NULL }, 0, 0 },
    { "spin_ms", STEP_SPIN, action_number, { NULL }, 0, WEEK_MS },
    { "memory_mb", STEP_MEMORY, action_number, { NULL }, 1, MEMORY_MB_MAX },
};

void steps_number_range(enum step_kind kind, int64_t *min, int64_t *max)
{
    for (size_t i = 0; i < COUNT(table); i++) {
        if (table[i].kind == kind) {
            *min = table[i].min;
            *max = table[i].max;
        }
    }
}

/* ---- one step ----------------------------------------------------------------------- */

static const struct action *find_action(const char *name)
{
    for (size_t i = 0; i < COUNT(table); i++) {
        if (strcmp(name, table[i].name) == 0)
            return &table[i];
    }
    return NULL;
}

static int no_action(const struct node *n, struct err *err)
{
    const char *names[COUNT(table)];
    for (size_t i = 0; i < COUNT(table); i++)
        names[i] = table[i].name;
    if (n->json->child == NULL)
        return node_bad(n, err, "an empty step");
    struct node key = node_member(n, n->json->child->string);
    const char *near = words_nearest(key.key, names, COUNT(names));
    if (near == NULL)
        return node_bad(&key, err, "no such step");
    return node_bad(&key, err, "no such step; did you mean \"%s\"?", near);
}

static int check_single(const struct node *key, const struct action *action, const struct action *other,
                        struct err *err)
{
    if (other == NULL)
        return 0;
    if (action == other)
        return node_bad(key, err, "is there twice");
    return node_bad(key, err, "a step does one thing, and this one does \"%s\" already", other->name);
}

/* The only action of the step; NULL: there is none, or more. */
static const struct action *choose_action(const struct node *n, struct err *err)
{
    const struct action *chosen = NULL;
    const cJSON *member;
    cJSON_ArrayForEach(member, n->json)
    {
        const struct action *action = find_action(member->string);
        struct node key = { .up = n, .key = member->string };
        if (action == NULL)
            continue;
        if (check_single(&key, action, chosen, err) < 0)
            return NULL;
        chosen = action;
    }
    if (chosen == NULL)
        no_action(n, err);
    return chosen;
}

static int parse_step(const struct node *n, struct step *out, struct err *err)
{
    if (!cJSON_IsObject(n->json))
        return node_bad(n, err, "a step must be an object");
    const struct action *action = choose_action(n, err);
    if (action == NULL)
        return -1;
    const char *keys[MODIFIERS + 2] = { action->name };
    for (size_t i = 0; action->keys[i] != NULL; i++)
        keys[i + 1] = action->keys[i];
    if (node_check_keys(n, keys, err) < 0)
        return -1;
    struct node value = node_member(n, action->name);
    BUF_AUTO where = BUF_INIT;
    node_pointer(&value, &where);
    out->kind = action->kind;
    out->where = strdup(buf_cstr(&where));
    if (out->where == NULL || where.failed)
        return err_set(err, ERR_NOMEM, 0, "script");
    return action->parse(n, &value, out, err);
}

int steps_parse_list(const struct node *n, struct steps *out, struct err *err)
{
    if (!cJSON_IsArray(n->json))
        return node_bad(n, err, n->up == NULL ? "a script must be an array of steps" : "must be an array of steps");
    size_t count = (size_t) cJSON_GetArraySize(n->json), i = 0;
    if (count == 0 && n->up != NULL)
        return node_bad(n, err, "must hold a step at least");
    out->list = calloc(count + 1, sizeof *out->list);
    if (out->list == NULL)
        return err_set(err, ERR_NOMEM, 0, "script");
    const cJSON *item;
    cJSON_ArrayForEach(item, n->json)
    {
        struct node at = node_item(n, i, item);
        out->count = ++i;
        if (parse_step(&at, &out->list[i - 1], err) < 0)
            return -1;
    }
    return 0;
}

/* ---- the whole ---------------------------------------------------------------------- */

static void free_routes(struct step_listen *listen)
{
    for (size_t i = 0; i < listen->route_count; i++) {
        free(listen->routes[i].path);
        buf_fini(&listen->routes[i].body);
        buf_fini(&listen->routes[i].type);
    }
    free(listen->routes);
}

void steps_fini(struct steps *steps)
{
    for (size_t i = 0; i < steps->count; i++) {
        struct step *step = &steps->list[i];
        if (step->kind == STEP_LISTEN)
            free_routes(&step->as.listen);
        free(step->where);
        buf_fini(&step->text);
        steps_fini(&step->body);
    }
    free(steps->list);
    *steps = (struct steps){ NULL, 0 };
}

typedef const struct step *visit_fn(const struct step *step, const void *data);

/* Depth first; stops at the first step for which `visit` returns something. */
static const struct step *walk(const struct steps *steps, visit_fn *visit, const void *data)
{
    for (size_t i = 0; i < steps->count; i++) {
        const struct step *step = &steps->list[i], *found = visit(step, data);
        if (found == NULL)
            found = walk(&step->body, visit, data);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static const struct step *is_kind(const struct step *step, const void *data)
{
    return step->kind == *(const enum step_kind *) data ? step : NULL;
}

const struct step *steps_find(const struct steps *steps, enum step_kind kind)
{
    return walk(steps, is_kind, &kind);
}

static const struct step *listens_on(const struct step *step, const void *data)
{
    return step->kind == STEP_LISTEN && step->number == *(const int64_t *) data ? step : NULL;
}

static const struct step *unlistens_nothing(const struct step *step, const void *data)
{
    if (step->kind != STEP_UNLISTEN || walk(data, listens_on, &step->number) != NULL)
        return NULL;
    return step;
}

int steps_parse(const char *text, size_t len, struct steps *out, struct err *err)
{
    struct steps steps = { NULL, 0 };
    struct cJSON *json = json_parse(text, len, err);
    if (json == NULL)
        return -1;
    struct node root = { .json = json };
    int rc = steps_parse_list(&root, &steps, err);
    json_free(json);
    const struct step *lost = rc == 0 ? walk(&steps, unlistens_nothing, &steps) : NULL;
    if (lost != NULL)
        rc = err_set(err, ERR_INVALID, 0, "%s: no step listens on %d", lost->where, (int) lost->number);
    if (rc == 0)
        *out = steps;
    else
        steps_fini(&steps);
    return rc;
}
