/* The client: its connections, unary calls, its processes' threads. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cwc_priv.h"

#define ATTEMPTS    3 /* of 1.22.0, where the server says when */
#define MAX_HINT_MS 10000

/* --------------------------------------------------------------------- life */

void cwc_init_cond(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

bool cwc_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_ms)
{
    struct timespec until = { until_ms / 1000, until_ms % 1000 * 1000000 };
    if (until_ms == 0)
        return pthread_cond_wait(cond, lock) == 0;
    return pthread_cond_timedwait(cond, lock, &until) != ETIMEDOUT;
}

int64_t cwc_until(double timeout_s)
{
    return timeout_s < 0 || timeout_s > 1e9 ? 0 : sbc_now_ms() + (int64_t) (timeout_s * 1000);
}

/* http://HOST:PORT and at most a slash. */
static int read_url(struct cwc_client *client, const char *url, struct cwc_error *err)
{
    static const char scheme[] = "http://";
    if (url == NULL || strncasecmp(url, scheme, sizeof scheme - 1) != 0)
        return cwc_error_set(err, CWC_ARGUMENT, "url: must begin with http:// (TLS is not offered here)");
    const char *host = url + sizeof scheme - 1;
    size_t size = strcspn(host, "/");
    if (host[size] != '\0' && host[size + 1] != '\0')
        return cwc_error_set(err, CWC_ARGUMENT, "url: must not have a path");
    client->authority = sbc_text_copy_bytes(host, size);
    char *colon = strrchr(client->authority, ':');
    client->host = sbc_text_copy_bytes(client->authority, colon == NULL ? size : (size_t) (colon - client->authority));
    client->port = sbc_text_copy(colon == NULL ? "80" : colon + 1);
    if (client->host[0] == '\0' || client->port[0] == '\0')
        return cwc_error_set(err, CWC_ARGUMENT, "url: has no host or no port");
    return 0;
}

struct cwc_client *cwc_client_new(const struct cwc_client_options *options, struct cwc_error *err)
{
    struct cwc_client *client = sbc_alloc(1, sizeof *client);
    atomic_init(&client->refs, 1);
    client->version = options->version;
    client->wire = options->version == CWC_V1 ? &cwc_wire_v1 : &cwc_wire_v1beta2;
    client->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : CWC_REQUEST_MS;
    pthread_mutex_init(&client->lock, NULL);
    cwc_init_cond(&client->changed);
    if (options->api_key != NULL && options->api_key[0] != '\0')
        client->auth = sbc_text_format("Bearer %s", options->api_key);
    if (read_url(client, options->url, err) < 0) {
        cwc_client_unref(client);
        return NULL;
    }
    return client;
}

struct cwc_client *cwc_client_ref(struct cwc_client *client)
{
    atomic_fetch_add(&client->refs, 1);
    return client;
}

void cwc_client_unref(struct cwc_client *client)
{
    if (atomic_fetch_sub(&client->refs, 1) > 1)
        return;
    for (size_t i = 0; i < client->conn_count; i++)
        cwc_conn_free(client->conns[i]);
    free(client->conns);
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->lock);
    free(client->host);
    free(client->port);
    free(client->authority);
    free(client->auth);
    free(client);
}

void cwc_client_cancel(struct cwc_client *client)
{
    pthread_mutex_lock(&client->lock);
    client->is_cancelled = true;
    for (size_t i = 0; i < client->conn_count; i++)
        cwc_conn_cancel(client->conns[i]);
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

void cwc_client_free(struct cwc_client *client)
{
    if (client == NULL)
        return;
    cwc_client_cancel(client);
    pthread_mutex_lock(&client->lock);
    while (client->threads > 0)
        pthread_cond_wait(&client->changed, &client->lock);
    pthread_mutex_unlock(&client->lock);
    cwc_client_unref(client);
}

/* ------------------------------------------------------------------- threads */

struct task {
    struct cwc_client *client;
    void (*body)(void *);
    void *arg;
};

static void *run_task(void *arg)
{
    struct task task = *(struct task *) arg;
    free(arg);
    task.body(task.arg);
    pthread_mutex_lock(&task.client->lock);
    task.client->threads--;
    pthread_cond_broadcast(&task.client->changed);
    pthread_mutex_unlock(&task.client->lock);
    cwc_client_unref(task.client);
    return NULL;
}

void cwc_client_spawn(struct cwc_client *client, void (*body)(void *), void *arg)
{
    struct task *task = sbc_alloc(1, sizeof *task);
    pthread_attr_t attr;
    pthread_t thread;
    *task = (struct task){ cwc_client_ref(client), body, arg };
    pthread_mutex_lock(&client->lock);
    client->threads++;
    pthread_mutex_unlock(&client->lock);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, run_task, task) != 0)
        abort(); /* no threads left */
    pthread_attr_destroy(&attr);
}

void cwc_client_tell(struct cwc_client *client)
{
    pthread_mutex_lock(&client->lock);
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

bool cwc_client_is_cancelled(struct cwc_client *client)
{
    pthread_mutex_lock(&client->lock);
    bool is_cancelled = client->is_cancelled;
    pthread_mutex_unlock(&client->lock);
    return is_cancelled;
}

bool cwc_client_sleep(struct cwc_client *client, int64_t ms)
{
    int64_t until = sbc_now_ms() + ms;
    bool goes_on = true;
    pthread_mutex_lock(&client->lock);
    while (!client->is_cancelled && goes_on)
        goes_on = cwc_wait_until(&client->changed, &client->lock, until);
    bool is_cancelled = client->is_cancelled;
    pthread_mutex_unlock(&client->lock);
    return is_cancelled;
}

/* -------------------------------------------------------------------- calls */

static void drop_dead(struct cwc_client *client)
{
    size_t kept = 0;
    for (size_t i = 0; i < client->conn_count; i++) {
        if (cwc_conn_is_dead(client->conns[i]))
            cwc_conn_free(client->conns[i]);
        else
            client->conns[kept++] = client->conns[i];
    }
    client->conn_count = kept;
}

/* The connection in use, or a new one within the limit; with the lock held. */
static struct cwc_conn *find_conn(struct cwc_client *client, int64_t timeout_ms, struct cwc_end *end)
{
    if (client->conn_count > 0 && (cwc_conn_is_open(client->conns[client->conn_count - 1]) ||
                                   CWC_MUTANT(never_reconnects)))
        return client->conns[client->conn_count - 1];
    drop_dead(client);
    struct cwc_conn *conn = cwc_conn_open(client->host, client->port, timeout_ms, end);
    struct cwc_conn **longer = conn == NULL ? NULL : sbc_alloc(client->conn_count + 1, sizeof(struct cwc_conn *));
    if (conn == NULL)
        return NULL;
    if (client->conn_count > 0)
        memcpy(longer, client->conns, client->conn_count * sizeof(struct cwc_conn *));
    free(client->conns);
    client->conns = longer;
    client->conns[client->conn_count++] = conn;
    return conn;
}

struct cwc_call *cwc_client_begin(struct cwc_client *client, enum cwc_method method, int64_t timeout_ms,
                                  struct cwc_error *err)
{
    struct cwc_end end = { 0 };
    struct cwc_call *call = NULL;
    struct cwc_call_options options = { .path = client->wire->paths[method],
                                        .authority = client->authority,
                                        .auth = client->auth,
                                        .timeout_ms = timeout_ms,
                                        .max_message = client->wire->max_message };
    if ((CWC_MUTANT(stream_not_authorized) && (method == CWC_EXEC || method == CWC_LOGS)) ||
        (CWC_MUTANT(key_with_create_only) && method != CWC_CREATE))
        options.auth = NULL;
    pthread_mutex_lock(&client->lock);
    int64_t limit = timeout_ms > 0 && timeout_ms < client->timeout_ms ? timeout_ms : client->timeout_ms;
    struct cwc_conn *conn = client->is_cancelled ? NULL : find_conn(client, limit, &end);
    bool is_cancelled = client->is_cancelled;
    if (conn != NULL)
        call = cwc_call_begin(conn, &options);
    pthread_mutex_unlock(&client->lock);
    if (is_cancelled)
        cwc_error_set(err, CWC_CANCELLED, "the client was cancelled");
    else if (call == NULL)
        cwc_error_from_end(err, &end, client->version, "Connect");
    cwc_end_clear(&end);
    return call;
}

static const char *const operations[CWC_METHODS] = {
    [CWC_CREATE] = "Start sandbox",  [CWC_GET] = "Get sandbox",       [CWC_LIST] = "List sandboxes",
    [CWC_STOP] = "Stop sandbox",     [CWC_DELETE] = "Delete sandbox", [CWC_WRITE_FILE] = "Write file",
    [CWC_READ_FILE] = "Read file",   [CWC_EXEC] = "Execute command",  [CWC_LOGS] = "Stream logs",
};

int cwc_client_refuse(struct cwc_error *err, enum cwc_method method)
{
    return cwc_error_set(err, CWC_PROTOCOL, "%s: the answer is no message of its type", operations[method]);
}

int cwc_client_call(struct cwc_client *client, enum cwc_method method, const struct sbc_buf *request,
                    int64_t timeout_ms, struct sbc_buf *answer, struct cwc_error *err)
{
    static const struct cwc_end empty = { .status = CWC_STATUS_INTERNAL, .message = (char *) (uintptr_t) "no answer" };
    struct sbc_buf more = { 0 };
    struct cwc_call *call = cwc_client_begin(client, method, timeout_ms, err);
    if (call == NULL)
        return -1;
    cwc_call_send(call, request);
    cwc_call_half_close(call);
    bool has_answer = cwc_call_next(call, 0, answer) == 1;
    while (cwc_call_next(call, 0, &more) == 1)
        sbc_buf_drop(&more, more.size); /* nobody asked for it */
    const struct cwc_end *end = cwc_call_end(call);
    int failed = end->status != CWC_STATUS_OK ? cwc_error_from_end(err, end, client->version, operations[method])
                 : !has_answer                ? cwc_error_from_end(err, &empty, client->version, operations[method])
                                              : 0;
    sbc_buf_free(&more);
    cwc_call_free(call);
    return failed;
}

int cwc_client_call_again(struct cwc_client *client, enum cwc_method method, const struct sbc_buf *request,
                          int64_t timeout_ms, struct sbc_buf *answer, bool *out_is_again, struct cwc_error *err)
{
    struct cwc_error failure = CWC_ERROR_INIT;
    int failed = cwc_client_call(client, method, request, timeout_ms, answer, &failure);
    *out_is_again = false;
    for (int i = 1; i < ATTEMPTS && failed < 0; i++) {
        bool may_pass = client->version == CWC_V1 && failure.kind == CWC_UNAVAILABLE && failure.retry_after_ms > 0 &&
                        failure.retry_after_ms <= MAX_HINT_MS;
        if (!may_pass || cwc_client_sleep(client, failure.retry_after_ms))
            break;
        sbc_buf_drop(answer, answer->size);
        failed = cwc_client_call(client, method, request, timeout_ms, answer, &failure);
        *out_is_again = true;
    }
    if (failed < 0)
        cwc_error_copy(err, &failure);
    cwc_error_clear(&failure);
    return failed;
}
