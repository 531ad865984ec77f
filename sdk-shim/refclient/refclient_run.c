/* A run: check its steps, do them in order, the background ones beside. */
#include "refclient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

/* A step with a thread of its own. */
struct background {
    struct background *next;
    struct run *run;
    const struct op *op;
    const cJSON *step;
    pthread_t thread;
    bool is_joined;
    struct outcome outcome; /* the thread's until it is joined */
};

/* ----------------------------------------------------------------- handles */

void run_keep(struct run *run, const char *name, enum handle_kind kind, void *thing)
{
    struct handle *handle = sbc_alloc(1, sizeof *handle);
    *handle = (struct handle){ NULL, sbc_text_copy(name), kind, thing };
    pthread_mutex_lock(&run->lock);
    handle->next = run->handles; /* the newest of a name is found first */
    run->handles = handle;
    pthread_mutex_unlock(&run->lock);
}

void *run_find(struct run *run, const char *name, enum handle_kind kind)
{
    pthread_mutex_lock(&run->lock);
    struct handle *handle = run->handles;
    while (handle != NULL && !(handle->kind == kind && strcmp(handle->name, name) == 0))
        handle = handle->next;
    pthread_mutex_unlock(&run->lock);
    return handle == NULL ? NULL : handle->thing;
}

void *run_handle(struct run *run, const struct cJSON *step, const char *name, enum handle_kind kind,
                 struct outcome *outcome)
{
    static const char *const kinds[HANDLE_KINDS] = { [HANDLE_SANDBOX] = "sandbox", [HANDLE_PROCESS] = "process" };
    void *thing = run_find(run, step_text(step, name), kind);
    if (thing == NULL)
        outcome_skip(outcome, "there is no %s \"%s\"", kinds[kind], step_text(step, name));
    return thing;
}

static void free_handles(struct run *run)
{
    for (struct handle *next, *handle = run->handles; handle != NULL; handle = next) {
        next = handle->next;
        run->vendor->handle_free[handle->kind](handle->thing);
        free(handle->name);
        free(handle);
    }
}

const struct op *op_find(const struct vendor *vendor, const char *name, unsigned protocol)
{
    for (size_t i = 0; i < vendor->op_count; i++)
        if (strcmp(vendor->ops[i].name, name) == 0 && (vendor->ops[i].protocols & ON(protocol)) != 0)
            return &vendor->ops[i];
    return NULL;
}

const struct cJSON *run_find_value(const struct run *run, const char *step, const char *name)
{
    const cJSON *outcome, *found = NULL;
    cJSON_ArrayForEach(outcome, run->outcomes)
    {
        if (strcmp(cJSON_GetObjectItemCaseSensitive(outcome, "step")->valuestring, step) == 0)
            found = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(outcome, "value"), name);
    }
    return found;
}

/* ------------------------------------------------------------------- check */

static bool is_whole(const cJSON *node)
{
    return cJSON_IsNumber(node) && fabs(node->valuedouble) <= 9007199254740992.0 &&
           !(floor(node->valuedouble) < node->valuedouble);
}

static bool are_texts(const cJSON *list)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            return false;
    }
    return true;
}

static bool is_base64(const cJSON *node)
{
    struct sbc_buf bytes = { 0 };
    bool is_good = cJSON_IsString(node) && sbc_base64_decode(node->valuestring, strlen(node->valuestring), &bytes);
    sbc_buf_free(&bytes);
    return is_good;
}

/* What a value of this type must be, when `node` is not. */
static const char *check_type(const cJSON *node, char type)
{
    bool is_text = cJSON_IsString(node);
    switch (type) {
    case 't': return is_text ? NULL : "a text";
    case 'n': return cJSON_IsNumber(node) ? NULL : "a number";
    case 'w': return is_whole(node) ? NULL : "a whole number";
    case 'b': return cJSON_IsBool(node) ? NULL : "true or false";
    case 'l': return cJSON_IsArray(node) && are_texts(node) ? NULL : "a list of texts";
    case 'L': return is_text || (cJSON_IsArray(node) && are_texts(node)) ? NULL : "a text or a list of texts";
    case 'o': return cJSON_IsObject(node) && are_texts(node) ? NULL : "an object of texts";
    case 'd':
        return is_text || is_base64(cJSON_GetObjectItemCaseSensitive(node, "base64")) ? NULL
                                                                                      : "a text or {\"base64\":...}";
    default:
        return is_text || cJSON_IsString(cJSON_GetObjectItemCaseSensitive(node, "step")) ? NULL
                                                                                         : "a text or {\"step\":...}";
    }
}

/* One word of op.args, "name:type!" or "name:type|other:type" (one of the two is needed); NULL: fine. */
static char *check_argument(const cJSON *step, const char *word)
{
    const char *bar = strchr(word, '|');
    size_t len = strcspn(word, ":");
    char *name = sbc_text_copy_bytes(word, len);
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(step, name);
    bool is_absent = node == NULL || cJSON_IsNull(node);
    char *problem = NULL;
    if (is_absent && bar != NULL) {
        char *needed = sbc_text_format("%s!", bar + 1);
        problem = check_argument(step, needed);
        free(needed);
    } else if (is_absent ? strchr(word, '!') != NULL : check_type(node, word[len + 1]) != NULL) {
        problem = sbc_text_format("%s must be %s, not %s", name, check_type(is_absent ? NULL : node, word[len + 1]),
                                  sbc_json_type_name(node));
    }
    free(name);
    return problem;
}

/* The next word of a list of words; NULL behind the last.  free() it. */
static char *next_word(const char **at)
{
    *at += strspn(*at, " ");
    size_t len = strcspn(*at, " ");
    if (len == 0)
        return NULL;
    char *word = sbc_text_copy_bytes(*at, len);
    *at += len;
    return word;
}

static char *check_arguments(const cJSON *step, const struct op *op)
{
    char *problem = NULL, *word;
    for (const char *at = op->args; problem == NULL && (word = next_word(&at)) != NULL; free(word)) {
        if (strcmp(word, "-") == 0) {
            free(word);
            break;
        }
        problem = check_argument(step, word);
    }
    return problem;
}

/* An argument that the client has nothing for, or NULL.  free() it. */
static char *find_unoffered(const cJSON *step, const struct op *op)
{
    const char *at = strstr(op->args, " - ");
    if (at == NULL)
        return NULL;
    at += 3;
    for (char *word; (word = next_word(&at)) != NULL; free(word)) {
        const cJSON *node = cJSON_GetObjectItemCaseSensitive(step, word);
        if (node != NULL && !cJSON_IsNull(node) && !cJSON_IsFalse(node))
            return word;
    }
    return NULL;
}

static bool is_background(const cJSON *step)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(step, "background"));
}

static const char *name_of(const cJSON *step, const char *member)
{
    return cJSON_GetObjectItemCaseSensitive(step, member)->valuestring;
}

/* The background step of that name before `until`. */
static const cJSON *find_background_step(const cJSON *steps, const cJSON *until, const char *name)
{
    const cJSON *step;
    cJSON_ArrayForEach(step, steps)
    {
        if (step == until)
            break;
        if (is_background(step) && strcmp(name_of(step, "step"), name) == 0)
            return step;
    }
    return NULL;
}

static char *check_step(const struct run *run, const cJSON *step)
{
    char *problem = cJSON_IsObject(step) ? NULL : sbc_text_copy("it must be an object");
    if (problem == NULL)
        problem = check_argument(step, "step:t!");
    if (problem == NULL)
        problem = check_argument(step, "op:t!");
    if (problem == NULL)
        problem = check_argument(step, "background:b");
    if (problem != NULL)
        return problem;
    const struct op *op = op_find(run->vendor, name_of(step, "op"), run->protocol);
    if (op != NULL)
        return check_arguments(step, op);
    if (strcmp(name_of(step, "op"), "join") != 0)
        return NULL; /* an operation that the client does not have: skipped when its turn comes */
    problem = check_argument(step, "of:t!");
    if (problem == NULL && find_background_step(run->steps, step, name_of(step, "of")) == NULL)
        problem = sbc_text_format("of: no background step before it is called \"%s\"", name_of(step, "of"));
    return problem;
}

static char *check_steps(const struct run *run)
{
    const cJSON *step;
    int index = 0;
    if (!cJSON_IsArray(run->steps))
        return sbc_text_copy("steps must be a list");
    cJSON_ArrayForEach(step, run->steps)
    {
        char *problem = check_step(run, step);
        if (problem != NULL) {
            char *placed = sbc_text_format("steps[%d]: %s", index, problem);
            free(problem);
            return placed;
        }
        index++;
    }
    return NULL;
}

/* ------------------------------------------------------------------ do them */

static void act(struct run *run, const struct op *op, const cJSON *step, struct outcome *outcome)
{
    char *unoffered = op == NULL ? NULL : find_unoffered(step, op);
    if (op == NULL)
        outcome_skip(outcome, "the client has no operation \"%s\"", name_of(step, "op"));
    else if (unoffered != NULL)
        outcome_skip(outcome, "the client's %s has no argument \"%s\"", op->name, unoffered);
    else
        op->act(run, step, outcome);
    free(unoffered);
}

static void *do_background(void *arg)
{
    struct background *background = arg;
    act(background->run, background->op, background->step, &background->outcome);
    return NULL;
}

static void begin_background(struct run *run, const struct op *op, const cJSON *step)
{
    struct background *background = sbc_alloc(1, sizeof *background);
    *background = (struct background){ .next = run->backgrounds, .run = run, .op = op, .step = step };
    outcome_init(&background->outcome, run->vendor);
    run->backgrounds = background;
    if (pthread_create(&background->thread, NULL, do_background, background) != 0) {
        background->is_joined = true;
        outcome_skip(&background->outcome, "the adapter could not start a thread");
    }
}

static void join_background(struct background *background)
{
    if (!background->is_joined)
        pthread_join(background->thread, NULL);
    background->is_joined = true;
}

static void join_step(struct run *run, const cJSON *step)
{
    struct background *background = run->backgrounds;
    while (strcmp(name_of(background->step, "step"), name_of(step, "of")) != 0)
        background = background->next;
    join_background(background);
    cJSON_AddItemToArray(run->outcomes, outcome_say(&background->outcome, name_of(step, "step")));
}

static void do_step(struct run *run, const cJSON *step)
{
    const struct op *op = op_find(run->vendor, name_of(step, "op"), run->protocol);
    struct outcome outcome;
    if (strcmp(name_of(step, "op"), "join") == 0) {
        join_step(run, step);
        return;
    }
    if (is_background(step)) {
        begin_background(run, op, step);
        return;
    }
    outcome_init(&outcome, run->vendor);
    act(run, op, step, &outcome);
    cJSON_AddItemToArray(run->outcomes, outcome_say(&outcome, name_of(step, "step")));
    outcome_clear(&outcome);
}

/* What nobody joined is dropped, not waited for. */
static void end_backgrounds(struct run *run)
{
    run->vendor->client_cancel(run->client);
    for (struct background *next, *background = run->backgrounds; background != NULL; background = next) {
        next = background->next;
        join_background(background);
        outcome_clear(&background->outcome);
        free(background);
    }
}

/* --------------------------------------------------------------------- run */

/* NULL, and *out_problem has why. */
static void *make_client(const cJSON *options, const struct vendor *vendor, unsigned protocol, char **out_problem)
{
    char *problem = cJSON_IsObject(options) ? NULL : sbc_text_copy("it must be an object"), *word;
    for (const char *at = vendor->client_args; problem == NULL && (word = next_word(&at)) != NULL; free(word))
        problem = check_argument(options, word);
    if (problem == NULL)
        return vendor->client_new(options, protocol, out_problem);
    *out_problem = sbc_text_format("client: %s", problem);
    free(problem);
    return NULL;
}

static cJSON *answer(const char *type, const cJSON *seq)
{
    cJSON *said = cJSON_CreateObject();
    cJSON_AddStringToObject(said, "type", type);
    cJSON_AddItemToObject(said, "seq", cJSON_IsNumber(seq) ? cJSON_Duplicate(seq, true) : cJSON_CreateNull());
    return said;
}

/* Takes `message`. */
static cJSON *answer_errored(const cJSON *seq, char *message)
{
    cJSON *said = answer("errored", seq);
    cJSON_AddStringToObject(said, "message", message);
    free(message);
    return said;
}

struct cJSON *run_line(const struct cJSON *line, const struct vendor *vendor, unsigned protocol,
                       void (*at)(double seq, const char *step))
{
    const cJSON *seq = cJSON_GetObjectItemCaseSensitive(line, "seq"), *step;
    struct run run = { .vendor = vendor, .protocol = protocol };
    run.steps = cJSON_GetObjectItemCaseSensitive(line, "steps");
    char *problem = check_steps(&run);
    if (problem == NULL)
        run.client = make_client(cJSON_GetObjectItemCaseSensitive(line, "client"), vendor, protocol, &problem);
    if (problem != NULL)
        return answer_errored(seq, problem);
    pthread_mutex_init(&run.lock, NULL);
    run.outcomes = cJSON_CreateArray();
    cJSON_ArrayForEach(step, run.steps)
    {
        if (at != NULL && cJSON_IsNumber(seq))
            at(seq->valuedouble, name_of(step, "step"));
        do_step(&run, step);
    }
    end_backgrounds(&run);
    free_handles(&run);
    vendor->client_free(run.client);
    pthread_mutex_destroy(&run.lock);
    cJSON *said = answer("result", seq);
    cJSON_AddItemToObject(said, "outcomes", run.outcomes);
    return said;
}
