#include "sbc_http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <curl/curl.h>

#include "sbc_mutants.h"

struct sbc_http {
    struct sbc_http_pool *pool;
    struct sbc_http *before, *next; /* in the pool */
    CURL *easy;
    CURLM *multi;
    struct curl_slist *headers, *connect_to;
    char curl_text[CURL_ERROR_SIZE];

    char *name; /* "POST http://..." for messages */
    enum sbc_service service;
    bool is_change;
    size_t limit;

    struct sbc_buf in; /* of the body, not yet taken */
    char *content_type, *request_id, *other_id;
    int64_t retry_after_ms;
    int status;
    bool has_head, has_ended, is_over_limit;
    CURLcode how; /* it ended */
    atomic_bool is_cancelled;
};

/* -------------------------------------------------------------------- pool */

void sbc_http_pool_init(struct sbc_http_pool *pool)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->changed, &attr);
    pthread_condattr_destroy(&attr);
    pool->first = NULL;
    pool->is_cancelled = false;
}

void sbc_http_pool_fini(struct sbc_http_pool *pool)
{
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->changed);
}

void sbc_http_pool_cancel(struct sbc_http_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->is_cancelled = true;
    for (struct sbc_http *http = pool->first; http != NULL; http = http->next)
        sbc_http_cancel(http);
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
}

bool sbc_http_pool_is_cancelled(struct sbc_http_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    bool is_cancelled = pool->is_cancelled;
    pthread_mutex_unlock(&pool->lock);
    return is_cancelled;
}

bool sbc_http_pool_sleep(struct sbc_http_pool *pool, int64_t ms)
{
    int64_t end = sbc_now_ms() + ms;
    struct timespec until = { end / 1000, end % 1000 * 1000000 };
    pthread_mutex_lock(&pool->lock);
    while (!pool->is_cancelled && pthread_cond_timedwait(&pool->changed, &pool->lock, &until) != ETIMEDOUT)
        continue;
    bool is_cancelled = pool->is_cancelled;
    pthread_mutex_unlock(&pool->lock);
    return !is_cancelled;
}

static void join_pool(struct sbc_http *http, struct sbc_http_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    http->pool = pool;
    http->next = pool->first;
    if (http->next != NULL)
        http->next->before = http;
    pool->first = http;
    atomic_store(&http->is_cancelled, pool->is_cancelled);
    pthread_mutex_unlock(&pool->lock);
}

static void leave_pool(struct sbc_http *http)
{
    struct sbc_http_pool *pool = http->pool;
    pthread_mutex_lock(&pool->lock);
    *(http->before != NULL ? &http->before->next : &pool->first) = http->next;
    if (http->next != NULL)
        http->next->before = http->before;
    pthread_mutex_unlock(&pool->lock);
}

void sbc_http_cancel(struct sbc_http *http)
{
    atomic_store(&http->is_cancelled, true);
    curl_multi_wakeup(http->multi);
}

/* ------------------------------------------------------------- what arrives */

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct sbc_http *http = arg;
    (void) size; /* always 1 */
    if (http->in.size + count > http->limit) {
        http->is_over_limit = true;
        return 0;
    }
    if (SBC_MUTANT(chunks_decoded_alone))
        SBC_MUTATE(sbc_mutants_chunk(&http->in, data, count));
    else
        sbc_buf_add(&http->in, data, count);
    if (SBC_MUTANT(lines_end_with_pieces) && sbc_http_is_event_stream(http) && data[count - 1] != '\n')
        sbc_buf_add_text(&http->in, "\n");
    return count;
}

/* The value when `line` is this header, trimmed; free() it. */
static char *match_header(const char *line, size_t size, const char *name)
{
    size_t len = strlen(name);
    if (size <= len || strncasecmp(line, name, len) != 0 || line[len] != ':')
        return NULL;
    const char *from = line + len + 1, *to = line + size;
    while (from < to && strchr(" \t", *from) != NULL)
        from++;
    while (to > from && strchr(" \t\r\n", to[-1]) != NULL)
        to--;
    return sbc_utf8_clean(from, (size_t) (to - from));
}

static void keep_header(char **slot, char *value)
{
    if (value == NULL)
        return;
    free(*slot);
    *slot = value;
}

/* A head may come after other ones ("100 Continue"): the last one counts. */
static void begin_head(struct sbc_http *http)
{
    free(http->content_type);
    free(http->request_id);
    free(http->other_id);
    http->content_type = http->request_id = http->other_id = NULL;
    http->retry_after_ms = 0;
}

static void end_head(struct sbc_http *http)
{
    long status = 0;
    curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
    http->status = (int) status;
    http->has_head = status >= 200;
}

static void keep_retry_after(struct sbc_http *http, char *value)
{
    if (value == NULL)
        return;
    char *end;
    long seconds = strtol(value, &end, 10);
    if (*end == '\0' && seconds > 0 && seconds < 1000000)
        http->retry_after_ms = seconds * 1000;
    free(value);
}

static size_t take_header(char *line, size_t unit, size_t size, void *arg)
{
    struct sbc_http *http = arg;
    (void) unit; /* always 1 */
    if (http->has_head)
        return size; /* a trailer */
    if (size >= 5 && memcmp(line, "HTTP/", 5) == 0)
        begin_head(http);
    keep_header(&http->content_type, match_header(line, size, "content-type"));
    keep_header(&http->request_id, match_header(line, size, "x-request-id"));
    keep_header(&http->other_id, match_header(line, size, "request-id"));
    keep_retry_after(http, match_header(line, size, "retry-after"));
    if (size <= 2 && strchr("\r\n", line[0]) != NULL)
        end_head(http);
    return size;
}

/* -------------------------------------------------------------------- pump */

enum pump { PUMP_READY, PUMP_LATE, PUMP_CANCELLED };

static void step(struct sbc_http *http)
{
    int running, left;
    curl_multi_perform(http->multi, &running);
    for (CURLMsg *msg; (msg = curl_multi_info_read(http->multi, &left)) != NULL;) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        http->has_ended = true;
        http->how = msg->data.result;
    }
}

static bool wants_head(const struct sbc_http *http)
{
    return http->has_head;
}

static bool wants_body(const struct sbc_http *http)
{
    return http->in.size > 0;
}

/* Go on until `is_ready` or the end, or the deadline. */
static enum pump pump(struct sbc_http *http, bool (*is_ready)(const struct sbc_http *), int64_t deadline_ms)
{
    for (;;) {
        if (atomic_load(&http->is_cancelled))
            return PUMP_CANCELLED;
        if (!http->has_ended)
            step(http);
        if (http->has_ended || is_ready(http))
            return PUMP_READY;
        int64_t left = deadline_ms - sbc_now_ms();
        if (left <= 0)
            return PUMP_LATE;
        curl_multi_poll(http->multi, NULL, 0, left < 60000 ? (int) left : 60000, NULL);
    }
}

/* ------------------------------------------------------------------- errors */

/* Nothing of the request has left this machine. */
static bool was_never_sent(struct sbc_http *http)
{
    long sent = 0;
    curl_easy_getinfo(http->easy, CURLINFO_REQUEST_SIZE, &sent);
    return sent == 0;
}

static int finish_error(struct sbc_http *http, struct sbc_error *err, bool is_retryable)
{
    if (SBC_MUTANT(broken_for_good))
        sbc_http_pool_cancel(http->pool);
    if (err == NULL)
        return -1;
    err->service = http->service;
    err->is_retryable = is_retryable;
    err->is_definite = !http->is_change || was_never_sent(http) || SBC_MUTANT(lost_reply_is_definite);
    if (SBC_MUTANT(nothing_retryable))
        err->is_retryable = false;
    return -1;
}

/* What came was no HTTP, as opposed to nothing or too little. */
static bool is_not_http(CURLcode how)
{
    return how == CURLE_WEIRD_SERVER_REPLY || how == CURLE_UNSUPPORTED_PROTOCOL || how == CURLE_BAD_CONTENT_ENCODING;
}

/* The address, the user's or the server's, leads nowhere. */
static bool is_no_url(struct sbc_http *http)
{
    return http->how == CURLE_URL_MALFORMAT || (http->how == CURLE_UNSUPPORTED_PROTOCOL && was_never_sent(http));
}

static int fail_ended(struct sbc_http *http, struct sbc_error *err)
{
    const char *why = http->curl_text[0] != '\0' ? http->curl_text : curl_easy_strerror(http->how);
    if (is_no_url(http)) {
        sbc_error_set(err, SBC_ARGUMENT, "%s: cannot be asked: %s", http->name, why);
        return finish_error(http, err, false);
    }
    if (http->is_over_limit) {
        sbc_error_set(err, SBC_OUTPUT_LIMIT, "%s: the answer has more than %zu bytes", http->name, http->limit);
        if (err != NULL)
            err->code = sbc_text_copy("output_limit_exceeded");
        return finish_error(http, err, false);
    }
    if (is_not_http(http->how)) {
        sbc_error_set(err, SBC_MALFORMED, "%s: the answer is no HTTP: %s", http->name, why);
        return finish_error(http, err, false);
    }
    sbc_error_set(err, SBC_CONNECTION, "%s: %s", http->name, why);
    return finish_error(http, err, true);
}

static int fail_pump(struct sbc_http *http, enum pump how, struct sbc_error *err)
{
    if (how == PUMP_CANCELLED) {
        sbc_error_set(err, SBC_CANCELLED, "%s: cancelled", http->name);
        return finish_error(http, err, false);
    }
    sbc_error_set(err, SBC_CONNECTION, "%s: no answer in time", http->name);
    return finish_error(http, err, true);
}

/* -------------------------------------------------------------------- open */

static void add_header(struct sbc_http *http, const char *line)
{
    struct curl_slist *longer = curl_slist_append(http->headers, line);
    if (longer == NULL)
        abort(); /* only for want of memory */
    http->headers = longer;
}

static void set_headers(struct sbc_http *http, const struct sbc_http_request *request)
{
    char *accept = sbc_text_format("Accept: %s", request->accept);
    add_header(http, accept);
    add_header(http, request->auth);
    add_header(http, "User-Agent: standbox-client/" SBC_VERSION);
    add_header(http, "Expect:"); /* a body is sent at once, however long it is */
    add_header(http,
               request->body != NULL ? "Content-Type: application/json" : "Content-Type:"); /* else libcurl's own */
    free(accept);
}

static void set_body(struct sbc_http *http, const struct sbc_http_request *request)
{
    const char *body = request->body != NULL ? request->body : "";
    if (strcmp(request->method, "GET") == 0)
        return;
    if (request->body != NULL || strcmp(request->method, "DELETE") != 0) {
        curl_easy_setopt(http->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(http->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) strlen(body));
        curl_easy_setopt(http->easy, CURLOPT_COPYPOSTFIELDS, body);
    }
    curl_easy_setopt(http->easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static void set_options(struct sbc_http *http, const struct sbc_http_request *request)
{
    CURL *easy = http->easy;
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* an id may be ".." */
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->curl_text);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, http);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, 24L * 3600); /* the deadline is ours alone */
    if (request->connect_to != NULL) {
        char *line = sbc_text_format("::%s", request->connect_to);
        http->connect_to = curl_slist_append(NULL, line);
        free(line);
        curl_easy_setopt(easy, CURLOPT_CONNECT_TO, http->connect_to);
    }
}

static struct sbc_http *make(struct sbc_http_pool *pool, const struct sbc_http_request *request)
{
    struct sbc_http *http = sbc_alloc(1, sizeof *http);
    http->easy = curl_easy_init();
    http->multi = curl_multi_init();
    if (http->easy == NULL || http->multi == NULL)
        abort(); /* only for want of memory */
    http->name = sbc_text_format("%s %s", request->method, request->url);
    http->service = request->service;
    http->is_change = request->is_change;
    http->limit = request->limit;
    set_headers(http, request);
    set_options(http, request);
    set_body(http, request);
    curl_multi_add_handle(http->multi, http->easy);
    join_pool(http, pool);
    return http;
}

struct sbc_http *sbc_http_open(struct sbc_http_pool *pool, const struct sbc_http_request *request,
                               struct sbc_error *err)
{
    struct sbc_http *http = make(pool, request);
    enum pump how = pump(http, wants_head, request->deadline_ms);
    if (how == PUMP_READY && http->has_head)
        return http;
    if (how != PUMP_READY)
        fail_pump(http, how, err);
    else
        fail_ended(http, err);
    sbc_http_close(http);
    return NULL;
}

int sbc_http_status(const struct sbc_http *http)
{
    return http->status;
}

const char *sbc_http_content_type(const struct sbc_http *http)
{
    return http->content_type != NULL ? http->content_type : "";
}

bool sbc_http_is_event_stream(const struct sbc_http *http)
{
    static const char wanted[] = "text/event-stream";
    const char *type = sbc_http_content_type(http);
    size_t len = sizeof wanted - 1;
    return strncasecmp(type, wanted, len) == 0 && (type[len] == '\0' || strchr("; \t", type[len]) != NULL);
}

int sbc_http_read(struct sbc_http *http, int64_t deadline_ms, struct sbc_buf *out, struct sbc_error *err)
{
    enum pump how = pump(http, wants_body, deadline_ms);
    if (how == PUMP_CANCELLED || (how == PUMP_LATE && http->in.size == 0))
        return fail_pump(http, how, err);
    if (http->in.size > 0) {
        sbc_buf_add(out, http->in.data, http->in.size);
        http->in.size = 0;
        return 1;
    }
    return http->how == CURLE_OK ? 0 : fail_ended(http, err);
}

int sbc_http_read_all(struct sbc_http *http, int64_t deadline_ms, struct sbc_buf *out, struct sbc_error *err)
{
    int got;
    while ((got = sbc_http_read(http, deadline_ms, out, err)) > 0) {
        if (out->size <= http->limit)
            continue;
        http->is_over_limit = true;
        return fail_ended(http, err);
    }
    return got;
}

struct sbc_answer sbc_http_answer(const struct sbc_http *http, const struct sbc_buf *body)
{
    return (struct sbc_answer){
        .status = http->status,
        .service = http->service,
        .request_id = http->request_id != NULL ? http->request_id : http->other_id,
        .retry_after_ms = http->retry_after_ms,
        .body = body->data != NULL ? body->data : "",
        .size = body->size,
    };
}

void sbc_http_close(struct sbc_http *http)
{
    if (http == NULL)
        return;
    leave_pool(http);
    curl_multi_remove_handle(http->multi, http->easy);
    curl_easy_cleanup(http->easy);
    curl_multi_cleanup(http->multi);
    curl_slist_free_all(http->headers);
    curl_slist_free_all(http->connect_to);
    sbc_buf_free(&http->in);
    begin_head(http);
    free(http->name);
    free(http);
}
