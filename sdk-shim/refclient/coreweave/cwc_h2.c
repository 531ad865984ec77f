/* What nghttp2 is told, and what it tells. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cwc_conn_priv.h"
#include "cwc_mutants.h"

/* --------------------------------------------------------------------- end */

void cwc_h2_end(struct cwc_call *call, enum cwc_status status, bool is_ours, const char *message)
{
    if (call->is_over)
        return;
    call->is_over = true;
    call->end = (struct cwc_end){ .status = status, .is_ours = is_ours };
    call->end.message = message == NULL ? NULL : sbc_text_copy(message);
    call->end.details = call->told.details;
    call->told.details = (struct sbc_buf){ 0 };
    call->sent_end = true; /* nothing goes out any more */
    pthread_cond_broadcast(&call->changed);
}

static void reset(struct cwc_call *call, uint32_t code)
{
    if (call->stream > 0)
        nghttp2_submit_rst_stream(call->conn->session, NGHTTP2_FLAG_NONE, call->stream, code);
}

/* An end that this side finds: it takes the stream with it. */
static void break_off(struct cwc_call *call, enum cwc_status status, const char *message)
{
    cwc_h2_end(call, status, false, message);
    reset(call, NGHTTP2_CANCEL);
}

static const char not_grpc[] = "the answer's content-type is not application/grpc";

/* END_STREAM has come: what the answer as a whole means. */
static void finish(struct cwc_call *call)
{
    char text[80];
    if (CWC_MUTANT(missing_trailers_are_ok) && !call->has_status)
        call->has_status = true;
    if (call->has_status && call->told.status == CWC_STATUS_OK && call->in.size > 0) {
        cwc_h2_end(call, CWC_STATUS_INTERNAL, false, "the answer ends inside a message");
    } else if (call->has_status) {
        cwc_h2_end(call, call->told.status, false, call->told.message);
    } else if (call->http_status != 200) {
        snprintf(text, sizeof text, "Received http2 header with status: %d", call->http_status);
        cwc_h2_end(call, cwc_grpc_status_of_http(call->http_status), false, text);
    } else if (!call->is_grpc) {
        cwc_h2_end(call, CWC_STATUS_UNKNOWN, false, not_grpc);
    } else {
        cwc_h2_end(call, CWC_STATUS_INTERNAL, false, "the stream ended without a status");
    }
}

/* ------------------------------------------------------------------ header */

static void take_details(struct cwc_call *call, const char *value, size_t size)
{
    sbc_buf_free(&call->told.details);
    if (!cwc_grpc_decode_binary(value, size, &call->told.details))
        sbc_buf_free(&call->told.details);
}

static void take_status(struct cwc_call *call, const char *value, size_t size)
{
    call->has_status = true;
    call->told.status = cwc_grpc_parse_status(value, size);
}

static void take_message(struct cwc_call *call, const char *value, size_t size)
{
    char *text = CWC_MUTANT(message_not_unescaped) ? sbc_text_copy_bytes(value, size) : cwc_grpc_unescape(value, size);
    struct sbc_buf clean = { 0 };
    cwc_text_clean(&clean, text, strlen(text));
    free(text);
    free(call->told.message);
    call->told.message = sbc_buf_take(&clean);
}

static void take_http(struct cwc_call *call, const char *value, size_t size)
{
    call->http_status = size == 3 ? (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0') : 0;
}

static void take_type(struct cwc_call *call, const char *value, size_t size)
{
    static const char wanted[] = "application/grpc";
    size_t known = sizeof wanted - 1; /* "+proto" or parameters may follow */
    call->is_grpc = size >= known && memcmp(value, wanted, known) == 0 &&
                    (size == known || value[known] == '+' || value[known] == ';');
}

static const struct {
    const char *name;
    void (*take)(struct cwc_call *, const char *, size_t);
} fields[] = {
    { ":status", take_http },
    { "content-type", take_type },
    { "grpc-status", take_status },
    { "grpc-message", take_message },
    { "grpc-status-details-bin", take_details },
};

static struct cwc_call *find(nghttp2_session *session, int32_t stream)
{
    struct cwc_call *call = nghttp2_session_get_stream_user_data(session, stream);
    return call == NULL || call->is_over ? NULL : call;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *arg)
{
    struct cwc_call *call = find(session, frame->hd.stream_id);
    (void) flags;
    (void) arg;
    if (call == NULL)
        return 0;
    call->head_bytes += name_size + value_size + 32;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (strlen(fields[i].name) == name_size && memcmp(fields[i].name, name, name_size) == 0)
            fields[i].take(call, (const char *) value, value_size);
    return 0;
}

/* ------------------------------------------------------------------- frames */

/* A whole block of header fields. */
static void check_head(struct cwc_call *call)
{
    char text[80];
    if (call->head_bytes > CWC_HEAD_BYTES) {
        break_off(call, CWC_STATUS_RESOURCE_EXHAUSTED, "received metadata size exceeds hard limit");
    } else if (call->has_status || call->http_status / 100 == 1) { /* 1xx: the answer is to come */
        return;
    } else if (call->http_status != 200) {
        snprintf(text, sizeof text, "Received http2 header with status: %d", call->http_status);
        break_off(call, cwc_grpc_status_of_http(call->http_status), text);
    } else if (!call->is_grpc) {
        break_off(call, CWC_STATUS_UNKNOWN, not_grpc);
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct cwc_conn *conn = arg;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        conn->is_leaving = true;
    struct cwc_call *call = find(session, frame->hd.stream_id);
    bool is_head = frame->hd.type == NGHTTP2_HEADERS, is_data = frame->hd.type == NGHTTP2_DATA;
    if (call == NULL || !(is_head || is_data))
        return 0;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        bool had_ended = call->sent_end;
        if (call->head_bytes > CWC_HEAD_BYTES)
            check_head(call);
        finish(call);
        if (!had_ended)
            reset(call, NGHTTP2_NO_ERROR);
    } else if (is_head) {
        check_head(call);
    }
    return 0;
}

/* ------------------------------------------------------------------ messages */

static size_t size_of(const struct sbc_buf *in)
{
    const unsigned char *p = (const unsigned char *) in->data + 1;
    return (size_t) p[0] << 24 | (size_t) p[1] << 16 | (size_t) p[2] << 8 | p[3];
}

static void queue_message(struct cwc_call *call, size_t size)
{
    struct cwc_message *message = sbc_alloc(1, sizeof *message + size + 1);
    message->size = size;
    memcpy(message->data, call->in.data + CWC_PREFIX_BYTES, size);
    if (call->last != NULL)
        call->last->next = message;
    else
        call->first = message;
    call->last = message;
    call->kept += size + CWC_PREFIX_BYTES;
    sbc_buf_drop(&call->in, CWC_PREFIX_BYTES + size);
    pthread_cond_broadcast(&call->changed);
}

static void take_messages(struct cwc_call *call)
{
    char text[100];
    while (!call->is_over && call->in.size >= CWC_PREFIX_BYTES) {
        size_t size = size_of(&call->in);
        if (call->in.data[0] != 0) {
            break_off(call, CWC_STATUS_INTERNAL, "a compressed message, which nobody asked for");
        } else if (size > call->max_message) {
            snprintf(text, sizeof text, "CLIENT: Received message larger than max (%zu vs. %zu)", size,
                     call->max_message);
            break_off(call, CWC_STATUS_RESOURCE_EXHAUSTED, text);
        } else if (call->in.size < CWC_PREFIX_BYTES + size) {
            return;
        } else {
            queue_message(call, size);
        }
    }
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t size,
                   void *arg)
{
    struct cwc_call *call = find(session, stream);
    (void) flags;
    (void) arg;
    nghttp2_session_consume_connection(session, size);
    if (call == NULL)
        return nghttp2_session_consume_stream(session, stream, size) == NGHTTP2_ERR_NOMEM ? -1 : 0;
    sbc_buf_add(&call->in, data, size);
    take_messages(call);
    if (call->kept > CWC_KEPT_BYTES)
        call->owed += size;
    else if (!CWC_MUTANT(window_never_given_back))
        nghttp2_session_consume_stream(session, stream, size);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
    struct cwc_call *call = nghttp2_session_get_stream_user_data(session, stream);
    char text[60];
    (void) arg;
    if (call == NULL)
        return 0;
    snprintf(text, sizeof text, "Received RST_STREAM with error code %u", code);
    if (CWC_MUTANT(reset_is_ok))
        cwc_h2_end(call, CWC_STATUS_OK, false, NULL);
    cwc_h2_end(call, cwc_grpc_status_of_reset(code), false, text);
    call->stream = -1;
    nghttp2_session_set_stream_user_data(session, stream, NULL);
    return 0;
}

/* -------------------------------------------------------------------- out */

static ssize_t read_out(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t max, uint32_t *flags,
                        nghttp2_data_source *source, void *arg)
{
    struct cwc_call *call = source->ptr;
    size_t n = call->out.size - call->out_at < max ? call->out.size - call->out_at : max;
    (void) session;
    (void) stream;
    (void) arg;
    if (n == 0 && !call->wants_end)
        return NGHTTP2_ERR_DEFERRED;
    if (n > 0)
        memcpy(buf, call->out.data + call->out_at, n);
    call->out_at += n;
    if (call->out_at == call->out.size) {
        sbc_buf_drop(&call->out, call->out.size);
        call->out_at = 0;
        if (call->wants_end) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
            call->sent_end = true;
        }
    } else if (call->out_at >= CWC_SENT_BYTES && call->out_at >= call->out.size / 2) {
        sbc_buf_drop(&call->out, call->out_at);
        call->out_at = 0;
    }
    pthread_cond_broadcast(&call->changed);
    return (ssize_t) n;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){ (uint8_t *) (uintptr_t) name, (uint8_t *) (uintptr_t) value, strlen(name), strlen(value), 0 };
}

static void submit(struct cwc_conn *conn, struct cwc_call *call)
{
    const char *const values[][2] = {
        { ":method", "POST" },          { ":scheme", "http" },
        { ":path", call->path },        { ":authority", call->authority },
        { "te", "trailers" },           { "content-type", "application/grpc" },
        { "user-agent", "standbox-coreweave/0.1.0" },
        { "authorization", call->auth }, { "grpc-timeout", call->timeout },
    };
    nghttp2_nv list[sizeof values / sizeof values[0]];
    size_t count = 0;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (values[i][1] != NULL)
            list[count++] = field(values[i][0], values[i][1]);
    nghttp2_data_provider provider = { .source = { .ptr = call }, .read_callback = read_out };
    call->stream = nghttp2_submit_request(conn->session, NULL, list, count, &provider, call);
    if (call->stream < 0)
        cwc_h2_end(call, CWC_STATUS_UNAVAILABLE, false, "no more streams on this connection");
}

void cwc_h2_apply(struct cwc_conn *conn, struct cwc_call *call)
{
    call->has_news = false;
    if (call->stream == 0 && !call->is_over)
        submit(conn, call);
    if (call->stream <= 0)
        return;
    if (call->owed > 0 && call->kept <= CWC_KEPT_BYTES) {
        nghttp2_session_consume_stream(conn->session, call->stream, call->owed);
        call->owed = 0;
    }
    if (call->wants_reset) {
        call->wants_reset = false;
        reset(call, NGHTTP2_CANCEL);
    } else if (!call->sent_end) {
        nghttp2_session_resume_data(conn->session, call->stream);
    }
}

/* ------------------------------------------------------------------- session */

nghttp2_session *cwc_h2_new(struct cwc_conn *conn)
{
    static const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, CWC_STREAM_WINDOW },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, CWC_HEAD_BYTES },
    };
    nghttp2_session *session = NULL;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0)
        abort(); /* only for want of memory */
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_peer_max_concurrent_streams(option, 1000);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    if (nghttp2_session_client_new2(&session, callbacks, conn, option) != 0)
        abort();
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof settings[0]);
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, CWC_CONN_WINDOW);
    return session;
}
