#include "link/admin.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"

#define CALL_MS    30000   /* for calls that wait for nothing but the stopping of processes */
#define GLANCE_MS  1000    /* longest sleep without a look at the flag, should a wake-up be lost */
#define ANSWER_MAX ((size_t) 1 << 30)

struct admin {
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    char *base;              /* with /__admin */
    double patience;
    atomic_bool cancelled;
    bool resetting;          /* connections that are closed now are reset */
};

/* One call under way. */
struct call {
    struct admin *admin;
    const struct admin_request *request;
    struct buf *answer;
    long status;
};

/* ---- opening --------------------------------------------------------------------------- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void init_curl(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t take_answer(char *data, size_t size, size_t count, void *arg)
{
    struct call *call = arg;
    size_t len = size * count;
    if (call->answer->len + len > ANSWER_MAX)
        return 0;
    buf_add(call->answer, data, len);
    return call->answer->failed ? 0 : len;
}

/* A server that waits for us hears of a reset at once, of an orderly close only when it looks. */
static int close_socket(void *arg, curl_socket_t fd)
{
    const struct admin *admin = arg;
    if (admin->resetting) {
        struct linger reset = { .l_onoff = 1, .l_linger = 0 };
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    }
    return close(fd);
}

static bool is_loopback(const char *url)
{
    static const char *const own[] = { "http://127.", "http://localhost", "http://[::1]" };
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strncmp(url, own[i], strlen(own[i])) == 0)
            return true;
    }
    return false;
}

static void set_up_easy(struct admin *admin)
{
    curl_easy_setopt(admin->easy, CURLOPT_HTTPHEADER, admin->headers);
    curl_easy_setopt(admin->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(admin->easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(admin->easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(admin->easy, CURLOPT_CLOSESOCKETDATA, admin);
    if (is_loopback(admin->base))
        curl_easy_setopt(admin->easy, CURLOPT_PROXY, "");
}

static bool add_header(struct admin *admin, const char *header)
{
    struct curl_slist *longer = curl_slist_append(admin->headers, header);
    if (longer != NULL)
        admin->headers = longer;
    return longer != NULL;
}

static int set_up(struct admin *admin, const char *base_url, const char *token)
{
    BUF_AUTO text = BUF_INIT;
    size_t len = strlen(base_url);
    while (len > 0 && base_url[len - 1] == '/')
        len--;
    buf_add(&text, base_url, len);
    buf_str(&text, "/__admin");
    admin->base = text.failed ? NULL : strdup(text.data);
    buf_clear(&text);
    buf_printf(&text, "Authorization: Bearer %s", token);
    if (admin->base == NULL || text.failed || !add_header(admin, text.data) ||
        !add_header(admin, "Content-Type: application/json") || !add_header(admin, "Expect:"))
        return -1;
    admin->multi = curl_multi_init();
    admin->easy = curl_easy_init();
    if (admin->multi == NULL || admin->easy == NULL)
        return -1;
    set_up_easy(admin);
    return 0;
}

int admin_open(struct admin **out_admin, const char *base_url, const char *token, struct err *err)
{
    if (strncmp(base_url, "http://", 7) != 0 && strncmp(base_url, "https://", 8) != 0)
        return err_set(err, ERR_INVALID, 0, "%s: must begin with http:// or https://", base_url);
    if (strpbrk(token, "\r\n") != NULL)
        return err_set(err, ERR_INVALID, 0, "the admin token must be one line");
    pthread_once(&curl_once, init_curl);
    struct admin *admin = curl_ready == CURLE_OK ? calloc(1, sizeof *admin) : NULL;
    if (admin == NULL)
        return err_set(err, ERR_NOMEM, 0, "set up libcurl");
    admin->patience = 1;
    atomic_init(&admin->cancelled, false);
    if (set_up(admin, base_url, token) < 0) {
        admin_close(admin);
        return err_set(err, ERR_NOMEM, 0, "set up libcurl");
    }
    *out_admin = admin;
    return 0;
}

void admin_close(struct admin *admin)
{
    if (admin == NULL)
        return;
    if (admin->easy != NULL)
        curl_easy_cleanup(admin->easy);
    if (admin->multi != NULL)
        curl_multi_cleanup(admin->multi);
    curl_slist_free_all(admin->headers);
    free(admin->base);
    free(admin);
}

void admin_cancel(struct admin *admin)
{
    atomic_store(&admin->cancelled, true);
    curl_multi_wakeup(admin->multi);
}

void admin_resume(struct admin *admin)
{
    atomic_store(&admin->cancelled, false);
}

void admin_set_patience(struct admin *admin, double factor)
{
    admin->patience = factor;
}

double admin_patience(const struct admin *admin)
{
    return admin->patience;
}

/* ---- one call -------------------------------------------------------------------------- */

/* "POST /clock/advance: ..."; the query is not shown. */
static int complain(const struct call *call, enum err_code code, struct err *err, const char *what)
{
    const struct admin_request *r = call->request;
    return err_set(err, code, 0, "%s %.*s: %s", r->method, (int) strcspn(r->path, "?"), r->path, what);
}

/* Until it is done; CURLE_ABORTED_BY_CALLBACK stands for cancelled. */
static CURLcode drive(struct admin *admin)
{
    for (;;) {
        int running, left;
        if (atomic_load(&admin->cancelled))
            return CURLE_ABORTED_BY_CALLBACK;
        if (curl_multi_perform(admin->multi, &running) != CURLM_OK)
            return CURLE_FAILED_INIT;
        const CURLMsg *message = curl_multi_info_read(admin->multi, &left);
        if (message != NULL && message->msg == CURLMSG_DONE)
            return message->data.result;
        if (curl_multi_poll(admin->multi, NULL, 0, GLANCE_MS, NULL) != CURLM_OK)
            return CURLE_FAILED_INIT;
    }
}

static CURLcode perform(struct admin *admin)
{
    if (curl_multi_add_handle(admin->multi, admin->easy) != CURLM_OK)
        return CURLE_FAILED_INIT;
    CURLcode code = drive(admin);
    admin->resetting = code == CURLE_ABORTED_BY_CALLBACK;
    curl_multi_remove_handle(admin->multi, admin->easy);
    admin->resetting = false;
    return code;
}

static bool build_url(const struct call *call, struct buf *out)
{
    const struct admin_request *r = call->request;
    buf_printf(out, "%s%s", call->admin->base, r->path);
    if (r->lane != NULL) {
        char *escaped = curl_easy_escape(call->admin->easy, r->lane, 0);
        if (escaped == NULL)
            return false;
        buf_printf(out, "%clane=%s", strchr(r->path, '?') == NULL ? '?' : '&', escaped);
        curl_free(escaped);
    }
    return !out->failed;
}

static void set_request(CURL *easy, const struct admin_request *r)
{
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    if (strcmp(r->method, "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) r->body_len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body == NULL ? "" : r->body);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, r->method);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) (r->budget_ms > 0 ? r->budget_ms : 1));
}

/* Sends and takes the answer, whatever it is.  -1: there is none. */
static int exchange(struct call *call, struct err *err)
{
    CURL *easy = call->admin->easy;
    char words[CURL_ERROR_SIZE + 20] = "no answer: ", *why = words + strlen(words);
    BUF_AUTO url = BUF_INIT;
    if (!build_url(call, &url))
        return complain(call, ERR_NOMEM, err, "no memory");
    set_request(easy, call->request);
    curl_easy_setopt(easy, CURLOPT_URL, url.data);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why);
    CURLcode code = perform(call->admin);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return complain(call, ERR_CLOSED, err, "cancelled");
    if (code != CURLE_OK && *why == '\0')
        snprintf(why, CURL_ERROR_SIZE, "%s", curl_easy_strerror(code));
    if (code != CURLE_OK)
        return complain(call, ERR_IO, err, words);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &call->status);
    return 0;
}

static enum err_code code_of(long status)
{
    static const struct {
        long status;
        enum err_code code;
    } rows[] = { { 401, ERR_AUTH },     { 403, ERR_AUTH },     { 404, ERR_NOT_FOUND },
                 { 408, ERR_TIMEOUT },  { 409, ERR_CONFLICT }, { 413, ERR_LIMIT } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].status == status)
            return rows[i].code;
    }
    return status >= 400 && status < 500 ? ERR_INVALID : ERR_INTERNAL;
}

static int complain_status(const struct call *call, struct err *err)
{
    char what[ERR_TEXT_BYTES];
    struct cJSON *json = json_parse(buf_cstr(call->answer), call->answer->len, NULL);
    const struct cJSON *message = json_get(json, "message");
    if (cJSON_IsString(message))
        snprintf(what, sizeof what, "%ld: %s", call->status, message->valuestring);
    else
        snprintf(what, sizeof what, "status %ld", call->status);
    json_free(json);
    return complain(call, code_of(call->status), err, what);
}

/* As admin_call; `*out_status` (NULL: not wanted) for who must tell 200 from 201. */
static int call_status(struct admin *admin, const struct admin_request *request, struct buf *answer, long *out_status,
                       struct err *err)
{
    BUF_AUTO own = BUF_INIT;
    struct call call = { .admin = admin, .request = request, .answer = answer != NULL ? answer : &own };
    buf_clear(call.answer);
    if (exchange(&call, err) < 0)
        return -1;
    if (out_status != NULL)
        *out_status = call.status;
    return call.status / 100 == 2 ? 0 : complain_status(&call, err);
}

int admin_call(struct admin *admin, const struct admin_request *request, struct buf *answer, struct err *err)
{
    return call_status(admin, request, answer, NULL, err);
}

/* Sends `body` (NULL: none) in the place of the request's own, and parses the answer. */
static struct cJSON *ask_status(struct admin *admin, struct admin_request request, const struct cJSON *body,
                                long *out_status, struct err *err)
{
    BUF_AUTO text = BUF_INIT, answer = BUF_INIT;
    struct call call = { .admin = admin, .request = &request };
    if (body != NULL)
        json_print(&text, body);
    if (text.failed) {
        complain(&call, ERR_NOMEM, err, "no memory");
        return NULL;
    }
    request.body = text.data;
    request.body_len = text.len;
    if (call_status(admin, &request, &answer, out_status, err) < 0)
        return NULL;
    struct cJSON *json = json_parse(buf_cstr(&answer), answer.len, NULL);
    if (json == NULL)
        complain(&call, ERR_INTERNAL, err, "the answer is no JSON");
    return json;
}

struct cJSON *admin_ask(struct admin *admin, const char *method, const char *path, const char *lane,
                        const struct cJSON *body, int64_t budget_ms, struct err *err)
{
    struct admin_request request = { .method = method, .path = path, .lane = lane, .budget_ms = budget_ms };
    return ask_status(admin, request, body, NULL, err);
}

/* ---- what the suite asks --------------------------------------------------------------- */

int admin_health(struct admin *admin, struct err *err)
{
    struct cJSON *json = admin_ask(admin, "GET", "/health", NULL, NULL, CALL_MS, err);
    const struct cJSON *status = json_get(json, "status");
    int result = json == NULL ? -1 : 0;
    if (json != NULL && (!cJSON_IsString(status) || strcmp(status->valuestring, "healthy") != 0))
        result = err_set(err, ERR_INTERNAL, 0, "GET /health: this is no standbox server, or it is not well");
    json_free(json);
    return result;
}

static int take_lane(const struct cJSON *json, const char *name, struct admin_lane *out, struct err *err)
{
    const struct cJSON *key = json_get(json, "key"), *url = json_get(json, "url");
    if (!cJSON_IsString(key) || !cJSON_IsString(url))
        return err_set(err, ERR_INTERNAL, 0, "POST /lanes: lane %s has no key or no url", name);
    out->key = strdup(key->valuestring);
    out->url = strdup(url->valuestring);
    if (out->key != NULL && out->url != NULL)
        return 0;
    admin_lane_fini(out);
    return err_set(err, ERR_NOMEM, 0, "lane %s", name);
}

int admin_lane_create(struct admin *admin, const char *name, struct admin_lane *out, struct err *err)
{
    long status = 0;
    cJSON *body = cJSON_CreateObject();
    if (body == NULL || cJSON_AddStringToObject(body, "name", name) == NULL) {
        cJSON_Delete(body);
        return err_set(err, ERR_NOMEM, 0, "lane %s", name);
    }
    struct admin_request request = { .method = "POST", .path = "/lanes", .budget_ms = CALL_MS };
    struct cJSON *json = ask_status(admin, request, body, &status, err);
    cJSON_Delete(body);
    int result = json == NULL ? -1 : 0;
    if (json != NULL && status == 200)
        result = err_set(err, ERR_CONFLICT, 0, "lane %s was there already", name);
    else if (json != NULL)
        result = take_lane(json, name, out, err);
    json_free(json);
    return result;
}

void admin_lane_fini(struct admin_lane *lane)
{
    free(lane->key);
    free(lane->url);
    *lane = (struct admin_lane){ NULL, NULL };
}

/* "PREFIX NAME", the name escaped. */
static int named_path(struct admin *admin, const char *prefix, const char *name, struct buf *out, struct err *err)
{
    char *escaped = curl_easy_escape(admin->easy, name, 0);
    if (escaped != NULL)
        buf_printf(out, "%s%s", prefix, escaped);
    curl_free(escaped);
    return escaped == NULL || out->failed ? err_set(err, ERR_NOMEM, 0, "%s%s", prefix, name) : 0;
}

int admin_lane_delete(struct admin *admin, const char *name, struct err *err)
{
    BUF_AUTO path = BUF_INIT;
    if (named_path(admin, "/lanes/", name, &path, err) < 0)
        return -1;
    struct admin_request request = { .method = "DELETE", .path = buf_cstr(&path), .budget_ms = CALL_MS };
    return admin_call(admin, &request, NULL, err);
}

int admin_scenario(struct admin *admin, const char *lane, const char *file, const char *text, size_t len,
                   struct err *err)
{
    BUF_AUTO path = BUF_INIT;
    buf_str(&path, "/scenarios");
    if (file != NULL && named_path(admin, "?file=", file, &path, err) < 0)
        return -1;
    if (path.failed)
        return err_set(err, ERR_NOMEM, 0, "POST /scenarios");
    struct admin_request request = { .method = "POST", .path = buf_cstr(&path), .lane = lane, .body = text,
                                     .body_len = len, .budget_ms = CALL_MS };
    return admin_call(admin, &request, NULL, err);
}

int admin_ledger(struct admin *admin, const char *lane, struct buf *out, struct err *err)
{
    struct admin_request request = { .method = "GET", .path = "/ledger", .lane = lane, .budget_ms = CALL_MS };
    return admin_call(admin, &request, out, err);
}

struct cJSON *admin_faults(struct admin *admin, const char *lane, struct err *err)
{
    return admin_ask(admin, "GET", "/faults", lane, NULL, CALL_MS, err);
}

struct cJSON *admin_verdict(struct admin *admin, const char *lane, struct err *err)
{
    struct cJSON *json = admin_ask(admin, "GET", "/verdict", lane, NULL, CALL_MS, err);
    cJSON *lanes = cJSON_GetObjectItemCaseSensitive(json, "lanes");
    struct cJSON *own = cJSON_IsArray(lanes) ? cJSON_DetachItemFromArray(lanes, 0) : NULL;
    if (json != NULL && own == NULL)
        err_set(err, ERR_INTERNAL, 0, "GET /verdict: the answer has no lane %s", lane);
    json_free(json);
    return own;
}
