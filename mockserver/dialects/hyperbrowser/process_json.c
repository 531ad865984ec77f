/* A process's facts in the vendor's words (wire page §3.1 Summary and Result, §4). */
#include "dialects/hyperbrowser/hb_priv.h"

#include <signal.h>
#include <string.h>

static const char *const status_names[HB_STATUSES] = {
    [HB_QUEUED] = "queued", [HB_RUNNING] = "running", [HB_EXITED] = "exited",
    [HB_FAILED] = "failed", [HB_KILLED] = "killed",   [HB_TIMED_OUT] = "timed_out",
};

const char *hb_status_name(enum hb_status status)
{
    return status_names[status];
}

enum hb_status hb_status_of(const struct proc_view *view)
{
    if (!view->ended)
        return view->state == PROC_QUEUED ? HB_QUEUED : HB_RUNNING;
    if (view->end.kind == FACT_START_FAILED)
        return HB_FAILED;
    if (view->timed_out)
        return HB_TIMED_OUT;
    return view->end.kind == FACT_DIED ? HB_KILLED : HB_EXITED;
}

int64_t hb_started_ms(const struct proc_view *view)
{
    return view->started_ms != 0 ? view->started_ms : view->queued_ms;
}

static void write_exit_code(struct jsonw *w, const struct hb_settings *settings, const struct proc_view *view)
{
    enum hb_status status = hb_status_of(view);
    int value = view->end.value;
    if (status == HB_EXITED)
        jsonw_int(w, "exit_code", value);
    else if ((status != HB_KILLED && status != HB_TIMED_OUT) || strcmp(settings->killed_exit_code, "null") == 0)
        jsonw_null(w, "exit_code");
    else if (strcmp(settings->killed_exit_code, "-1") == 0)
        jsonw_int(w, "exit_code", -1);
    else
        jsonw_int(w, "exit_code", view->end.kind == FACT_DIED ? 128 + value : value);
}

static void write_times(struct jsonw *w, const struct proc_view *view)
{
    jsonw_int(w, "started_at", hb_started_ms(view));
    if (view->ended)
        jsonw_int(w, "completed_at", view->ended_ms);
    else
        jsonw_null(w, "completed_at");
}

static void write_summary(struct jsonw *w, const char *name, const struct hb_settings *settings, struct proc *proc,
                          const struct proc_view *view)
{
    jsonw_object(w, name);
    jsonw_str(w, "id", proc_id(proc));
    jsonw_str(w, "status", hb_status_name(hb_status_of(view)));
    jsonw_str(w, "command", proc_display(proc));
    jsonw_str(w, "cwd", proc_cwd(proc));
    if (view->pid > 0)
        jsonw_int(w, "pid", view->pid);
    else
        jsonw_null(w, "pid");
    write_exit_code(w, settings, view);
    write_times(w, view);
    jsonw_end_object(w);
}

void hb_write_summary(struct jsonw *w, const char *name, const struct hb_settings *settings, struct proc *proc)
{
    struct proc_view view;
    proc_get_view(proc, &view);
    write_summary(w, name, settings, proc, &view);
}

void hb_write_killed(struct jsonw *w, const char *name, const struct hb_settings *settings, struct proc *proc)
{
    struct proc_view view;
    proc_get_view(proc, &view);
    if (!view.ended) {
        view.ended = true;
        view.end = (struct fact){ .kind = FACT_DIED, .value = SIGKILL };
        view.ended_ms = clock_wall_ms(sandbox_clock(proc_sandbox(proc)));
    }
    write_summary(w, name, settings, proc, &view);
}

/* As it was when it started, even if it has ended since: the end has an event of its own. */
void hb_write_started(struct jsonw *w, const struct hb_settings *settings, struct proc *proc)
{
    struct proc_view view;
    proc_get_view(proc, &view);
    if (view.ended && view.end.kind != FACT_START_FAILED) {
        view.ended = view.timed_out = false;
        view.state = PROC_RUNNING;
    }
    write_summary(w, NULL, settings, proc, &view);
}

/* A window that begins inside a character: what is left of it would show as U+FFFD. */
static size_t broken_start(const struct buf *bytes)
{
    size_t i = 0;
    while (i < 3 && i < bytes->len && ((unsigned char) bytes->data[i] & 0xC0) == 0x80)
        i++;
    return i < bytes->len && ((unsigned char) bytes->data[i] & 0xC0) == 0x80 ? 0 : i;
}

/* True when something older had to be left out. */
static bool write_output(struct jsonw *w, const char *name, struct proc *proc, int stream, uint64_t window)
{
    BUF_AUTO bytes = BUF_INIT;
    bool cut = proc_collect(proc, stream, window, &bytes);
    size_t skip = cut ? broken_start(&bytes) : 0;
    jsonw_bytes(w, name, buf_cstr(&bytes) + skip, bytes.len - skip);
    w->out->failed |= bytes.failed;
    return cut;
}

static void write_error(struct jsonw *w, struct proc *proc, const struct proc_view *view)
{
    if (hb_status_of(view) != HB_FAILED) {
        jsonw_null(w, "error");
        return;
    }
    BUF_AUTO text = BUF_INIT;
    const char *stage = proc_start_stage_name(view->end.flag);
    buf_printf(&text, "failed to start (%s", stage);
    if (strcmp(stage, "cwd") == 0)
        buf_printf(&text, " %s", proc_cwd(proc));
    buf_printf(&text, "): %s",
               strerrordesc_np(view->end.value) != NULL ? strerrordesc_np(view->end.value) : "unknown error");
    jsonw_str(w, "error", buf_cstr(&text));
}

static void write_head(struct jsonw *w, const struct hb_settings *settings, struct proc *proc,
                       const struct proc_view *view)
{
    jsonw_str(w, "id", proc_id(proc));
    jsonw_str(w, "status", hb_status_name(hb_status_of(view)));
    write_exit_code(w, settings, view);
    write_times(w, view);
    write_error(w, proc, view);
}

/* With `made_up_exit` as if it had exited so, whatever is true. */
static void get_view(struct proc *proc, const int *made_up_exit, struct proc_view *out)
{
    proc_get_view(proc, out);
    if (made_up_exit == NULL)
        return;
    out->ended = true;
    out->timed_out = false;
    out->end = (struct fact){ .kind = FACT_EXITED, .value = *made_up_exit };
    out->ended_ms = clock_wall_ms(sandbox_clock(proc_sandbox(proc)));
}

void hb_write_result(struct jsonw *w, const char *name, const struct hb_settings *settings, struct proc *proc,
                     const int *made_up_exit)
{
    uint64_t window = (uint64_t) settings->result_window_bytes;
    struct proc_view view;
    get_view(proc, made_up_exit, &view);
    jsonw_object(w, name);
    write_head(w, settings, proc, &view);
    bool cut = write_output(w, "stdout", proc, 0, window);
    cut |= write_output(w, "stderr", proc, 1, window);
    jsonw_bool(w, "output_truncated", cut);
    jsonw_int(w, "last_seq", (int64_t) view.out_seq);
    jsonw_end_object(w);
}

void hb_write_done(struct jsonw *w, const struct hb_settings *settings, struct proc *proc, uint64_t last_seq,
                   const int *made_up_exit)
{
    struct proc_view view;
    get_view(proc, made_up_exit, &view);
    jsonw_object(w, NULL);
    write_head(w, settings, proc, &view);
    jsonw_str(w, "stdout", "");
    jsonw_str(w, "stderr", "");
    jsonw_bool(w, "output_truncated", false);
    jsonw_int(w, "last_seq", (int64_t) last_seq);
    jsonw_end_object(w);
}
