/* What comes in: heads, messages, and what is refused of them. */
#include "transports/grpc_priv.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/text.h"
#include "transports/grpc_text.h"
#include "transports/host.h"

#define MAX_FIELDS EXCHANGE_MAX_HEADERS

/* ---- the head --------------------------------------------------------------------------- */

struct grpc_call *request_open(struct grpc_conn *conn, int32_t stream_id)
{
    struct grpc_call *call = call_new(conn->server);
    if (call == NULL)
        return NULL;
    call->conn = conn;
    call->stream_id = stream_id;
    call->gather.max = conn->server->config.max_message_bytes;
    call->next = conn->calls;
    if (call->next != NULL)
        call->next->prev = call;
    conn->calls = call;
    conn->call_count++;
    atomic_fetch_add(&conn->server->open_calls, 1);
    atomic_fetch_add(&conn->server->calls, 1);
    return call;
}

void request_add_field(struct grpc_call *call, const char *name, size_t name_len, const char *value, size_t value_len)
{
    if (call->head.count >= MAX_FIELDS || grpc_fields_add(&call->head, name, name_len, value, value_len) < 0)
        call->too_large = true;
}

static const char *field_or(struct grpc_call *call, const char *name, const char *otherwise)
{
    const char *value = grpc_fields_find(&call->head, name);
    return value == NULL ? otherwise : value;
}

static void note_head(struct grpc_call *call)
{
    call->path = field_or(call, ":path", "");
    call->authority = field_or(call, ":authority", field_or(call, "host", ""));
    call->http_method = field_or(call, ":method", "");
    call->content_type = field_or(call, "content-type", NULL);
    memcpy(call->request_id, "req_", 4);
    random_hex(call->request_id + 4, 24);
}

static bool note_deadline(struct grpc_call *call)
{
    int64_t timeout_ns, now = mono_ns();
    const char *text = grpc_fields_find(&call->head, "grpc-timeout");
    if (text == NULL)
        return true;
    if (!grpc_text_parse_timeout(text, &timeout_ns))
        return false;
    call->deadline_ns = timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
    return true;
}

/* A page of another site cannot speak HTTP/2 without TLS, as browsers are; but a proxy on this machine could for it. */
static bool is_stranger(const struct grpc_call *call)
{
    const struct grpc_config *config = &call->server->config;
    if (grpc_fields_find(&call->head, "origin") != NULL)
        return true;
    return !config->allow_remote && !host_is_known(call->authority, config->extra_hosts);
}

/* What an HTTP server answers to it; 0: it is gRPC. */
static int http_complaint(const struct grpc_call *call)
{
    if (strcmp(call->http_method, "POST") != 0)
        return 405;
    return grpc_text_is_grpc(call->content_type) ? 0 : 415;
}

static void refuse(struct grpc_call *call, enum grpc_status status, const char *message)
{
    atomic_fetch_add(&call->server->refused, 1);
    answer_refuse(call, status, message, EXCHANGE_COMPLETE);
}

static void find_method(struct grpc_call *call)
{
    const struct grpc_config *config = &call->server->config;
    BUF_AUTO message = BUF_INIT;
    call->method = config->find(config->arg, call);
    if (call->method == NULL) {
        buf_printf(&message, "unknown method %.1000s", call->path);
        refuse(call, GRPC_UNIMPLEMENTED, buf_cstr(&message));
    } else if (call->method->handler->begin != NULL)
        call->method->handler->begin(call);
}

void request_head(struct grpc_call *call)
{
    note_head(call);
    int status = http_complaint(call);
    if (call->too_large)
        refuse(call, GRPC_RESOURCE_EXHAUSTED, "the request's metadata is too large");
    else if (is_stranger(call))
        refuse(call, GRPC_PERMISSION_DENIED,
               ":authority is no local name, or origin is there; start the server with --allow-remote to take any");
    else if (status != 0) {
        atomic_fetch_add(&call->server->refused, 1);
        answer_refuse_http(call, status);
    } else if (!note_deadline(call))
        refuse(call, GRPC_INTERNAL, "malformed grpc-timeout");
    else
        find_method(call);
}

/* ---- bounds ----------------------------------------------------------------------------- */

/* So much is held of this call's messages now.  false: that is too much for its connection, or the server. */
static bool charge(struct grpc_call *call, size_t held)
{
    struct grpc_conn *conn = call->conn;
    const struct grpc_config *config = &call->server->config;
    size_t rise = held > call->charged ? held - call->charged : 0;
    size_t fall = held < call->charged ? call->charged - held : 0;
    call->charged = held;
    conn->charged = conn->charged + rise - fall;
    size_t all = atomic_fetch_add(&call->server->request_bytes, rise - fall) + rise - fall;
    return rise == 0 || (conn->charged <= config->max_connection_bytes && all <= config->max_server_bytes);
}

static bool charge_what_is_held(struct grpc_call *call)
{
    return charge(call, grpc_gather_held(&call->gather) + call->single.len + call->kept);
}

/* ---- messages --------------------------------------------------------------------------- */

static bool takes_one_message(const struct grpc_call *call)
{
    return call->method->kind == GRPC_UNARY || call->method->kind == GRPC_SERVER_STREAM;
}

static void give_message(struct grpc_call *call, struct buf *message)
{
    size_t len = message->len;
    bool (*give)(struct grpc_call *call, struct buf *message) = call->method->handler->message;
    if (give != NULL && !give(call, message))
        call->kept += len;
    buf_fini(message);
}

static void take_message(struct grpc_call *call, struct buf *message)
{
    call->messages++;
    if (!takes_one_message(call)) {
        give_message(call, message);
    } else if (call->messages == 1) {
        call->single = *message;
    } else {
        buf_fini(message);
        answer_refuse(call, GRPC_UNIMPLEMENTED, "this method takes one request message, and there are more",
                      EXCHANGE_COMPLETE);
    }
}

static void refuse_bytes(struct grpc_call *call, enum grpc_gathered why)
{
    static const struct { enum grpc_status status; const char *message; } complaints[] = {
        [GATHERED_COMPRESSED] = { GRPC_UNIMPLEMENTED, "compressed messages are not taken" },
        [GATHERED_BAD_FLAG] = { GRPC_INTERNAL, "a message's first byte must be 0 or 1" },
        [GATHERED_TOO_LARGE] = { GRPC_RESOURCE_EXHAUSTED, "the message is larger than the server takes" },
        [GATHERED_NO_MEMORY] = { GRPC_RESOURCE_EXHAUSTED, "no memory for the message" },
    };
    answer_refuse(call, complaints[why].status, complaints[why].message, EXCHANGE_COMPLETE);
}

/* The handler may end the call in between: then the rest is thrown away. */
static void gather(struct grpc_call *call, const unsigned char *data, size_t len)
{
    while (len > 0 && !call->ignores_input) {
        struct buf message = BUF_INIT;
        enum grpc_gathered what = grpc_gather_feed(&call->gather, &data, &len, &message);
        if (what == GATHERED_MESSAGE)
            take_message(call, &message);
        else if (what != GATHERED_PART)
            refuse_bytes(call, what);
    }
}

size_t request_data(struct grpc_call *call, const unsigned char *data, size_t len)
{
    if (call->ignores_input)
        return len;
    if (call->observer != NULL && call->observer->request_bytes != NULL)
        call->observer->request_bytes(call->observer_arg, data, len);
    gather(call, data, len);
    if (!charge_what_is_held(call))
        answer_refuse(call, GRPC_RESOURCE_EXHAUSTED, "too many bytes of unfinished messages", EXCHANGE_COMPLETE);
    if (call->ignores_input || call->kept == 0)
        return len;
    call->withheld += len;
    return 0;
}

void request_consume(struct grpc_call *call, size_t bytes)
{
    call->kept -= bytes < call->kept ? bytes : call->kept;
    charge_what_is_held(call);
    if (call->kept > 0 || call->withheld == 0)
        return;
    session_give_window(call, call->withheld);
    call->withheld = 0;
}

static bool is_complete(struct grpc_call *call)
{
    if (grpc_gather_is_inside(&call->gather))
        answer_refuse(call, GRPC_INTERNAL, "the client ended in the middle of a message", EXCHANGE_COMPLETE);
    else if (takes_one_message(call) && call->messages == 0)
        answer_refuse(call, GRPC_UNIMPLEMENTED, "this method takes one request message, and there is none",
                      EXCHANGE_COMPLETE);
    return !call->ignores_input;
}

/* What comes behind our own end is how clients say that they have it. */
void request_note_reset(struct grpc_call *call, uint32_t code)
{
    if (call->phase == PHASE_ENDED)
        return;
    call->was_reset = true;
    call->reset_code = code;
}

static void note_all(struct grpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    call->has_all = true;
    pthread_mutex_unlock(&call->lock);
}

void request_half_close(struct grpc_call *call)
{
    if (call->ignores_input || !is_complete(call))
        return;
    note_all(call);
    if (takes_one_message(call)) {
        struct buf message = call->single;
        call->single = (struct buf) BUF_INIT;
        give_message(call, &message);
        charge_what_is_held(call);
    }
    if (call->method->handler->half_close != NULL && !call->ignores_input)
        call->method->handler->half_close(call);
}

void request_fini(struct grpc_call *call)
{
    grpc_gather_fini(&call->gather);
    buf_fini(&call->single);
    call->kept = 0;
    if (call->conn != NULL)
        charge(call, 0);
}
