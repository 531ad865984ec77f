/* GET R/processes: newest first, so that a fresh process is on the first page (wire page §4 "list"). */
#include "dialects/hyperbrowser/hb_priv.h"

#include <string.h>

#define ID_PREFIX "proc_"

struct filter {
    bool wanted[HB_STATUSES];
    int64_t limit, after, before;
    struct buf cursor; /* id of the last one on the page before; "" at the start */
};

static int want_status(struct filter *filter, const char *name, size_t len, struct err *err)
{
    for (enum hb_status s = 0; s < HB_STATUSES; s++) {
        if (strlen(hb_status_name(s)) == len && memcmp(hb_status_name(s), name, len) == 0) {
            filter->wanted[s] = true;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, 0, "query parameter status: unknown status \"%.*s\"", len > 40 ? 40 : (int) len,
                   name);
}

/* Comma-joined; none means all. */
static int parse_statuses(const struct exchange *x, struct filter *filter, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    bool any = false;
    query_get(x->query, "status", &text);
    for (const char *p = buf_cstr(&text); *p != '\0';) {
        size_t len = strcspn(p, ",");
        if (len > 0 && want_status(filter, p, len, err) < 0)
            return -1;
        any |= len > 0;
        p += len + (p[len] == ',');
    }
    for (size_t s = 0; s < HB_STATUSES && !any; s++)
        filter->wanted[s] = true;
    return 0;
}

static int parse_filter(const struct hb *hb, const struct exchange *x, struct filter *filter, struct err *err)
{
    filter->limit = hb_now(hb)->list_limit;
    filter->after = INT64_MIN;
    filter->before = INT64_MAX;
    if (parse_statuses(x, filter, err) < 0 || hb_query_int(x, "limit", 1, INT64_MAX, &filter->limit, err) < 0 ||
        hb_query_int(x, "created_after", INT64_MIN, INT64_MAX, &filter->after, err) < 0 ||
        hb_query_int(x, "created_before", INT64_MIN, INT64_MAX, &filter->before, err) < 0)
        return -1;
    if (filter->limit > hb_now(hb)->list_limit_max)
        filter->limit = hb_now(hb)->list_limit_max;
    query_get(x->query, "cursor", &filter->cursor);
    if (filter->cursor.len > 0 && strncmp(filter->cursor.data, ID_PREFIX, strlen(ID_PREFIX)) != 0)
        return err_set(err, ERR_INVALID, 0, "query parameter cursor: not one of ours");
    return 0;
}

static bool is_wanted(const struct filter *filter, struct proc *proc)
{
    struct proc_view view;
    proc_get_view(proc, &view);
    return filter->wanted[hb_status_of(&view)] && view.queued_ms > filter->after && view.queued_ms < filter->before;
}

/* Behind the cursor; one that has been forgotten was older than all that are left. */
static size_t first_index(const struct filter *filter, struct proc **list, size_t count)
{
    if (filter->cursor.len == 0)
        return 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(proc_id(list[i]), filter->cursor.data) == 0)
            return i + 1;
    }
    return count;
}

static void write_list(const struct hb_call *call, const struct filter *filter, struct jsonw *w)
{
    size_t count;
    int64_t shown = 0;
    struct proc **list = sandbox_list_procs(call->sandbox, &count);
    const char *last = NULL, *cursor = NULL;
    jsonw_object(w, NULL);
    jsonw_array(w, "data");
    for (size_t i = first_index(filter, list, count); i < count && cursor == NULL; i++) {
        if (!is_wanted(filter, list[i]))
            continue;
        if (shown++ == filter->limit) {
            cursor = last;
        } else {
            hb_write_summary(w, NULL, hb_now(call->hb), list[i]);
            last = proc_id(list[i]);
        }
    }
    jsonw_end_array(w);
    jsonw_str(w, "next_cursor", cursor);
    jsonw_end_object(w);
    proc_list_free(list, count);
}

void hb_process_list(void *dialect, struct exchange *x, const struct route_params *params)
{
    (void) params;
    struct hb_call *call = dialect;
    struct err err = ERR_INIT;
    struct filter filter = { .cursor = BUF_INIT };
    const struct op op = hb_op(call, OP_PROCESS_LIST, NULL);
    if (!hb_begin(x, &op, NULL))
        return;
    BUF_AUTO body = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &body);
    if (parse_filter(call->hb, x, &filter, &err) < 0) {
        hb_fail_err(x, &err);
    } else {
        write_list(call, &filter, &w);
        hb_reply(x, &body);
    }
    buf_fini(&filter.cursor);
}
