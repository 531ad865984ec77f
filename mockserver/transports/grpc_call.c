/* A call for its users, on any thread: they change what is under its lock, and give news to the reactor. */
#include "transports/grpc_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "transports/grpc_text.h"

#define MAX_FIELD_BYTES 8192u

/* ---- life ------------------------------------------------------------------------------- */

static void init_changed(pthread_cond_t *changed)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

struct grpc_call *call_new(struct grpc_server *server)
{
    struct grpc_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return NULL;
    atomic_init(&call->refs, 1);
    call->server = server;
    call->deadline_ns = INT64_MAX;
    call->path = call->authority = call->http_method = "";
    call->answer.last = &call->answer.first;
    call->answer.http_status = 200;
    call->answer.settled = true;
    pthread_mutex_init(&call->lock, NULL);
    init_changed(&call->changed);
    return call;
}

struct grpc_call *grpc_call_ref(struct grpc_call *call)
{
    atomic_fetch_add(&call->refs, 1);
    return call;
}

static void free_answer(struct grpc_answer *answer)
{
    grpc_fields_fini(&answer->head);
    grpc_fields_fini(&answer->trailers);
    buf_fini(&answer->message);
    buf_fini(&answer->details);
    free(answer->http_type);
}

void grpc_call_unref(struct grpc_call *call)
{
    if (call == NULL || atomic_fetch_sub(&call->refs, 1) > 1)
        return;
    free_answer(&call->answer);
    grpc_fields_fini(&call->head);
    pthread_cond_destroy(&call->changed);
    pthread_mutex_destroy(&call->lock);
    free(call);
}

void call_drop_queue(struct grpc_call *call)
{
    struct grpc_answer *answer = &call->answer;
    while (answer->first != NULL) {
        struct grpc_item *item = answer->first;
        answer->first = item->next;
        free(item);
    }
    answer->last = &answer->first;
    atomic_fetch_sub(&call->server->answer_bytes, answer->queued);
    answer->queued = 0;
}

void call_give_news(struct grpc_call *call)
{
    call->answer.settled = false;
    if (call->has_news || call->detached)
        return;
    call->has_news = true;
    call->must_post = server_add_news(call->server, call);
}

void call_unlock(struct grpc_call *call)
{
    struct grpc_server *server = call->server;
    bool must_post = call->must_post;
    call->must_post = false;
    pthread_mutex_unlock(&call->lock);
    if (must_post)
        server_post(server);
}

/* ---- what came -------------------------------------------------------------------------- */

const char *grpc_call_path(const struct grpc_call *call)
{
    return call->path;
}

const char *grpc_call_authority(const struct grpc_call *call)
{
    return call->authority;
}

const char *grpc_call_request_id(const struct grpc_call *call)
{
    return call->request_id;
}

const char *grpc_call_header(const struct grpc_call *call, const char *name)
{
    return name[0] == ':' ? NULL : grpc_fields_find(&call->head, name);
}

size_t grpc_call_headers(const struct grpc_call *call, const char **names, const char **values, size_t max)
{
    const char *at = NULL;
    size_t count = 0;
    while (count < max && grpc_fields_next(&call->head, &at, &names[count], &values[count]))
        count += names[count][0] != ':';
    return count;
}

int64_t grpc_call_deadline_ns(const struct grpc_call *call)
{
    return call->deadline_ns;
}

void *grpc_call_server_arg(const struct grpc_call *call)
{
    return call->server->config.arg;
}

void grpc_call_set_data(struct grpc_call *call, void *data)
{
    call->data = data;
}

void *grpc_call_data(const struct grpc_call *call)
{
    return call->data;
}

int64_t grpc_call_reset_code(const struct grpc_call *call)
{
    return call->was_reset ? (int64_t) call->reset_code : -1;
}

void grpc_call_get_end(struct grpc_call *call, struct buf *out_message, struct buf *out_details)
{
    pthread_mutex_lock(&call->lock);
    buf_add(out_message, buf_cstr(&call->answer.message), call->answer.message.len);
    buf_add(out_details, buf_cstr(&call->answer.details), call->answer.details.len);
    pthread_mutex_unlock(&call->lock);
}

void grpc_call_consume(struct grpc_call *call, size_t bytes)
{
    pthread_mutex_lock(&call->lock);
    call->consumed = bytes < SIZE_MAX - call->consumed ? call->consumed + bytes : SIZE_MAX;
    if (!call->has_all)              /* else nobody waits for a window */
        call_give_news(call);
    call_unlock(call);
}

bool grpc_call_is_over(struct grpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    bool is_over = call->answer.over;
    pthread_mutex_unlock(&call->lock);
    return is_over;
}

/* ---- the answer: all of these with the lock held ------------------------------------------ */

static int say_closed(struct err *err)
{
    return err_set(err, ERR_CLOSED, 0, "the call is over");
}

static bool is_closed(const struct grpc_call *call)
{
    return call->answer.over || call->answer.ended;
}

static int add_field(struct grpc_fields *fields, const char *name, const char *value, struct err *err)
{
    size_t name_len = strlen(name), value_len = strlen(value);
    if (!grpc_text_is_name(name) || !grpc_text_is_value(value))
        return err_set(err, ERR_INVALID, 0, "%.100s: no name, or no value, of a field of metadata", name);
    if (fields->size + name_len + value_len + GRPC_FIELD_OVERHEAD > MAX_FIELD_BYTES)
        return err_set(err, ERR_LIMIT, 0, "%.100s: metadata is larger than clients take", name);
    if (grpc_fields_add(fields, name, name_len, value, value_len) < 0)
        return err_set(err, ERR_NOMEM, 0, "metadata");
    return 0;
}

static void append(struct grpc_call *call, struct grpc_item *item)
{
    *call->answer.last = item;
    call->answer.last = &item->next;
    call->answer.queued += item->len;
    atomic_fetch_add(&call->server->answer_bytes, item->len);
}

static void append_and_tell(struct grpc_call *call, struct grpc_item *item)
{
    append(call, item);
    call_give_news(call);
}

static struct grpc_item *new_item(enum grpc_item_kind kind, size_t len)
{
    struct grpc_item *item = malloc(sizeof *item + len);
    if (item != NULL)
        *item = (struct grpc_item) { .kind = kind, .len = len };
    return item;
}

static bool is_full(struct grpc_call *call)
{
    if (call->answer.queued < call->server->config.high_water_bytes)
        return false;
    call->answer.wants_room = true;
    return true;
}

static int queue_message(struct grpc_call *call, struct grpc_item *item, unsigned flags, struct err *err)
{
    if (is_closed(call))
        return say_closed(err);
    if ((flags & GRPC_ANY) == 0 && is_full(call))
        return err_set(err, ERR_LIMIT, 0, "the client does not read as fast as this is sent");
    if ((flags & GRPC_MORE) != 0)
        append(call, item);
    else
        append_and_tell(call, item);
    return 0;
}

static void queue_mark(struct grpc_call *call, enum grpc_item_kind kind, enum scenario_fact fact)
{
    struct grpc_item *item = new_item(kind, 0);
    if (item == NULL)
        return;
    item->fact = fact;
    pthread_mutex_lock(&call->lock);
    if (call->answer.over)
        free(item);
    else
        append_and_tell(call, item);
    call_unlock(call);
}

static int finish(struct grpc_call *call, enum grpc_status status, const char *message, const void *details,
                  size_t details_len, struct err *err)
{
    struct grpc_answer *answer = &call->answer;
    if (is_closed(call))
        return say_closed(err);
    answer->ended = true;
    answer->status = (int) status;
    if (message != NULL)
        buf_str(&answer->message, message);
    if (details != NULL)
        buf_add(&answer->details, details, details_len);
    call_give_news(call);
    return 0;
}

static int finish_http(struct grpc_call *call, int http_status, const char *content_type, struct grpc_item *body,
                       struct err *err)
{
    struct grpc_answer *answer = &call->answer;
    if (is_closed(call))
        return say_closed(err);
    if (answer->has_begun || answer->wants_head || answer->first != NULL)
        return err_set(err, ERR_CONFLICT, 0, "the answer has begun as one of gRPC");
    answer->http_type = content_type == NULL ? NULL : strdup(content_type);
    if (content_type != NULL && answer->http_type == NULL)
        return err_set(err, ERR_NOMEM, 0, "answer");
    answer->http_status = http_status;
    answer->ended = answer->no_trailers = true;
    if (body->len > 0)
        append(call, body);
    call_give_news(call);
    return 0;
}

/* ---- the answer, for users ---------------------------------------------------------------- */

int grpc_call_add_header(struct grpc_call *call, const char *name, const char *value, struct err *err)
{
    pthread_mutex_lock(&call->lock);
    int rc = call->answer.has_begun ? err_set(err, ERR_CONFLICT, 0, "%.100s: the head is on its way", name)
                                    : add_field(&call->answer.head, name, value, err);
    pthread_mutex_unlock(&call->lock);
    return rc;
}

int grpc_call_add_trailer(struct grpc_call *call, const char *name, const char *value, struct err *err)
{
    pthread_mutex_lock(&call->lock);
    int rc = is_closed(call) ? say_closed(err) : add_field(&call->answer.trailers, name, value, err);
    pthread_mutex_unlock(&call->lock);
    return rc;
}

int grpc_call_send_head(struct grpc_call *call, struct err *err)
{
    pthread_mutex_lock(&call->lock);
    int rc = is_closed(call) ? say_closed(err) : 0;
    if (rc == 0 && !call->answer.has_begun) {
        call->answer.wants_head = true;
        call_give_news(call);
    }
    call_unlock(call);
    return rc;
}

int grpc_call_send(struct grpc_call *call, const void *message, size_t len, unsigned flags, struct err *err)
{
    if (len > UINT32_MAX)
        return err_set(err, ERR_LIMIT, 0, "a message has at most 4 GiB");
    enum grpc_item_kind kind = (flags & GRPC_EVENT) != 0 ? ITEM_EVENT : ITEM_MESSAGE;
    struct grpc_item *item = new_item(kind, GRPC_PREFIX_BYTES + len);
    if (item == NULL)
        return err_set(err, ERR_NOMEM, 0, "message of %zu bytes", len);
    grpc_message_put_prefix(item->data, (uint32_t) len);
    if (len > 0)
        memcpy(item->data + GRPC_PREFIX_BYTES, message, len);
    pthread_mutex_lock(&call->lock);
    int rc = queue_message(call, item, flags, err);
    call_unlock(call);
    if (rc < 0)
        free(item);
    return rc;
}

void grpc_call_knock(struct grpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    call->is_knocked = true;
    call_give_news(call);
    call_unlock(call);
}

bool grpc_call_has_room(struct grpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    bool has_room = !is_full(call);
    pthread_mutex_unlock(&call->lock);
    return has_room;
}

int grpc_call_end(struct grpc_call *call, enum grpc_status status, const char *message, const void *details,
                  size_t details_len, struct err *err)
{
    pthread_mutex_lock(&call->lock);
    int rc = finish(call, status, message, details, details_len, err);
    call_unlock(call);
    return rc;
}

int grpc_call_end_http(struct grpc_call *call, int http_status, const char *content_type, const void *body, size_t len,
                       struct err *err)
{
    struct grpc_item *item = new_item(ITEM_RAW, len);
    if (item == NULL)
        return err_set(err, ERR_NOMEM, 0, "answer");
    if (len > 0)
        memcpy(item->data, body, len);
    pthread_mutex_lock(&call->lock);
    int rc = finish_http(call, http_status, content_type, item, err);
    call_unlock(call);
    if (rc < 0 || len == 0)
        free(item);
    return rc;
}

void grpc_call_note_fact(struct grpc_call *call, enum scenario_fact fact)
{
    queue_mark(call, ITEM_FACT, fact);
}

void grpc_call_poke(struct grpc_call *call)
{
    queue_mark(call, ITEM_POKE, SEEN_QUEUED);
}

void grpc_call_arm(struct grpc_call *call, struct strike *strike, void (*behind)(void *arg), void *arg)
{
    pthread_mutex_lock(&call->lock);
    call->fault.strike = strike;
    call->fault.behind = behind;
    call->fault.arg = arg;
    pthread_mutex_unlock(&call->lock);
}

void grpc_call_observe(struct grpc_call *call, const struct grpc_observer *observer, void *arg)
{
    call->observer = observer;
    call->observer_arg = arg;
}

/* ---- waiting ---------------------------------------------------------------------------- */

static bool is_settled(struct grpc_call *call)
{
    return call->answer.settled;
}

static bool has_room(struct grpc_call *call)
{
    return !is_full(call);
}

static int await(struct grpc_call *call, bool (*is_so)(struct grpc_call *call), int64_t until_ns, struct err *err)
{
    struct timespec until = { until_ns / 1000000000, until_ns % 1000000000 };
    int rc = 0;
    pthread_mutex_lock(&call->lock);
    while (!call->answer.over && !is_so(call) && rc != ETIMEDOUT) {
        if (until_ns == INT64_MAX)
            pthread_cond_wait(&call->changed, &call->lock);
        else
            rc = pthread_cond_timedwait(&call->changed, &call->lock, &until);
    }
    bool is_over = call->answer.over && !call->answer.complete, is_there = !is_over && is_so(call);
    pthread_mutex_unlock(&call->lock);
    if (is_there)
        return 0;
    return is_over ? say_closed(err) : err_set(err, ERR_TIMEOUT, 0, "the client does not read");
}

int grpc_call_flush(struct grpc_call *call, int64_t until_ns, struct err *err)
{
    return await(call, is_settled, until_ns, err);
}

int grpc_call_await_room(struct grpc_call *call, int64_t until_ns, struct err *err)
{
    return await(call, has_room, until_ns, err);
}
