#include "lanes/ledger_redact.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- headers ---------------------------------------------------------------------------- */

/* Only known ones: the first word of something else could be the secret. */
static const char *const schemes[] = { "Bearer", "Basic", "Digest", "Token", "Negotiate" };

/* Length of the scheme in front of the credentials, 0: none. */
static size_t scheme_len(const char *value)
{
    for (size_t i = 0; i < COUNT(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (strncasecmp(value, schemes[i], len) == 0 && (value[len] == ' ' || value[len] == '\0'))
            return len;
    }
    return 0;
}

void redact_header(struct buf *out, const char *name, const char *value)
{
    if (!secret_is_name(name, strlen(name))) {
        buf_str(out, value);
        return;
    }
    size_t kept = scheme_len(value);
    kept += strspn(value + kept, " ");
    buf_add(out, value, kept);
    if (value[kept] != '\0')
        buf_str(out, REDACTED);
}

/* ---- queries ---------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : isxdigit((unsigned char) c) ? tolower((unsigned char) c) - 'a' + 10 : -1;
}

/* "%74oken" is a token, too. */
static bool is_secret_param(const char *name, size_t len)
{
    char plain[SECRET_NAME_BYTES];
    size_t n = 0;
    for (size_t i = 0; i < len; n++) {
        if (n == sizeof plain)
            return true;
        bool coded = name[i] == '%' && len - i > 2 && hex_digit(name[i + 1]) >= 0 && hex_digit(name[i + 2]) >= 0;
        plain[n] = name[i];
        if (coded)
            plain[n] = (char) (hex_digit(name[i + 1]) << 4 | hex_digit(name[i + 2]));
        i += coded ? 3 : 1;
    }
    return secret_is_name(plain, n);
}

void redact_query(struct buf *out, const char *query)
{
    while (*query != '\0') {
        size_t name = strcspn(query, "=&"), all = name + strcspn(query + name, "&");
        bool hides = all > name + 1 && is_secret_param(query, name);
        buf_add(out, query, hides ? name + 1 : all);
        if (hides)
            buf_str(out, REDACTED);
        query += all;
        if (*query == '&')
            buf_char(out, *query++);
    }
}

/* ---- JSON ------------------------------------------------------------------------------- */

struct sink {
    struct buf *out;
    size_t limit;
    bool cut;
};

static void emit(struct sink *s, const char *text, size_t len)
{
    size_t room = s->out->len < s->limit ? s->limit - s->out->len : 0;
    s->cut = s->cut || len > room;
    buf_add(s->out, text, len < room ? len : room);
}

static void emit_quote(struct sink *s, size_t backslashes)
{
    while (backslashes-- > 0)
        emit(s, "\\", 1);
    emit(s, "\"", 1);
}

/*
 * Does a quote behind so many backslashes end a string that began behind `level`?  Within a string of JSON, a nested
 * JSON's quotes have 1 backslash, those that are nested twice 3; an escaped quote in the string has more, and a
 * backslash as its last character adds 2 * (level + 1).
 */
static bool ends_string(size_t run, size_t level)
{
    return run <= level || (run - level) % (2 * (level + 1)) == 0;
}

static bool is_object(const struct redact_json *r)
{
    return r->depth <= 64 && (r->objects >> (r->depth - 1) & 1) != 0;
}

static void open_container(struct redact_json *r, char c)
{
    r->depth++;
    if (r->depth <= 64) {
        uint64_t bit = UINT64_C(1) << (r->depth - 1);
        r->objects = c == '{' ? r->objects | bit : r->objects & ~bit;
    }
    r->expects_name = is_object(r);
}

static void start_name(struct redact_json *r)
{
    r->name_len = 0;
    r->is_odd = false;
}

static void add_to_name(struct redact_json *r, const char *text, size_t len)
{
    r->is_odd = r->is_odd || r->run > 0 || len > sizeof r->name - r->name_len;
    if (r->is_odd)
        return;
    memcpy(r->name + r->name_len, text, len);
    r->name_len += len;
}

static void end_name(struct redact_json *r)
{
    r->was_odd = r->is_odd;
    r->last_len = r->name_len;
    memcpy(r->last, r->name, r->name_len);
    start_name(r);
}

static bool is_behind_secret_name(const struct redact_json *r)
{
    return r->after_name && (r->was_odd || secret_is_name(r->last, r->last_len));
}

/*
 * A quote outside of secrets.  Whether it opens or closes is not asked, since text that is no JSON may have one too
 * many: what stands before it, back to the quote before, is taken for a name, and a colon must prove it.
 */
static void scan_quote(struct redact_json *r, struct sink *s)
{
    bool begins_secret = r->wants_secret || (r->depth > 0 && !r->expects_name);
    end_name(r);
    r->after_name = true;
    r->wants_secret = false;
    r->level = r->run;
    if (begins_secret)
        r->state = REDACT_FIRST;
    else if (r->depth > 0)
        r->state = REDACT_NAME;
    emit(s, "\"", 1);
}

/* White space, also as an escape in a nested text, leaves a name waiting for its colon, and a colon for its value. */
static bool is_blank(const struct redact_json *r, char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || (r->run > 0 && (c == 'n' || c == 'r' || c == 't'));
}

static void scan_mark(struct redact_json *r, char c)
{
    bool opens = c == '{' || c == '[';
    if (c == ':')
        r->wants_secret = is_behind_secret_name(r);
    else if (opens && (r->wants_secret || r->depth > 0))
        open_container(r, c);
    else if ((c == '}' || c == ']') && r->depth > 0)
        r->depth--;
    if (r->depth > 0 && (c == ':' || c == ','))
        r->expects_name = c == ',' && is_object(r);
    if (c != ':')
        r->wants_secret = false;
    r->after_name = false;
}

static void scan(struct redact_json *r, char c, struct sink *s)
{
    bool is_secret = r->wants_secret || (r->depth > 0 && !r->expects_name);
    if (c == '"') {
        scan_quote(r, s);
        return;
    }
    if (is_secret && (c == '-' || (c >= '0' && c <= '9'))) {
        emit_quote(s, r->level);
        emit(s, REDACTED, sizeof REDACTED - 1);
        emit_quote(s, r->level);
        r->state = REDACT_NUMBER;
        return;
    }
    emit(s, &c, 1);
    if (c == '\\')
        return;
    if (!is_blank(r, c))
        scan_mark(r, c);
    add_to_name(r, &c, 1);
}

static void pass_name(struct redact_json *r, char c, struct sink *s)
{
    emit(s, &c, 1);
    if (c == '"' && ends_string(r->run, r->level))
        r->state = REDACT_SCAN;
}

/* Nothing is said of a secret until it is known not to be empty. */
static void skip_secret(struct redact_json *r, char c, struct sink *s)
{
    bool ends = c == '"' && ends_string(r->run, r->level);
    if (r->state == REDACT_FIRST && !ends && c == '\\')
        return;
    if (r->state == REDACT_FIRST && (!ends || r->run > r->level))
        emit(s, REDACTED, sizeof REDACTED - 1);
    r->state = REDACT_SECRET;
    if (!ends)
        return;
    emit_quote(s, r->run < r->level ? r->run : r->level);
    r->state = REDACT_SCAN;
    r->after_name = false;
    start_name(r);
}

static void skip_number(struct redact_json *r, char c, struct sink *s)
{
    if (isalnum((unsigned char) c) || c == '.' || c == '+' || c == '-')
        return;
    r->state = REDACT_SCAN;
    r->wants_secret = false;
    scan(r, c, s);
}

static void step(struct redact_json *r, char c, struct sink *s)
{
    switch (r->state) {
    case REDACT_SCAN: scan(r, c, s); break;
    case REDACT_NAME: pass_name(r, c, s); break;
    case REDACT_FIRST:
    case REDACT_SECRET: skip_secret(r, c, s); break;
    case REDACT_NUMBER: skip_number(r, c, s); break;
    }
    r->run = c == '\\' ? r->run + 1 : 0;
}

/* Nothing changes with these outside of secrets, but that a name before them was none. */
static size_t count_plain(const char *text, size_t len)
{
    static const bool is_mark[256] = { ['"'] = true, ['\\'] = true, [':'] = true,
                                       [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true };
    size_t n = 0;
    while (n < len && !is_mark[(unsigned char) text[n]])
        n++;
    return n;
}

/* Most of a text, in one go.  How much of it: 0 is none, then each character counts. */
static size_t pass_plain(struct redact_json *r, const char *text, size_t len, struct sink *s)
{
    bool is_outside = r->state == REDACT_SCAN && r->run == 0 && r->depth == 0 && !r->wants_secret;
    size_t n = is_outside ? count_plain(text, len) : 0;
    if (n == 0)
        return 0;
    r->after_name = false;
    add_to_name(r, text, n);
    emit(s, text, n);
    return n;
}

bool redact_json(struct redact_json *r, const void *data, size_t len, struct buf *out, size_t limit)
{
    struct sink s = { out, limit, false };
    const char *p = data;
    for (size_t i = 0, n; i < len; i += n) {
        /* What comes behind a full buffer is never looked at, so its state does not matter any more. */
        if (out->len >= limit)
            return false;
        n = pass_plain(r, p + i, len - i, &s);
        if (n == 0) {
            step(r, p[i], &s);
            n = 1;
        }
    }
    return !s.cut && !out->failed;
}
