#include "sbc_priv.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cjson/cJSON.h>
#include <curl/curl.h>

#include "sbc_mutants.h"

#define DEFAULT_TIMEOUT_MS 30000
#define DEFAULT_IDLE_MS    60000
#define DEFAULT_COLLECT    ((size_t) 64 << 20)
#define ESCAPED            6 /* bytes of JSON that one byte of output may take */
#define GET_TRIES          3
#define GET_PAUSE_MS       250
#define GET_PAUSE_MAX_MS   2000

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int check_options(const struct sbc_client_options *options, struct sbc_error *err)
{
    if (options->url == NULL ||
        (strncasecmp(options->url, "http://", 7) != 0 && strncasecmp(options->url, "https://", 8) != 0))
        return sbc_error_set(err, SBC_ARGUMENT, "url: must begin with http:// or https://");
    if (options->api_key == NULL || options->api_key[0] == '\0')
        return sbc_error_set(err, SBC_ARGUMENT, "api_key: is missing");
    if (strpbrk(options->api_key, "\r\n") != NULL)
        return sbc_error_set(err, SBC_ARGUMENT, "api_key: has a line end");
    if (options->timeout_ms < 0 || options->idle_ms < 0)
        return sbc_error_set(err, SBC_ARGUMENT, "timeout_ms, idle_ms: must not be negative");
    return 0;
}

/* "host:port" of a URL or of itself. */
static char *read_authority(const char *text)
{
    const char *scheme = strstr(text, "://");
    const char *from = scheme != NULL ? scheme + 3 : text;
    return sbc_text_copy_bytes(from, strcspn(from, "/?#"));
}

static char *trim_slashes(const char *url)
{
    size_t size = strlen(url);
    while (size > 0 && url[size - 1] == '/' && !SBC_MUTANT(trailing_slash_doubled))
        size--;
    return sbc_text_copy_bytes(url, size);
}

struct sbc_client *sbc_client_new(const struct sbc_client_options *options, struct sbc_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (check_options(options, err) < 0)
        return NULL;
    pthread_once(&once, start_curl);
    struct sbc_client *client = sbc_alloc(1, sizeof *client);
    atomic_init(&client->refs, 1);
    client->base = trim_slashes(options->url);
    client->auth = sbc_text_format("x-api-key: %s", options->api_key);
    client->protocol = options->protocol;
    client->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    client->idle_ms = options->idle_ms > 0 ? options->idle_ms : DEFAULT_IDLE_MS;
    client->collect_bytes = options->collect_bytes > 0 ? options->collect_bytes : DEFAULT_COLLECT;
    client->answer_bytes =
        client->collect_bytes < SIZE_MAX / 16 ? ESCAPED * client->collect_bytes + (1 << 20) : client->collect_bytes;
    if (options->runtime_proxy != NULL && !SBC_MUTANT(runtime_override_ignored))
        client->proxy = read_authority(options->runtime_proxy);
    if (SBC_MUTANT(silence_limited_by_timeout))
        client->idle_ms = client->timeout_ms;
    if (SBC_MUTANT(client_timeout_ignored))
        client->timeout_ms = DEFAULT_TIMEOUT_MS;
    sbc_http_pool_init(&client->pool);
    return client;
}

struct sbc_client *sbc_client_ref(struct sbc_client *client)
{
    atomic_fetch_add(&client->refs, 1);
    return client;
}

void sbc_client_cancel(struct sbc_client *client)
{
    sbc_http_pool_cancel(&client->pool);
}

void sbc_client_free(struct sbc_client *client)
{
    if (client == NULL || atomic_fetch_sub(&client->refs, 1) > 1)
        return;
    sbc_http_pool_fini(&client->pool);
    free(client->base);
    free(client->auth);
    free(client->proxy);
    free(client);
}

/* ----------------------------------------------------------------- answers */

int sbc_client_refuse(struct sbc_error *err, enum sbc_service service, bool is_change, const char *problem)
{
    sbc_error_set(err, SBC_MALFORMED, "the answer cannot be understood: %s", problem);
    if (err != NULL) {
        err->service = service;
        err->is_definite = !is_change;
    }
    return -1;
}

bool sbc_client_is_success(int status)
{
    return SBC_MUTANT(only_200_is_success) ? status == 200 : status / 100 == 2;
}

static int parse_answer(const struct sbc_answer *answer, bool is_change, cJSON **out_answer, struct sbc_error *err)
{
    if (!sbc_client_is_success(answer->status))
        return sbc_error_from_answer(err, answer, is_change);
    if (SBC_MUTANT(empty_success_raises) && answer->size == 0)
        return sbc_client_refuse(err, answer->service, is_change, "it is empty");
    if (out_answer == NULL)
        return 0;
    cJSON *tree = sbc_json_parse(answer->body, answer->size);
    if (cJSON_IsObject(tree)) {
        *out_answer = tree;
        return 0;
    }
    const char *problem = answer->size == 0 ? "it is empty" : tree == NULL ? "it is no JSON" : "it is no JSON object";
    cJSON_Delete(tree);
    if (SBC_MUTANT(nonsense_is_success)) {
        *out_answer = cJSON_CreateObject();
        return 0;
    }
    sbc_client_refuse(err, answer->service, is_change, problem);
    if (err != NULL)
        err->request_id = sbc_text_copy(answer->request_id);
    return -1;
}

int sbc_client_finish(struct sbc_http *http, bool is_change, int64_t deadline_ms, struct cJSON **out_answer,
                      struct sbc_error *err)
{
    struct sbc_buf body = { 0 };
    if (SBC_MUTANT(timeout_ends_at_head))
        deadline_ms = INT64_MAX;
    int failed = sbc_http_read_all(http, deadline_ms, &body, err);
    bool is_error = !sbc_client_is_success(sbc_http_status(http));
    if (failed == 0 || is_error) { /* its status says enough, should its body break off */
        struct sbc_answer answer = sbc_http_answer(http, &body);
        failed = parse_answer(&answer, is_change, out_answer, err);
    }
    sbc_buf_free(&body);
    sbc_http_close(http);
    return failed;
}

/* ----------------------------------------------------------- control plane */

static int call_once(struct sbc_client *client, const struct sbc_http_request *request, cJSON **out_answer,
                     struct sbc_error *err)
{
    struct sbc_http *http = sbc_http_open(&client->pool, request, err);
    if (http == NULL)
        return -1;
    return sbc_client_finish(http, request->is_change, request->deadline_ms, out_answer, err);
}

/* Ask again, unless the caller's own time is over or there is no hope. */
static bool is_worth_asking_again(const struct sbc_error *err, int64_t deadline_ms)
{
    if (SBC_MUTANT(not_found_asked_again) && err->status == 404)
        return true;
    return err->is_retryable && !(err->kind == SBC_CONNECTION && sbc_now_ms() >= deadline_ms);
}

static bool pause_before(struct sbc_client *client, int tries, int64_t retry_after_ms)
{
    int64_t ms = (int64_t) GET_PAUSE_MS << (tries - 1);
    if (retry_after_ms > ms)
        ms = retry_after_ms < GET_PAUSE_MAX_MS ? retry_after_ms : GET_PAUSE_MAX_MS;
    return sbc_http_pool_sleep(&client->pool, ms);
}

int sbc_client_call(struct sbc_client *client, const char *method, const char *path, const struct cJSON *body,
                    struct cJSON **out_answer, struct sbc_error *err)
{
    bool is_change = strcmp(method, "GET") != 0;
    int tries_left = is_change && !SBC_MUTANT(create_retried) ? 1 : GET_TRIES;
    if (SBC_MUTANT(control_get_not_retried))
        tries_left = 1;
    char *url = sbc_text_format("%s/api%s", client->base, path);
    char *text = body == NULL ? NULL : sbc_json_print(body);
    struct sbc_error why = SBC_ERROR_INIT;
    int failed;
    for (int tries = 1;; tries++) {
        struct sbc_http_request request = {
            method,
            url,
            NULL,
            client->auth,
            "application/json",
            text,
            SBC_CONTROL,
            is_change,
            sbc_now_ms() + client->timeout_ms,
            client->answer_bytes,
        };
        failed = call_once(client, &request, out_answer, &why);
        if (failed == 0 || tries == tries_left || !is_worth_asking_again(&why, request.deadline_ms) ||
            !pause_before(client, tries, why.retry_after_ms))
            break;
    }
    if (failed < 0)
        sbc_error_copy(err, &why);
    sbc_error_clear(&why);
    free(url);
    free(text);
    return failed;
}
