/* What a gRPC call has beside a request over HTTP: its messages, its status, how the client left. */
#include <stdlib.h>
#include <string.h>

#include "lanes/ledger_priv.h"

#define MESSAGES_FACTOR 8   /* of the bound for one body: for the words around many small messages */

void ledger_call_free(struct ledger_call_item *call)
{
    if (call == NULL)
        return;
    free(call->status);
    free(call->message);
    free(call->reason);
    buf_fini(&call->messages);
    free(call);
}

size_t ledger_call_size(const struct ledger_call_item *call)
{
    const char *texts[3];
    size_t size = 0;
    if (call == NULL)
        return 0;
    texts[0] = call->status, texts[1] = call->message, texts[2] = call->reason;
    for (size_t i = 0; i < 3; i++)
        size += texts[i] == NULL ? 0 : strlen(texts[i]) + 1;
    return sizeof *call + size + call->messages.cap;
}

static void show_messages(struct ledger_call_item *call)
{
    call->shown.messages = buf_cstr(&call->messages);
    call->shown.messages_len = call->messages.len;
}

void ledger_call_finish(struct ledger_call_item *call)
{
    if (call == NULL || call->messages.data == NULL)
        return;
    char *data = realloc(call->messages.data, call->messages.len + 1);
    if (data != NULL) {
        call->messages.data = data;
        call->messages.cap = call->messages.len + 1;
    }
    show_messages(call);
}

size_t ledger_body_limit(const struct ledger *ledger)
{
    return ledger->config.max_body_bytes;
}

void ledger_begin_call(struct ledger *ledger, uint64_t number, int64_t timeout_ms)
{
    struct ledger_call_item *call = calloc(1, sizeof *call);
    struct ledger_request_item *r = call == NULL ? NULL : ledger_enter(ledger, number);
    if (r == NULL) {
        free(call);
        return;
    }
    call->shown = (struct ledger_call) {
        .status = "", .message = "", .reason = "", .timeout_ms = timeout_ms, .reset_code = -1
    };
    r->call = call;
    r->shown.call = &call->shown;
    ledger_leave(ledger, r);
}

/* ---- messages ------------------------------------------------------------------------------- */

/* The newest stays until the next one comes, also when there is no room for more. */
static void append(struct ledger *l, struct ledger_call_item *call, const struct buf *entry)
{
    struct buf *to = &call->messages;
    size_t most = MESSAGES_FACTOR * l->config.max_body_bytes;
    call->is_full = call->is_full || call->kept + entry->len > most;
    if (to->len > call->kept) {
        call->shown.left_out++;
        to->len = call->kept;
    }
    if (to->len > 0)
        buf_char(to, ',');
    buf_add(to, buf_cstr(entry), entry->len);
    if (!call->is_full)
        call->kept = to->len;
    show_messages(call);
}

static bool add_entry(struct ledger *ledger, uint64_t number, const struct buf *entry)
{
    struct ledger_request_item *r = entry->failed ? NULL : ledger_enter(ledger, number);
    if (r == NULL)
        return false;
    bool is_wanted = r->call != NULL;
    if (is_wanted) {
        append(ledger, r->call, entry);
        is_wanted = !r->call->is_full;
    }
    ledger_leave(ledger, r);
    return is_wanted;
}

#define ENTRY_BYTES 80u   /* of an entry, beside its message */

bool ledger_add_message(struct ledger *ledger, uint64_t number, bool from_client, const char *json, size_t len,
                        uint64_t size, bool cut)
{
    struct redact_json scan;
    struct jsonw w;
    BUF_AUTO shown = BUF_INIT;
    BUF_AUTO entry = BUF_INIT;
    memset(&scan, 0, sizeof scan);
    (void) buf_reserve(&shown, len);
    (void) buf_reserve(&entry, len + ENTRY_BYTES);
    if (json != NULL)
        (void) redact_json(&scan, json, len, &shown, SIZE_MAX);
    jsonw_init(&w, &entry);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "from", from_client ? "client" : "server");
    if (json == NULL || shown.failed)
        jsonw_null(&w, "message");
    else
        jsonw_raw(&w, "message", buf_cstr(&shown), shown.len);
    jsonw_int(&w, "size", (int64_t) size);
    if (cut)
        jsonw_bool(&w, "cut", true);
    jsonw_end_object(&w);
    return add_entry(ledger, number, &entry);
}

void ledger_add_half_close(struct ledger *ledger, uint64_t number)
{
    BUF_AUTO entry = BUF_INIT;
    buf_str(&entry, "{\"from\":\"client\",\"end\":true}");
    (void) add_entry(ledger, number, &entry);
}

/* ---- the end ---------------------------------------------------------------------------------- */

void ledger_set_call_end(struct ledger *ledger, uint64_t number, const char *status, const char *message,
                         const char *reason)
{
    struct ledger_request_item *r = ledger_enter(ledger, number);
    if (r == NULL)
        return;
    struct ledger_call_item *call = r->call;
    if (call != NULL) {
        call->shown.status = ledger_set_text(&call->status, status);
        call->shown.message = ledger_set_text(&call->message, message);
        call->shown.reason = ledger_set_text(&call->reason, reason);
    }
    ledger_leave(ledger, r);
}

void ledger_set_call_reset(struct ledger *ledger, uint64_t number, uint32_t code)
{
    struct ledger_request_item *r = ledger_enter(ledger, number);
    if (r == NULL)
        return;
    if (r->call != NULL)
        r->call->shown.reset_code = code;
    ledger_leave(ledger, r);
}
