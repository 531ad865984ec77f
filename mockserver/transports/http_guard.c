/*
 * Who may come in (design: "Security").  A server that runs commands listens on a developer's
 * machine, and any web page the developer opens may send requests to it: through a name of its own
 * that resolves to 127.0.0.1 (hence Host), from its scripts (hence Origin), and as the "simple"
 * requests that browsers send anywhere unasked (hence the declared type of a body).
 */
#include "transports/http_priv.h"

#include <civetweb.h>
#include <string.h>
#include <strings.h>

#include "transports/host.h"

static const struct refusal
    too_many_headers = { 431, "too_many_headers", "too many header fields" },
    bad_framing = { 400, "bad_framing", "the length of the body is not clear: one Content-Length of digits, "
                                        "or Transfer-Encoding: chunked, and not both" },
    no_host = { 400, "bad_host", "exactly one Host header is needed" },
    wrong_host = { 403, "host_not_allowed", "Host is no local name; start the server with --allow-remote to take any" },
    wrong_origin = { 403, "origin_not_allowed", "requests from other web origins are not taken" },
    bad_path = { 400, "bad_path", "the path has a bad percent escape or a NUL" },
    bad_expect = { 417, "bad_expectation", "only Expect: 100-continue is known" };

const struct refusal
    refusal_no_answer = { 500, "internal_error", "the request was not answered" },
    refusal_too_many_streams = { 503, "too_many_streams", "as many streams are open as --max-streams allows" },
    refusal_bad_target = { 400, "bad_target", "the request target must be a path on this server" },
    refusal_bad_type = { 415, "unsupported_media_type", "a body must be declared Content-Type: application/json" };

/* ---- fields --------------------------------------------------------------------------- */

/* How often a field is there; `out_value` gets the first. */
static int count_field(const struct mg_request_info *info, const char *name, const char **out_value)
{
    int count = 0;
    for (int i = 0; i < info->num_headers; i++) {
        if (strcasecmp(info->http_headers[i].name, name) == 0 && count++ == 0)
            *out_value = info->http_headers[i].value;
    }
    return count;
}

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

bool guard_has_token(const char *list, const char *token)
{
    size_t len = strlen(token);
    for (const char *p = list; p != NULL && *p != '\0';) {
        p = skip_blanks(p);
        size_t word = strcspn(p, ", \t");
        if (word == len && strncasecmp(p, token, len) == 0)
            return true;
        p += strcspn(p, ",");
        p += *p == ',';
    }
    return false;
}

/* ---- framing -------------------------------------------------------------------------- */

#define MAX_LENGTH_DIGITS 18   /* fits an int64_t */

static bool parse_length(const char *text, uint64_t *out)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > MAX_LENGTH_DIGITS || *skip_blanks(text + digits) != '\0')
        return false;
    *out = 0;
    for (size_t i = 0; i < digits; i++)
        *out = *out * 10 + (uint64_t) (text[i] - '0');
    return true;
}

static const struct refusal *check_framing(const struct mg_request_info *info, struct framing *out)
{
    const char *length = NULL, *coding = NULL;
    int lengths = count_field(info, "Content-Length", &length);
    int codings = count_field(info, "Transfer-Encoding", &coding);
    *out = (struct framing) { .has_body = false };
    if (lengths + codings == 0)
        return NULL;
    if (lengths + codings > 1)
        return &bad_framing;
    if (lengths == 1) {
        if (!parse_length(length, &out->length))
            return &bad_framing;
        out->has_body = out->length > 0;
        return NULL;
    }
    if (strcasecmp(coding, "chunked") != 0 || strcmp(info->http_version, "1.1") != 0)
        return &bad_framing;
    out->has_body = out->chunked = true;
    return NULL;
}

/* ---- Host and Origin ------------------------------------------------------------------ */

static const struct refusal *check_host(const struct http_config *config, const struct mg_request_info *info)
{
    char name[HOST_NAME_BYTES];
    const char *host = NULL;
    int hosts = count_field(info, "Host", &host);
    if (hosts == 0)
        return strcmp(info->http_version, "1.1") == 0 ? &no_host : NULL;
    if (hosts > 1 || !host_split(host, name))
        return &no_host;
    return config->allow_remote || host_is_known(host, config->extra_hosts) ? NULL : &wrong_host;
}

/* Only a page of this very server may be the origin. */
static const struct refusal *check_origin(const struct mg_request_info *info)
{
    const char *host = NULL;
    bool has_host = count_field(info, "Host", &host) > 0;
    for (int i = 0; i < info->num_headers; i++) {
        const char *origin = info->http_headers[i].value;
        if (strcasecmp(info->http_headers[i].name, "Origin") != 0)
            continue;
        if (!has_host || strncasecmp(origin, "http://", 7) != 0 || strcasecmp(origin + 7, host) != 0)
            return &wrong_origin;
    }
    return NULL;
}

/* ---- the body's type, expectations ---------------------------------------------------- */

bool guard_is_json(const char *content_type)
{
    static const char json[] = "application/json";
    if (content_type == NULL || strncasecmp(content_type, json, sizeof json - 1) != 0)
        return false;
    char behind = *skip_blanks(content_type + sizeof json - 1);
    return behind == '\0' || behind == ';';
}

static const struct refusal *check_expect(const struct mg_request_info *info)
{
    const char *expect = NULL;
    int count = count_field(info, "Expect", &expect);
    return count == 0 || (count == 1 && strcasecmp(expect, "100-continue") == 0) ? NULL : &bad_expect;
}

const struct refusal *guard_request(const struct http_config *config, const struct mg_request_info *info,
                                    struct framing *out_framing)
{
    /* civetweb drops fields beyond its limit in silence, Content-Length perhaps among them. */
    if (info->num_headers >= MG_MAX_HEADERS)
        return &too_many_headers;
    const struct refusal *why = check_framing(info, out_framing);
    if (why == NULL)
        why = check_host(config, info);
    if (why == NULL)
        why = check_origin(info);
    return why != NULL ? why : check_expect(info);
}

/* ---- the path ------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char) (c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const struct refusal *guard_path(const char *raw, struct buf *out)
{
    buf_clear(out);
    for (const char *p = raw; *p != '\0'; p++) {
        char c = *p;
        if (c == '%') {
            int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
            c = (char) (high * 16 + low);
            if (low < 0 || c == '\0')
                return &bad_path;
            p += 2;
        }
        if (c != '/' || out->len == 0 || out->data[out->len - 1] != '/')
            buf_char(out, c);
    }
    return out->len > 0 && out->data[0] == '/' && !out->failed ? NULL : &bad_path;
}
