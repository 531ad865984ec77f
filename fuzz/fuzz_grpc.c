/*
 * libFuzzer target: the bytes of a connection to the gRPC transport, from frames to messages and back.
 *
 *     cmake -B build/fuzz -DCMAKE_C_COMPILER=clang -DSTANDBOX_FUZZ=ON && cmake --build build/fuzz
 *     build/fuzz/bin/fuzz_grpc -max_total_time=60 fuzz/corpus/grpc
 *
 * The first byte of an input says how the rest is fed: its low six bits are the size of the pieces (0: all at once); with
 * the highest bit the rest is all there is, else a good preface and SETTINGS come before it.
 * mockserver/tests/test_grpc_corpus.c replays the corpus with any compiler.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transports/grpc_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define IS_RAW 0x80
#define PIECE  0x3f

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

/* ---- methods: what is promised to handlers is checked ---------------------------------------- */

struct visit { bool has_half_closed; };
static unsigned open_visits;

static void must(bool is_so)
{
    if (!is_so)
        abort();
}

static void begin(struct grpc_call *call)
{
    struct visit *v = calloc(1, sizeof *v);
    must(v != NULL && grpc_call_path(call)[0] == '/' && grpc_call_data(call) == NULL);
    grpc_call_set_data(call, v);
    open_visits++;
}

static bool echo(struct grpc_call *call, struct buf *message)
{
    const struct visit *v = grpc_call_data(call);
    struct err err = ERR_INIT;
    must(v != NULL && !v->has_half_closed);
    if (grpc_call_send(call, buf_cstr(message), message->len, GRPC_EVENT, &err) < 0)
        must(err.code == ERR_CLOSED || err.code == ERR_LIMIT);
    return message->len % 2 == 0;
}

static void end(struct grpc_call *call)
{
    struct visit *v = grpc_call_data(call);
    struct err err = ERR_INIT;
    must(v != NULL && !v->has_half_closed);
    v->has_half_closed = true;
    grpc_call_consume(call, SIZE_MAX);
    grpc_call_end(call, GRPC_ABORTED, "done \xc3\xa9", "x", 1, &err);
}

static void over(struct grpc_call *call, enum exchange_end how)
{
    (void) how;
    must(grpc_call_data(call) != NULL && grpc_call_is_over(call));
    free(grpc_call_data(call));
    grpc_call_set_data(call, NULL);
    open_visits--;
}

static const struct grpc_method *find(void *arg, const struct grpc_call *call)
{
    static const struct grpc_handler handler = { begin, echo, end, NULL, over, NULL };
    static const struct grpc_method methods[] = {
        { "/a/U", GRPC_UNARY, &handler },
        { "/a/B", GRPC_BIDI, &handler },
    };
    (void) arg;
    return grpc_method_find(methods, sizeof methods / sizeof *methods, grpc_call_path(call));
}

/* ---- one input -------------------------------------------------------------------------------- */

static struct grpc_server *server;

struct input { const uint8_t *data; size_t size; int ours, theirs; };

static void read_all(int fd)
{
    char sink[65536];
    while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
        continue;
}

/* As grpc_conn.c does with what it receives. */
static void feed(struct grpc_conn *conn, const void *data, size_t len)
{
    if (conn->state == CONN_OPEN && session_feed(conn, data, len) < 0)
        conn_finish(conn, false, EXCHANGE_CLIENT_GONE);
    server_turn(server);
    conn_pump(conn);
    server_turn(server);
}

/* On the reactor's thread: so the connection cannot be served by anybody else meanwhile. */
static void run(void *arg)
{
    const struct input *in = arg;
    size_t piece = in->data[0] & PIECE, at = 1;
    must(conn_open(server, in->ours) == 0);
    struct grpc_conn *conn = server->conns;
    if ((in->data[0] & IS_RAW) == 0)
        feed(conn, preface, sizeof preface - 1);
    while (at < in->size) {
        size_t n = piece == 0 || in->size - at < piece ? in->size - at : piece;
        feed(conn, in->data + at, n);
        read_all(in->theirs);
        at += n;
    }
    conn_close(conn, EXCHANGE_CLIENT_GONE);
    server_turn(server);
    must(open_visits == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct grpc_config config = { .address = "127.0.0.1", .max_message_bytes = 100000,
                                        .max_connection_bytes = 200000, .high_water_bytes = 1000, .find = find };
    struct err err = ERR_INIT;
    struct grpc_stats stats;
    int pair[2];
    if (size == 0)
        return 0;
    must(server != NULL || grpc_server_new(&server, &config, &err) == 0);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    reactor_call(server->reactor, run, &(struct input) { data, size, pair[0], pair[1] });
    close(pair[1]);
    grpc_server_stats(server, &stats);
    must(stats.open_calls == 0 && stats.open_connections == 0 && stats.request_bytes == 0 && stats.answer_bytes == 0);
    return 0;
}
