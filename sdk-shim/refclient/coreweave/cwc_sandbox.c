/* Sandboxes: made, found, looked at, stopped, listed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "cwc_priv.h"

#define GRACE_S        10.0
#define STOP_MORE_MS   10000 /* a stop may take its grace and this */
#define MAX_PAGES      100
#define NO_CODE_ROUNDS 2     /* how often a sandbox that is over is asked for its exit code */
#define NO_CODE_MS     2000

static const char *const state_names[CWC_STATES] = {
    [CWC_UNSPECIFIED] = "unspecified", [CWC_CREATING] = "creating",       [CWC_RUNNING] = "running",
    [CWC_COMPLETED] = "completed",     [CWC_STATE_FAILED] = "failed",     [CWC_TERMINATING] = "terminating",
    [CWC_STATE_TERMINATED] = "terminated", [CWC_PENDING] = "pending",     [CWC_PAUSED] = "paused",
    [CWC_PREPARING] = "preparing",
};

const char *cwc_state_name(enum cwc_state state)
{
    return state_names[state];
}

int cwc_state_find(const char *name)
{
    for (int i = 0; i < CWC_STATES; i++)
        if (strcmp(state_names[i], name) == 0)
            return i;
    return -1;
}

/* --------------------------------------------------------------------- life */

/* Takes `id`. */
static struct cwc_sandbox *make(struct cwc_client *client, char *id, enum cwc_state state)
{
    struct cwc_sandbox *box = sbc_alloc(1, sizeof *box);
    atomic_init(&box->refs, 1);
    box->client = cwc_client_ref(client);
    box->id = id;
    box->seen.state = state;
    pthread_mutex_init(&box->lock, NULL);
    cwc_init_cond(&box->changed);
    return box;
}

struct cwc_sandbox *cwc_sandbox_ref(struct cwc_sandbox *box)
{
    atomic_fetch_add(&box->refs, 1);
    return box;
}

void cwc_sandbox_free(struct cwc_sandbox *box)
{
    if (box == NULL || atomic_fetch_sub(&box->refs, 1) > 1)
        return;
    cwc_client_unref(box->client);
    cwc_error_clear(&box->failure);
    pthread_cond_destroy(&box->changed);
    pthread_mutex_destroy(&box->lock);
    free(box->id);
    free(box);
}

void cwc_sandbox_info_clear(struct cwc_sandbox_info *info)
{
    free(info->id);
    *info = (struct cwc_sandbox_info){ 0 };
}

void cwc_sandbox_get_info(struct cwc_sandbox *box, struct cwc_sandbox_info *out_info)
{
    pthread_mutex_lock(&box->lock);
    *out_info = box->seen;
    pthread_mutex_unlock(&box->lock);
    out_info->id = sbc_text_copy(box->id);
    out_info->has_exit_code = out_info->has_exit_code && out_info->state == CWC_COMPLETED &&
                              !CWC_MUTANT(sandbox_code_lost);
}

bool cwc_sandbox_is_open(struct cwc_sandbox *box, struct cwc_error *err)
{
    pthread_mutex_lock(&box->lock);
    bool is_open = !box->is_stopping && !cwc_is_over(box->seen.state);
    pthread_mutex_unlock(&box->lock);
    if (!is_open && !CWC_MUTANT(exec_after_stop))
        cwc_error_set(err, CWC_NOT_RUNNING, "Sandbox %s has been stopped", box->id);
    return is_open || CWC_MUTANT(exec_after_stop);
}

/* ------------------------------------------------------------------- create */

static void make_request_id(char out[37])
{
    unsigned char b[16] = { 0 };
    ssize_t ignored = getrandom(b, sizeof b, 0);
    (void) ignored; /* so few bytes always come */
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-4%01x%02x-a%01x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
             b[4], b[5], b[6] & 15, b[7], b[8] & 15, b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

struct cwc_sandbox *cwc_sandbox_create(struct cwc_client *client, const struct cwc_sandbox_options *options,
                                       struct cwc_error *err)
{
    char request_id[37], *id = NULL;
    struct sbc_buf request = { 0 }, answer = { 0 };
    make_request_id(request_id);
    struct cwc_sandbox_options sent = *options;
    sent.env_count = CWC_MUTANT(env_dropped) ? 0 : sent.env_count;
    client->wire->put_create(&sent, request_id, &request);
    int failed = cwc_client_call(client, CWC_CREATE, &request, client->timeout_ms, &answer, err);
    if (failed < 0 && CWC_MUTANT(create_retried))
        failed = cwc_client_call(client, CWC_CREATE, &request, client->timeout_ms, &answer, err);
    if (failed == 0 && client->wire->take_created(&answer, &id) < 0)
        failed = cwc_client_refuse(err, CWC_CREATE);
    sbc_buf_free(&request);
    sbc_buf_free(&answer);
    struct cwc_sandbox *box = failed < 0 ? NULL : make(client, id, CWC_PENDING);
    if (box != NULL && CWC_MUTANT(create_waits))
        cwc_poll_running(box, 0, NULL, NULL);
    return box;
}

struct cwc_sandbox *cwc_sandbox_from_id(struct cwc_client *client, const char *id, struct cwc_error *err)
{
    struct cwc_sandbox *box = make(client, sbc_text_copy(id), CWC_PENDING);
    if (CWC_MUTANT(found_unasked) || cwc_poll_once(box, client->timeout_ms, err) == 0)
        return box;
    cwc_sandbox_free(box);
    return NULL;
}

int cwc_sandbox_refresh(struct cwc_sandbox *box, struct cwc_error *err)
{
    pthread_mutex_lock(&box->lock);
    bool is_over = cwc_is_over(box->seen.state);
    pthread_mutex_unlock(&box->lock);
    return is_over || CWC_MUTANT(refresh_does_not_ask) ? 0 : cwc_poll_once(box, box->client->timeout_ms, err);
}

int cwc_sandbox_wait(struct cwc_sandbox *box, double timeout_s, struct cwc_error *err)
{
    return cwc_poll_running(box, cwc_until(timeout_s < 0 ? 300 : timeout_s), NULL, err);
}

/* v1: COMPLETED may come before the code.  Having none in the end is no error. */
static void ask_for_code(struct cwc_sandbox *box)
{
    struct cwc_sandbox_info info;
    for (int i = 0; i < NO_CODE_ROUNDS; i++) {
        cwc_sandbox_get_info(box, &info);
        bool is_missing = info.state == CWC_COMPLETED && !info.has_exit_code;
        cwc_sandbox_info_clear(&info);
        if (!is_missing || (i > 0 && cwc_client_sleep(box->client, NO_CODE_MS)))
            return;
        cwc_poll_once(box, NO_CODE_MS, NULL);
    }
}

int cwc_sandbox_wait_complete(struct cwc_sandbox *box, double timeout_s, struct cwc_error *err)
{
    if (cwc_poll(box, CWC_UNTIL_OVER, cwc_until(timeout_s < 0 ? 300 : timeout_s), NULL, err) < 0)
        return -1;
    pthread_mutex_lock(&box->lock);
    bool is_stopped = box->is_stopping || box->seen.state == CWC_STATE_TERMINATED;
    bool is_failed = box->seen.state == CWC_STATE_FAILED;
    pthread_mutex_unlock(&box->lock);
    if (is_failed)
        return cwc_error_set(err, CWC_FAILED, "Sandbox %s failed", box->id);
    if (is_stopped && !CWC_MUTANT(own_stop_forgotten))
        return cwc_error_set(err, CWC_TERMINATED, "Sandbox %s was terminated", box->id);
    if (box->client->version == CWC_V1)
        ask_for_code(box);
    return 0;
}

/* --------------------------------------------------------------------- stop */

/* Send a stop or a delete; 1: it was gone already, and that is fine. */
static int send_stop(struct cwc_client *client, enum cwc_method method, const struct cwc_stop *stop,
                     struct cwc_error *err)
{
    struct sbc_buf request = { 0 }, answer = { 0 };
    struct cwc_error failure = CWC_ERROR_INIT;
    struct cwc_ack ack = { .is_success = true };
    struct cwc_stop asked = *stop;
    asked.missing_ok = stop->missing_ok && !CWC_MUTANT(missing_is_an_error);
    stop = &asked;
    int64_t limit = method == CWC_STOP ? (int64_t) ceil(stop->grace_s) * 1000 + STOP_MORE_MS : client->timeout_ms;
    (method == CWC_STOP ? client->wire->put_stop : client->wire->put_delete)(stop, &request);
    bool is_again;
    int failed = cwc_client_call_again(client, method, &request, limit, &answer, &is_again, &failure);
    if (failed < 0 && is_again && failure.kind == CWC_NOT_FOUND)
        failed = 0; /* the first one did it */
    if (failed == 0 && client->wire->take_stopped(&answer, &ack) < 0)
        failed = cwc_client_refuse(&failure, method);
    if (failed == 0 && !ack.is_success)
        failed = cwc_error_set(&failure, CWC_SANDBOX, "Failed to stop sandbox: %s",
                               ack.message != NULL ? ack.message : "");
    bool is_gone = failed == 0 ? ack.is_gone && stop->missing_ok
                               : failure.kind == CWC_NOT_FOUND && stop->missing_ok;
    if (CWC_MUTANT(stop_failure_ignored))
        is_gone = failed < 0;
    if (failed < 0 && !is_gone)
        cwc_error_copy(err, &failure);
    cwc_error_clear(&failure);
    free(ack.message);
    sbc_buf_free(&request);
    sbc_buf_free(&answer);
    return is_gone ? 1 : failed;
}

/* Whether the caller is the one who sends the stop; the others wait for what becomes of it. */
static bool take_turn(struct cwc_sandbox *box)
{
    pthread_mutex_lock(&box->lock);
    while (box->is_sending_stop)
        pthread_cond_wait(&box->changed, &box->lock);
    bool is_mine = (!box->is_stopping && !cwc_is_over(box->seen.state)) || CWC_MUTANT(stop_repeated);
    box->is_sending_stop = is_mine;
    box->is_stopping = box->is_stopping || is_mine;
    pthread_mutex_unlock(&box->lock);
    return is_mine;
}

static void note_stop(struct cwc_sandbox *box, int sent)
{
    pthread_mutex_lock(&box->lock);
    box->is_sending_stop = false;
    box->is_stopping = sent >= 0;
    box->stopped_at_ms = sent >= 0 ? sbc_now_ms() : 0;
    if (sent == 1)
        box->seen.state = CWC_STATE_TERMINATED;
    else if (sent == 0 && !cwc_is_over(box->seen.state))
        box->seen.state = CWC_TERMINATING;
    pthread_cond_broadcast(&box->changed);
    pthread_mutex_unlock(&box->lock);
}

int cwc_sandbox_stop(struct cwc_sandbox *box, double grace_s, bool missing_ok, struct cwc_error *err)
{
    struct cwc_stop stop = { box->id, grace_s < 0 ? GRACE_S : grace_s, missing_ok };
    if (take_turn(box)) {
        int sent = CWC_MUTANT(stop_not_sent) ? 1 : send_stop(box->client, CWC_STOP, &stop, err);
        note_stop(box, sent);
        if (sent != 0)
            return sent < 0 ? -1 : 0;
    }
    if (CWC_MUTANT(stop_does_not_wait))
        return 0;
    return cwc_poll(box, CWC_UNTIL_OVER, 0, NULL, err);
}

int cwc_sandbox_delete(struct cwc_client *client, const char *id, bool missing_ok, struct cwc_error *err)
{
    struct cwc_stop stop = { .id = id, .missing_ok = missing_ok };
    return !CWC_MUTANT(delete_not_sent) && send_stop(client, CWC_DELETE, &stop, err) < 0 ? -1 : 0;
}

/* --------------------------------------------------------------------- list */

void cwc_list_clear(struct cwc_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        cwc_sandbox_info_clear(&list->items[i]);
    free(list->items);
    *list = (struct cwc_list){ 0 };
}

/* One page is added to `list`; *token becomes the next one's ("": none). */
static int add_page(struct cwc_client *client, struct cwc_page *page, int64_t until_ms, struct cwc_list *list,
                    char **token, struct cwc_error *err)
{
    struct sbc_buf request = { 0 }, answer = { 0 };
    char *next = NULL;
    int64_t left = until_ms - sbc_now_ms();
    page->token = *token;
    client->wire->put_list(page, &request);
    int failed = cwc_client_call(client, CWC_LIST, &request, left > 0 ? left : 1, &answer, err);
    if (failed == 0 && client->wire->take_list(&answer, list, &next) < 0)
        failed = cwc_client_refuse(err, CWC_LIST);
    if (failed == 0 && next[0] != '\0' && *token != NULL && strcmp(next, *token) == 0)
        failed = cwc_error_set(err, CWC_VENDOR, "List sandboxes: page token \"%s\" came twice", next);
    sbc_buf_free(&request);
    sbc_buf_free(&answer);
    free(*token);
    *token = next;
    return failed;
}

int cwc_sandbox_list(struct cwc_client *client, const struct cwc_query *query, struct cwc_list *out_list,
                     struct cwc_error *err)
{
    static const struct cwc_query any;
    struct cwc_page page = { .query = query != NULL ? query : &any, .state = -1 };
    struct cwc_list list = { 0 };
    char *token = NULL;
    int64_t until = sbc_now_ms() + client->timeout_ms;
    if (page.query->status != NULL && (page.state = cwc_state_find(page.query->status)) < 0)
        return cwc_error_set(err, CWC_ARGUMENT, "'%s' is not a valid SandboxStatus", page.query->status);
    struct cwc_query asked = *page.query;
    asked.tag_count = CWC_MUTANT(tags_not_asked) ? 0 : asked.tag_count;
    asked.include_stopped = asked.include_stopped && !CWC_MUTANT(include_stopped_ignored);
    page.query = &asked;
    int failed = add_page(client, &page, until, &list, &token, err);
    for (int pages = 1; failed == 0 && token[0] != '\0' && !CWC_MUTANT(first_page_only); pages++) {
        failed = pages >= MAX_PAGES ? cwc_error_set(err, CWC_VENDOR, "List sandboxes: more than %d pages", MAX_PAGES)
                                    : add_page(client, &page, until, &list, &token, err);
    }
    free(token);
    if (failed < 0)
        cwc_list_clear(&list);
    else
        *out_list = list;
    return failed;
}
