/* The ledgers whole: export, empty, how full. */
#include <string.h>

#include "admin/admin_priv.h"

struct export {
    struct answer *a;
    const char *lane;
    int type;               /* of admin_entry_types; -1: both */
    uint64_t next;          /* where to go on; 0: that was all */
};

/* Stops behind a piece's worth, so that the lock is not held for long. */
static bool put_line(void *arg, const struct ledger_entry *entry)
{
    struct export *e = arg;
    uint64_t number = entry->is_request ? entry->request.number : entry->fact.number;
    if (e->a->buf.len >= ANSWER_PIECE) {
        e->next = number;
        return false;
    }
    if (e->type >= 0 && entry->is_request != (e->type == 1))
        return true;
    jsonw_init(&e->a->w, &e->a->buf);
    ledger_write_entry(&e->a->w, NULL, e->lane, entry);
    buf_char(&e->a->buf, '\n');
    return true;
}

void admin_export_ledger(struct call *call)
{
    struct answer a;
    struct export e = { .a = &a, .type = -1 };
    BUF_AUTO type = BUF_INIT;
    if (call_query(call, PARAM_TYPE, &type))
        vocab_find(&admin_entry_types, buf_cstr(&type), &e.type);
    answer_begin_lines(&a, call, "application/x-ndjson");
    for (size_t i = 0; i < call->lane_count; i++) {
        uint64_t from = call_query_int(call, PARAM_ENTRY_FROM, 1);
        e.lane = lane_name(call->lanes[i]);
        do {
            e.next = 0;
            ledger_visit(lane_ledger(call->lanes[i]), from, put_line, &e);
            from = e.next;
        } while (answer_flush(&a) && e.next != 0);
    }
    answer_end_lines(&a);
}

void admin_clear_ledger(struct call *call)
{
    for (size_t i = 0; i < call->lane_count; i++)
        ledger_clear(lane_ledger(call->lanes[i]));
    call_reply_status(call, "deleted");
}

void admin_get_ledger_stats(struct call *call)
{
    struct answer a;
    answer_begin(&a, call);
    jsonw_str(&a.w, "file", call->admin->config.ledger_path);
    jsonw_array(&a.w, "ledgers");
    for (size_t i = 0; i < call->lane_count && answer_flush(&a); i++) {
        struct ledger_stats stats;
        ledger_get_stats(lane_ledger(call->lanes[i]), &stats);
        jsonw_object(&a.w, NULL);
        jsonw_str(&a.w, "lane", lane_name(call->lanes[i]));
        jsonw_int(&a.w, "next_number", (int64_t) stats.next_number);
        jsonw_int(&a.w, "entries", (int64_t) stats.entries);
        jsonw_int(&a.w, "bytes", (int64_t) stats.bytes);
        jsonw_int(&a.w, "dropped", (int64_t) stats.dropped);
        jsonw_int(&a.w, "open_requests", (int64_t) stats.open_requests);
        jsonw_end_object(&a.w);
    }
    jsonw_end_array(&a.w);
    answer_end(&a);
}
