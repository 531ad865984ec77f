/* What goes out, on the reactor's side: when, and as which fields. */
#include "transports/grpc_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lanes/strike.h"
#include "transports/grpc_text.h"

#define METADATA_BYTES 8000          /* clients may refuse more than 8 KiB */
#define GRPC_TYPE      "application/grpc"

/* ---- who is told ------------------------------------------------------------------------ */

void answer_tell_ending(struct grpc_call *call, enum exchange_end end, int status)
{
    if (call->told_ending)
        return;
    call->told_ending = true;
    if (call->observer != NULL && call->observer->ending != NULL)
        call->observer->ending(call->observer_arg, end, status);
}

static void tell_head(struct grpc_call *call, int status, const char *type)
{
    if (call->observer != NULL && call->observer->answer != NULL)
        call->observer->answer(call->observer_arg, status, type);
}

void answer_tell_over(struct grpc_call *call, enum exchange_end end)
{
    pthread_mutex_lock(&call->lock);
    call->answer.over = true;
    pthread_cond_broadcast(&call->changed);
    pthread_mutex_unlock(&call->lock);
    call->ignores_input = true;
    request_fini(call);
    if (call->told_over)
        return;
    call->told_over = true;
    fault_drop(call);
    if (call->method != NULL && call->method->handler->over != NULL)
        call->method->handler->over(call, end);
    call->observer = NULL;
}

static void tell_knock(struct grpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    bool is_knocked = call->is_knocked;
    call->is_knocked = false;
    pthread_mutex_unlock(&call->lock);
    if (is_knocked && !call->told_over && call->method->handler->knock != NULL)
        call->method->handler->knock(call);
}

static void tell_room(struct grpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    bool has_room = call->answer.wants_room && !call->answer.over &&
                    call->answer.queued <= call->server->config.high_water_bytes / 2;
    if (has_room) {
        call->answer.wants_room = false;
        pthread_cond_broadcast(&call->changed);
    }
    pthread_mutex_unlock(&call->lock);
    if (has_room && !call->told_over && call->method->handler->room != NULL)
        call->method->handler->room(call);
}

/* Its proper end is with HTTP/2. */
static void note_complete(struct grpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    call->answer.complete = !call->has_end;
    pthread_mutex_unlock(&call->lock);
}

/* Nothing that was asked for is left to do. */
static void settle(struct grpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    if (!call->answer.settled) {
        call->answer.settled = true;
        pthread_cond_broadcast(&call->changed);
    }
    pthread_mutex_unlock(&call->lock);
}

/* ---- fields ----------------------------------------------------------------------------- */

static void put(struct grpc_fields *fields, const char *name, const char *value)
{
    (void) grpc_fields_add(fields, name, strlen(name), value, strlen(value));
}

static void put_all(struct grpc_fields *fields, const struct grpc_fields *more)
{
    const char *at = NULL, *name, *value;
    while (grpc_fields_next(more, &at, &name, &value))
        put(fields, name, value);
}

static size_t room_in(const struct grpc_fields *fields, const char *name)
{
    size_t used = fields->size + strlen(name) + GRPC_FIELD_OVERHEAD;
    return used < METADATA_BYTES ? METADATA_BYTES - used : 0;
}

static void put_head(struct grpc_fields *fields, const struct grpc_call *call)
{
    const struct grpc_answer *answer = &call->answer;
    bool is_grpc = answer->http_status == 200 && answer->http_type == NULL && !answer->no_trailers;
    const char *type = is_grpc ? GRPC_TYPE : answer->http_type;
    char status[16];
    snprintf(status, sizeof status, "%d", answer->http_status);
    put(fields, ":status", status);
    if (type != NULL)
        put(fields, "content-type", type);
    put(fields, "x-request-id", call->request_id);
    put_all(fields, &answer->head);
}

/* Details are no use when cut; a message is. */
static void put_status(struct grpc_fields *fields, const struct grpc_answer *answer)
{
    char status[16];
    BUF_AUTO details = BUF_INIT;
    BUF_AUTO message = BUF_INIT;
    snprintf(status, sizeof status, "%d", answer->status);
    put(fields, "grpc-status", status);
    put_all(fields, &answer->trailers);
    grpc_text_put_binary(&details, answer->details.data, answer->details.len);
    if (details.len > 0 && details.len <= room_in(fields, "grpc-status-details-bin"))
        put(fields, "grpc-status-details-bin", details.data);
    grpc_text_put_message(&message, buf_cstr(&answer->message), answer->message.len, room_in(fields, "grpc-message"));
    if (message.len > 0)
        put(fields, "grpc-message", message.data);
}

/* A fault's, beyond all that clients take. */
static void put_padding(struct grpc_fields *fields, struct grpc_call *call)
{
    struct strike *strike = call->fault.strike;
    BUF_AUTO padding = BUF_INIT;
    if (strike == NULL || strike->fired || strike->fault->kind != FAULT_LARGE_TRAILERS)
        return;
    size_t len = (size_t) strike->fault->bytes;
    char *room = buf_reserve(&padding, len);
    if (room == NULL)
        return;
    memset(room, 'x', len);
    room[len] = '\0';
    strike_fired(strike);
    (void) grpc_fields_add(fields, "x-padding", 9, room, len);
}

/* ---- frames ----------------------------------------------------------------------------- */

static void end_phase(struct grpc_call *call)
{
    call->phase = PHASE_ENDED;
    call->ignores_input = true;
}

/* nghttp2 has no memory: then the stream ends as it is. */
static void give_up(struct grpc_call *call)
{
    end_phase(call);
    answer_tell_ending(call, EXCHANGE_RESET, GRPC_NO_STATUS);
    session_reset_stream(call, 2);
}

static enum exchange_end end_of(const struct grpc_call *call)
{
    return call->has_end ? call->end : EXCHANGE_COMPLETE;
}

/* All of the answer in one frame, when there is nothing to say but how it ends. */
static void send_whole(struct grpc_call *call)
{
    struct grpc_fields fields = { .text = BUF_INIT };
    pthread_mutex_lock(&call->lock);
    call->answer.has_begun = true;
    bool is_bare = call->answer.no_trailers;
    int http_status = call->answer.http_status;
    int status = is_bare ? GRPC_NO_STATUS : call->answer.status;
    put_head(&fields, call);
    if (!is_bare)
        put_status(&fields, &call->answer);
    pthread_mutex_unlock(&call->lock);
    if (!is_bare)
        put_padding(&fields, call);
    tell_head(call, http_status, grpc_fields_find(&fields, "content-type"));
    answer_tell_ending(call, end_of(call), status);
    end_phase(call);
    if (fields.text.failed || session_submit_head(call, &fields, true) != 0)
        give_up(call);
    grpc_fields_fini(&fields);
    note_complete(call);
    settle(call);
}

static void send_head(struct grpc_call *call)
{
    struct grpc_fields fields = { .text = BUF_INIT };
    pthread_mutex_lock(&call->lock);
    call->answer.has_begun = true;
    int http_status = call->answer.http_status;
    put_head(&fields, call);
    pthread_mutex_unlock(&call->lock);
    tell_head(call, http_status, grpc_fields_find(&fields, "content-type"));
    call->phase = PHASE_BEGUN;
    if (fields.text.failed || session_submit_head(call, &fields, false) != 0)
        give_up(call);
    grpc_fields_fini(&fields);
}

static enum answer_step send_end(struct grpc_call *call)
{
    struct grpc_fields fields = { .text = BUF_INIT };
    pthread_mutex_lock(&call->lock);
    bool is_bare = call->answer.no_trailers;
    int status = is_bare ? GRPC_NO_STATUS : call->answer.status;
    if (!is_bare)
        put_status(&fields, &call->answer);
    pthread_mutex_unlock(&call->lock);
    if (!is_bare)
        put_padding(&fields, call);
    answer_tell_ending(call, end_of(call), status);
    end_phase(call);
    if (!is_bare && (fields.text.failed || session_submit_trailers(call, &fields) != 0))
        give_up(call);
    grpc_fields_fini(&fields);
    note_complete(call);
    settle(call);
    return is_bare ? STEP_BARE_END : STEP_END;
}

/* ---- the queue -------------------------------------------------------------------------- */

static void unlink_first(struct grpc_answer *answer)
{
    answer->first = answer->first->next;
    if (answer->first == NULL)
        answer->last = &answer->first;
}

static void pop(struct grpc_answer *answer)
{
    struct grpc_item *item = answer->first;
    unlink_first(answer);
    free(item);
}

static bool is_mark(const struct grpc_item *item)
{
    return item != NULL && (item->kind == ITEM_FACT || item->kind == ITEM_POKE);
}

/* Pass a mark that has been reached.  false: there is none. */
static bool pass_mark(struct grpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    const struct grpc_item *item = call->answer.first;
    bool is_reached = is_mark(item);
    if (is_reached && item->kind == ITEM_FACT && call->fault.strike != NULL)
        strike_note_fact(call->fault.strike, item->fact);
    if (is_reached)
        pop(&call->answer);
    pthread_mutex_unlock(&call->lock);
    return is_reached;
}

/* With a fault armed an answer goes message by message, since it may strike between any two. */
static size_t sendable(const struct grpc_call *call, size_t max)
{
    size_t len = 0;
    for (const struct grpc_item *item = call->answer.first; item != NULL && !is_mark(item); item = item->next) {
        len += item->len - item->sent;
        if (len >= max || call->fault.strike != NULL)
            break;
    }
    return len < max ? len : max;
}

static enum answer_step wait_for_more(struct grpc_call *call, bool is_empty)
{
    fault_rest(call);
    if (is_empty && !fault_is_pending(call))
        settle(call);
    return STEP_WAIT;
}

enum answer_step answer_next(struct grpc_call *call, size_t max, size_t *out_len)
{
    if (call->phase == PHASE_ENDED)
        return STEP_WAIT;
    while (!fault_is_pending(call) && pass_mark(call))
        continue;
    if (fault_is_pending(call)) {
        pthread_mutex_lock(&call->lock);
        call_give_news(call);
        pthread_mutex_unlock(&call->lock);
        return STEP_WAIT;
    }
    pthread_mutex_lock(&call->lock);
    size_t len = sendable(call, max);
    bool is_empty = call->answer.first == NULL, ended = call->answer.ended;
    pthread_mutex_unlock(&call->lock);
    if (len == 0)
        return is_empty && ended ? send_end(call) : wait_for_more(call, is_empty);
    *out_len = fault_room(call, len);
    return *out_len == 0 ? STEP_WAIT : STEP_DATA;
}

/* Move bytes of one item; who is at its end goes to `done`, from where it is told. */
static void move_some(struct grpc_call *call, size_t *len, struct grpc_item ***done)
{
    struct grpc_answer *answer = &call->answer;
    struct grpc_item *item = answer->first;
    size_t n = item->len - item->sent;
    n = n < *len ? n : *len;
    buf_add(&call->conn->out, item->data + item->sent, n);
    item->sent += n;
    *len -= n;
    if (item->sent < item->len)
        return;
    if (item->kind == ITEM_EVENT && call->fault.strike != NULL)
        strike_note_event(call->fault.strike);
    unlink_first(answer);
    item->next = NULL;
    **done = item;
    *done = &item->next;
}

static void tell_messages(const struct grpc_call *call, struct grpc_item *done)
{
    while (done != NULL) {
        struct grpc_item *item = done;
        done = item->next;
        bool is_message = item->kind == ITEM_MESSAGE || item->kind == ITEM_EVENT;
        if (is_message && call->observer != NULL && call->observer->answer_message != NULL)
            call->observer->answer_message(call->observer_arg, item->data + GRPC_PREFIX_BYTES,
                                           item->len - GRPC_PREFIX_BYTES);
        free(item);
    }
}

void answer_move(struct grpc_call *call, size_t len)
{
    struct buf *out = &call->conn->out;
    size_t from = out->len, left = len;
    struct grpc_item *done = NULL, **last_done = &done;
    if (call->fault.strike != NULL)
        strike_note_bytes(call->fault.strike, len);
    pthread_mutex_lock(&call->lock);
    while (left > 0)
        move_some(call, &left, &last_done);
    call->answer.queued -= len;
    if (call->answer.wants_room && call->answer.queued <= call->server->config.high_water_bytes / 2)
        call_give_news(call);
    pthread_mutex_unlock(&call->lock);
    atomic_fetch_sub(&call->server->answer_bytes, len);
    if (call->observer != NULL && call->observer->answer_bytes != NULL)
        call->observer->answer_bytes(call->observer_arg, out->data + from, len);
    tell_messages(call, done);
}

/* ---- going on --------------------------------------------------------------------------- */

struct wishes { bool begins, whole; };

/* An armed fault may want to strike between the head and the end. */
static struct wishes look(struct grpc_call *call)
{
    const struct grpc_answer *answer = &call->answer;
    pthread_mutex_lock(&call->lock);
    bool is_empty = answer->first == NULL;
    struct wishes wishes = { .begins = answer->ended || answer->wants_head || !is_empty,
                             .whole = answer->ended && is_empty && !answer->wants_head && !fault_is_armed(call) };
    pthread_mutex_unlock(&call->lock);
    return wishes;
}

static void take_consumed(struct grpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    size_t consumed = call->consumed;
    call->consumed = 0;
    pthread_mutex_unlock(&call->lock);
    if (consumed > 0)
        request_consume(call, consumed);
}

/* The answer has not begun.  What it notes first may be all that a fault waits for. */
static void begin(struct grpc_call *call)
{
    while (pass_mark(call)) {
        if (!fault_lets_pass(call, MOMENT_POKE))
            return;
    }
    struct wishes wishes = look(call);
    if (!wishes.begins)
        settle(call);
    else if (!fault_lets_pass(call, MOMENT_HEAD))
        return;
    else if (wishes.whole)
        send_whole(call);
    else
        send_head(call);
}

void answer_go_on(struct grpc_call *call)
{
    take_consumed(call);
    tell_room(call);
    tell_knock(call);
    if (call->conn->state != CONN_OPEN || call->fault.is_holding)
        return;
    if (call->phase == PHASE_QUIET)
        begin(call);
    else if (call->phase == PHASE_BEGUN && fault_lets_pass(call, MOMENT_BODY))
        session_resume(call);
}

/* ---- ends that are not the handler's ------------------------------------------------------ */

/* Instead of what is queued.  false: the end is on its way already. */
static bool replace(struct grpc_call *call, int http_status, int status, bool no_trailers, const char *message)
{
    struct grpc_answer *answer = &call->answer;
    if (call->phase == PHASE_ENDED)
        return false;
    pthread_mutex_lock(&call->lock);
    call_drop_queue(call);
    if (!answer->has_begun)
        answer->http_status = http_status;
    answer->status = status;
    answer->no_trailers = no_trailers;
    answer->ended = true;
    buf_fini(&answer->message);
    buf_fini(&answer->details);
    buf_str(&answer->message, message);
    call_give_news(call);
    pthread_mutex_unlock(&call->lock);
    return true;
}

static void decide_end(struct grpc_call *call, enum exchange_end end)
{
    call->has_end = true;
    call->end = end;
}

void answer_refuse(struct grpc_call *call, enum grpc_status status, const char *message, enum exchange_end end)
{
    if (!replace(call, 200, (int) status, false, message))
        return;
    decide_end(call, end);
    if (call->phase == PHASE_QUIET)
        tell_head(call, 200, GRPC_TYPE);
    answer_tell_ending(call, end, (int) status);
    answer_tell_over(call, end);
}

void answer_refuse_http(struct grpc_call *call, int http_status)
{
    if (replace(call, http_status, GRPC_UNKNOWN, true, ""))
        answer_tell_over(call, EXCHANGE_COMPLETE);
}

void answer_cut(struct grpc_call *call, bool with_trailers)
{
    if (replace(call, 200, GRPC_OK, !with_trailers, ""))
        decide_end(call, EXCHANGE_CUT);
}

static enum exchange_end known_end(const struct grpc_call *call, enum exchange_end otherwise)
{
    if (call->has_end)
        return call->end;
    return call->phase == PHASE_ENDED ? EXCHANGE_COMPLETE : otherwise;
}

static void unlink_call(struct grpc_call *call)
{
    struct grpc_conn *conn = call->conn;
    *(call->prev == NULL ? &conn->calls : &call->prev->next) = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
    conn->call_count--;
    atomic_fetch_sub(&call->server->open_calls, 1);
    call->conn = NULL;
}

void answer_close(struct grpc_call *call, enum exchange_end end)
{
    answer_tell_over(call, known_end(call, end));
    fault_drop(call);
    unlink_call(call);
    pthread_mutex_lock(&call->lock);
    call->detached = true;
    call_drop_queue(call);
    pthread_cond_broadcast(&call->changed);
    pthread_mutex_unlock(&call->lock);
    grpc_call_unref(call);
}
