/* Finding, showing, listing and stopping sandboxes (wire page §3.9, §3.10). */
#include "dialects/coreweave/cw_priv.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct op cw_op(const struct cw_call *call, struct sandbox *sandbox, struct proc *proc)
{
    CHECK(call->row->op != CW_NO_OP);
    return (struct op) {
        .op = (enum scenario_op) call->row->op, .dialect = DIALECT_COREWEAVE, .sandbox = sandbox, .proc = proc
    };
}

/* ---- finding ---------------------------------------------------------------------------------- */

/* Without a record it is still being made: its id was told to nobody. */
struct sandbox *cw_find_sandbox(const struct cw_call *call)
{
    struct sandbox *sandbox = engine_find_sandbox(call->cw->engine, call->cw->owner, CW_NAME, call->request.sandbox_id);
    if (sandbox == NULL || sandbox_record(sandbox) != NULL)
        return sandbox;
    sandbox_unref(sandbox);
    return NULL;
}

static void fail_missing(struct cw_call *call)
{
    cw_fail(call, RPC_NOT_FOUND, "CWSANDBOX_SANDBOX_NOT_FOUND", "sandbox %.60s not found", call->request.sandbox_id);
}

bool cw_must_exist(struct cw_call *call, struct sandbox *sandbox)
{
    if (sandbox == NULL)
        fail_missing(call);
    return sandbox != NULL;
}

/* The only container that there is: the first, or the one that the request called the primary one. */
static bool has_container(struct sandbox *sandbox, const char *name)
{
    const struct cw_record *record = sandbox_record(sandbox);
    const char *own = record->made_from.container;
    return name == NULL || name[0] == '\0' || strcmp(name, own == NULL || own[0] == '\0' ? "main" : own) == 0;
}

bool cw_must_run(struct cw_call *call, struct sandbox *sandbox)
{
    struct cw_view view;
    if (!cw_must_exist(call, sandbox))
        return false;
    cw_view_sandbox(call->cw, sandbox, &view);
    if (view.state != CW_RUNNING)
        cw_fail(call, RPC_FAILED_PRECONDITION, "CWSANDBOX_SANDBOX_NOT_RUNNING", "sandbox %s is not running", view.id);
    else if (!has_container(sandbox, call->request.container))
        cw_fail(call, RPC_INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST", "there is no container \"%.60s\"",
                call->request.container);
    else
        return true;
    return false;
}

/* ---- get --------------------------------------------------------------------------------------- */

static void reply_sandbox(struct cw_call *call, struct sandbox *sandbox)
{
    struct cw_view view;
    BUF_AUTO message = BUF_INIT;
    cw_view_sandbox(call->cw, sandbox, &view);
    cw_show_otherwise(call, &view, 1);
    call->wire->write_sandbox(&view, &message);
    cw_reply(call, &message);
}

void cw_get_sandbox(struct cw_call *call)
{
    SANDBOX_AUTO *sandbox = cw_find_sandbox(call);
    const struct op op = cw_op(call, sandbox, NULL);
    if (cw_begin(call, &op, NULL) && cw_must_exist(call, sandbox))
        reply_sandbox(call, sandbox);
}

/* ---- list -------------------------------------------------------------------------------------- */

static bool has_text(const struct cw_texts *texts, const char *text)
{
    for (size_t i = 0; i < texts->count; i++) {
        if (strcmp(texts->list[i], text) == 0)
            return true;
    }
    return false;
}

/* An empty list asks for nothing. */
static bool is_among(const struct cw_texts *wanted, const char *text)
{
    return wanted->count == 0 || has_text(wanted, text);
}

static bool has_all(const struct cw_texts *texts, const struct cw_texts *wanted)
{
    for (size_t i = 0; i < wanted->count; i++) {
        if (!has_text(texts, wanted->list[i]))
            return false;
    }
    return true;
}

/* Those that are over are left out, unless they are asked for, by name or by a state that is an end. */
static bool fits(const struct cw_request *request, const struct cw_view *view)
{
    bool shows_over = request->with_terminal ||
                      (request->state >= 0 && cw_state_is_terminal((enum cw_state) request->state));
    if (request->state != CW_UNSPECIFIED && request->state != (int) view->state)
        return false;
    if (cw_state_is_terminal(view->state) && !shows_over)
        return false;
    if (!is_among(&request->runner_ids, view->runner_id) || !is_among(&request->profile_ids, view->profile) ||
        !is_among(&request->profile_names, view->profile))
        return false;
    return has_all(&view->record->made_from.tags, &request->tags);
}

/* All that fit, the newest first unless it is to be the oldest; free it. */
static struct cw_view *view_all(const struct cw_call *call, struct sandbox **list, size_t count, size_t *out_count)
{
    const struct cw_request *request = &call->request;
    struct cw_view *views = calloc(count + 1, sizeof *views);
    *out_count = 0;
    for (size_t i = 0; views != NULL && i < count; i++) {
        struct sandbox *sandbox = list[request->is_ascending ? i : count - 1 - i];
        struct cw_view *view = &views[*out_count];
        if (sandbox_record(sandbox) == NULL)
            continue;
        cw_view_sandbox(call->cw, sandbox, view);
        *out_count += fits(request, view);
    }
    return views;
}

/* A token is the id of the last one shown.  -1: there is none of that id. */
static int find_page(const struct cw_request *request, const struct cw_view *views, size_t count, size_t *out_first)
{
    *out_first = 0;
    if (request->page_token == NULL || request->page_token[0] == '\0')
        return 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(views[i].id, request->page_token) == 0) {
            *out_first = i + 1;
            return 0;
        }
    }
    return -1;
}

static size_t page_size(const struct cw_call *call)
{
    const struct cw_settings *settings = cw_now(call->cw);
    int64_t size = call->request.page_size > 0 ? call->request.page_size : settings->page_size;
    return (size_t) (size < settings->page_size_max ? size : settings->page_size_max);
}

static void reply_page(struct cw_call *call, struct cw_view *views, size_t count)
{
    size_t first, size = page_size(call);
    BUF_AUTO message = BUF_INIT;
    if (find_page(&call->request, views, count, &first) < 0) {
        cw_fail(call, RPC_INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST", "page_token is not valid any more");
        return;
    }
    bool has_more = count - first > size;
    size_t shown = has_more ? size : count - first;
    cw_show_otherwise(call, views + first, shown);
    call->wire->write_page(views + first, shown, has_more ? views[first + shown - 1].id : "", &message);
    cw_reply(call, &message);
}

void cw_list_sandboxes(struct cw_call *call)
{
    size_t count, fitting;
    const struct op op = cw_op(call, NULL, NULL);
    if (!cw_begin(call, &op, NULL))
        return;
    struct sandbox **list = engine_list_sandboxes(call->cw->engine, call->cw->owner, CW_NAME, &count);
    struct cw_view *views = view_all(call, list, count, &fitting);
    if (views == NULL)
        cw_fail(call, RPC_RESOURCE_EXHAUSTED, NULL, "out of memory");
    else
        reply_page(call, views, fitting);
    free(views);
    sandbox_list_free(list, count);
}

/* ---- stop --------------------------------------------------------------------------------------- */

/* TERM to the main process, which takes the sandbox along when it ends; all of it when the grace is over. */
static void begin_stop(const struct cw *cw, struct sandbox *sandbox, int64_t grace_s)
{
    struct cw_record *record = sandbox_record(sandbox);
    PROC_AUTO *main_proc = sandbox_main(sandbox);
    int64_t grace_ms = (grace_s < 0 ? cw_now(cw)->default_grace_s : grace_s) * 1000;
    bool was_stopping = atomic_exchange(&record->is_stopping, true);
    if (main_proc != NULL && grace_ms > 0 && !was_stopping)
        (void) proc_signal(main_proc, SIGTERM, WHO_SANDBOX_STOP, NULL);
    sandbox_stop_after(sandbox, main_proc == NULL ? 0 : grace_ms, STOP_REQUEST);
}

static void stop(struct cw_call *call, struct sandbox *sandbox, bool pretend)
{
    struct cw_view view;
    BUF_AUTO message = BUF_INIT;
    cw_view_sandbox(call->cw, sandbox, &view);
    if (!pretend && !cw_state_is_terminal(view.state)) {
        begin_stop(call->cw, sandbox, call->request.grace_s);
        /* So that the first poll after an ordinary stop sees the end. */
        (void) sandbox_await_closed(sandbox, cw_now(call->cw)->stop_wait_ms);
    }
    cw_view_sandbox(call->cw, sandbox, &view);
    cw_show_otherwise(call, &view, 1);
    call->wire->write_stopped(&view, &message);
    cw_reply(call, &message);
}

/* A stop that may miss its sandbox, or only pretends to have met it, says so by leaving it out of the answer. */
static void reply_missing(struct cw_call *call, bool pretend)
{
    BUF_AUTO message = BUF_INIT;
    if (!call->request.allow_missing && !pretend) {
        fail_missing(call);
        return;
    }
    call->wire->write_stopped(NULL, &message);
    cw_reply(call, &message);
}

void cw_stop_sandbox(struct cw_call *call)
{
    bool pretend;
    SANDBOX_AUTO *sandbox = cw_find_sandbox(call);
    const struct op op = cw_op(call, sandbox, NULL);
    if (!cw_begin(call, &op, &pretend) || cw_admits(call, call->wire->write_not_stopped))
        return;
    if (call->request.wants_snapshot && call->request.allow_missing)
        cw_fail(call, RPC_INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST",
                "allow_missing and snapshot_volumes exclude each other");
    else if (call->request.wants_snapshot)
        cw_fail(call, RPC_UNIMPLEMENTED, "CWSANDBOX_FSS_NOT_SUPPORTED", "snapshots are not served here");
    else if (sandbox == NULL)
        reply_missing(call, pretend);
    else
        stop(call, sandbox, pretend);
}
