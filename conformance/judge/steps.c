/* Steps: which operations there are (sdk-shim/PROTOCOL.md), what they take, what a client must be able to do. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "judge/case_priv.h"
#include "judge/expectation.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* ---- the table ----------------------------------------------------------------------------- */

/* Arguments that make a handle stand last: those of the same step that use one must not see it. */

#define SANDBOX \
    { \
        "sandbox", KIND_TEXT, ROLE_USES_SANDBOX, "box", false \
    }
#define PROCESS \
    { \
        "process", KIND_TEXT, ROLE_USES_PROCESS, "p", false \
    }
#define ARG(name, kind) \
    { \
        name, kind, ROLE_PLAIN, NULL, false \
    }
#define CAP(name, kind) \
    { \
        name, kind, ROLE_PLAIN, NULL, true \
    }
#define RUN_ARGS \
    SANDBOX, ARG("command", KIND_STRING), CAP("args", KIND_STRINGS), CAP("cwd", KIND_STRING), \
        CAP("env", KIND_STRING_MAP), CAP("timeout_ms", KIND_INT), CAP("timeout_s", KIND_NUMBER), \
        CAP("user", KIND_STRING), CAP("max_output_bytes", KIND_COUNT), CAP("check", KIND_BOOL)

const struct step_op steps_ops[] = {
    { .name = "sandbox.create",
      .args = { { "as", KIND_TEXT, ROLE_MAKES_SANDBOX, "box", false },
                ARG("image", KIND_TEXT),
                ARG("snapshot", KIND_TEXT),
                ARG("timeout_minutes", KIND_NUMBER),
                ARG("vcpus", KIND_NUMBER),
                ARG("memory_mib", KIND_INT),
                ARG("env", KIND_STRING_MAP),
                CAP("command", KIND_STRING),
                CAP("args", KIND_STRINGS),
                CAP("tags", KIND_STRINGS),
                CAP("max_lifetime_s", KIND_NUMBER) } },
    { .name = "sandbox.connect",
      .one_of = { "id", "from" },
      .required = { "as" },
      .args = { ARG("id", KIND_STRING),
                { "from", KIND_TEXT, ROLE_USES_SANDBOX, NULL, false },
                { "as", KIND_TEXT, ROLE_MAKES_SANDBOX, NULL, false } } },
    { .name = "sandbox.refresh", .args = { SANDBOX } },
    { .name = "sandbox.status", .args = { SANDBOX } },
    { .name = "sandbox.list",
      .args = { ARG("status", KIND_TEXT),
                ARG("limit", KIND_INT),
                CAP("tags", KIND_STRINGS),
                CAP("include_stopped", KIND_BOOL) } },
    { .name = "sandbox.stop", .args = { SANDBOX, CAP("grace_s", KIND_NUMBER), CAP("missing_ok", KIND_BOOL) } },
    { .name = "sandbox.delete",
      .one_of = { "sandbox", "id" },
      .args = { { "sandbox", KIND_TEXT, ROLE_USES_SANDBOX, NULL, false },
                ARG("id", KIND_STRING),
                ARG("missing_ok", KIND_BOOL) } },
    { .name = "sandbox.wait", .args = { SANDBOX, ARG("timeout_s", KIND_NUMBER) } },
    { .name = "sandbox.wait_complete", .args = { SANDBOX, ARG("timeout_s", KIND_NUMBER) } },
    { .name = "sandbox.leave", .args = { SANDBOX, ARG("raise", KIND_STRING) } },
    { .name = "sandbox.logs",
      .args = { SANDBOX,
                ARG("follow", KIND_BOOL),
                ARG("tail_lines", KIND_INT),
                ARG("timestamps", KIND_BOOL),
                ARG("take", KIND_COUNT) } },
    { .name = "exec", .required = { "command" }, .args = { RUN_ARGS } },
    { .name = "start",
      .required = { "command" },
      .args = { RUN_ARGS,
                CAP("stdin", KIND_BOOL),
                CAP("tty", KIND_BOOL),
                { "as", KIND_TEXT, ROLE_MAKES_PROCESS, "p", false } } },
    { .name = "get",
      .one_of = { "id", "from" },
      .args = { SANDBOX,
                ARG("id", KIND_STRING),
                { "from", KIND_TEXT, ROLE_USES_PROCESS, NULL, false },
                { "as", KIND_TEXT, ROLE_MAKES_PROCESS, "g", false } } },
    { .name = "list",
      .args = { SANDBOX, CAP("status", KIND_STRINGS), CAP("limit", KIND_INT), CAP("cursor", KIND_CURSOR) } },
    { .name = "status", .args = { PROCESS } },
    { .name = "poll", .args = { PROCESS } },
    { .name = "wait", .args = { PROCESS, CAP("timeout_ms", KIND_INT), CAP("timeout_s", KIND_NUMBER) } },
    { .name = "result", .args = { PROCESS, CAP("timeout_s", KIND_NUMBER) } },
    { .name = "kill", .args = { PROCESS, CAP("timeout_ms", KIND_INT) } },
    { .name = "cancel", .args = { PROCESS } },
    { .name = "signal", .required = { "signal" }, .args = { PROCESS, ARG("signal", KIND_SIGNAL) } },
    { .name = "write",
      .args = { PROCESS, ARG("data", KIND_DATA), ARG("encoding", KIND_TEXT), CAP("eof", KIND_BOOL) } },
    { .name = "write_line", .required = { "data" }, .args = { PROCESS, ARG("data", KIND_DATA) } },
    { .name = "close_stdin", .args = { PROCESS } },
    { .name = "stream", .args = { PROCESS, CAP("from_seq", KIND_INT), ARG("take", KIND_COUNT) } },
    { .name = "read", .required = { "of" }, .args = { PROCESS, ARG("of", KIND_STD), ARG("take", KIND_COUNT) } },
    { .name = "logs", .args = { PROCESS } },
    { .name = "wait_log",
      .required = { "pattern" },
      .args = { PROCESS, ARG("pattern", KIND_TEXT), ARG("timeout_ms", KIND_INT) } },
    { .name = "wait_port",
      .required = { "port" },
      .args = { PROCESS, ARG("port", KIND_COUNT), ARG("timeout_ms", KIND_INT) } },
    { .name = "wait_exit", .args = { PROCESS, ARG("timeout_ms", KIND_INT) } },
    { .name = "disconnect", .args = { PROCESS } },
    { .name = "resize",
      .required = { "width", "height" },
      .args = { PROCESS, ARG("width", KIND_COUNT), ARG("height", KIND_COUNT) } },
    { .name = "wait_many",
      .required = { "processes" },
      .args = { { "processes", KIND_STRINGS, ROLE_USES_PROCESSES, NULL, false },
                ARG("num_returns", KIND_INT),
                ARG("timeout_s", KIND_NUMBER) } },
    { .name = "file.write",
      .required = { "path", "data" },
      .args = { SANDBOX, ARG("path", KIND_STRING), ARG("data", KIND_DATA) } },
    { .name = "file.read", .required = { "path" }, .args = { SANDBOX, ARG("path", KIND_STRING) } },
    { .name = "join",
      .need = "background",
      .required = { "of" },
      .args = { { "of", KIND_TEXT, ROLE_USES_STEP, NULL, false } } },
};
const size_t steps_op_count = COUNT(steps_ops);

const char *const steps_other_capabilities[] = {
    "write.bytes", "client.timeout_ms", "client.runtime_proxy", "background", "protocol-a", "protocol-b", "v1beta2",
    "v1",          "sync",              "async"
};
const size_t steps_other_capability_count = COUNT(steps_other_capabilities);

const struct step_op *steps_find_op(const char *name)
{
    for (size_t i = 0; i < COUNT(steps_ops); i++) {
        if (strcmp(steps_ops[i].name, name) == 0)
            return &steps_ops[i];
    }
    return NULL;
}

static const struct op_arg *find_arg(const struct step_op *op, const char *name)
{
    for (size_t i = 0; i < OP_ARGS && op->args[i].name != NULL; i++) {
        if (strcmp(op->args[i].name, name) == 0)
            return &op->args[i];
    }
    return NULL;
}

/* "exec.cwd": the last dot parts the operation from its argument ("sandbox.create" has one of its own). */
static bool is_argument_capability(const char *name)
{
    char op_name[40];
    const char *dot = strrchr(name, '.');
    if (dot == NULL || (size_t) (dot - name) >= sizeof op_name)
        return false;
    memcpy(op_name, name, (size_t) (dot - name));
    op_name[dot - name] = '\0';
    const struct step_op *op = steps_find_op(op_name);
    const struct op_arg *arg = op == NULL ? NULL : find_arg(op, dot + 1);
    return arg != NULL && arg->has_capability;
}

bool steps_is_capability(const char *name)
{
    for (size_t i = 0; i < COUNT(steps_other_capabilities); i++) {
        if (strcmp(steps_other_capabilities[i], name) == 0)
            return true;
    }
    const struct step_op *op = steps_find_op(name);
    return (op != NULL && op->need == NULL) || is_argument_capability(name);
}

/* ---- handles ------------------------------------------------------------------------------- */

/* What is known from the steps so far. */
struct walk {
    struct steps *out;
    const struct reader *r;
    struct names sandboxes, processes;
    struct names sure;  /* "process p": those of them that the case counts on */
    bool expects_value; /* of the step at hand */
    struct err *err;
};

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *node = json_get(object, name);
    return cJSON_IsString(node) ? node->valuestring : NULL;
}

static const struct case_step *find_step(const struct steps *steps, const char *name, size_t len)
{
    for (size_t i = 0; i < steps->count; i++) {
        if (strlen(steps->list[i].name) == len && memcmp(steps->list[i].name, name, len) == 0)
            return &steps->list[i];
    }
    return NULL;
}

/* In each of these `place` is where a complaint points to: the argument, or the step when a name was filled in. */

static int use_background(struct walk *w, const char *name, const cJSON *place)
{
    const struct case_step *of = find_step(w->out, name, strlen(name));
    if (of == NULL)
        return shape_complain(w->r, place, w->err, "no step before this is named \"%.60s\"", name);
    if (!of->is_background)
        return shape_complain(w->r, place, w->err, "step \"%.60s\" does not run in the background", name);
    for (size_t i = 0; i < w->out->count; i++) {
        const struct case_step *step = &w->out->list[i];
        if (strcmp(step->op, "join") == 0 && strcmp(text_of(step->input, "of"), name) == 0)
            return shape_complain(w->r, place, w->err, "step \"%.60s\" is joined already", name);
    }
    return 0;
}

static int use_handle(struct walk *w, const struct names *made, const char *what, const char *name, const cJSON *place)
{
    if (names_have(made, name))
        return 0;
    return shape_complain(w->r, place, w->err, "no step before this makes the %s \"%.60s\"", what, name);
}

/* A name may be given again when the call that made it first is expected to fail. */
static int make_handle(struct walk *w, struct names *made, const char *what, const char *name, const cJSON *place)
{
    char entry[100];
    snprintf(entry, sizeof entry, "%s %.80s", what, name);
    if (names_have(&w->sure, entry))
        return shape_complain(w->r, place, w->err,
                              "there is a %s \"%.60s\" already: give this one another name with \"as\"", what, name);
    if (w->expects_value)
        names_add(&w->sure, "%s", entry);
    names_add(made, "%s", name);
    return 0;
}

static int take_role(struct walk *w, enum role role, const char *name, const cJSON *place)
{
    switch (role) {
    case ROLE_PLAIN: return 0;
    case ROLE_USES_SANDBOX: return use_handle(w, &w->sandboxes, "sandbox", name, place);
    case ROLE_USES_PROCESS: return use_handle(w, &w->processes, "process", name, place);
    case ROLE_MAKES_SANDBOX: return make_handle(w, &w->sandboxes, "sandbox", name, place);
    case ROLE_MAKES_PROCESS: return make_handle(w, &w->processes, "process", name, place);
    case ROLE_USES_PROCESSES: break; /* a list: take_names */
    case ROLE_USES_STEP: return use_background(w, name, place);
    }
    return err_set(w->err, ERR_INTERNAL, 0, "an argument without a role");
}

/* A list of processes. */
static int take_names(struct walk *w, const cJSON *list)
{
    const cJSON *name;
    cJSON_ArrayForEach(name, list)
    {
        if (use_handle(w, &w->processes, "process", name->valuestring, name) < 0)
            return -1;
    }
    return 0;
}

/* ---- one step ------------------------------------------------------------------------------ */

static int check_cursor(struct walk *w, const cJSON *value)
{
    const char *name = text_of(value, "step");
    if (name == NULL)
        return 0;
    const struct case_step *step = find_step(w->out, name, strlen(name));
    if (step != NULL && strcmp(step->op, "list") == 0 && !step->is_background)
        return 0;
    return shape_complain(w->r, value, w->err, "no step before this is a list named \"%.60s\"", name);
}

/* An argument that is there.  Its needs are noted. */
static int take_given(struct walk *w, const struct step_op *op, const struct op_arg *arg, const cJSON *value)
{
    if (shape_check_kind(w->r, arg->kind, value, w->err) < 0)
        return -1;
    if (arg->kind == KIND_CURSOR && check_cursor(w, value) < 0)
        return -1;
    if (arg->has_capability)
        names_add(&w->out->needs, "%s.%s", op->name, arg->name);
    if (arg->kind == KIND_DATA && json_get(value, "base64") != NULL && strncmp(op->name, "write", 5) == 0)
        names_add(&w->out->needs, "write.bytes");
    if (arg->role == ROLE_USES_PROCESSES)
        return take_names(w, value);
    return arg->role == ROLE_PLAIN ? 0 : take_role(w, arg->role, value->valuestring, value);
}

/* {"of", "times"} written out. */
static void write_out(cJSON *input, const char *name)
{
    BUF_AUTO text = BUF_INIT;
    const cJSON *value = json_get(input, name), *of = json_get(value, "of");
    if (of == NULL)
        return;
    for (double i = 0; i < json_get(value, "times")->valuedouble; i++)
        buf_str(&text, of->valuestring);
    CHECK(!text.failed &&
          cJSON_ReplaceItemInObjectCaseSensitive(input, name, cJSON_CreateString(buf_cstr(&text))));
}

static int take_args(struct walk *w, const struct step_op *op, const cJSON *step, cJSON *input)
{
    for (size_t i = 0; i < OP_ARGS && op->args[i].name != NULL; i++) {
        const struct op_arg *arg = &op->args[i];
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(step, arg->name);
        if (value != NULL && take_given(w, op, arg, value) < 0)
            return -1;
        if (arg->kind == KIND_DATA)
            write_out(input, arg->name);
        if (value != NULL || arg->standard == NULL)
            continue;
        CHECK(cJSON_AddStringToObject(input, arg->name, arg->standard) != NULL);
        if (take_role(w, arg->role, arg->standard, step) < 0)
            return -1;
    }
    return 0;
}

static int check_choice(struct walk *w, const struct step_op *op, const cJSON *step)
{
    bool first, second;
    for (size_t i = 0; i < COUNT(op->required) && op->required[i] != NULL; i++) {
        if (json_get(step, op->required[i]) == NULL)
            return shape_complain(w->r, step, w->err, "%s needs \"%s\"", op->name, op->required[i]);
    }
    if (op->one_of[0] == NULL)
        return 0;
    first = json_get(step, op->one_of[0]) != NULL;
    second = json_get(step, op->one_of[1]) != NULL;
    if (first == second)
        return shape_complain(w->r, step, w->err, "%s takes one of \"%s\" and \"%s\"", op->name, op->one_of[0],
                              op->one_of[1]);
    return 0;
}

/* Members that every step may have. */
const struct shape case_shape_step = {
    "step",
    "a step",
    { { "step", KIND_TEXT, true },
      { "op", KIND_TEXT, true },
      { "background", KIND_BOOL, false },
      { "expect", KIND_ANY, false } },
};

static int check_members(struct walk *w, const struct step_op *op, const cJSON *step)
{
    const cJSON *node;
    cJSON_ArrayForEach(node, step)
    {
        const struct member *common = shape_member(&case_shape_step, node->string);
        if (common == NULL && find_arg(op, node->string) == NULL)
            return shape_complain_key(w->r, node, w->err, "%s has no argument \"%.60s\"", op->name, node->string);
        if (common != NULL && shape_check_kind(w->r, common->kind, node, w->err) < 0)
            return -1;
    }
    return 0;
}

static int check_name(struct walk *w, const cJSON *step)
{
    const cJSON *name = json_get(step, "step");
    if (!cJSON_IsString(name) || !shape_is_lower_name(name->valuestring))
        return shape_complain(w->r, name == NULL ? step : name, w->err,
                              "a step needs a name in \"step\": a-z, 0-9, single hyphens between them");
    if (find_step(w->out, name->valuestring, strlen(name->valuestring)) != NULL)
        return shape_complain(w->r, name, w->err, "two steps are named \"%.60s\"", name->valuestring);
    return 0;
}

static const struct step_op *check_op(struct walk *w, const cJSON *step)
{
    const cJSON *node = json_get(step, "op");
    const struct step_op *op = cJSON_IsString(node) ? steps_find_op(node->valuestring) : NULL;
    if (op == NULL && cJSON_IsString(node))
        shape_complain(w->r, node, w->err, "there is no operation \"%.60s\"", node->valuestring);
    else if (op == NULL)
        shape_complain(w->r, step, w->err, "a step needs an operation in \"op\"");
    return op;
}

static int check_background(struct walk *w, const struct step_op *op, const cJSON *step)
{
    const cJSON *background = json_get(step, "background"), *expect = json_get(step, "expect");
    if (!cJSON_IsTrue(background))
        return 0;
    if (strcmp(op->name, "join") == 0)
        return shape_complain(w->r, background, w->err, "join cannot run in the background");
    if (expect != NULL)
        return shape_complain(w->r, expect, w->err, "what comes of a step in the background is expected of its join");
    names_add(&w->out->needs, "background");
    return 0;
}

/* Takes `input`, which is in the list afterwards. */
static void append_step(struct steps *out, cJSON *input, const cJSON *expect)
{
    struct case_step *list = realloc(out->list, (out->count + 1) * sizeof *list);
    CHECK(list != NULL && cJSON_AddItemToArray(out->json, input));
    out->list = list;
    list[out->count++] = (struct case_step){
        .name = text_of(input, "step"),
        .op = text_of(input, "op"),
        .is_background = cJSON_IsTrue(json_get(input, "background")),
        .input = input,
        .expect = expect,
    };
}

static bool expects_value(const cJSON *expect)
{
    return expect == NULL || (json_get(expect, "value") != NULL && json_get(expect, "error") == NULL);
}

static int take_step(struct walk *w, const cJSON *step)
{
    const struct step_op *op;
    if (shape_check_kind(w->r, KIND_OBJECT, step, w->err) < 0 || check_name(w, step) < 0)
        return -1;
    op = check_op(w, step);
    if (op == NULL || check_members(w, op, step) < 0 || check_choice(w, op, step) < 0 ||
        check_background(w, op, step) < 0)
        return -1;
    w->expects_value = expects_value(json_get(step, "expect"));
    cJSON *input = cJSON_Duplicate(step, 1);
    CHECK(input != NULL);
    cJSON_DeleteItemFromObjectCaseSensitive(input, "expect");
    if (take_args(w, op, step, input) < 0) {
        cJSON_Delete(input);
        return -1;
    }
    names_add(&w->out->needs, "%s", op->need == NULL ? op->name : op->need);
    append_step(w->out, input, json_get(step, "expect"));
    return 0;
}

/* ---- all steps ----------------------------------------------------------------------------- */

/* The sandbox that a case begins with: where a vendor's create wants no image, none is said. */
static const struct {
    const char *vendor, *step;
} boxes[] = {
    { "coreweave", "{\"step\":\"box\",\"op\":\"sandbox.create\",\"as\":\"box\"}" },
};

static const char *box_of(const char *vendor)
{
    for (size_t i = 0; i < COUNT(boxes); i++) {
        if (strcmp(boxes[i].vendor, vendor) == 0)
            return boxes[i].step;
    }
    return "{\"step\":\"box\",\"op\":\"sandbox.create\",\"as\":\"box\",\"image\":\"default\"}";
}

static void make_box(struct walk *w, const char *vendor)
{
    cJSON *input = cJSON_Parse(box_of(vendor));
    CHECK(input != NULL);
    append_step(w->out, input, NULL);
    names_add(&w->out->needs, "sandbox.create");
    names_add(&w->sandboxes, "box");
    names_add(&w->sure, "sandbox box");
}

int steps_same(const void *steps, const char *path, struct err *err)
{
    size_t len = strcspn(path, ".");
    const struct case_step *step = find_step(steps, path, len);
    if (step == NULL)
        return err_set(err, ERR_INVALID, 0, "there is no step \"%.*s\"", (int) (len < 60 ? len : 60), path);
    if (step->is_background)
        return err_set(err, ERR_INVALID, 0, "step \"%s\" runs in the background: name the step that joins it",
                       step->name);
    return 0;
}

static int check_expectations(struct walk *w)
{
    for (size_t i = 0; i < w->out->count; i++) {
        const cJSON *expect = w->out->list[i].expect, *bad = expect;
        struct err why = ERR_INIT;
        if (expect != NULL && expectation_check(expect, steps_same, w->out, &bad, &why) < 0)
            return shape_complain(w->r, bad, w->err, "%s", why.text);
    }
    return 0;
}

static int take_all(struct walk *w, const cJSON *json)
{
    const cJSON *step;
    cJSON_ArrayForEach(step, json)
    {
        if (take_step(w, step) < 0)
            return -1;
    }
    return check_expectations(w);
}

int steps_read(struct steps *out, const struct reader *r, const struct cJSON *json, const char *box_vendor,
               struct err *err)
{
    struct steps made = { .json = cJSON_CreateArray() };
    struct walk w = { .out = &made, .r = r, .err = err };
    CHECK(made.json != NULL);
    if (box_vendor != NULL)
        make_box(&w, box_vendor);
    int failed = take_all(&w, json);
    names_fini(&w.sandboxes);
    names_fini(&w.processes);
    names_fini(&w.sure);
    if (failed < 0) {
        steps_fini(&made);
        return -1;
    }
    *out = made;
    return 0;
}

void steps_fini(struct steps *steps)
{
    cJSON_Delete(steps->json);
    free(steps->list);
    names_fini(&steps->needs);
    *steps = (struct steps){ .json = NULL };
}
