#include "bench/load.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/clock.h"

#define SILENCE_LIMIT_MS 60000 /* no answer at all for this long: the measurement failed */

struct caller {
    struct hconn conn;
    struct load *load;
    struct buf body;
};

struct load {
    int epoll_fd;
    unsigned connections, opened;
    struct caller *callers;
    struct buf request;
    const char *expect;
    /* of the run that is on */
    uint64_t to_start, in_flight;
    int64_t deadline_ns;
    struct load_result result;
};

static void note_failure(struct load *load, const char *why, const char *detail)
{
    if (load->result.failed++ == 0)
        snprintf(load->result.first_failure, sizeof load->result.first_failure, "%s %.150s", why, detail);
}

static void send_next(struct caller *caller)
{
    struct load *load = caller->load;
    if (load->to_start == 0 || mono_ns() >= load->deadline_ns)
        return;
    struct err err = ERR_INIT;
    load->to_start--;
    buf_clear(&caller->body);
    if (hconn_send(&caller->conn, load->request.data, load->request.len, &err) == 0)
        load->in_flight++;
    else
        note_failure(load, "send:", err.text);
}

static void on_body(struct hconn *c, const char *data, size_t len)
{
    struct caller *caller = c->arg;
    buf_add(&caller->body, data, len);
}

/* "exit_code": 0 and nothing behind the nought. */
static bool says_exit_zero(const char *body)
{
    const char *at = strstr(body, "\"exit_code\":");
    if (at == NULL)
        return false;
    at += strlen("\"exit_code\":");
    at += strspn(at, " ");
    return at[0] == '0' && (at[1] == ',' || at[1] == '}' || at[1] == ' ');
}

static void on_complete(struct hconn *c)
{
    struct caller *caller = c->arg;
    struct load *load = caller->load;
    const char *body = buf_cstr(&caller->body);
    load->in_flight--;
    if (c->status == 200 && says_exit_zero(body) && (load->expect == NULL || strstr(body, load->expect) != NULL))
        load->result.done++;
    else
        note_failure(load, "answer:", body);
    send_next(caller);
}

static void on_broken(struct hconn *c, const char *why)
{
    struct caller *caller = c->arg;
    caller->load->in_flight--;
    note_failure(caller->load, "connection:", why);
    send_next(caller);
}

static int make_exec_request(const struct target *t, const char *command, struct buf *out, struct err *err)
{
    cJSON *body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "command", command);
    char *text = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    if (text == NULL)
        return err_set(err, ERR_NOMEM, 0, "make a request");
    target_make_request(t, out, "POST", "/exec", "*/*", text);
    free(text);
    return 0;
}

static int open_callers(struct load *load, const struct target *t, struct err *err)
{
    static const struct hconn_events events = { on_body, on_complete, on_broken };
    for (; load->opened < load->connections; load->opened++) {
        struct caller *caller = &load->callers[load->opened];
        caller->load = load;
        if (hconn_open(&caller->conn, &t->address, load->epoll_fd, &events, caller, err) != 0)
            return -1;
    }
    return 0;
}

struct load *load_open(const struct target *t, unsigned connections, const char *command, const char *expect,
                       struct err *err)
{
    struct load *load = calloc(1, sizeof *load);
    if (load == NULL) {
        err_set(err, ERR_NOMEM, 0, "load");
        return NULL;
    }
    load->connections = connections;
    load->expect = expect;
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load->callers = calloc(connections, sizeof *load->callers);
    if (load->epoll_fd < 0 || load->callers == NULL)
        err_set(err, ERR_IO, errno, "prepare %u connections", connections);
    else if (make_exec_request(t, command, &load->request, err) == 0 && open_callers(load, t, err) == 0)
        return load;
    load_close(load);
    return NULL;
}

void load_close(struct load *load)
{
    if (load == NULL)
        return;
    for (unsigned i = 0; i < load->opened; i++) {
        hconn_close(&load->callers[i].conn);
        buf_fini(&load->callers[i].body);
    }
    if (load->epoll_fd >= 0)
        close(load->epoll_fd);
    buf_fini(&load->request);
    free(load->callers);
    free(load);
}

int load_run(struct load *load, uint64_t count, unsigned ms, struct load_result *out_result, struct err *err)
{
    int64_t begin = mono_ns();
    load->result = (struct load_result){ .done = 0 };
    load->to_start = count == 0 ? UINT64_MAX : count;
    load->deadline_ns = ms == 0 ? INT64_MAX : begin + (int64_t) ms * 1000000;
    load->in_flight = 0;
    for (unsigned i = 0; i < load->connections; i++)
        send_next(&load->callers[i]);
    while (load->in_flight > 0) {
        int n = hconn_serve(load->epoll_fd, SILENCE_LIMIT_MS, err);
        if (n < 0)
            return -1;
        if (n == 0)
            return err_set(err, ERR_TIMEOUT, 0, "%llu requests without an answer for %d s",
                           (unsigned long long) load->in_flight, SILENCE_LIMIT_MS / 1000);
    }
    load->result.seconds = (double) (mono_ns() - begin) / 1e9;
    *out_result = load->result;
    return 0;
}
