/* What was said on the wire: a request from its first header to the end of its answer. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "lanes/ledger_priv.h"

/* ---- finding -------------------------------------------------------------------------- */

static struct ledger_request_item **bucket_of(struct ledger *l, uint64_t handle)
{
    return &l->open[handle % LEDGER_OPEN_BUCKETS];
}

static struct ledger_request_item *find(struct ledger *l, uint64_t handle)
{
    struct ledger_request_item *r = *bucket_of(l, handle);
    while (r != NULL && r->handle != handle)
        r = r->next_open;
    return r;
}

struct ledger_request_item *ledger_enter(struct ledger *l, uint64_t handle)
{
    pthread_mutex_lock(&l->lock);
    struct ledger_request_item *r = find(l, handle);
    if (r == NULL)
        pthread_mutex_unlock(&l->lock);
    return r;
}

static size_t text_size(const char *text)
{
    return text == NULL ? 0 : strlen(text) + 1;
}

static size_t size_of(const struct ledger_request_item *r)
{
    size_t texts = text_size(r->raw_path) + text_size(r->dialect) + text_size(r->op) + text_size(r->fault) + text_size(r->fault_scenario) +
                   text_size(r->content_type);
    return sizeof *r + r->texts.cap + r->shown.header_count * sizeof *r->headers + texts + r->body.cap +
           r->answer.cap + (r->scan == NULL ? 0 : sizeof *r->scan) + ledger_call_size(r->call);
}

void ledger_leave(struct ledger *l, struct ledger_request_item *r)
{
    ledger_resize(l, &r->item, size_of(r));
    ledger_note_change(l);
    pthread_mutex_unlock(&l->lock);
}

/* ---- beginning ------------------------------------------------------------------------ */

void ledger_request_free(struct ledger *ledger, struct ledger_request_item *r)
{
    if (r == NULL)
        return;
    ledger_subject_put(ledger, r->subject);
    buf_fini(&r->texts);
    buf_fini(&r->body);
    buf_fini(&r->answer);
    free(r->headers);
    free(r->raw_path);
    free(r->dialect);
    free(r->op);
    free(r->fault);
    free(r->fault_scenario);
    free(r->content_type);
    free(r->scan);
    ledger_call_free(r->call);
    free(r);
}

/* Give back what was reserved for more. */
static void shrink(struct buf *b)
{
    char *data = b->data == NULL ? NULL : realloc(b->data, b->len + 1);
    if (data == NULL)
        return;
    b->data = data;
    b->cap = b->len + 1;
}

/* Append a text and its NUL. */
static void put_text(const struct ledger *l, struct buf *texts, const char *text)
{
    buf_add(texts, text, ledger_clip(l, text, strlen(text)));
    buf_char(texts, '\0');
}

static const char *take_text(const char **from)
{
    const char *text = *from;
    *from += strlen(text) + 1;
    return text;
}

static void put_query(const struct ledger *l, struct buf *texts, const char *query)
{
    BUF_AUTO shown = BUF_INIT;
    redact_query(&shown, query);
    texts->failed = texts->failed || shown.failed;
    put_text(l, texts, buf_cstr(&shown));
}

static void put_header(const struct ledger *l, struct buf *texts, const struct wire_header *header)
{
    BUF_AUTO shown = BUF_INIT;
    redact_header(&shown, header->name, header->value);
    texts->failed = texts->failed || shown.failed;
    put_text(l, texts, header->name);
    put_text(l, texts, buf_cstr(&shown));
}

/* The texts have their place: point to them. */
static void show_texts(struct ledger_request_item *r, size_t header_count)
{
    const char *at = buf_cstr(&r->texts);
    r->shown = (struct ledger_request) {
        .request_id = take_text(&at),
        .method = take_text(&at),
        .path = take_text(&at),
        .query = take_text(&at),
        .headers = r->headers,
        .header_count = header_count,
        .body = "", .dialect = "", .op = "", .sandbox = "", .process = "", .command = "",
        .fault = "", .fault_scenario = "", .content_type = "", .answer = "",
        .end = ANSWER_NONE,
    };
    r->shown.raw_path = r->shown.path;
    for (size_t i = 0; i < header_count; i++) {
        r->headers[i].name = take_text(&at);
        r->headers[i].value = take_text(&at);
    }
}

static struct ledger_request_item *new_request(const struct ledger *l, const char *const texts[3], const char *query,
                                               const struct wire_header *headers, size_t count)
{
    struct ledger_request_item *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->item.is_request = true;
    r->headers = calloc(count + 1, sizeof *r->headers);
    for (size_t i = 0; i < 3; i++)
        put_text(l, &r->texts, texts[i]);
    put_query(l, &r->texts, query);
    for (size_t i = 0; i < count; i++)
        put_header(l, &r->texts, &headers[i]);
    if (r->headers != NULL && !r->texts.failed) {
        shrink(&r->texts);
        show_texts(r, count);
        return r;
    }
    buf_fini(&r->texts);
    free(r->headers);
    free(r);
    return NULL;
}

static void add_open(struct ledger *l, struct ledger_request_item *r)
{
    struct ledger_request_item **bucket = bucket_of(l, r->handle);
    r->next_open = *bucket;
    *bucket = r;
    l->open_count++;
}

static void remove_open(struct ledger *l, struct ledger_request_item *r)
{
    struct ledger_request_item **at = bucket_of(l, r->handle);
    while (*at != r)
        at = &(*at)->next_open;
    *at = r->next_open;
    l->open_count--;
}

uint64_t ledger_begin_request(struct ledger *ledger, const char *request_id, const char *method, const char *path,
                              const char *query, const struct wire_header *headers, size_t header_count)
{
    const char *const texts[3] = { request_id, method, path };
    struct ledger_request_item *r = new_request(ledger, texts, query, headers, header_count);
    uint64_t handle = 0;
    pthread_mutex_lock(&ledger->lock);
    if (r != NULL && ledger_push(ledger, &r->item) == 0) {
        handle = r->handle = r->item.number;
        r->shown.begin_ms = clock_wall_ms(ledger->clock);
        r->shown.begin_ns = mono_ns();
        add_open(ledger, r);
        ledger_resize(ledger, &r->item, size_of(r));
    } else {
        ledger_request_free(ledger, r);
        ledger->dropped++;
    }
    ledger_note_change(ledger);
    pthread_mutex_unlock(&ledger->lock);
    return handle;
}

/* ---- what becomes known --------------------------------------------------------------- */

/* How much of a kept body can be shown: a cut must not tear a character. */
static size_t shown_len(const struct buf *kept, bool cut)
{
    return cut ? utf8_complete_prefix(buf_cstr(kept), kept->len) : kept->len;
}

void ledger_set_request_body(struct ledger *ledger, uint64_t number, const void *body, size_t len)
{
    struct redact_json scan;
    BUF_AUTO kept = BUF_INIT;
    memset(&scan, 0, sizeof scan);
    bool whole = redact_json(&scan, body, len, &kept, ledger->config.max_body_bytes);
    shrink(&kept);
    struct ledger_request_item *r = ledger_enter(ledger, number);
    if (r == NULL)
        return;
    buf_fini(&r->body);
    r->body = kept;
    kept = (struct buf) BUF_INIT;
    r->shown.body = buf_cstr(&r->body);
    r->shown.body_len = len;
    r->shown.body_cut = !whole;
    r->shown.body_kept = shown_len(&r->body, !whole);
    ledger_leave(ledger, r);
}

const char *ledger_set_text(char **slot, const char *text)
{
    char *copy = text == NULL || *text == '\0' ? NULL : strdup(text);
    if (copy != NULL || text == NULL || *text == '\0') {
        free(*slot);
        *slot = copy;
    }
    return *slot == NULL ? "" : *slot;
}

void ledger_set_request_raw_path(struct ledger *ledger, uint64_t number, const char *raw_path)
{
    char *copy = strndup(raw_path, ledger_clip(ledger, raw_path, strlen(raw_path)));
    struct ledger_request_item *r = copy == NULL ? NULL : ledger_enter(ledger, number);
    if (r == NULL) {
        free(copy);
        return;
    }
    free(r->raw_path);
    r->shown.raw_path = r->raw_path = copy;
    ledger_leave(ledger, r);
}

void ledger_set_request_op(struct ledger *ledger, uint64_t number, const char *dialect, const char *op,
                           const char *sandbox, const char *process, const char *command)
{
    struct ledger_request_item *r = ledger_enter(ledger, number);
    if (r == NULL)
        return;
    r->shown.dialect = ledger_set_text(&r->dialect, dialect);
    r->shown.op = ledger_set_text(&r->op, op);
    struct ledger_subject *subject = ledger_subject_get(ledger, sandbox, process, command);
    if (subject != NULL) {
        ledger_subject_put(ledger, r->subject);
        r->subject = subject;
        r->shown.sandbox = subject->sandbox;
        r->shown.process = subject->process;
        r->shown.command = subject->command;
    }
    ledger_leave(ledger, r);
}

void ledger_set_request_fault(struct ledger *ledger, uint64_t number, const char *scenario, size_t rule,
                              const char *kind, bool fired)
{
    struct ledger_request_item *r = ledger_enter(ledger, number);
    if (r == NULL)
        return;
    r->shown.fault_scenario = ledger_set_text(&r->fault_scenario, scenario);
    r->shown.fault = ledger_set_text(&r->fault, kind);
    r->shown.fault_rule = rule;
    r->shown.fault_fired = fired;
    ledger_leave(ledger, r);
}

void ledger_set_answer(struct ledger *ledger, uint64_t number, int status, const char *content_type)
{
    struct ledger_request_item *r = ledger_enter(ledger, number);
    if (r == NULL)
        return;
    r->shown.status = status;
    r->shown.content_type = ledger_set_text(&r->content_type, content_type);
    ledger_leave(ledger, r);
}

void ledger_add_answer_bytes(struct ledger *ledger, uint64_t number, const void *bytes, size_t len)
{
    struct ledger_request_item *r = len == 0 ? NULL : ledger_enter(ledger, number);
    if (r == NULL)
        return;
    /* Never in the middle: it could be that of a secret.  Messages are told by themselves. */
    if (r->shown.answer_len == 0 && r->call == NULL)
        r->scan = calloc(1, sizeof *r->scan);
    if (r->scan == NULL || !redact_json(r->scan, bytes, len, &r->answer, ledger->config.max_body_bytes))
        r->shown.answer_cut = true;
    r->shown.answer = buf_cstr(&r->answer);
    r->shown.answer_len += len;
    /* More may come, so the last character may be unfinished even if nothing is cut. */
    r->shown.answer_kept = shown_len(&r->answer, true);
    ledger_leave(ledger, r);
}

/* ---- end ------------------------------------------------------------------------------ */

static void finish(const struct ledger *l, struct ledger_request_item *r, enum answer_end end)
{
    r->shown.end = end;
    r->shown.end_ms = clock_wall_ms(l->clock);
    r->shown.end_ns = mono_ns();
    r->shown.answer_kept = shown_len(&r->answer, r->shown.answer_cut);
    free(r->scan);
    r->scan = NULL;
    shrink(&r->answer);
    r->shown.answer = buf_cstr(&r->answer);
    ledger_call_finish(r->call);
}

void ledger_end_request(struct ledger *ledger, uint64_t number, enum answer_end end)
{
    struct ledger_request_item *r = ledger_enter(ledger, number);
    if (r == NULL)
        return;
    remove_open(ledger, r);
    finish(ledger, r, end);
    if (r->place == PLACE_ASIDE) {
        ledger_settle(ledger, r);
    } else if (r->place == PLACE_HIDDEN && ledger_push(ledger, &r->item) < 0) {
        ledger->dropped++;
        ledger_resize(ledger, &r->item, 0);
        ledger_request_free(ledger, r);
        pthread_mutex_unlock(&ledger->lock);
        return;
    }
    r->place = r->place == PLACE_ASIDE ? PLACE_ASIDE : PLACE_RING;
    ledger_put_line(ledger, &r->item);
    ledger_leave(ledger, r);
}

static const char *const end_names[ANSWER_ENDS] = {
    [ANSWER_COMPLETE] = "complete",       [ANSWER_CUT] = "cut",   [ANSWER_RESET] = "reset",
    [ANSWER_CLIENT_GONE] = "client_gone", [ANSWER_NONE] = "none",
};

const char *answer_end_name(enum answer_end end)
{
    return (size_t) end < ANSWER_ENDS ? end_names[end] : "unknown";
}
