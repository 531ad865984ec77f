/*
 * libFuzzer target: what CoreWeave's reference client reads.  The first byte says as what: with the highest bit the rest
 * is what a server says on a connection (SETTINGS are not put before it) with a call of so many bytes a message at
 * most; without, it is a message for one of the readers of one version.
 *
 *     cmake -B build/fuzz -DCMAKE_C_COMPILER=clang -DSTANDBOX_FUZZ=ON && cmake --build build/fuzz
 *     build/fuzz/bin/fuzz_client -max_total_time=60 fuzz/corpus/client
 *
 * sdk-shim/refclient/tests/test_refclient_corpus.c replays the corpus with any compiler.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cwc_conn_priv.h"
#include "cwc_error.h"
#include "cwc_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define IS_CONNECTION 0x80
#define MAX_MESSAGE   5000

static void must(bool is_so)
{
    if (!is_so)
        abort();
}

/* ----------------------------------------------------------------- messages */

static void check_text(const char *text)
{
    must(text == NULL || sbc_utf8_is_valid(text, strlen(text)));
}

static void check_list(const struct cwc_wire *wire, const struct sbc_buf *bytes)
{
    struct cwc_list list = { 0 };
    char *token = NULL;
    if (wire->take_list(bytes, &list, &token) == 0)
        check_text(token);
    for (size_t i = 0; i < list.count; i++)
        check_text(list.items[i].id);
    cwc_list_clear(&list);
    free(token);
}

static void check_sandbox(const struct cwc_wire *wire, const struct sbc_buf *bytes)
{
    struct cwc_sandbox_info info = { 0 };
    if (wire->take_sandbox(bytes, &info) == 0) {
        must(info.state < CWC_STATES && info.id != NULL);
        check_text(info.id);
    }
    cwc_sandbox_info_clear(&info);
}

static void check_acks(const struct cwc_wire *wire, const struct sbc_buf *bytes)
{
    int (*const takes[])(const struct sbc_buf *, struct cwc_ack *) = { wire->take_stopped, wire->take_written };
    struct cwc_bytes data = { 0 };
    struct cwc_ack ack = { 0 };
    for (size_t i = 0; i < 2; i++) {
        if (takes[i](bytes, &ack) == 0)
            check_text(ack.message);
        free(ack.message);
        ack = (struct cwc_ack){ 0 };
    }
    if (wire->take_file(bytes, &ack, &data) == 0)
        must(data.data[data.size] == '\0');
    free(ack.message);
    cwc_bytes_clear(&data);
}

static void check_events(const struct cwc_wire *wire, const struct sbc_buf *bytes)
{
    struct cwc_event event = { 0 };
    struct cwc_log_event log = { 0 };
    if (wire->take_event(bytes, &event) == 0) {
        check_text(event.message);
        check_text(event.code);
    }
    if (wire->take_log(bytes, &log) == 0) {
        check_text(log.message);
        check_text(log.session);
    }
    cwc_event_clear(&event);
    cwc_log_event_clear(&log);
}

/* As the details of an error. */
static void check_details(const struct sbc_buf *bytes)
{
    struct cwc_error err = CWC_ERROR_INIT;
    struct cwc_end end = { .status = CWC_STATUS_INVALID_ARGUMENT, .details = *bytes };
    cwc_error_from_end(&err, &end, CWC_V1, "Fuzz");
    must(err.message != NULL && err.retry_after_ms >= 0 && err.kind != CWC_OK);
    check_text(err.reason);
    for (size_t i = 0; i < err.detail_count; i++)
        check_text(err.details[i].value);
    cwc_error_clear(&err);
}

static void read_message(unsigned which, const struct sbc_buf *bytes)
{
    const struct cwc_wire *wire = which % 2 == 0 ? &cwc_wire_v1 : &cwc_wire_v1beta2;
    switch (which / 2 % 5) {
    case 0: check_list(wire, bytes); break;
    case 1: check_sandbox(wire, bytes); break;
    case 2: check_acks(wire, bytes); break;
    case 3: check_events(wire, bytes); break;
    default: check_details(bytes); break;
    }
}

/* --------------------------------------------------------------- connection */

static void drain(struct cwc_conn *conn)
{
    const uint8_t *bytes;
    while (nghttp2_session_mem_send(conn->session, &bytes) > 0)
        continue;
}

/* A connection without a socket and without its thread. */
static void hear(const uint8_t *data, size_t size)
{
    struct cwc_conn conn = { .fd = -1, .wake = { -1, -1 } };
    struct sbc_buf request = { 0 }, message = { 0 };
    const struct cwc_call_options options = { .path = "/a/B", .authority = "h", .max_message = MAX_MESSAGE };
    pthread_mutex_init(&conn.lock, NULL);
    conn.session = cwc_h2_new(&conn);
    struct cwc_call *call = cwc_call_begin(&conn, &options);
    cwc_call_send(call, &request);
    cwc_call_half_close(call);
    cwc_h2_apply(&conn, call);
    drain(&conn);
    nghttp2_session_mem_recv(conn.session, data, size);
    drain(&conn);
    if (!call->is_over)
        cwc_call_cancel(call);
    while (cwc_call_next(call, 0, &message) == 1)
        must(message.size <= size);
    const struct cwc_end *end = cwc_call_end(call);
    must(end->status >= CWC_STATUS_OK && end->status < CWC_STATUSES);
    check_text(end->message);
    cwc_call_free(call);
    must(conn.calls == NULL);
    drain(&conn);
    nghttp2_session_del(conn.session);
    pthread_mutex_destroy(&conn.lock);
    sbc_buf_free(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct sbc_buf bytes = { (char *) (uintptr_t) (data + 1), size - 1, 0 };
    if ((data[0] & IS_CONNECTION) != 0)
        hear(data + 1, size - 1);
    else
        read_message(data[0], &bytes);
    return 0;
}
