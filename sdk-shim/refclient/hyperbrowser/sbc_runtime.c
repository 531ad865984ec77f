/* Requests to a sandbox's runtime: where they go, and with which token. */
#include "sbc_priv.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "sbc_mutants.h"

#define RENEW_BELOW_MS 60000

/* A copy of what a request needs; the sandbox may change meanwhile. */
struct link {
    char *prefix;
    char *token;
};

static void link_clear(struct link *link)
{
    free(link->prefix);
    free(link->token);
    *link = (struct link){ 0 };
}

/* ------------------------------------------------------------------- where */

/* The path's segments behind one slash each, without the one at the end. */
static void collapse_slashes(struct sbc_buf *out, const char *path)
{
    for (; *path != '\0'; path++)
        if (*path != '/' || (path[1] != '/' && path[1] != '\0'))
            sbc_buf_add(out, path, 1);
}

/* "/sandbox/ID" */
static bool is_path_form(const char *path)
{
    static const char begin[] = "/sandbox/";
    size_t len = sizeof begin - 1;
    return strncmp(path, begin, len) == 0 && path[len] != '\0' && strchr(path + len, '/') == NULL;
}

static bool ends_in_sandbox(const char *path)
{
    static const char end[] = "/sandbox";
    size_t size = strlen(path), len = sizeof end - 1;
    return size >= len && strcmp(path + size - len, end) == 0;
}

char *sbc_runtime_prefix(const char *base_url)
{
    const char *scheme = strstr(base_url, "://");
    if (scheme == NULL)
        return NULL;
    const char *host = scheme + 3, *path = host + strcspn(host, "/?#");
    if (path == host)
        return NULL;
    struct sbc_buf clean = { 0 }, out = { 0 };
    char *bare = sbc_text_copy_bytes(path, strcspn(path, "?#"));
    collapse_slashes(&clean, bare);
    char *kept = sbc_buf_take(&clean);
    sbc_buf_add(&out, base_url, (size_t) (path - base_url));
    sbc_buf_add_text(&out, kept);
    if (!is_path_form(kept) && !ends_in_sandbox(kept) && !SBC_MUTANT(host_form_not_known))
        sbc_buf_add_text(&out, "/sandbox");
    if (SBC_MUTANT(runtime_slash_doubled) && bare[0] != '\0' && bare[strlen(bare) - 1] == '/')
        sbc_buf_add_text(&out, "/");
    free(bare);
    free(kept);
    return sbc_buf_take(&out);
}

/* ------------------------------------------------------------------- token */

static bool is_closed(const char *status)
{
    if (SBC_MUTANT(ended_status_ignored))
        return false;
    return strcmp(status, "closed") == 0 || strcmp(status, "error") == 0 || strcmp(status, "close-error") == 0;
}

/* A copy of address and token, or the local refusal. */
static int take_link(struct sbc_sandbox *box, struct link *out, struct sbc_error *err)
{
    pthread_mutex_lock(&box->lock);
    bool has_token = box->token != NULL || SBC_MUTANT(runs_without_token);
    bool is_running = has_token && box->prefix != NULL && !is_closed(box->status);
    char *status = sbc_text_copy(box->status);
    if (is_running)
        *out = (struct link){ sbc_text_copy(box->prefix), sbc_text_copy(box->token != NULL ? box->token : "none") };
    pthread_mutex_unlock(&box->lock);
    if (!is_running)
        sbc_error_not_running(err, box->id, status);
    free(status);
    return is_running ? 0 : -1;
}

bool sbc_runtime_is_open(struct sbc_sandbox *sandbox, struct sbc_error *err)
{
    struct link link;
    if (take_link(sandbox, &link, err) < 0)
        return false;
    link_clear(&link);
    return true;
}

static bool is_expiring(struct sbc_sandbox *box)
{
    pthread_mutex_lock(&box->lock);
    bool is_expiring = box->token != NULL && box->expires_at >= 0 && box->expires_at - sbc_wall_ms() <= RENEW_BELOW_MS;
    pthread_mutex_unlock(&box->lock);
    return (is_expiring && !SBC_MUTANT(no_proactive_refresh)) || SBC_MUTANT(refreshes_before_every_call);
}

static bool is_same_token(struct sbc_sandbox *box, const char *token)
{
    pthread_mutex_lock(&box->lock);
    bool is_same = box->token != NULL && strcmp(box->token, token) == 0;
    pthread_mutex_unlock(&box->lock);
    return is_same;
}

/* A token other than the one in `link`, which the server refused: one question, whoever else was refused too. */
static int renew(struct sbc_sandbox *box, struct link *link, struct sbc_error *err)
{
    pthread_mutex_lock(&box->renewing);
    int failed = is_same_token(box, link->token) ? sbc_sandbox_refresh(box, err) : 0;
    pthread_mutex_unlock(&box->renewing);
    if (failed < 0)
        return -1;
    if (SBC_MUTANT(stale_token_after_refresh))
        return 0;
    link_clear(link);
    return take_link(box, link, err);
}

static int renew_expiring(struct sbc_sandbox *box, struct link *link, struct sbc_error *err)
{
    if (!is_expiring(box))
        return 0;
    pthread_mutex_lock(&box->renewing);
    int failed = is_expiring(box) ? sbc_sandbox_refresh(box, err) : 0;
    pthread_mutex_unlock(&box->renewing);
    if (failed < 0)
        return -1;
    link_clear(link);
    return take_link(box, link, err);
}

/* -------------------------------------------------------------------- send */

static struct sbc_http *send_once(struct sbc_sandbox *box, const struct link *link, const struct sbc_route *route,
                                  const char *body, int64_t deadline_ms, struct sbc_error *err)
{
    char *url = sbc_text_format("%s%s", link->prefix, route->path);
    char *auth = sbc_text_format("Authorization: Bearer %s", link->token);
    struct sbc_http_request request = {
        .method = route->method,
        .url = url,
        .connect_to = box->client->proxy,
        .auth = auth,
        .accept = route->is_stream ? "text/event-stream" : "application/json",
        .body = body,
        .service = SBC_RUNTIME,
        .is_change = route->is_change,
        .deadline_ms = deadline_ms,
        .limit = box->client->answer_bytes,
    };
    struct sbc_http *http = sbc_http_open(&box->client->pool, &request, err);
    free(url);
    free(auth);
    return http;
}

/* The server refuses a token before it does anything, so that repeating is safe, whatever was asked. */
static struct sbc_http *send_with_token(struct sbc_sandbox *box, struct link *link, const struct sbc_route *route,
                                        const char *body, int64_t deadline_ms, struct sbc_error *err)
{
    int repeats = SBC_MUTANT(token_not_refreshed) ? 0 : SBC_MUTANT(token_refreshed_again_and_again) ? 4 : 1;
    struct sbc_http *http = send_once(box, link, route, body, deadline_ms, err);
    for (int i = 0; i < repeats && http != NULL && sbc_http_status(http) == 401; i++) {
        sbc_http_close(http);
        http = renew(box, link, err) < 0 ? NULL : send_once(box, link, route, body, deadline_ms, err);
    }
    return http;
}

struct sbc_http *sbc_runtime_open(struct sbc_sandbox *sandbox, const struct sbc_route *route, int64_t deadline_ms,
                                  struct sbc_error *err)
{
    struct link link = { 0 };
    struct sbc_http *http = NULL;
    char *body = route->body == NULL ? NULL : sbc_json_print(route->body);
    if (take_link(sandbox, &link, err) == 0 && renew_expiring(sandbox, &link, err) == 0)
        http = send_with_token(sandbox, &link, route, body, deadline_ms, err);
    free(body);
    link_clear(&link);
    if (http == NULL || sbc_client_is_success(sbc_http_status(http)))
        return http;
    sbc_client_finish(http, route->is_change, deadline_ms, NULL, err);
    return NULL;
}

int sbc_runtime_call(struct sbc_sandbox *sandbox, const struct sbc_route *route, struct cJSON **out_answer,
                     struct sbc_error *err)
{
    int64_t deadline_ms = sbc_now_ms() + sandbox->client->timeout_ms;
    struct sbc_http *http = sbc_runtime_open(sandbox, route, deadline_ms, err);
    if (http == NULL)
        return -1;
    return sbc_client_finish(http, route->is_change, deadline_ms, out_answer, err);
}
