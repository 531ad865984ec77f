/*
 * Rows about many processes at once, each with an open stream: does every stream deliver, and what does the server
 * hold in memory for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "bench/bench.h"
#include "bench/hconn.h"
#include "bench/sse.h"
#include "bench/target.h"

#define SILENCE_LIMIT_MS 30000
#define RSS_TARGET_MIB   96.0

/* What a process says before it is spoken to, then it is cat: whatever it is told comes back. */
static const char start_body[] = "{\"command\":\"echo ready; exec cat\"}";

struct listener {
    struct live *live;
    unsigned number;
    char id[64];
    struct hconn conn;
    struct sse sse;
    bool ready, echoed, done, counted_broken;
};

struct live {
    const struct target *target;
    int epoll_fd;
    unsigned count;
    struct listener *listeners;
    unsigned ready, echoed, done, broken;
    char first_break[200];
};

static void on_output(struct listener *l, const char *data)
{
    char mine[48];
    snprintf(mine, sizeof mine, "\"line %u\\n\"", l->number);
    if (!l->ready && strstr(data, "\"ready\\n\"") != NULL) {
        l->ready = true;
        l->live->ready++;
    } else if (!l->echoed && strstr(data, mine) != NULL) {
        l->echoed = true;
        l->live->echoed++;
    }
}

static void on_event(void *arg, const char *name, const char *data, size_t len)
{
    struct listener *l = arg;
    (void) len;
    if (strcmp(name, "output") == 0)
        on_output(l, data);
    if (strcmp(name, "done") == 0 && !l->done && strstr(data, "\"exit_code\":0") != NULL) {
        l->done = true;
        l->live->done++;
    }
}

static void on_body(struct hconn *c, const char *data, size_t len)
{
    sse_feed(&((struct listener *) c->arg)->sse, data, len);
}

static void on_broken(struct hconn *c, const char *why)
{
    struct listener *l = c->arg;
    if (l->live->broken++ == 0)
        snprintf(l->live->first_break, sizeof l->live->first_break, "stream %u: %s", l->number, why);
}

static void on_complete(struct hconn *c)
{
    struct listener *l = c->arg;
    char why[180];
    snprintf(why, sizeof why, "ended, status %d: %.120s", c->status, buf_cstr(&l->sse.line));
    if (!l->done)
        on_broken(c, why);
}

static const struct hconn_events stream_events = { on_body, on_complete, on_broken };

/* Until every stream has counted into `counter`, or broke, or nothing comes any more. */
static int serve_until(struct live *live, const unsigned *counter, const char *what, struct err *err)
{
    while (*counter + live->broken < live->count) {
        int n = hconn_serve(live->epoll_fd, SILENCE_LIMIT_MS, err);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
    }
    if (*counter == live->count)
        return 0;
    return err_set(err, ERR_INVALID, 0, "%u of %u streams delivered %s; %s", *counter, live->count, what,
                   live->first_break);
}

static int start_one(struct listener *l, struct err *err)
{
    BUF_AUTO answer = BUF_INIT;
    if (target_call(l->live->target, "POST", "/processes", "*/*", start_body, &answer, err) != 0)
        return -1;
    cJSON *json = cJSON_Parse(buf_cstr(&answer));
    const cJSON *process = cJSON_GetObjectItemCaseSensitive(json, "process");
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(process, "id"));
    snprintf(l->id, sizeof l->id, "%s", id == NULL ? "" : id);
    cJSON_Delete(json);
    return l->id[0] != '\0' ? 0 : err_set(err, ERR_INVALID, 0, "no id in: %.200s", buf_cstr(&answer));
}

static int listen_to(struct listener *l, struct err *err)
{
    char tail[128];
    BUF_AUTO request = BUF_INIT;
    snprintf(tail, sizeof tail, "/processes/%s/stream", l->id);
    target_make_request(l->live->target, &request, "GET", tail, "text/event-stream", NULL);
    l->sse = (struct sse){ .event = on_event, .arg = l };
    if (hconn_open(&l->conn, &l->live->target->address, l->live->epoll_fd, &stream_events, l, err) != 0)
        return -1;
    return hconn_send(&l->conn, request.data, request.len, err);
}

static int start_all(struct live *live, struct err *err)
{
    for (unsigned i = 0; i < live->count; i++) {
        struct listener *l = &live->listeners[i];
        l->live = live;
        l->number = i;
        if (start_one(l, err) != 0 || listen_to(l, err) != 0)
            return err_wrap(err, "process %u", i);
    }
    return serve_until(live, &live->ready, "their first line", err);
}

static int tell_all(struct live *live, bool eof, struct err *err)
{
    for (unsigned i = 0; i < live->count; i++) {
        char tail[128], body[128];
        BUF_AUTO answer = BUF_INIT;
        snprintf(tail, sizeof tail, "/processes/%s/stdin", live->listeners[i].id);
        if (eof)
            snprintf(body, sizeof body, "{\"eof\":true}");
        else
            snprintf(body, sizeof body, "{\"data\":\"line %u\\n\",\"encoding\":\"utf8\"}", i);
        if (target_call(live->target, "POST", tail, "*/*", body, &answer, err) != 0)
            return err_wrap(err, "stdin of process %u", i);
    }
    return 0;
}

static void report_live(struct bench *b, const struct live *live, const struct target_sample *s, double start_s,
                        double echo_s)
{
    struct report_line *line = report_add_line(&b->report, b->isolation, "live streams: RSS");
    line->value = (double) s->rss_kib / 1024;
    line->unit = "MiB";
    line->sense = TARGET_AT_MOST;
    line->target = RSS_TARGET_MIB;
    report_note_line(line,
                     "%u processes, each with an open stream; private %.1f MiB, peak %.1f; %u threads, %u fds; "
                     "helpers %.1f MiB",
                     live->count, (double) s->anon_kib / 1024, (double) s->peak_kib / 1024, s->threads, s->fds,
                     (double) s->helper_rss_kib / 1024);
    line = report_add_line(&b->report, b->isolation, "live streams: deliver");
    line->value = live->echoed < live->done ? live->echoed : live->done;
    line->unit = "streams";
    line->sense = TARGET_AT_LEAST;
    line->target = live->count;
    report_note_line(line, "first line, echo of stdin, end; started in %.2f s, all echoed in %.2f s", start_s, echo_s);
}

static int run_live(struct bench *b, struct live *live, struct err *err)
{
    struct target_sample sample;
    int64_t begin = mono_ns();
    if (start_all(live, err) != 0)
        return -1;
    int64_t started = mono_ns();
    if (tell_all(live, false, err) != 0 || serve_until(live, &live->echoed, "their echo", err) != 0)
        return -1;
    int64_t echoed = mono_ns();
    if (target_sample(live->target, &sample, err) != 0 || tell_all(live, true, err) != 0 ||
        serve_until(live, &live->done, "their end", err) != 0)
        return -1;
    report_live(b, live, &sample, (double) (started - begin) / 1e9, (double) (echoed - started) / 1e9);
    return 0;
}

static int measure(void *arg, const struct target *t, struct err *err)
{
    struct bench *b = arg;
    struct live live = { .target = t, .count = b->live };
    live.listeners = calloc(b->live, sizeof *live.listeners);
    if (live.listeners == NULL)
        return err_set(err, ERR_NOMEM, 0, "%u streams", b->live);
    for (unsigned i = 0; i < live.count; i++)
        live.listeners[i].conn.fd = -1;
    live.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int rc = run_live(b, &live, err);
    for (unsigned i = 0; i < live.count; i++) {
        hconn_close(&live.listeners[i].conn);
        sse_fini(&live.listeners[i].sse);
    }
    close(live.epoll_fd);
    free(live.listeners);
    return rc;
}

int live_rows_run(struct bench *b, struct err *err)
{
    return target_run(b->server, b->isolation, measure, b, err);
}
