/*
 * Asking for a sandbox's state until it is as somebody wants it (wire page §3.2).  All who wait for one sandbox share
 * one row of questions: whoever finds nobody asking asks next, the others wait for what is said.
 */
#include <stdlib.h>
#include <string.h>

#include "cwc_priv.h"

#define FIRST_MS     200
#define LONGEST_MS   2000
#define RPC_MS       15000
#define BUDGET_MS    30000 /* of failures in a row */
#define MAX_HINT_MS  10000
#define LOOK_MS      200
#define NOT_FOUND_MS 2000 /* that a stopped sandbox may be missing */

bool cwc_is_stable(enum cwc_state state)
{
    return state != CWC_CREATING && state != CWC_PENDING && state != CWC_PREPARING;
}

bool cwc_is_over(enum cwc_state state)
{
    return state == CWC_COMPLETED || state == CWC_STATE_FAILED || state == CWC_STATE_TERMINATED ||
           (CWC_MUTANT(terminating_is_over) && state == CWC_TERMINATING);
}

/* ------------------------------------------------------------------ one question */

/* What was said late does not wake the dead. */
static void keep(struct cwc_sandbox *box, const struct cwc_sandbox_info *info)
{
    enum cwc_state state = info->state == CWC_UNSPECIFIED ? CWC_COMPLETED : info->state;
    pthread_mutex_lock(&box->lock);
    bool is_stale = box->is_stopping && cwc_is_stable(state) && !cwc_is_over(state) && state != CWC_TERMINATING;
    if (!cwc_is_over(box->seen.state) && !is_stale) {
        box->seen.state = state;
        box->seen.has_exit_code = info->has_exit_code || (CWC_MUTANT(no_exit_code_is_0) && state == CWC_COMPLETED);
        box->seen.exit_code = info->exit_code;
    } else if (box->seen.state == CWC_COMPLETED && state == CWC_COMPLETED && info->has_exit_code) {
        box->seen.has_exit_code = true; /* v1: the code may come behind the state */
        box->seen.exit_code = info->exit_code;
    }
    pthread_cond_broadcast(&box->changed);
    pthread_mutex_unlock(&box->lock);
}

int cwc_poll_once(struct cwc_sandbox *box, int64_t timeout_ms, struct cwc_error *err)
{
    struct sbc_buf request = { 0 }, answer = { 0 };
    struct cwc_sandbox_info info = { 0 };
    int64_t limit = timeout_ms < RPC_MS ? timeout_ms : RPC_MS;
    limit = limit < box->client->timeout_ms ? limit : box->client->timeout_ms;
    box->client->wire->put_get(box->id, &request);
    int failed = cwc_client_call(box->client, CWC_GET, &request, limit > 0 ? limit : 1, &answer, err);
    if (failed == 0 && box->client->wire->take_sandbox(&answer, &info) < 0)
        failed = cwc_client_refuse(err, CWC_GET);
    if (failed == 0)
        keep(box, &info);
    cwc_sandbox_info_clear(&info);
    sbc_buf_free(&request);
    sbc_buf_free(&answer);
    return failed;
}

/* ------------------------------------------------------------------ and another */

static bool may_pass(const struct cwc_error *err)
{
    if (CWC_MUTANT(poll_never_retried))
        return false;
    return err->kind == CWC_UNAVAILABLE ||
           (err->has_status && (err->status == CWC_STATUS_UNAVAILABLE || err->status == CWC_STATUS_DEADLINE_EXCEEDED ||
                                err->status == CWC_STATUS_RESOURCE_EXHAUSTED)) ||
           (CWC_MUTANT(poll_retries_not_found) && err->kind == CWC_NOT_FOUND);
}

static bool is_missing_after_stop(const struct cwc_sandbox *box, const struct cwc_error *err)
{
    return box->stopped_at_ms != 0 && err->kind == CWC_NOT_FOUND;
}

/* With the lock held: is the failure final?  If not, when to ask again. */
static bool plan_retry(struct cwc_sandbox *box, const struct cwc_error *err)
{
    int64_t now = sbc_now_ms();
    if (is_missing_after_stop(box, err)) {
        box->next_ms = now + box->interval_ms;
        return now - box->stopped_at_ms >= NOT_FOUND_MS;
    }
    if (!may_pass(err))
        return true;
    if (box->failing_since_ms == 0)
        box->failing_since_ms = now;
    int64_t left = box->failing_since_ms + BUDGET_MS - now;
    int64_t pause = err->retry_after_ms > 0 && !CWC_MUTANT(retry_info_ignored) ? err->retry_after_ms : box->interval_ms;
    pause = pause > MAX_HINT_MS ? MAX_HINT_MS : pause;
    box->next_ms = now + (pause < left ? pause : left);
    return left <= 0;
}

static void lengthen(struct cwc_sandbox *box)
{
    if (CWC_MUTANT(poll_without_pause))
        box->interval_ms = 2;
    else
        box->interval_ms = box->interval_ms * 3 / 2 < LONGEST_MS ? box->interval_ms * 3 / 2 : LONGEST_MS;
}

static void fail(struct cwc_sandbox *box, const struct cwc_error *err)
{
    box->failures++;
    cwc_error_copy(&box->failure, err);
    if (is_missing_after_stop(box, err))
        box->failure.kind = CWC_STATE_UNKNOWN;
}

/* Called and left with the lock held, which is not while it asks. */
static void ask(struct cwc_sandbox *box, int64_t until_ms)
{
    struct cwc_error err = CWC_ERROR_INIT;
    int64_t left = until_ms == 0 ? RPC_MS : until_ms - sbc_now_ms();
    box->is_asking = true;
    pthread_mutex_unlock(&box->lock);
    int failed = cwc_poll_once(box, left, &err);
    pthread_mutex_lock(&box->lock);
    box->is_asking = false;
    if (failed == 0) {
        box->failing_since_ms = 0;
        box->next_ms = sbc_now_ms() + box->interval_ms;
    } else if (plan_retry(box, &err)) {
        fail(box, &err);
    }
    lengthen(box);
    cwc_error_clear(&err);
    pthread_cond_broadcast(&box->changed);
}

/* ------------------------------------------------------------------ all of them */

static bool is_reached(const struct cwc_sandbox *box, enum cwc_goal goal)
{
    enum cwc_state state = box->seen.state;
    if (goal == CWC_UNTIL_OVER)
        return cwc_is_over(state) || (CWC_MUTANT(complete_when_running) && state == CWC_RUNNING);
    return cwc_is_stable(state) || (CWC_MUTANT(exec_does_not_wait) && state == CWC_PENDING);
}

/* Until something changes, the next question is due, or the wait is over; with the lock held.  A client that is
   cancelled does not know its sandboxes, so it is looked at now and then. */
static void pause_until(struct cwc_sandbox *box, int64_t until_ms)
{
    int64_t due = sbc_now_ms() + LOOK_MS;
    if (!box->is_asking && box->next_ms < due)
        due = box->next_ms;
    if (until_ms != 0 && until_ms < due)
        due = until_ms;
    cwc_wait_until(&box->changed, &box->lock, due);
}

static int wait_for_goal(struct cwc_sandbox *box, enum cwc_goal goal, int64_t until_ms,
                         const atomic_bool *is_cancelled, struct cwc_error *err)
{
    unsigned failures = box->failures;
    while (!is_reached(box, goal)) {
        int64_t now = sbc_now_ms();
        if ((is_cancelled != NULL && atomic_load(is_cancelled)) || cwc_client_is_cancelled(box->client))
            return cwc_error_set(err, CWC_CANCELLED, "cancelled by the caller");
        if (box->failures != failures)
            return cwc_error_copy(err, &box->failure);
        if (until_ms != 0 && now >= until_ms)
            return cwc_error_set(err, CWC_TIMEOUT, "Sandbox %s did not get there in time", box->id);
        if (!box->is_asking && now >= box->next_ms)
            ask(box, until_ms);
        else
            pause_until(box, until_ms);
    }
    return 0;
}

int cwc_poll(struct cwc_sandbox *box, enum cwc_goal goal, int64_t until_ms, const atomic_bool *is_cancelled,
             struct cwc_error *err)
{
    if (CWC_MUTANT(polls_alone))
        cwc_poll_once(box, RPC_MS, NULL);
    pthread_mutex_lock(&box->lock);
    if (box->waiters++ == 0) { /* a new row begins at once */
        box->interval_ms = FIRST_MS;
        box->next_ms = 0;
        box->failing_since_ms = 0;
    }
    int failed = wait_for_goal(box, goal, until_ms, is_cancelled, err);
    box->waiters--;
    pthread_mutex_unlock(&box->lock);
    return failed;
}

void cwc_poll_wake(struct cwc_sandbox *box)
{
    pthread_mutex_lock(&box->lock);
    pthread_cond_broadcast(&box->changed);
    pthread_mutex_unlock(&box->lock);
}

int cwc_poll_running(struct cwc_sandbox *box, int64_t until_ms, const atomic_bool *is_cancelled,
                     struct cwc_error *err)
{
    if (cwc_poll(box, CWC_UNTIL_STABLE, until_ms, is_cancelled, err) < 0)
        return -1;
    pthread_mutex_lock(&box->lock);
    enum cwc_state state = box->seen.state;
    pthread_mutex_unlock(&box->lock);
    if (state == CWC_STATE_FAILED && !CWC_MUTANT(failed_is_running))
        return cwc_error_set(err, CWC_FAILED, "Sandbox %s failed to start", box->id);
    if (state == CWC_STATE_TERMINATED)
        return cwc_error_set(err, CWC_TERMINATED, "Sandbox %s was terminated", box->id);
    return 0;
}
