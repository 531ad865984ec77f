/* One call: what came with it is checked against the table, and what is answered goes out here. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_priv.h"
#include "base/text.h"

/* ---- answers ---------------------------------------------------------------------------- */

static void refuse(struct exchange *x, int status, const char *code, const char *message)
{
    BUF_AUTO body = BUF_INIT;
    refusal_write(&body, code, message);
    exchange_reply(x, status, ADMIN_JSON, buf_cstr(&body), body.len);
}

void call_fail(struct call *call, int status, const char *code, const char *fmt, ...)
{
    char message[ERR_TEXT_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    refuse(call->x, status, code, message);
}

void call_fail_err(struct call *call, const struct err *err)
{
    static const struct { int status; const char *code; } by_code[ERR_CODES] = {
        [ERR_NOMEM] = { 503, "out_of_memory" },    [ERR_IO] = { 500, "io_error" },
        [ERR_INVALID] = { 400, "invalid_request" }, [ERR_NOT_FOUND] = { 404, "not_found" },
        [ERR_CONFLICT] = { 409, "conflict" },      [ERR_LIMIT] = { 409, "limit_reached" },
    };
    int status = by_code[err->code].status;
    if (status == 0)
        refuse(call->x, 500, "internal_error", err->text);
    else
        refuse(call->x, status, by_code[err->code].code, err->text);
}

void call_reply_status(struct call *call, const char *status)
{
    struct answer a;
    answer_begin(&a, call);
    jsonw_str(&a.w, "status", status);
    answer_end(&a);
}

bool call_is_over(void *arg)
{
    struct call *call = arg;
    return call->x->ops->peer_gone(call->x);
}

void answer_begin_lines(struct answer *a, struct call *call, const char *type)
{
    *a = (struct answer) { .call = call, .buf = BUF_INIT, .status = 200, .type = type };
    if (call->row->status != 0)
        a->status = call->row->status;
    jsonw_init(&a->w, &a->buf);
}

void answer_begin(struct answer *a, struct call *call)
{
    answer_begin_lines(a, call, ADMIN_JSON);
    /* The writer stays where the answer is; only its depth and commas go on over the pieces. */
    jsonw_object(&a->w, NULL);
}

static void send_piece(struct answer *a)
{
    struct exchange *x = a->call->x;
    if (!a->streams) {
        a->streams = true;
        a->broken = x->ops->stream_begin(x, a->status, a->type) != 0;
    }
    if (!a->broken)
        a->broken = a->buf.failed || x->ops->stream_write(x, buf_cstr(&a->buf), a->buf.len) != 0;
    buf_clear(&a->buf);
}

bool answer_flush(struct answer *a)
{
    if (a->buf.len >= ANSWER_PIECE && !a->broken && !(a->buf.failed && !a->streams))
        send_piece(a);
    return !a->broken && !a->buf.failed;
}

void answer_end_lines(struct answer *a)
{
    struct exchange *x = a->call->x;
    if (a->streams) {
        if (a->buf.len > 0 && !a->broken)
            send_piece(a);
        /* One that is not whole has no end: the client sees that by the connection. */
        if (!a->broken && !a->buf.failed)
            x->ops->stream_end(x);
    } else if (a->buf.failed) {
        refuse(x, 503, "out_of_memory", "the answer does not fit into memory");
    } else {
        exchange_reply(x, a->status, a->type, buf_cstr(&a->buf), a->buf.len);
    }
    buf_fini(&a->buf);
}

void answer_end(struct answer *a)
{
    jsonw_end_object(&a->w);
    answer_end_lines(a);
}

void put_time(struct jsonw *w, const char *name, int64_t epoch_ms)
{
    char text[32];
    if (epoch_ms != 0)
        iso_time(text, epoch_ms);
    jsonw_str(w, name, epoch_ms == 0 ? NULL : text);
}

/* The writer has no numbers with a point, and printf's depend on nothing here: the locale is "C". */
void put_number(struct jsonw *w, const char *name, double value)
{
    jsonw_int(w, name, 0);
    CHECK(w->out->failed || w->out->len > 0);
    if (w->out->failed)
        return;
    w->out->len--;
    buf_printf(w->out, "%.10g", value);
}

/* ---- the query -------------------------------------------------------------------------- */

bool call_query(const struct call *call, enum param param, struct buf *out)
{
    return query_get(call->x->query, admin_params[param].name, out);
}

static bool read_digits(const struct buf *text, uint64_t *out)
{
    const char *digits = buf_cstr(text);
    size_t len = strspn(digits, "0123456789");
    errno = 0;
    unsigned long long v = strtoull(digits, NULL, 10);
    *out = v;
    return len > 0 && len == text->len && errno == 0;
}

uint64_t call_query_int(const struct call *call, enum param param, uint64_t absent)
{
    BUF_AUTO text = BUF_INIT;
    uint64_t value;
    return call_query(call, param, &text) && read_digits(&text, &value) ? value : absent;
}

static bool check_param(struct call *call, const struct field *field)
{
    BUF_AUTO text = BUF_INIT;
    uint64_t number;
    int value;
    if (!query_get(call->x->query, field->name, &text))
        return true;
    if (memchr(buf_cstr(&text), '\0', text.len) != NULL)
        call_fail(call, 400, "invalid_request", "query parameter %s: must not hold a NUL character", field->name);
    else if (field->type == FIELD_INT && (!read_digits(&text, &number) || number < (uint64_t) field->min ||
                                          number > (uint64_t) field->max))
        call_fail(call, 400, "invalid_request", "query parameter %s: must be a whole number from %lld to %lld",
                  field->name, (long long) field->min, (long long) field->max);
    else if (field->type == FIELD_BOOL && strcmp(buf_cstr(&text), "true") != 0 &&
             strcmp(buf_cstr(&text), "false") != 0)
        call_fail(call, 400, "invalid_request", "query parameter %s: must be true or false", field->name);
    else if (field->type == FIELD_WORD && !vocab_find(field->words, buf_cstr(&text), &value))
        call_fail(call, 400, "invalid_request", "query parameter %s: must be fact or request", field->name);
    else
        return true;
    return false;
}

/* The name in front of "=": a wrong one must not be passed over, or "?lnae=x" would be about all lanes. */
static bool check_param_name(struct call *call, const char *name, size_t len)
{
    const char *known[PARAMS];
    size_t count = 0;
    BUF_AUTO list = BUF_INIT, shown = BUF_INIT;
    for (size_t i = 0; i < PARAMS; i++) {
        if ((call->row->params & TAKES(i)) == 0)
            continue;
        if (strlen(admin_params[i].name) == len && memcmp(admin_params[i].name, name, len) == 0)
            return true;
        buf_printf(&list, "%s%s", count == 0 ? "" : ", ", admin_params[i].name);
        known[count++] = admin_params[i].name;
    }
    jsonc_quote(&shown, name, len, 40);
    BUF_AUTO copy = BUF_INIT;
    buf_add(&copy, name, len);
    const char *nearest = vocab_nearest(buf_cstr(&copy), known, count, sizeof known[0]);
    if (nearest != NULL)
        call_fail(call, 400, "invalid_request", "unknown query parameter %s: did you mean \"%s\"?", buf_cstr(&shown),
                  nearest);
    else
        call_fail(call, 400, "invalid_request", "unknown query parameter %s: %s takes %s", buf_cstr(&shown),
                  call->row->route.pattern, count == 0 ? "none" : buf_cstr(&list));
    return false;
}

static bool check_query(struct call *call)
{
    for (const char *p = call->x->query; *p != '\0';) {
        size_t len = strcspn(p, "&"), name_len = strcspn(p, "&=");
        if (len > 0 && !check_param_name(call, p, name_len))
            return false;
        p += len;
        p += *p == '&';
    }
    for (size_t i = 0; i < PARAMS; i++) {
        if ((call->row->params & TAKES(i)) != 0 && !check_param(call, &admin_params[i]))
            return false;
    }
    return true;
}

/* ---- lanes ------------------------------------------------------------------------------ */

static bool refuse_lane(struct call *call, const char *name, const struct err *err)
{
    BUF_AUTO shown = BUF_INIT;
    jsonc_quote(&shown, name, strlen(name), 80);
    if (err->code == ERR_NOT_FOUND)
        call_fail(call, 404, "not_found", "no lane %s: POST " ADMIN_PREFIX "/lanes {\"name\": %s} makes it, "
                  "as does the first request with that API key", buf_cstr(&shown), buf_cstr(&shown));
    else if (err->code == ERR_INVALID)
        call_fail(call, 400, "invalid_request", "query parameter lane: %s", err->text);
    else
        call_fail_err(call, err);
    return false;
}

/* There is always "default", also before the first request came: without a lane nothing could be shown. */
static void make_default(struct call *call)
{
    struct lane *lane = NULL;
    if (lanes_get(call->admin->config.lanes, LANE_DEFAULT, true, &lane, NULL) == 0)
        lane_unref(lane);
}

static bool find_lanes(struct call *call)
{
    struct err err = ERR_INIT;
    BUF_AUTO name = BUF_INIT;
    if ((call->row->params & TAKES(PARAM_LANE)) == 0)
        return true;
    make_default(call);
    if (!call_query(call, PARAM_LANE, &name)) {
        call_look_again(call);
        if (call->lanes == NULL)
            call_fail(call, 503, "out_of_memory", "the list of lanes does not fit into memory");
        return call->lanes != NULL;
    }
    if (lanes_get(call->admin->config.lanes, buf_cstr(&name), call->row->lanes == LANE_MADE, &call->only, &err) != 0)
        return refuse_lane(call, buf_cstr(&name), &err);
    call->lanes = &call->only;
    call->lane_count = 1;
    return true;
}

void call_look_again(struct call *call)
{
    if (call->only != NULL)
        return;
    lane_list_free(call->lanes, call->lane_count);
    call->lane_count = 0;
    call->lanes = lanes_list(call->admin->config.lanes, &call->lane_count);
}

/* ---- open and close --------------------------------------------------------------------- */

bool call_open(struct call *call)
{
    return check_query(call) && call_read_body(call) && find_lanes(call);
}

void call_close(struct call *call)
{
    if (call->only != NULL)
        lane_unref(call->only);
    else if (call->lanes != NULL)
        lane_list_free(call->lanes, call->lane_count);
    if (call->body != NULL)
        jsonc_close(&call->doc);
}
