/* Is a pattern one?  Asked once, when its case is loaded. */
#include "judge/pattern_priv.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

int pattern_check_fail(struct check *c, const struct cJSON *node, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    c->bad = node;
    return err_set(c->err, ERR_INVALID, 0, "%s", text);
}

/* ---- arguments ----------------------------------------------------------------------------- */

int pattern_check_true(struct check *c, const struct cJSON *arg)
{
    return cJSON_IsTrue(arg) ? 0 : pattern_check_fail(c, arg, "%s takes only true", arg->string);
}

int pattern_check_type_word(struct check *c, const struct cJSON *arg)
{
    for (size_t i = 0; cJSON_IsString(arg) && i < PATTERN_TYPES; i++) {
        if (strcmp(arg->valuestring, pattern_types[i]) == 0)
            return 0;
    }
    return pattern_check_fail(c, arg, "$type takes string, integer, number, boolean, object, array or bytes");
}

int pattern_check_patterns(struct check *c, const struct cJSON *arg)
{
    const cJSON *one;
    if (!cJSON_IsArray(arg) || arg->child == NULL)
        return pattern_check_fail(c, arg, "%s takes a list of patterns, one at least", arg->string);
    cJSON_ArrayForEach(one, arg)
    {
        if (pattern_check_node(c, one) < 0)
            return -1;
    }
    return 0;
}

static bool is_output(const cJSON *arg)
{
    OUTPUT_AUTO output = OUTPUT_INIT;
    const cJSON *base64 = json_get(arg, "base64");
    return cJSON_IsString(arg) ||
           (base64 != NULL && base64->next == NULL && base64->prev == base64 && output_read(arg, &output));
}

int pattern_check_output(struct check *c, const struct cJSON *arg)
{
    return is_output(arg) ? 0 : pattern_check_fail(c, arg, "%s takes a text or {\"base64\": \"...\"}", arg->string);
}

/* For arrays it is a pattern. */
int pattern_check_contains(struct check *c, const struct cJSON *arg)
{
    return is_output(arg) ? 0 : pattern_check_node(c, arg);
}

/* \1 makes matching slow beyond all bounds, and is no part of POSIX extended expressions. */
static bool has_back_reference(const char *expression)
{
    for (; *expression != '\0'; expression++) {
        if (*expression == '\\' && *++expression >= '1' && *expression <= '9')
            return true;
    }
    return false;
}

int pattern_check_expression(struct check *c, const struct cJSON *arg)
{
    regex_t regex;
    char why[100];
    if (!cJSON_IsString(arg))
        return pattern_check_fail(c, arg, "$matches takes a text");
    if (has_back_reference(arg->valuestring))
        return pattern_check_fail(c, arg, "$matches takes no back-references (\\1)");
    int code = regcomp(&regex, arg->valuestring, REG_EXTENDED | REG_NOSUB);
    if (code == 0) {
        regfree(&regex);
        return 0;
    }
    regerror(code, &regex, why, sizeof why);
    return pattern_check_fail(c, arg, "not an extended regular expression: %s", why);
}

int pattern_check_number(struct check *c, const struct cJSON *arg)
{
    return cJSON_IsNumber(arg) ? 0 : pattern_check_fail(c, arg, "%s takes a number", arg->string);
}

int pattern_check_text(struct check *c, const struct cJSON *arg)
{
    return cJSON_IsString(arg) ? 0 : pattern_check_fail(c, arg, "%s takes a text", arg->string);
}

static bool is_path(const char *path)
{
    size_t step = strcspn(path, ".");
    const char *rest = path + step;
    if (step == 0 || (strncmp(rest, ".value", 6) != 0 && strncmp(rest, ".error", 6) != 0))
        return false;
    if (strchr(".", rest[6]) == NULL) /* the end, or a dot */
        return false;
    return strstr(rest, "..") == NULL && rest[strlen(rest) - 1] != '.';
}

int pattern_check_same(struct check *c, const struct cJSON *arg)
{
    struct err why = ERR_INIT;
    if (!cJSON_IsString(arg) || !is_path(arg->valuestring))
        return pattern_check_fail(c, arg, "$same takes a place in an outcome: \"STEP.value.id\", \"STEP.error.kind\"");
    if (c->same == NULL)
        return pattern_check_fail(c, arg, "$same has no meaning here");
    return c->same(c->arg, arg->valuestring, &why) < 0 ? pattern_check_fail(c, arg, "%s", why.text) : 0;
}

/* The members of an argument: these two and no others. */
static int check_pair(struct check *c, const cJSON *arg, const char *first, const char *second)
{
    const cJSON *member;
    if (!cJSON_IsObject(arg) || json_get(arg, first) == NULL || json_get(arg, second) == NULL)
        return pattern_check_fail(c, arg, "%s takes {\"%s\": ..., \"%s\": ...}", arg->string, first, second);
    cJSON_ArrayForEach(member, arg)
    {
        if (strcmp(member->string, first) != 0 && strcmp(member->string, second) != 0)
            return pattern_check_fail(c, member, "%s has no member \"%s\"", arg->string, member->string);
    }
    return 0;
}

int pattern_check_joined(struct check *c, const struct cJSON *arg)
{
    if (check_pair(c, arg, "type", "is") < 0 || pattern_check_text(c, json_get(arg, "type")) < 0)
        return -1;
    return pattern_check_node(c, json_get(arg, "is"));
}

int pattern_check_repeat(struct check *c, const struct cJSON *arg)
{
    OUTPUT_AUTO unit = OUTPUT_INIT;
    if (check_pair(c, arg, "of", "times") < 0 || pattern_check_output(c, json_get(arg, "of")) < 0)
        return -1;
    const cJSON *times = json_get(arg, "times");
    if (!output_read(json_get(arg, "of"), &unit) || unit.len == 0)
        return pattern_check_fail(c, json_get(arg, "of"), "something that can be repeated, not nothing");
    double n = cJSON_IsNumber(times) ? times->valuedouble : -1;
    if (n < 0 || floor(n) < n || n * (double) unit.len > (double) PATTERN_REPEAT_MAX)
        return pattern_check_fail(c, times, "a whole number from 0, and no more than %zu bytes in all",
                                  PATTERN_REPEAT_MAX);
    return 0;
}

/* ---- patterns ------------------------------------------------------------------------------ */

static int check_ops(struct check *c, const cJSON *pattern)
{
    const cJSON *member;
    cJSON_ArrayForEach(member, pattern)
    {
        if (member->string[0] != '$')
            return pattern_check_fail(c, member, "operators and members do not mix in one object; put both in $all");
        const struct pattern_op *op = pattern_find_op(member->string);
        if (op == NULL)
            return pattern_check_fail(c, member, "there is no operator %.40s", member->string);
        if (op->check(c, member) < 0)
            return -1;
    }
    return 0;
}

static int check_member(struct check *c, const cJSON *member)
{
    if (member->string != NULL && member->string[0] == '$')
        return pattern_check_fail(c, member, "operators and members do not mix in one object; put both in $all");
    return pattern_check_node(c, member);
}

int pattern_check_node(struct check *c, const struct cJSON *pattern)
{
    const cJSON *child;
    if (pattern_is_ops(pattern))
        return check_ops(c, pattern);
    cJSON_ArrayForEach(child, pattern)
    {
        if (check_member(c, child) < 0)
            return -1;
    }
    return 0;
}

int pattern_check(const struct cJSON *pattern, pattern_same_fn *same, const void *arg, const struct cJSON **out_bad,
                  struct err *err)
{
    struct check c = { .same = same, .arg = arg, .bad = pattern, .err = err };
    if (pattern_check_node(&c, pattern) == 0)
        return 0;
    *out_bad = c.bad;
    return -1;
}
