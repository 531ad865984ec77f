/*
 * What a fault of a scenario does to a gRPC answer.
 *
 * The same moments and kinds as for HTTP/1.1 (http_fault.c), but nothing here may wait: a fault that takes time holds the
 * answer back and lets a timer by the lane's clock go on with it.  A cut answer ends with END_STREAM on a DATA frame and
 * without trailers, or with trailers that say OK.  What ends the connection ends all calls on it.
 */
#include "transports/grpc_priv.h"

#include "base/clock.h"
#include "lanes/strike.h"

#define GLANCE_MS     200            /* how often one looks whether the lane was reset */
#define DRAIN_MS      1              /* ... and whether the client's kernel has a piece */
#define HTTP2_CANCEL  8

static void give_news(struct grpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    call_give_news(call);
    pthread_mutex_unlock(&call->lock);
}

/* ---- holding back ----------------------------------------------------------------------- */

static struct reactor *reactor_of(const struct grpc_call *call)
{
    return call->server->reactor;
}

static void let_go(struct grpc_call *call)
{
    call->fault.is_holding = call->fault.drains = false;
    timer_cancel(reactor_of(call), &call->fault.due);
    timer_cancel(reactor_of(call), &call->fault.glance);
}

static void on_due(void *arg)
{
    struct grpc_call *call = arg;
    struct grpc_server *server = call->server;
    let_go(call);
    give_news(call);
    server_turn(server);
}

static void say_end(struct grpc_call *call, enum exchange_end end, int status)
{
    call->has_end = true;
    call->end = end;
    answer_tell_ending(call, end, status);
}

/* The stream ends here, and the handler is told. */
static void end_stream(struct grpc_call *call, enum exchange_end end, uint32_t code)
{
    say_end(call, end, GRPC_NO_STATUS);
    call->phase = PHASE_ENDED;
    session_reset_stream(call, code);
    answer_tell_over(call, end);
    give_news(call);
}

static void on_glance(void *arg)
{
    struct grpc_call *call = arg;
    struct grpc_server *server = call->server;
    struct grpc_fault *fault = &call->fault;
    if (strike_is_stale(fault->strike))
        end_stream(call, EXCHANGE_CLIENT_GONE, HTTP2_CANCEL);
    else if (fault->drains && conn_is_drained(call->conn))
        on_due(call);
    else
        timer_set_real(server->reactor, &fault->glance, fault->drains ? DRAIN_MS : GLANCE_MS);
    server_turn(server);
}

static void hold(struct grpc_call *call, int64_t glance_ms)
{
    struct grpc_fault *fault = &call->fault;
    fault->is_holding = true;
    fault->due.fire = on_due;
    fault->glance.fire = on_glance;
    fault->due.arg = fault->glance.arg = call;
    timer_set_real(reactor_of(call), &fault->glance, glance_ms);
}

static void hold_until(struct grpc_call *call, int64_t api_ms)
{
    struct grpc_fault *fault = &call->fault;
    struct err ignored;
    hold(call, GLANCE_MS);
    if (!fault->follows_clock)
        fault->follows_clock = reactor_use_clock(reactor_of(call), fault->strike->clock, &ignored) == 0;
    if (timer_set_api(reactor_of(call), &fault->due, fault->strike->clock, api_ms) < 0)
        end_stream(call, EXCHANGE_CUT, HTTP2_CANCEL);
}

static void hold_till_drained(struct grpc_call *call)
{
    hold(call, DRAIN_MS);
    call->fault.drains = true;
}

void fault_drop(struct grpc_call *call)
{
    struct grpc_fault *fault = &call->fault;
    if (fault->strike == NULL)
        return;
    let_go(call);
    if (fault->follows_clock)
        reactor_drop_clock(reactor_of(call), fault->strike->clock);
    *fault = (struct grpc_fault) { .strike = NULL };
}

/* ---- one function a kind ------------------------------------------------------------------ */

/* Each says whether the answer goes on at once. */

/* The wait has begun when the fault is said to have fired: who waits for that may let time pass at once. */
static void fire_and_hold(struct grpc_call *call, int64_t ms)
{
    struct strike *strike = call->fault.strike;
    int64_t due_ms = clock_deadline(strike->clock, ms);
    strike_fired(strike);
    hold_until(call, due_ms);
}

static bool delay_first_byte(struct grpc_call *call)
{
    fire_and_hold(call, strike_delay_ms(call->fault.strike));
    return false;
}

static bool stall(struct grpc_call *call)
{
    int64_t ms = call->fault.strike->fault->ms;
    if (ms > 0) {
        fire_and_hold(call, ms);
        return false;
    }
    strike_fired(call->fault.strike);
    hold(call, GLANCE_MS);
    return false;
}

/* It fires with its first byte. */
static bool change_pace(struct grpc_call *call)
{
    pace_begin(&call->fault.pace, call->fault.strike);
    return true;
}

static bool cut(struct grpc_call *call)
{
    bool is_proper = call->fault.strike->fault->terminator != 0;
    strike_fired(call->fault.strike);
    answer_cut(call, is_proper);
    say_end(call, EXCHANGE_CUT, is_proper ? GRPC_OK : GRPC_NO_STATUS);
    answer_tell_over(call, EXCHANGE_CUT);
    return true;
}

static bool end_connection(struct grpc_call *call, bool resets, enum exchange_end end)
{
    say_end(call, end, GRPC_NO_STATUS);
    conn_finish(call->conn, resets, resets ? EXCHANGE_RESET : EXCHANGE_CUT);
    return false;
}

static bool close_silently(struct grpc_call *call)
{
    return end_connection(call, false, call->phase == PHASE_QUIET ? EXCHANGE_NO_ANSWER : EXCHANGE_CUT);
}

static bool close_empty(struct grpc_call *call)
{
    strike_fired(call->fault.strike);
    return close_silently(call);
}

static bool reset(struct grpc_call *call)
{
    return end_connection(call, true, EXCHANGE_RESET);
}

static bool reset_connection(struct grpc_call *call)
{
    strike_fired(call->fault.strike);
    return reset(call);
}

static bool stay_silent(struct grpc_call *call)
{
    hold(call, GLANCE_MS);
    return false;
}

static bool lose_reply(struct grpc_call *call)
{
    static bool (*const ways[])(struct grpc_call *call) = {
        [LOST_CLOSE] = close_silently,
        [LOST_RESET] = reset,
        [LOST_STALL] = stay_silent,
    };
    strike_fired(call->fault.strike);
    return ways[call->fault.strike->fault->how](call);
}

static bool send_random(struct grpc_call *call)
{
    struct strike *strike = call->fault.strike;
    struct buf *out = &call->conn->out;
    size_t len = (size_t) strike->fault->bytes;
    char *at = buf_reserve(out, len);
    strike_fired(strike);
    if (at != NULL) {
        strike_random(strike, at, len);
        out->len += len;
        at[len] = '\0';
    }
    return end_connection(call, false, EXCHANGE_CUT);
}

/* NO_ERROR is what a server says that wants its clients to go elsewhere: calls go on, new ones need a new connection.
   With any other code the connection ends behind it. */
static bool say_goaway(struct grpc_call *call)
{
    uint32_t code = (uint32_t) call->fault.strike->fault->code;
    strike_fired(call->fault.strike);
    session_say_goaway(call->conn, code);
    if (code == 0)
        return true;
    say_end(call, EXCHANGE_CUT, GRPC_NO_STATUS);
    call->phase = PHASE_ENDED;
    return false;
}

static bool reset_stream(struct grpc_call *call)
{
    uint32_t code = (uint32_t) call->fault.strike->fault->code;
    strike_fired(call->fault.strike);
    end_stream(call, EXCHANGE_RESET, code);
    return false;
}

static bool strike_behind(struct grpc_call *call)
{
    if (call->fault.behind != NULL)
        call->fault.behind(call->fault.arg);
    return true;
}

/* ---- which, and when ----------------------------------------------------------------------- */

/* Kinds that are missing are not the transport's (dialects/op.c), or not for gRPC. */
static bool (*const deeds[FAULT_KINDS])(struct grpc_call *call) = {
    [FAULT_FIRST_BYTE_DELAY] = delay_first_byte,
    [FAULT_STALL] = stall,
    [FAULT_SLOW] = change_pace,
    [FAULT_DRIBBLE] = change_pace,
    [FAULT_SPLIT] = change_pace,
    [FAULT_CUT] = cut,
    [FAULT_EMPTY_RESPONSE] = close_empty,
    [FAULT_CONNECTION_RESET_BY_PEER] = reset_connection,
    [FAULT_RANDOM_DATA_THEN_CLOSE] = send_random,
    [FAULT_GOAWAY] = say_goaway,
    [FAULT_RST_STREAM] = reset_stream,
    [FAULT_LOST_REPLY] = lose_reply,
    [FAULT_EXPIRE_TOKEN] = strike_behind,
};

/* A pace that has begun is waiting for nothing but its first byte. */
static bool has_pending_deed(const struct grpc_fault *fault)
{
    return fault->strike != NULL && !fault->strike->fired && !fault->pace.is_on &&
           deeds[fault->strike->fault->kind] != NULL;
}

static bool is_time(const struct grpc_fault *fault, enum moment moment)
{
    return has_pending_deed(fault) && moment_is_right(fault->strike, moment);
}

bool fault_is_armed(const struct grpc_call *call)
{
    return has_pending_deed(&call->fault);
}

bool fault_is_pending(const struct grpc_call *call)
{
    return call->fault.is_holding || is_time(&call->fault, MOMENT_BODY);
}

bool fault_lets_pass(struct grpc_call *call, enum moment moment)
{
    if (call->fault.is_holding)
        return false;
    return !is_time(&call->fault, moment) || deeds[call->fault.strike->fault->kind](call);
}

/* ---- how much ------------------------------------------------------------------------------ */

static size_t room_by_pace(struct grpc_call *call, size_t want)
{
    struct grpc_fault *fault = &call->fault;
    int64_t wake_ms = 0;
    /* Else two pieces would travel as one. */
    if (fault->pace.kind == FAULT_SPLIT && !conn_is_drained(call->conn)) {
        hold_till_drained(call);
        return 0;
    }
    if (fault->is_resting)
        pace_resume(&fault->pace);
    fault->is_resting = false;
    size_t n = pace_allow(&fault->pace, want, &wake_ms);
    if (n == 0)
        hold_until(call, wake_ms);
    else if (!fault->strike->fired)
        strike_fired(fault->strike);
    return n;
}

size_t fault_room(struct grpc_call *call, size_t want)
{
    if (call->fault.pace.is_on)
        return room_by_pace(call, want);
    uint64_t room = has_pending_deed(&call->fault) ? strike_room(call->fault.strike) : UINT64_MAX;
    return room < want ? (size_t) room : want;
}

void fault_rest(struct grpc_call *call)
{
    struct grpc_fault *fault = &call->fault;
    if (!fault->pace.is_on || fault->is_resting)
        return;
    pace_rest(&fault->pace);
    fault->is_resting = true;
}
