/*
 * HTTP/2: the only file that knows nghttp2.
 *
 * nghttp2 owns the session's state, HPACK and flow control, and answers PING and SETTINGS.  Windows are given back by
 * consumption: the connection's as soon as bytes are here, so that one stream cannot hold the others up, a stream's
 * when its handler has dealt with them.  What nghttp2 writes goes into conn->out, as much as fits.
 */
#include "transports/grpc_priv.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

#define STREAM_WINDOW     (1 << 20)
#define CONNECTION_WINDOW (8 << 20)
#define MAX_HEADER_BYTES  65536u     /* of a request, as HTTP/2 reckons them */
#define FRAME_BYTES       65536      /* of our DATA frames at most, when the client allows that much */
#define MAX_WAITING_ACKS  1000u
#define MAX_ANSWER_FIELDS 128u
#define FRAME_HEAD_BYTES  9u

static struct grpc_call *call_of(nghttp2_session *session, int32_t stream_id)
{
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

/* ---- what comes in ---------------------------------------------------------------------- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct grpc_call *call = request_open(arg, frame->hd.stream_id);
    if (call == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
    (void) flags;
    (void) arg;
    struct grpc_call *call = call_of(session, frame->hd.stream_id);
    if (call != NULL && frame->headers.cat == NGHTTP2_HCAT_REQUEST && !call->too_large)
        request_add_field(call, (const char *) name, name_len, (const char *) value, value_len);
    if (call != NULL && call->head.size > MAX_HEADER_BYTES)
        call->too_large = true;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct grpc_conn *conn = arg;
    if (frame->hd.type == NGHTTP2_SETTINGS)
        conn->is_greeted = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_RST_STREAM)
        return 0;
    struct grpc_call *call = call_of(session, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        request_note_reset(call, frame->rst_stream.error_code);
        return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        request_head(call);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        request_half_close(call);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t len,
                   void *arg)
{
    (void) flags;
    (void) arg;
    struct grpc_call *call = call_of(session, stream_id);
    size_t back = call == NULL ? len : request_data(call, data, len);
    nghttp2_session_consume_connection(session, len);
    if (back > 0)
        nghttp2_session_consume_stream(session, stream_id, back);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *arg)
{
    (void) code;
    (void) arg;
    struct grpc_call *call = call_of(session, stream_id);
    if (call != NULL)
        answer_close(call, EXCHANGE_CLIENT_GONE);
    return 0;
}

/* ---- what goes out ---------------------------------------------------------------------- */

static ssize_t write_out(nghttp2_session *session, const uint8_t *data, size_t len, int flags, void *arg)
{
    (void) session;
    (void) flags;
    struct grpc_conn *conn = arg;
    if (conn_is_full(conn) || conn->is_last_frame_out)
        return NGHTTP2_ERR_WOULDBLOCK;
    buf_add(&conn->out, data, len);
    return conn->out.failed ? NGHTTP2_ERR_CALLBACK_FAILURE : (ssize_t) len;
}

static int write_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t len,
                      nghttp2_data_source *source, void *arg)
{
    (void) session;
    (void) frame;
    struct grpc_conn *conn = arg;
    if (buf_reserve(&conn->out, FRAME_HEAD_BYTES + len) == NULL)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    buf_add(&conn->out, head, FRAME_HEAD_BYTES);
    answer_move(source->ptr, len);
    return 0;
}

static ssize_t read_length(nghttp2_session *session, uint8_t type, int32_t stream_id, int32_t connection_window,
                           int32_t stream_window, uint32_t max_frame, void *arg)
{
    (void) session;
    (void) type;
    (void) stream_id;
    (void) arg;
    int32_t most = max_frame < FRAME_BYTES ? (int32_t) max_frame : FRAME_BYTES;
    int32_t window = connection_window < stream_window ? connection_window : stream_window;
    return window < most ? window : most;
}

static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t max, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
    (void) session;
    (void) stream_id;
    (void) buf;
    struct grpc_conn *conn = arg;
    size_t len = 0;
    if (conn_is_full(conn) || conn->is_last_frame_out)
        return NGHTTP2_ERR_PAUSE;
    switch (answer_next(source->ptr, max, &len)) {
    case STEP_WAIT: return NGHTTP2_ERR_DEFERRED;
    case STEP_DATA: *flags = NGHTTP2_DATA_FLAG_NO_COPY; break;
    case STEP_END: *flags = NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM; break;
    case STEP_BARE_END: *flags = NGHTTP2_DATA_FLAG_EOF; break;
    }
    return (ssize_t) len;
}

/* A client that has not ended its own half is told that it need not: the answer is complete. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct grpc_conn *conn = arg;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
        conn->is_last_frame_out = true;
    bool is_end = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                  (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (is_end && nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

/* ---- once for a server ------------------------------------------------------------------ */

static void set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_callback(callbacks, write_out);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, write_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, read_length);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
}

int session_init_server(struct grpc_server *server, struct err *err)
{
    if (nghttp2_session_callbacks_new(&server->callbacks) != 0 || nghttp2_option_new(&server->option) != 0)
        return err_set(err, ERR_NOMEM, 0, "HTTP/2");
    set_callbacks(server->callbacks);
    nghttp2_option_set_no_auto_window_update(server->option, 1);
    nghttp2_option_set_no_closed_streams(server->option, 1);
    nghttp2_option_set_max_outbound_ack(server->option, MAX_WAITING_ACKS);
    return 0;
}

void session_fini_server(struct grpc_server *server)
{
    nghttp2_session_callbacks_del(server->callbacks);
    nghttp2_option_del(server->option);
}

/* ---- one session ------------------------------------------------------------------------ */

int session_open(struct grpc_conn *conn)
{
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, conn->server->config.max_streams },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, MAX_HEADER_BYTES },
        { NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 0 },
    };
    if (nghttp2_session_server_new2(&conn->session, conn->server->callbacks, conn, conn->server->option) != 0)
        return -1;
    if (nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings) != 0 ||
        nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) != 0) {
        session_close(conn);
        return -1;
    }
    return 0;
}

void session_close(struct grpc_conn *conn)
{
    nghttp2_session_del(conn->session);
    conn->session = NULL;
}

int session_feed(struct grpc_conn *conn, const unsigned char *data, size_t len)
{
    ssize_t n = nghttp2_session_mem_recv(conn->session, data, len);
    return n < 0 ? -1 : 0;
}

int session_fill(struct grpc_conn *conn)
{
    return nghttp2_session_send(conn->session) != 0 ? -1 : 0;
}

bool session_is_over(const struct grpc_conn *conn)
{
    return nghttp2_session_want_read(conn->session) == 0 && nghttp2_session_want_write(conn->session) == 0;
}

/* ---- frames that the transport asks for --------------------------------------------------- */

static size_t list_fields(const struct grpc_fields *fields, nghttp2_nv *out)
{
    const char *at = NULL, *name, *value;
    size_t count = 0;
    while (count < MAX_ANSWER_FIELDS && grpc_fields_next(fields, &at, &name, &value))
        out[count++] = (nghttp2_nv) { (uint8_t *) (uintptr_t) name, (uint8_t *) (uintptr_t) value, strlen(name),
                                      strlen(value), NGHTTP2_NV_FLAG_NONE };
    return count;
}

int session_submit_head(struct grpc_call *call, const struct grpc_fields *fields, bool is_end)
{
    nghttp2_nv list[MAX_ANSWER_FIELDS];
    const nghttp2_data_provider body = { .source = { .ptr = call }, .read_callback = read_body };
    size_t count = list_fields(fields, list);
    return nghttp2_submit_response(call->conn->session, call->stream_id, list, count, is_end ? NULL : &body);
}

int session_submit_trailers(struct grpc_call *call, const struct grpc_fields *fields)
{
    nghttp2_nv list[MAX_ANSWER_FIELDS];
    return nghttp2_submit_trailer(call->conn->session, call->stream_id, list, list_fields(fields, list));
}

/* It fails when nothing waits: then it goes on by itself. */
void session_resume(struct grpc_call *call)
{
    (void) nghttp2_session_resume_data(call->conn->session, call->stream_id);
}

void session_reset_stream(struct grpc_call *call, uint32_t code)
{
    (void) nghttp2_submit_rst_stream(call->conn->session, NGHTTP2_FLAG_NONE, call->stream_id, code);
}

void session_say_goaway(struct grpc_conn *conn, uint32_t code)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(conn->session);
    (void) nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE, last, code, NULL, 0);
}

void session_give_window(struct grpc_call *call, size_t bytes)
{
    (void) nghttp2_session_consume_stream(call->conn->session, call->stream_id, bytes);
}
