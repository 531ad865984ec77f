#include "base/json.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/*
 * cJSON is lenient: it takes a BOM, text behind the end, numbers such as 01 or 1e999, raw
 * control characters, and cuts strings at \u0000.  So one linear pass of our own checks the
 * grammar first (RFC 8259, no recursion); cJSON then only builds the tree.
 *
 * \u0000 is handed to cJSON as the two raw bytes C0 80, which valid UTF-8 never contains,
 * and turned back by json_string_bytes.
 */
#define NUL_MARK   "\xC0\x80"
#define NUMBER_MAX 63 /* cJSON copies numbers to a buffer of 64 */

/* ---- the checker -------------------------------------------------------------------- */

enum expect { VALUE, VALUE_OR_END, NAME, NAME_OR_END, COLON, COMMA_OR_END };

struct scan {
    const char *text, *p, *end;
    uint64_t is_object; /* bit d: level d is an object */
    unsigned depth;
    size_t values;
    bool has_nul; /* a \u0000 was seen */
    struct err *err;
};

static int complain(const struct scan *s, enum err_code code, const char *what)
{
    size_t line = 1, column = 1;
    for (const char *p = s->text; p < s->p; p++) {
        bool newline = *p == '\n';
        line += newline;
        if (newline)
            column = 1;
        else
            column += ((unsigned char) *p & 0xC0) != 0x80;
    }
    return err_set(s->err, code, 0, "%zu:%zu: %s", line, column, what);
}

static int bad(const struct scan *s, const char *what)
{
    return complain(s, ERR_INVALID, s->p == s->end ? "the text ends too early" : what);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits at `p`; -1 when they are none. */
static int32_t hex4(const char *p, const char *end)
{
    int32_t unit = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int v = hex_value(p[i]);
        if (v < 0)
            return -1;
        unit = unit << 4 | v;
    }
    return unit;
}

/* At the 'u' of an escape. */
static int scan_unicode_escape(struct scan *s)
{
    int32_t unit = hex4(s->p + 1, s->end);
    if (unit < 0)
        return complain(s, ERR_INVALID, "\\u needs four hex digits");
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return complain(s, ERR_INVALID, "a low surrogate without its high one");
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        const char *next = s->p + 5;
        int32_t low = s->end - next >= 6 && next[0] == '\\' && next[1] == 'u' ? hex4(next + 2, s->end) : -1;
        if (low < 0xDC00 || low > 0xDFFF)
            return complain(s, ERR_INVALID, "a high surrogate without its low one");
        s->p += 6;
    }
    s->has_nul |= unit == 0;
    s->p += 5;
    return 0;
}

/* At the opening quote. */
static int scan_string(struct scan *s)
{
    s->p++;
    while (s->p < s->end) {
        unsigned char c = (unsigned char) *s->p;
        if (c == '"') {
            s->p++;
            return 0;
        }
        if (c < 0x20)
            return complain(s, ERR_INVALID, "a raw control character in a string");
        if (c != '\\') {
            s->p++;
            continue;
        }
        s->p++;
        if (s->p == s->end || *s->p == '\0' || strchr("\"\\/bfnrtu", *s->p) == NULL)
            return bad(s, "an unknown escape in a string");
        if (*s->p != 'u')
            s->p++;
        else if (scan_unicode_escape(s) < 0)
            return -1;
    }
    return bad(s, "");
}

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* The end of the number at `p`, or NULL when it is not one. */
static const char *number_end(const char *p, const char *end)
{
    if (p < end && *p == '-')
        p++;
    const char *whole = p;
    p = skip_digits(p, end);
    if (p == whole || (*whole == '0' && p != whole + 1))
        return NULL;
    if (p < end && *p == '.') {
        const char *part = ++p;
        p = skip_digits(p, end);
        if (p == part)
            return NULL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        const char *part = p;
        p = skip_digits(p, end);
        if (p == part)
            return NULL;
    }
    return p;
}

static int scan_number(struct scan *s)
{
    char copy[NUMBER_MAX + 1];
    const char *stop = number_end(s->p, s->end);
    if (stop == NULL)
        return complain(s, ERR_INVALID, "not a JSON number");
    size_t len = (size_t) (stop - s->p);
    if (len > NUMBER_MAX)
        return complain(s, ERR_INVALID, "a number of more than 63 characters");
    memcpy(copy, s->p, len);
    copy[len] = '\0';
    if (!isfinite(strtod(copy, NULL)))
        return complain(s, ERR_INVALID, "a number out of range");
    s->p = stop;
    return 0;
}

static int scan_word(struct scan *s, const char *word)
{
    size_t len = strlen(word);
    if ((size_t) (s->end - s->p) < len || memcmp(s->p, word, len) != 0)
        return complain(s, ERR_INVALID, "a JSON value should be here");
    s->p += len;
    return 0;
}

static int open_level(struct scan *s, bool is_object)
{
    if (s->depth == JSON_MAX_DEPTH)
        return complain(s, ERR_LIMIT, "nested too deep (limit 64)");
    uint64_t bit = (uint64_t) 1 << s->depth++;
    s->is_object = is_object ? s->is_object | bit : s->is_object & ~bit;
    s->p++;
    return 0;
}

/* A value's start; containers only open. */
static int scan_value(struct scan *s, enum expect *next)
{
    if (++s->values > JSON_MAX_VALUES)
        return complain(s, ERR_LIMIT, "too many values (limit 1000000)");
    *next = COMMA_OR_END;
    switch (*s->p) {
    case '{': *next = NAME_OR_END; return open_level(s, true);
    case '[': *next = VALUE_OR_END; return open_level(s, false);
    case '"': return scan_string(s);
    case 't': return scan_word(s, "true");
    case 'f': return scan_word(s, "false");
    case 'n': return scan_word(s, "null");
    default:
        return *s->p == '-' || (*s->p >= '0' && *s->p <= '9') ? scan_number(s) : bad(s, "a JSON value should be here");
    }
}

static bool in_object(const struct scan *s)
{
    return s->depth > 0 && (s->is_object >> (s->depth - 1) & 1) != 0;
}

/* One closing bracket or comma behind a value. */
static int scan_after_value(struct scan *s, enum expect *next)
{
    if (*s->p == ',') {
        *next = in_object(s) ? NAME : VALUE;
        s->p++;
        return 0;
    }
    if (*s->p != (in_object(s) ? '}' : ']'))
        return bad(s, in_object(s) ? "',' or '}' should be here" : "',' or ']' should be here");
    s->depth--;
    s->p++;
    *next = COMMA_OR_END;
    return 0;
}

static int scan_token(struct scan *s, enum expect *next)
{
    char c = *s->p;
    switch (*next) {
    case VALUE_OR_END: return c == ']' ? scan_after_value(s, next) : scan_value(s, next);
    case VALUE: return scan_value(s, next);
    case NAME_OR_END:
        if (c == '}')
            return scan_after_value(s, next);
        __attribute__((fallthrough));
    case NAME: *next = COLON; return c == '"' ? scan_string(s) : bad(s, "a member name in quotes should be here");
    case COLON:
        if (c != ':')
            return bad(s, "':' should be here");
        *next = VALUE;
        s->p++;
        return 0;
    case COMMA_OR_END: return scan_after_value(s, next);
    }
    return err_set(s->err, ERR_INTERNAL, 0, "JSON checker lost its way");
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        s->p++;
}

static int scan_document(struct scan *s)
{
    size_t good = utf8_valid_prefix(s->text, (size_t) (s->end - s->text));
    s->p = s->text + good;
    if (s->p != s->end)
        return complain(s, ERR_INVALID, "not UTF-8");
    s->p = s->text;
    enum expect next = VALUE;
    for (skip_space(s); s->depth > 0 || next != COMMA_OR_END; skip_space(s)) {
        if (s->p == s->end)
            return bad(s, "");
        if (scan_token(s, &next) < 0)
            return -1;
    }
    return s->p == s->end ? 0 : complain(s, ERR_INVALID, "text behind the end of the document");
}

/* ---- parsing ------------------------------------------------------------------------ */

/* Replace every \u0000 (checked text: a backslash stands only in strings, and begins an escape). */
static void mark_nuls(struct buf *out, const char *text, size_t len)
{
    const char *p = text, *end = text + len, *from = text;
    while (p < end) {
        p = memchr(p, '\\', (size_t) (end - p));
        if (p == NULL)
            break;
        if (p[1] == 'u' && hex4(p + 2, end) == 0) {
            buf_add(out, from, (size_t) (p - from));
            buf_add(out, NUL_MARK, 2);
            from = p + 6;
        }
        p += p[1] == 'u' ? 6 : 2;
    }
    buf_add(out, from, (size_t) (end - from));
}

struct cJSON *json_parse(const char *text, size_t len, struct err *err)
{
    struct scan s = { .text = text, .p = text, .end = text + len, .err = err };
    BUF_AUTO marked = BUF_INIT;
    if (scan_document(&s) < 0)
        return NULL;
    if (s.has_nul) {
        mark_nuls(&marked, text, len);
        text = marked.data;
        len = marked.len;
    }
    cJSON *json = marked.failed ? NULL : cJSON_ParseWithLength(text, len);
    if (json == NULL)
        err_set(err, ERR_NOMEM, 0, "JSON document of %zu bytes", len);
    return json;
}

void json_free(struct cJSON *json)
{
    cJSON_Delete(json);
}

bool json_is_object(const struct cJSON *node)
{
    return cJSON_IsObject(node);
}

/* ---- reading ------------------------------------------------------------------------ */

/* Bytes of a cJSON string with the NUL marker turned back (C0 stands nowhere else). */
static void unmark_nuls(const char *text, struct buf *out)
{
    const char *end = text + strlen(text), *mark;
    while ((mark = memchr(text, NUL_MARK[0], (size_t) (end - text))) != NULL) {
        buf_add(out, text, (size_t) (mark - text));
        buf_char(out, '\0');
        text = mark + 2;
    }
    buf_add(out, text, (size_t) (end - text));
}

const struct cJSON *json_get(const struct cJSON *object, const char *name)
{
    const cJSON *found = NULL, *member;
    if (!cJSON_IsObject(object))
        return NULL;
    cJSON_ArrayForEach(member, object)
    {
        if (strcmp(member->string, name) == 0)
            found = member;
    }
    return cJSON_IsNull(found) ? NULL : found;
}

bool json_string_bytes(const struct cJSON *node, struct buf *out)
{
    if (!cJSON_IsString(node))
        return false;
    buf_clear(out);
    unmark_nuls(node->valuestring, out);
    return true;
}

void json_name_bytes(const struct cJSON *member, struct buf *out)
{
    buf_clear(out);
    if (member->string != NULL)
        unmark_nuls(member->string, out);
}

static const struct cJSON *find_member(const struct cJSON *object, const char *name, bool *out_present)
{
    const cJSON *node = json_get(object, name);
    if (out_present != NULL)
        *out_present = node != NULL;
    return node;
}

int json_get_bool(const struct cJSON *object, const char *name, bool *out, bool *out_present, struct err *err)
{
    const cJSON *node = find_member(object, name, out_present);
    if (node == NULL)
        return 0;
    if (!cJSON_IsBool(node))
        return err_set(err, ERR_INVALID, 0, "/%s: must be true or false", name);
    *out = cJSON_IsTrue(node);
    return 0;
}

int json_get_int(const struct cJSON *object, const char *name, int64_t min, int64_t max, int64_t *out,
                 bool *out_present, struct err *err)
{
    const cJSON *node = find_member(object, name, out_present);
    if (node == NULL)
        return 0;
    double d = cJSON_IsNumber(node) ? node->valuedouble : NAN;
    if (isnan(d) || d != floor(d))
        return err_set(err, ERR_INVALID, 0, "/%s: must be a whole number", name);
    /* 2^63 and beyond cannot be held; comparing as doubles first keeps the conversion defined. */
    if (d < -9223372036854775808.0 || d >= 9223372036854775808.0 || (int64_t) d < min || (int64_t) d > max)
        return err_set(err, ERR_INVALID, 0, "/%s: must be from %" PRId64 " to %" PRId64, name, min, max);
    *out = (int64_t) d;
    return 0;
}

int json_get_bytes(const struct cJSON *object, const char *name, struct buf *out, bool *out_present, struct err *err)
{
    const cJSON *node = find_member(object, name, out_present);
    if (node == NULL)
        return 0;
    if (!json_string_bytes(node, out))
        return err_set(err, ERR_INVALID, 0, "/%s: must be a string", name);
    return out->failed ? err_set(err, ERR_NOMEM, 0, "/%s", name) : 0;
}

int json_get_text(const struct cJSON *object, const char *name, struct buf *out, bool *out_present, struct err *err)
{
    const cJSON *node = find_member(object, name, out_present);
    if (cJSON_IsString(node) && strchr(node->valuestring, NUL_MARK[0]) != NULL)
        return err_set(err, ERR_INVALID, 0, "/%s: must not hold a NUL character", name);
    return json_get_bytes(object, name, out, out_present, err);
}
