#include "link/protocol.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"
#include "link/lines.h"

#define SHOWN_VALUE_BYTES 60

/* Where we are, from the inside to the outside; written out only for a complaint. */
struct place {
    const struct place *outer;
    const char *name; /* NULL: an element */
    size_t index;
};

static void write_place(struct buf *out, const struct place *place) /* NOLINT(misc-no-recursion) */
{
    if (place == NULL)
        return;
    write_place(out, place->outer);
    if (place->name == NULL)
        buf_printf(out, "/%zu", place->index);
    else
        buf_printf(out, "/%s", place->name);
}

static int complain(const struct place *place, struct err *err, const char *what)
{
    BUF_AUTO where = BUF_INIT;
    write_place(&where, place);
    return err_set(err, ERR_INVALID, 0, "%s%s%s", buf_cstr(&where), where.len > 0 ? ": " : "", what);
}

/* ---- one member ------------------------------------------------------------------------ */

static const char *const kind_names[] = {
    "a string", "an integer", "a number", "true or false", "an object", "an array",
    "a string or {\"base64\": \"...\"}", "anything",
};

static const char *name_of(const struct cJSON *node)
{
    if (cJSON_IsString(node))
        return "a string";
    if (cJSON_IsNumber(node))
        return node->valuedouble == floor(node->valuedouble) ? "an integer" : "a number with a fraction";
    if (cJSON_IsBool(node))
        return cJSON_IsTrue(node) ? "true" : "false";
    if (cJSON_IsObject(node))
        return "an object";
    return cJSON_IsArray(node) ? "an array" : "null";
}

static bool is_kind(const struct cJSON *node, unsigned kinds)
{
    if (cJSON_IsString(node))
        return (kinds & (KIND_STRING | KIND_OUTPUT | KIND_ANY)) != 0;
    if (cJSON_IsNumber(node))
        return (kinds & (KIND_NUMBER | KIND_ANY)) != 0 ||
               ((kinds & KIND_INTEGER) != 0 && node->valuedouble == floor(node->valuedouble));
    if (cJSON_IsBool(node))
        return (kinds & (KIND_BOOLEAN | KIND_ANY)) != 0;
    if (cJSON_IsObject(node))
        return (kinds & (KIND_OBJECT | KIND_OUTPUT | KIND_ANY)) != 0;
    return (kinds & KIND_ANY) != 0 || (cJSON_IsArray(node) && (kinds & KIND_ARRAY) != 0);
}

static int complain_kind(const struct cJSON *node, unsigned kinds, const struct place *place, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    buf_str(&text, "must be ");
    const char *between = "";
    for (size_t i = 0; i < sizeof kind_names / sizeof kind_names[0]; i++) {
        if ((kinds >> i & 1) == 0)
            continue;
        buf_printf(&text, "%s%s", between, kind_names[i]);
        between = " or ";
    }
    buf_printf(&text, ", not %s", name_of(node));
    return complain(place, err, buf_cstr(&text));
}

static int check_base64(const struct cJSON *node, const struct place *place, struct err *err)
{
    BUF_AUTO bytes = BUF_INIT;
    const struct cJSON *base64 = json_get(node, "base64");
    struct place inner = { place, "base64", 0 };
    if (base64 == NULL)
        return complain(place, err, "an output that is an object must have \"base64\"");
    if (!cJSON_IsString(base64))
        return complain_kind(base64, KIND_STRING, &inner, err);
    if (base64_decode(&bytes, base64->valuestring, strlen(base64->valuestring), NULL) < 0)
        return complain(&inner, err, "is not base64");
    return 0;
}

static int check_names(const struct cJSON *node, const char *const *names, const struct place *place, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    buf_str(&text, "\"");
    show_bytes(&text, node->valuestring, strlen(node->valuestring), SHOWN_VALUE_BYTES);
    buf_str(&text, "\" is none of");
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], node->valuestring) == 0)
            return 0;
        buf_printf(&text, "%s %s", i > 0 ? "," : "", names[i]);
    }
    return complain(place, err, buf_cstr(&text));
}

static int check_range(double number, const struct member *member, const struct place *place, struct err *err)
{
    char text[100];
    if (number >= (double) member->min && number <= (double) member->max)
        return 0;
    snprintf(text, sizeof text, "must be from %lld to %lld, not %.17g", (long long) member->min,
             (long long) member->max, number);
    return complain(place, err, text);
}

static int check_word(const struct cJSON *node, const struct word *word, const struct place *place, struct err *err);

static int check_elements(const struct cJSON *list, const struct member *member, const struct place *place,
                          struct err *err) /* NOLINT(misc-no-recursion) */
{
    const struct cJSON *item;
    unsigned kinds = member->each != 0 ? member->each : KIND_OBJECT;
    size_t index = 0;
    cJSON_ArrayForEach(item, list)
    {
        struct place inner = { place, NULL, index++ };
        if (!is_kind(item, kinds))
            return complain_kind(item, kinds, &inner, err);
        if ((kinds & KIND_OUTPUT) != 0 && cJSON_IsObject(item) && check_base64(item, &inner, err) < 0)
            return -1;
        if (member->word != NULL && check_word(item, member->word, &inner, err) < 0)
            return -1;
    }
    return 0;
}

static int check_member(const struct cJSON *node, const struct member *member, const struct place *place,
                        struct err *err) /* NOLINT(misc-no-recursion) */
{
    if (!is_kind(node, member->kinds))
        return complain_kind(node, member->kinds, place, err);
    if (cJSON_IsString(node) && member->names != NULL)
        return check_names(node, member->names, place, err);
    if (cJSON_IsNumber(node) && member->max != 0)
        return check_range(node->valuedouble, member, place, err);
    if (cJSON_IsArray(node) && (member->kinds & KIND_ARRAY) != 0)
        return check_elements(node, member, place, err);
    if (cJSON_IsObject(node) && (member->kinds & KIND_OUTPUT) != 0)
        return check_base64(node, place, err);
    if (cJSON_IsObject(node) && member->word != NULL)
        return check_word(node, member->word, place, err);
    return 0;
}

/* As deep as the tables: lines, outcomes, values, events, results. */
static int check_word(const struct cJSON *node, const struct word *word, const struct place *place,
                      struct err *err) /* NOLINT(misc-no-recursion) */
{
    char text[100];
    for (size_t i = 0; i < word->count; i++) {
        const struct member *member = &word->members[i];
        const struct cJSON *found = json_get(node, member->name);
        struct place inner = { place, member->name, 0 };
        if (found != NULL && check_member(found, member, &inner, err) < 0)
            return -1;
        if (found == NULL && member->required) {
            snprintf(text, sizeof text, "\"%s\" is missing", member->name);
            return complain(place, err, text);
        }
    }
    return 0;
}

/* ---- the outer form -------------------------------------------------------------------- */

const char *protocol_type_name(enum protocol_type type)
{
    return protocol_lines[type]->name;
}

/* What the tables cannot say: which of an outcome's members go together. */
static int check_outcome_form(const struct cJSON *outcome, const struct place *place, struct err *err)
{
    bool has_value = json_get(outcome, "value") != NULL, has_error = json_get(outcome, "error") != NULL;
    bool is_skipped = json_get(outcome, "skipped") != NULL;
    if (!has_value && !has_error && !is_skipped)
        return complain(place, err, "must have \"value\", \"error\" or \"skipped\"");
    if (is_skipped && (has_value || has_error))
        return complain(place, err, "\"skipped\" goes with neither \"value\" nor \"error\"");
    return 0;
}

static const struct member outer_error_members[] = { { .name = "kind", .kinds = KIND_STRING, .required = true } };
static const struct word outer_error = { "Error", outer_error_members, 1 };

static const struct member outer_outcome_members[] = {
    { .name = "step", .kinds = KIND_STRING, .required = true },
    { .name = "value", .kinds = KIND_OBJECT },
    { .name = "error", .kinds = KIND_OBJECT, .word = &outer_error },
    { .name = "skipped", .kinds = KIND_STRING },
};
static const struct word outer_outcome = { "Outcome", outer_outcome_members, 4 };

static int check_outcomes(const struct cJSON *line, struct err *err)
{
    struct place list = { NULL, "outcomes", 0 };
    const struct cJSON *outcome;
    size_t index = 0;
    cJSON_ArrayForEach(outcome, json_get(line, "outcomes"))
    {
        struct place place = { &list, NULL, index++ };
        if (!cJSON_IsObject(outcome))
            return complain_kind(outcome, KIND_OBJECT, &place, err);
        if (check_word(outcome, &outer_outcome, &place, err) < 0 || check_outcome_form(outcome, &place, err) < 0)
            return -1;
    }
    return 0;
}

static int find_type(const struct cJSON *line, enum protocol_type *out_type, struct err *err)
{
    static const char *const names[] = { "hello", "at", "result", "skipped", "errored", NULL };
    struct place place = { NULL, "type", 0 };
    const struct cJSON *type = json_get(line, "type");
    if (!cJSON_IsObject(line))
        return err_set(err, ERR_INVALID, 0, "must be a JSON object, not %s", name_of(line));
    if (type == NULL)
        return err_set(err, ERR_INVALID, 0, "\"type\" is missing");
    if (!cJSON_IsString(type))
        return complain_kind(type, KIND_STRING, &place, err);
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], type->valuestring) == 0) {
            *out_type = (enum protocol_type) i;
            return 0;
        }
    }
    return check_names(type, names, &place, err);
}

static int check_outer(const struct cJSON *line, enum protocol_type *out_type, struct err *err)
{
    if (find_type(line, out_type, err) < 0)
        return -1;
    if (*out_type != PROTOCOL_RESULT)
        return check_word(line, protocol_lines[*out_type], NULL, err);
    struct member members[2] = { protocol_lines[PROTOCOL_RESULT]->members[0],
                                 protocol_lines[PROTOCOL_RESULT]->members[1] };
    members[1].word = NULL; /* check_outcomes does it, less strictly */
    const struct word outer = { "result", members, 2 };
    return check_word(line, &outer, NULL, err) < 0 ? -1 : check_outcomes(line, err);
}

struct cJSON *protocol_read(const char *line, size_t len, enum protocol_type *out_type, struct err *err)
{
    if (memchr(line, '\0', len) != NULL) {
        err_set(err, ERR_INVALID, 0, "holds a NUL byte");
        return NULL;
    }
    struct cJSON *json = json_parse(line, len, err);
    if (json == NULL) {
        err_wrap(err, "is not JSON");
        return NULL;
    }
    if (check_outer(json, out_type, err) == 0)
        return json;
    json_free(json);
    return NULL;
}

int64_t protocol_seq(const struct cJSON *line)
{
    const struct cJSON *seq = json_get(line, "seq");
    return cJSON_IsNumber(seq) ? (int64_t) seq->valuedouble : -1;
}

/* ---- against the run ------------------------------------------------------------------- */

static const struct cJSON *find_step(const struct cJSON *run, const char *name)
{
    const struct cJSON *step, *found = NULL;
    cJSON_ArrayForEach(step, json_get(run, "steps"))
    {
        const struct cJSON *own = json_get(step, "step");
        if (cJSON_IsString(own) && strcmp(own->valuestring, name) == 0)
            found = step;
    }
    return found;
}

static const char *text_of(const struct cJSON *object, const char *name)
{
    const struct cJSON *node = json_get(object, name);
    return cJSON_IsString(node) ? node->valuestring : "";
}

/* A join gives what the step gives that it waits for. */
static const struct protocol_op *op_of(const struct cJSON *run, const struct cJSON *step)
{
    const struct protocol_op *op = protocol_op_find(text_of(step, "op"));
    if (op == NULL || op->value != NULL)
        return op;
    const struct cJSON *joined = find_step(run, text_of(step, "of"));
    return joined == NULL ? NULL : protocol_op_find(text_of(joined, "op"));
}

static int check_against_op(const struct cJSON *outcome, const struct protocol_op *op, const struct place *place,
                            struct err *err)
{
    const struct cJSON *value = json_get(outcome, "value");
    struct place inner = { place, "value", 0 };
    if (op == NULL || op->value == NULL || value == NULL)
        return 0;
    if (json_get(outcome, "error") != NULL && !op->may_break)
        return complain(place, err, "\"value\" and \"error\" together: only stream and read may have both");
    return check_word(value, op->value, &inner, err);
}

static bool named_before(const struct cJSON *outcomes, const struct cJSON *outcome)
{
    const struct cJSON *other;
    cJSON_ArrayForEach(other, outcomes)
    {
        if (other == outcome)
            return false;
        if (strcmp(text_of(other, "step"), text_of(outcome, "step")) == 0)
            return true;
    }
    return false;
}

static int check_named_steps(const struct cJSON *outcomes, const struct cJSON *run, struct err *err)
{
    struct place list = { NULL, "outcomes", 0 };
    const struct cJSON *outcome;
    size_t index = 0;
    cJSON_ArrayForEach(outcome, outcomes)
    {
        struct place place = { &list, NULL, index++ }, name = { &place, "step", 0 };
        const struct cJSON *step = find_step(run, text_of(outcome, "step"));
        if (step == NULL)
            return complain(&name, err, "the run has no step of this name");
        if (named_before(outcomes, outcome))
            return complain(&name, err, "this step has an outcome already");
        if (check_against_op(outcome, op_of(run, step), &place, err) < 0)
            return -1;
    }
    return 0;
}

static bool has_outcome(const struct cJSON *outcomes, const char *step)
{
    const struct cJSON *outcome;
    cJSON_ArrayForEach(outcome, outcomes)
    {
        if (strcmp(text_of(outcome, "step"), step) == 0)
            return true;
    }
    return false;
}

static int check_all_there(const struct cJSON *outcomes, const struct cJSON *run, struct err *err)
{
    struct place list = { NULL, "outcomes", 0 };
    char text[160];
    const struct cJSON *step;
    cJSON_ArrayForEach(step, json_get(run, "steps"))
    {
        const char *name = text_of(step, "step");
        if (cJSON_IsTrue(json_get(step, "background")) || has_outcome(outcomes, name))
            continue;
        snprintf(text, sizeof text, "step \"%.100s\" has no outcome", name);
        return complain(&list, err, text);
    }
    return 0;
}

static int check_against_run(const struct cJSON *line, enum protocol_type type, const struct cJSON *run,
                             struct err *err)
{
    const struct cJSON *outcomes = json_get(line, "outcomes");
    struct place step = { NULL, "step", 0 };
    if (type == PROTOCOL_AT && find_step(run, text_of(line, "step")) == NULL)
        return complain(&step, err, "the run has no step of this name");
    if (type != PROTOCOL_RESULT)
        return 0;
    if (check_named_steps(outcomes, run, err) < 0)
        return -1;
    return check_all_there(outcomes, run, err);
}

int protocol_check(const struct cJSON *line, enum protocol_type type, const struct cJSON *run, struct err *err)
{
    if (check_word(line, protocol_lines[type], NULL, err) < 0)
        return -1;
    if (type == PROTOCOL_RESULT && check_outcomes(line, err) < 0)
        return -1;
    return run == NULL ? 0 : check_against_run(line, type, run, err);
}
