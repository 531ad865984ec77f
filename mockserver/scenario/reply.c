/* "reply": an answer instead of the true one. */
#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "scenario/scenario_priv.h"

#define MAX_HEADERS      100
#define MAX_HEADER_VALUE 8192
#define DAY_S            86400.0
#define MAX_PIECE        (INT64_C(1) << 20) /* as much as a text in the file */

static int read_pretend(struct reader *r, const struct cJSON *value, void *out)
{
    struct reply *reply = out;
    if (!cJSON_IsString(value) || strcmp(value->valuestring, "success") != 0)
        return reader_refuse(r, value, "must be \"success\"");
    reply->pretend_success = true;
    return 0;
}

static int read_http_status(struct reader *r, const struct cJSON *value, struct reply *reply)
{
    int64_t status = 0;
    if (reader_int(r, value, 200, 599, &status) < 0)
        return -1;
    reply->http_status = (int) status;
    reply->grpc_status = vocab_grpc_of_http(reply->http_status);
    return 0;
}

static int read_status(struct reader *r, const struct cJSON *value, void *out)
{
    struct reply *reply = out;
    if (cJSON_IsNumber(value))
        return read_http_status(r, value, reply);
    if (!cJSON_IsString(value))
        return reader_wants(r, value, "an HTTP status such as 503 or a gRPC status such as \"UNAVAILABLE\"");
    if (reader_word(r, value, &vocab_grpc, &reply->grpc_status) < 0)
        return -1;
    if (reply->grpc_status == 0)
        return reader_refuse(r, value, "\"OK\" is no error: use \"pretend\": \"success\"");
    reply->says_grpc = true;
    reply->http_status = vocab_http_of_grpc(reply->grpc_status);
    return 0;
}

static int read_retry_after(struct reader *r, const struct cJSON *value, void *out)
{
    struct reply *reply = out;
    double seconds = 0;
    if (reader_number(r, value, 0, DAY_S, &seconds) < 0)
        return -1;
    reply->retry_after_ms = (int64_t) (seconds * 1000 + 0.5);
    return 0;
}

static int read_message(struct reader *r, const struct cJSON *value, void *out)
{
    return reader_text(r, value, 0, &((struct reply *) out)->message);
}

static int read_code(struct reader *r, const struct cJSON *value, void *out)
{
    return reader_text(r, value, 1, &((struct reply *) out)->code);
}

static int read_details(struct reader *r, const struct cJSON *value, void *out)
{
    struct reply *reply = out;
    BUF_AUTO json = BUF_INIT;
    if (!cJSON_IsObject(value) && !cJSON_IsArray(value))
        return reader_wants(r, value, "an object or a list");
    json_print(&json, value);
    if (json.failed)
        return err_set(r->err, ERR_NOMEM, 0, "%s", r->doc.file_name);
    reply->details = json.data;
    json = (struct buf) BUF_INIT;
    return 0;
}

static int read_body(struct reader *r, const struct cJSON *value, void *out)
{
    struct reply *reply = out;
    return reader_bytes(r, value, &reply->body, &reply->body_len);
}

static int read_pieces(struct reader *r, const struct cJSON *value, void *out)
{
    struct reply *reply = out;
    const cJSON *item;
    size_t count = 0;
    if (reader_list(r, value, SCENARIO_MAX_LIST, &count) < 0)
        return -1;
    reply->pieces = reader_alloc(r, count, sizeof *reply->pieces);
    if (reply->pieces == NULL)
        return -1;
    cJSON_ArrayForEach(item, value)
    {
        int64_t size = 0;
        if (reader_int(r, item, 1, MAX_PIECE, &size) < 0)
            return -1;
        reply->pieces[reply->piece_count++] = (size_t) size;
    }
    return 0;
}

/* ---- headers -------------------------------------------------------------------------- */

/* Visible ASCII, blanks and tabs: nothing that ends a header line. */
static bool is_header_value(const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        if ((unsigned char) *c < 0x20 ? *c != '\t' : (unsigned char) *c > 0x7E)
            return false;
    }
    return strlen(value) <= MAX_HEADER_VALUE;
}

/* A token of RFC 9110. */
static bool is_header_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++) {
        if (!isalnum((unsigned char) *c) && strchr("!#$%&'*+-.^_`|~", *c) == NULL)
            return false;
    }
    return *name != '\0' && strlen(name) <= 200;
}

/* Set by whoever frames the answer. */
static bool is_framing(const char *name)
{
    static const char *const framing[] = { "content-length", "transfer-encoding", "connection", "content-type",
                                           "retry-after" };
    for (size_t i = 0; i < sizeof framing / sizeof framing[0]; i++) {
        if (strcasecmp(name, framing[i]) == 0)
            return true;
    }
    return false;
}

static int read_content_type(struct reader *r, const struct cJSON *value, void *out)
{
    struct reply *reply = out;
    if (reader_text(r, value, 1, &reply->content_type) < 0)
        return -1;
    return is_header_value(reply->content_type) ? 0 : reader_refuse(r, value, "not the value of a header");
}

static int read_header(struct reader *r, const struct cJSON *member, struct reply_header *out)
{
    if (!is_header_name(member->string))
        return reader_refuse_key(r, member, "not the name of a header");
    if (is_framing(member->string))
        return reader_refuse_key(r, member, "this header is set by the server%s",
                                 strcasecmp(member->string, "retry-after") == 0    ? ": use \"retry_after_s\""
                                 : strcasecmp(member->string, "content-type") == 0 ? ": use \"content_type\""
                                                                                   : "");
    out->name = strdup(member->string);
    if (out->name == NULL)
        return err_set(r->err, ERR_NOMEM, 0, "%s", r->doc.file_name);
    if (reader_text(r, member, 0, &out->value) < 0)
        return -1;
    return is_header_value(out->value) ? 0 : reader_refuse(r, member, "not the value of a header");
}

static int read_headers(struct reader *r, const struct cJSON *value, void *out)
{
    struct reply *reply = out;
    const cJSON *member;
    if (!cJSON_IsObject(value))
        return reader_wants(r, value, "an object of headers");
    size_t count = (size_t) cJSON_GetArraySize(value);
    if (count > MAX_HEADERS)
        return reader_refuse(r, value, "%zu headers are too many (limit %d)", count, MAX_HEADERS);
    reply->headers = reader_alloc(r, count, sizeof *reply->headers);
    if (reply->headers == NULL)
        return -1;
    cJSON_ArrayForEach(member, value)
    {
        if (read_header(r, member, &reply->headers[reply->header_count++]) < 0)
            return -1;
    }
    return 0;
}

/* ---- the whole ------------------------------------------------------------------------ */

static const struct key reply_list[] = {
    { "pretend", read_pretend, false },
    { "status", read_status, false },
    { "retry_after_s", read_retry_after, false },
    { "message", read_message, false },
    { "code", read_code, false },
    { "details", read_details, false },
    { "body", read_body, false },
    { "content_type", read_content_type, false },
    { "pieces", read_pieces, false },
    { "headers", read_headers, false },
};
const struct keys reply_keys = { "reply", "\"reply\"", reply_list, sizeof reply_list / sizeof reply_list[0] };

/* Their bodies never get on the wire. */
static bool is_bodiless(int http_status)
{
    return http_status == 204 || http_status == 304;
}

/* The dialect words an error from these; a raw body leaves nothing to word. */
static const char *const worded[] = { "message", "code", "details" };

/* Something must be left for the last piece: a list that is as long as the body says too much. */
static int check_pieces(struct reader *r, const struct cJSON *pieces, const struct cJSON *body,
                        const struct reply *reply)
{
    size_t sum = 0;
    if (body == NULL)
        return reader_refuse_key(r, pieces, "\"pieces\" goes with \"body\"");
    for (size_t i = 0; i < reply->piece_count; i++)
        sum += reply->pieces[i];
    return sum < reply->body_len ? 0
                                 : reader_refuse(r, pieces, "%zu bytes in all, and the body has %zu: there must be a rest",
                                                 sum, reply->body_len);
}

static int check_reply(struct reader *r, const struct cJSON *value, const struct reply *reply)
{
    const cJSON *member, *body = json_get(value, "body");
    if (reply->pretend_success) {
        cJSON_ArrayForEach(member, value)
        {
            if (strcmp(member->string, "pretend") != 0)
                return reader_refuse_key(r, member,
                                         "\"%s\" contradicts \"pretend\", which answers as if all had gone "
                                         "well",
                                         member->string);
        }
        return 0;
    }
    if (reply->http_status == 0)
        return reader_refuse(r, value, "needs \"status\" or \"pretend\"");
    if (body != NULL && reply->says_grpc)
        return reader_refuse_key(r, body, "\"body\" goes with an HTTP status, not with a gRPC one");
    if (reply->body_len > 0 && is_bodiless(reply->http_status))
        return reader_refuse_key(r, body, "an answer with status %d has no body", reply->http_status);
    if (reply->content_type != NULL && body == NULL)
        return reader_refuse_key(r, json_get(value, "content_type"), "\"content_type\" goes with \"body\"");
    if (reply->pieces != NULL && check_pieces(r, json_get(value, "pieces"), body, reply) < 0)
        return -1;
    for (size_t i = 0; body != NULL && i < sizeof worded / sizeof worded[0]; i++) {
        member = json_get(value, worded[i]);
        if (member != NULL)
            return reader_refuse_key(r, member, "\"%s\" contradicts \"body\", which is the whole answer", worded[i]);
    }
    return 0;
}

int reply_read(struct reader *r, const struct cJSON *value, void *out)
{
    struct fault *fault = out;
    fault->kind = FAULT_REPLY;
    fault->reply = reader_alloc(r, 1, sizeof *fault->reply);
    if (fault->reply == NULL)
        return -1;
    fault->reply->retry_after_ms = -1;
    if (reader_object(r, value, &reply_keys, fault->reply) < 0)
        return -1;
    return check_reply(r, value, fault->reply);
}

void reply_free(struct reply *reply)
{
    if (reply == NULL)
        return;
    for (size_t i = 0; i < reply->header_count; i++) {
        free(reply->headers[i].name);
        free(reply->headers[i].value);
    }
    free(reply->headers);
    free(reply->message);
    free(reply->code);
    free(reply->details);
    free(reply->body);
    free(reply->content_type);
    free(reply->pieces);
    free(reply);
}
