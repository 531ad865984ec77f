/* A sandbox's state, read from the facts of its main process (wire page §3.2, §3.9). */
#include "dialects/coreweave/cw_priv.h"

#include <string.h>

bool cw_state_is_terminal(enum cw_state state)
{
    return state == CW_COMPLETED || state == CW_FAILED || state == CW_TERMINATED;
}

int cw_exit_code(const struct proc_view *view)
{
    return view->end.kind == FACT_DIED ? 128 + view->end.value : view->end.value;
}

static bool was_stopped(const struct cw_record *record, enum stop_reason reason)
{
    return atomic_load(&record->is_stopping) || reason == STOP_REQUEST || reason == STOP_EXPIRED ||
           reason == STOP_SHUTDOWN;
}

/* The end of the main process is not the end of the sandbox: that is when nothing lives in it any more. */
static enum cw_state ended_state(const struct cw *cw, struct sandbox *sandbox, const struct cw_record *record,
                                 const struct proc_view *main_view)
{
    enum stop_reason reason = sandbox_get_stop_reason(sandbox);
    if (sandbox_get_state(sandbox) != SANDBOX_CLOSED)
        return CW_TERMINATING;
    if (main_view->end.kind == FACT_START_FAILED || reason == STOP_KEEPER_DIED)
        return CW_FAILED;
    if (was_stopped(record, reason) && strcmp(cw_now(cw)->stopped_state, "terminated") == 0)
        return CW_TERMINATED;
    return CW_COMPLETED;
}

static enum cw_state young_state(const struct cw *cw, struct sandbox *sandbox)
{
    int64_t age = clock_wall_ms(cw->clock) - sandbox_created_ms(sandbox);
    return age < cw_now(cw)->pending_ms ? CW_PENDING : CW_CREATING;
}

static enum cw_state state_of(const struct cw *cw, struct sandbox *sandbox, const struct cw_record *record,
                              const struct proc_view *main_view)
{
    if (main_view == NULL)
        return record->reason[0] != '\0' ? CW_FAILED : young_state(cw, sandbox);
    if (main_view->ended)
        return ended_state(cw, sandbox, record, main_view);
    if (atomic_load(&record->is_stopping) || sandbox_get_state(sandbox) != SANDBOX_ACTIVE)
        return CW_TERMINATING;
    return main_view->state == PROC_QUEUED ? young_state(cw, sandbox) : CW_RUNNING;
}

/* Only a sandbox that failed has something to say. */
static const char *reason_of(const struct cw_record *record, enum cw_state state, const struct proc_view *main_view)
{
    if (record->reason[0] != '\0')
        return record->reason;
    if (state != CW_FAILED)
        return "";
    return main_view != NULL && main_view->end.kind == FACT_START_FAILED ? "the main process could not be started"
                                                                         : "the runner lost the sandbox";
}

void cw_view_sandbox(const struct cw *cw, struct sandbox *sandbox, struct cw_view *out_view)
{
    const struct cw_record *record = sandbox_record(sandbox);
    struct proc_view main_view;
    PROC_AUTO *main_proc = sandbox_main(sandbox);
    if (main_proc != NULL)
        proc_get_view(main_proc, &main_view);
    const struct proc_view *seen = main_proc == NULL ? NULL : &main_view;
    enum cw_state state = state_of(cw, sandbox, record, seen);
    bool is_over = cw_state_is_terminal(state);
    *out_view = (struct cw_view) {
        .record = record,
        .id = sandbox_id(sandbox),
        .reason = reason_of(record, state, seen),
        .runner_id = cw_now(cw)->runner_id,
        .runner_group_id = cw_now(cw)->runner_group_id,
        .profile = cw_now(cw)->profile,
        .state = state,
        .created_ms = sandbox_created_ms(sandbox),
        .started_ms = seen == NULL ? 0 : seen->started_ms,
        .ended_ms = is_over ? sandbox_ended_ms(sandbox) : 0,
        .has_exit_code = is_over && seen != NULL && seen->end.kind != FACT_START_FAILED,
    };
    if (out_view->has_exit_code)
        out_view->exit_code = cw_exit_code(seen);
}

/* ---- what scenarios make of it -------------------------------------------------------------------- */

void cw_show_otherwise(struct cw_call *call, struct cw_view *views, size_t count)
{
    static const enum cw_state states[SHOWN_STATES] = {
        [SHOWN_UNSPECIFIED] = CW_UNSPECIFIED, [SHOWN_PENDING] = CW_PENDING,
        [SHOWN_PREPARING] = CW_PREPARING,     [SHOWN_CREATING] = CW_CREATING,
        [SHOWN_RUNNING] = CW_RUNNING,         [SHOWN_PAUSED] = CW_PAUSED,
        [SHOWN_TERMINATING] = CW_TERMINATING, [SHOWN_COMPLETED] = CW_COMPLETED,
        [SHOWN_FAILED] = CW_FAILED,           [SHOWN_TERMINATED] = CW_TERMINATED,
    };
    enum shown_state state;
    bool hides_code;
    if (!op_shows_state(&call->rpc->x, &state, &hides_code))
        return;
    for (size_t i = 0; i < count; i++) {
        views[i].state = states[state];
        views[i].has_exit_code = views[i].has_exit_code && !hides_code && cw_state_is_terminal(states[state]);
    }
}
