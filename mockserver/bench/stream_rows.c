/*
 * Rows about streaming: bytes a second of one process's output through an event stream, beside a plain copy of the
 * same output from its pipe to a TCP socket.
 *
 * All three runs have the same producer (cat of a text file, started by a shell that first waits for a line on
 * stdin, so that the clock starts with the reader in place) and the same reader thread.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "bench/rawcopy.h"
#include "bench/sse.h"
#include "bench/stats.h"
#include "bench/target.h"
#include "bench/hconn.h"

#define FILE_MIB         16
#define SILENCE_LIMIT_MS 30000

static const char make_file[] = "l=0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-; "
                                "yes \"$l\" 2>/dev/null | head -c 16777216 > text";

struct stream_run {
    struct sse sse;
    uint64_t expected, got;
    int64_t begin_ns, end_ns;
    bool started, finished, exit_zero;
    char id[64];
    char broken[200];
};

/* The line of the producer: wait for a line, then write `mib` MiB of text. */
static void make_line(struct buf *out, unsigned mib)
{
    buf_str(out, "read -r go; exec cat");
    for (unsigned done = 0; done < mib; done += FILE_MIB)
        buf_str(out, " text");
}

static void take_id(struct stream_run *run, const char *json)
{
    cJSON *answer = cJSON_Parse(json);
    const cJSON *summary = cJSON_GetObjectItemCaseSensitive(answer, "process");
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(summary == NULL ? answer : summary, "id"));
    snprintf(run->id, sizeof run->id, "%s", id == NULL ? "" : id);
    cJSON_Delete(answer);
}

static void on_event(void *arg, const char *name, const char *data, size_t len)
{
    struct stream_run *run = arg;
    if (strcmp(name, "output") == 0) {
        run->got += sse_count_payload(data, len);
        if (run->got >= run->expected && run->end_ns == 0)
            run->end_ns = mono_ns();
    } else if (strcmp(name, "started") == 0) {
        take_id(run, data);
        run->started = true;
    } else if (strcmp(name, "done") == 0) {
        run->finished = true;
        run->exit_zero = strstr(data, "\"exit_code\":0") != NULL;
    }
}

static void on_body(struct hconn *c, const char *data, size_t len)
{
    sse_feed(&((struct stream_run *) c->arg)->sse, data, len);
}

static void on_complete(struct hconn *c)
{
    struct stream_run *run = c->arg;
    if (c->status != 200)
        snprintf(run->broken, sizeof run->broken, "status %d: %.150s", c->status, buf_cstr(&run->sse.line));
    else if (!run->finished)
        snprintf(run->broken, sizeof run->broken, "the stream ended without a done event");
}

static void on_broken(struct hconn *c, const char *why)
{
    struct stream_run *run = c->arg;
    snprintf(run->broken, sizeof run->broken, "%s", why);
}

static const struct hconn_events stream_events = { on_body, on_complete, on_broken };

static int serve_until(const bool *flag, const struct stream_run *run, int epoll_fd, struct err *err)
{
    while (!*flag && run->broken[0] == '\0') {
        int n = hconn_serve(epoll_fd, SILENCE_LIMIT_MS, err);
        if (n <= 0)
            return n < 0 ? -1
                         : err_set(err, ERR_TIMEOUT, 0, "the stream is silent after %llu bytes",
                                   (unsigned long long) run->got);
    }
    return run->broken[0] == '\0' ? 0 : err_set(err, ERR_INVALID, 0, "stream: %s", run->broken);
}

static int send_go(const struct target *t, struct stream_run *run, struct err *err)
{
    char tail[128];
    BUF_AUTO body = BUF_INIT;
    snprintf(tail, sizeof tail, "/processes/%s/stdin", run->id);
    run->begin_ns = mono_ns();
    return target_call(t, "POST", tail, "*/*", "{\"data\":\"go\\n\",\"encoding\":\"utf8\"}", &body, err);
}

/* Protocol A: start, then GET the stream.  Protocol B: the start is the stream. */
static int open_stream(const struct target *t, bool protocol_b, const char *start_body, struct hconn *conn,
                       struct stream_run *run, int epoll_fd, struct err *err)
{
    BUF_AUTO request = BUF_INIT;
    if (protocol_b) {
        target_make_request(t, &request, "POST", "/processes", "text/event-stream", start_body);
    } else {
        BUF_AUTO answer = BUF_INIT;
        char tail[128];
        if (target_call(t, "POST", "/processes", "*/*", start_body, &answer, err) != 0)
            return -1;
        take_id(run, buf_cstr(&answer));
        snprintf(tail, sizeof tail, "/processes/%s/stream", run->id);
        target_make_request(t, &request, "GET", tail, "text/event-stream", NULL);
    }
    if (hconn_open(conn, &t->address, epoll_fd, &stream_events, run, err) != 0 ||
        hconn_send(conn, request.data, request.len, err) != 0)
        return -1;
    return protocol_b ? serve_until(&run->started, run, epoll_fd, err) : 0;
}

static int judge_run(const struct stream_run *run, struct err *err)
{
    if (run->got != run->expected)
        return err_set(err, ERR_INVALID, 0, "%llu bytes of %llu came", (unsigned long long) run->got,
                       (unsigned long long) run->expected);
    return run->exit_zero ? 0 : err_set(err, ERR_INVALID, 0, "done without exit_code 0");
}

/* MB a second of one run, or -1. */
static double run_stream(const struct target *t, bool protocol_b, unsigned mib, struct err *err)
{
    struct stream_run run = { .expected = (uint64_t) mib << 20 };
    run.sse = (struct sse){ .event = on_event, .arg = &run };
    struct hconn conn = { .fd = -1 };
    BUF_AUTO line = BUF_INIT;
    BUF_AUTO body = BUF_INIT;
    make_line(&line, mib);
    buf_printf(&body, "{\"command\":\"%s\"}", buf_cstr(&line));
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int rc = open_stream(t, protocol_b, buf_cstr(&body), &conn, &run, epoll_fd, err);
    if (rc == 0)
        rc = send_go(t, &run, err);
    if (rc == 0)
        rc = serve_until(&run.finished, &run, epoll_fd, err);
    if (rc == 0)
        rc = judge_run(&run, err);
    hconn_close(&conn);
    sse_fini(&run.sse);
    close(epoll_fd);
    return rc == 0 ? (double) run.expected / 1e6 / ((double) (run.end_ns - run.begin_ns) / 1e9) : -1;
}

/* ---- the rows ------------------------------------------------------------------------ */

struct stream_figures {
    double raw[STATS_MAX_ROUNDS + 1], raw_b[STATS_MAX_ROUNDS + 1], a[STATS_MAX_ROUNDS], b[STATS_MAX_ROUNDS];
};

static int run_rounds(const struct bench *b, const struct target *t, struct rawcopy *raw, struct stream_figures *f,
                      struct err *err)
{
    for (unsigned i = 0; i <= b->rounds; i++) {
        if ((f->raw[i] = f->raw_b[i] = rawcopy_run(raw, err)) < 0)
            return -1;
        if (i == b->rounds)
            return 0;
        if ((f->b[i] = run_stream(t, true, b->stream_mib, err)) < 0)
            return err_wrap(err, "protocol B");
        if ((f->a[i] = run_stream(t, false, b->stream_mib, err)) < 0)
            return err_wrap(err, "protocol A");
    }
    return 0;
}

static void report_stream(struct bench *b, const char *name, double *ours, double *raw)
{
    struct report_line *line = report_add_line(&b->report, b->isolation, name);
    line->value = stats_paired_ratio(ours, raw, b->rounds);
    line->unit = "of raw";
    line->sense = TARGET_AT_LEAST;
    line->target = 0.5;
    report_note_line(line, "%.0f MB/s, plain pipe to socket %.0f MB/s; %u MiB each", stats_median(ours, b->rounds),
                     stats_median(raw, b->rounds + 1), b->stream_mib);
}

static int measure(void *arg, const struct target *t, struct err *err)
{
    struct bench *b = arg;
    struct stream_figures f;
    BUF_AUTO body = BUF_INIT;
    BUF_AUTO answer = BUF_INIT;
    BUF_AUTO line = BUF_INIT;
    cJSON *text = cJSON_CreateString(make_file);
    char *quoted = cJSON_PrintUnformatted(text);
    cJSON_Delete(text);
    buf_printf(&body, "{\"command\":%s}", quoted == NULL ? "" : quoted);
    free(quoted);
    if (target_call(t, "POST", "/exec", "*/*", buf_cstr(&body), &answer, err) != 0)
        return -1;
    make_line(&line, b->stream_mib);
    struct rawcopy *raw = rawcopy_new(make_file, buf_cstr(&line), (uint64_t) b->stream_mib << 20, err);
    if (raw == NULL)
        return -1;
    int rc = run_rounds(b, t, raw, &f, err);
    rawcopy_free(raw);
    if (rc != 0)
        return -1;
    report_stream(b, "stream, protocol B", f.b, f.raw);
    report_stream(b, "stream, protocol A", f.a, f.raw_b);
    return 0;
}

int stream_rows_run(struct bench *b, struct err *err)
{
    return target_run(b->server, b->isolation, measure, b, err);
}
