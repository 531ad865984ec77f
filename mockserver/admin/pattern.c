/* Which requests somebody asks for: the body of find, count and wait. */
#include "scenario/pattern.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/admin_priv.h"
#include "scenario/fault.h"

struct header_pattern { const char *name; struct pattern value; };

/* Texts are the call's; NULL: anything. */
struct request_pattern {
    const char *op, *dialect, *method, *sandbox, *process, *fault, *body;
    int status;                    /* 0: any */
    struct pattern path, command;
    bool has_path, has_command;
    struct header_pattern *headers;
    size_t header_count;
};

/* ---- reading -------------------------------------------------------------------------------- */

/* What the table has checked can only fail for want of memory. */
static bool read_glob(struct call *call, const char *text, struct pattern *out)
{
    struct err err = ERR_INIT;
    if (pattern_init_text(out, text, &err) == 0)
        return true;
    call_fail_err(call, &err);
    return false;
}

static bool read_member_glob(struct call *call, const char *name, struct pattern *out, bool *out_has)
{
    const char *text = call_text(call, name, NULL);
    *out_has = text != NULL && read_glob(call, text, out);
    return *out_has || text == NULL;
}

/* A name that no fault has would match nothing for ever. */
static bool read_fault(struct call *call, struct request_pattern *p)
{
    enum fault_kind kind;
    p->fault = call_text(call, "fault", NULL);
    if (p->fault == NULL || strcmp(p->fault, "*") == 0 || strcmp(p->fault, "reply") == 0 ||
        fault_find_kind(p->fault, &kind))
        return true;
    BUF_AUTO shown = BUF_INIT;
    const char *nearest = fault_nearest_kind(p->fault);
    jsonc_quote(&shown, p->fault, strlen(p->fault), 40);
    return call_refuse(call, "fault", "unknown fault %s: %s%s%s", buf_cstr(&shown),
                       nearest == NULL ? "the kinds of scenario files, or \"*\"" : "did you mean \"",
                       nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
}

static bool read_headers(struct call *call, struct request_pattern *p)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(call->body, "header"), *member;
    if (list == NULL)
        return true;
    p->headers = calloc((size_t) cJSON_GetArraySize(list) + 1, sizeof *p->headers);
    if (p->headers == NULL) {
        call_fail(call, 503, "out_of_memory", "the pattern does not fit into memory");
        return false;
    }
    cJSON_ArrayForEach(member, list) {
        struct header_pattern *header = &p->headers[p->header_count];
        header->name = member->string;
        if (!read_glob(call, member->valuestring, &header->value))
            return false;
        p->header_count++;
    }
    return true;
}

bool pattern_read(struct request_pattern **out_pattern, struct call *call)
{
    struct request_pattern *p = calloc(1, sizeof *p);
    if (p == NULL) {
        call_fail(call, 503, "out_of_memory", "the pattern does not fit into memory");
        return false;
    }
    p->op = call_text(call, "op", NULL);
    p->dialect = call_text(call, "dialect", NULL);
    p->method = call_text(call, "method", NULL);
    p->sandbox = call_text(call, "sandbox", NULL);
    p->process = call_text(call, "process", NULL);
    p->body = call_text(call, "body", NULL);
    p->status = (int) call_int(call, "status", 0);
    if (!read_fault(call, p) || !read_member_glob(call, "path", &p->path, &p->has_path) ||
        !read_member_glob(call, "command", &p->command, &p->has_command) || !read_headers(call, p)) {
        pattern_free(p);
        return false;
    }
    *out_pattern = p;
    return true;
}

void pattern_free(struct request_pattern *p)
{
    if (p == NULL)
        return;
    if (p->has_path)
        pattern_fini(&p->path);
    if (p->has_command)
        pattern_fini(&p->command);
    for (size_t i = 0; i < p->header_count; i++)
        pattern_fini(&p->headers[i].value);
    free(p->headers);
    free(p);
}

/* ---- asking --------------------------------------------------------------------------------- */

static bool same(const char *wanted, const char *seen)
{
    return wanted == NULL || strcmp(wanted, seen) == 0;
}

static bool has_fault(const char *wanted, const char *seen)
{
    if (wanted != NULL && strcmp(wanted, "*") == 0)
        return seen[0] != '\0';
    return same(wanted, seen);
}

/* Of repeated headers any. */
static bool has_header(const struct header_pattern *wanted, const struct ledger_request *r)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (strcasecmp(r->headers[i].name, wanted->name) == 0 && pattern_holds(&wanted->value, r->headers[i].value))
            return true;
    }
    return false;
}

static bool has_headers(const struct request_pattern *p, const struct ledger_request *r)
{
    for (size_t i = 0; i < p->header_count; i++) {
        if (!has_header(&p->headers[i], r))
            return false;
    }
    return true;
}

static bool has_body(const char *wanted, const struct ledger_request *r)
{
    return wanted == NULL || (r->body_kept > 0 && memmem(r->body, r->body_kept, wanted, strlen(wanted)) != NULL);
}

bool pattern_takes(const void *arg, const struct ledger_entry *entry)
{
    const struct request_pattern *p = arg;
    const struct ledger_request *r = &entry->request;
    return entry->is_request && same(p->op, r->op) && same(p->dialect, r->dialect) &&
           (p->method == NULL || strcasecmp(p->method, r->method) == 0) && same(p->sandbox, r->sandbox) &&
           same(p->process, r->process) && (p->status == 0 || p->status == r->status) &&
           has_fault(p->fault, r->fault) && (!p->has_path || pattern_holds(&p->path, r->path)) &&
           (!p->has_command || pattern_holds(&p->command, r->command)) && has_headers(p, r) && has_body(p->body, r);
}
