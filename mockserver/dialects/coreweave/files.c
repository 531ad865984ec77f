/*
 * Files (wire page §3.11): read and written by a small process in the sandbox, as the user there, so that what it may
 * see and what it may not is what a command would.
 */
#include "dialects/coreweave/cw_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* How the scripts end. */
enum { FILE_OK, FILE_MISSING = 2, FILE_IS_FOLDER, FILE_DENIED, FILE_TOO_LARGE };

static const struct {
    int exit_code;
    enum rpc_status status;
    const char *reason, *words;
} troubles[] = {
    { FILE_MISSING, RPC_NOT_FOUND, "CWSANDBOX_FILE_NOT_FOUND", "file not found" },
    { FILE_IS_FOLDER, RPC_FAILED_PRECONDITION, "CWSANDBOX_FILE_IS_DIRECTORY", "path is a directory" },
    { FILE_DENIED, RPC_PERMISSION_DENIED, "CWSANDBOX_FILE_PERMISSION_DENIED", "permission denied" },
    { FILE_TOO_LARGE, RPC_RESOURCE_EXHAUSTED, "CWSANDBOX_FILE_TOO_LARGE", "file is too large" },
};

/* $1 the path, $2 the most bytes.  A file that is too large answers with its size. */
static const char read_script[] =
    "[ -d \"$1\" ] && exit 3; [ -e \"$1\" ] || exit 2; [ -r \"$1\" ] || exit 4\n"
    "size=$(wc -c <\"$1\") || exit 4\n"
    "[ \"$size\" -le \"$2\" ] || { printf %s $size; exit 5; }\n"
    "exec cat -- \"$1\"\n";

/* $1 the path; $2 not empty: make its folder when it is missing. */
static const char write_script[] =
    "[ -d \"$1\" ] && exit 3\n"
    "folder=$(dirname -- \"$1\")\n"
    "[ -z \"$2\" ] || mkdir -p -- \"$folder\" || exit 4\n"
    "[ -d \"$folder\" ] || exit 2\n"
    "cat >\"$1\" || exit 4\n";

/* ---- running one ------------------------------------------------------------------------------- */

struct outcome {
    int exit_code;       /* -1: it did not come to an exit */
    struct buf out;
};

static int start_script(const struct cw *cw, struct sandbox *sandbox, const char *script, const char *what,
                        const char *path, const char *second, bool has_input, struct proc **out_proc,
                        struct proc_reader **out_reader, struct err *err)
{
    char *argv[] = { proto_text("/bin/sh"), proto_text("-c"), proto_text(script), proto_text(what),
                     proto_text(path),      proto_text(second), NULL };
    BUF_AUTO display = BUF_INIT;
    buf_printf(&display, "%s %s", what, path);
    const struct cw_record *record = sandbox_record(sandbox);
    const char *cwd = record == NULL ? "" : record->made_from.working_dir;
    const struct proc_spec spec = {
        .argv = argv,
        .display = buf_cstr(&display),
        .cwd = cwd[0] == '\0' ? NULL : cwd,
        .stdin_mode = has_input ? STDIN_PIPE : STDIN_EMPTY,
        .drain_grace_ms = cw_now(cw)->drain_grace_ms,
        .keep_bytes = 1,
        .id_prefix = "file_",
    };
    return proc_start_read(sandbox, &spec, out_proc, out_reader, err);
}

static void collect(struct proc_reader *reader, interrupt_fn *interrupt, void *arg, struct outcome *out)
{
    BUF_AUTO bytes = BUF_INIT;
    struct fact fact;
    out->exit_code = -1;
    while (proc_reader_next(reader, CLOCK_NEVER, interrupt, arg, &fact, &bytes) == READ_FACT) {
        if (fact.kind == FACT_OUT)
            buf_add(&out->out, buf_cstr(&bytes), bytes.len);
        if (fact.kind == FACT_EXITED)
            out->exit_code = fact.value;
    }
}

/* `content` NULL: reads.  Whoever interrupts it has it killed. */
static int run_script(const struct cw *cw, struct sandbox *sandbox, const struct cw_file *file, const char *second,
                      bool writes, interrupt_fn *interrupt, void *arg, struct outcome *out, struct err *err)
{
    struct proc *proc;
    struct proc_reader *reader;
    if (start_script(cw, sandbox, writes ? write_script : read_script, writes ? "write-file" : "read-file", file->path,
                     second, writes, &proc, &reader, err) < 0)
        return -1;
    if (writes)   /* a script that is over already wants none of it, and says why */
        (void) proc_stdin_write(proc, file->content, file->len, true, CLOCK_NEVER, NULL);
    collect(reader, interrupt, arg, out);
    if (out->exit_code < 0)
        (void) proc_kill(proc, WHO_CLIENT, NULL);
    proc_reader_close(reader);
    proc_unref(proc);
    return out->out.failed ? err_set(err, ERR_NOMEM, 0, "file") : 0;
}

/* ---- what went wrong ----------------------------------------------------------------------------- */

static void fail(struct cw_call *call, const struct outcome *outcome, const char *size)
{
    const char *path = call->request.file.path;
    char most[24], message[400];
    snprintf(most, sizeof most, "%" PRId64, cw_now(call->cw)->file_max_bytes);
    const char *meta[] = { "filepath", path, "size_bytes", size, "max_size_bytes", most, NULL };
    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++) {
        bool is_size = troubles[i].exit_code == FILE_TOO_LARGE;
        if (troubles[i].exit_code != outcome->exit_code)
            continue;
        meta[2] = is_size ? meta[2] : NULL;
        snprintf(message, sizeof message, "%s: %.300s", troubles[i].words, path);
        cw_fail_with(call, troubles[i].status, troubles[i].reason, meta, message);
        return;
    }
    meta[2] = NULL;
    snprintf(message, sizeof message, "the file could not be read or written: %.300s", path);
    cw_fail_with(call, RPC_INTERNAL, "CWSANDBOX_FILE_IO_FAILED", meta, message);
}

/* False: the call is ended. */
static bool check_path(struct cw_call *call)
{
    if (call->request.file.path[0] != '\0')
        return true;
    cw_fail(call, RPC_INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST", "path: must not be empty");
    return false;
}

/* ---- the calls ------------------------------------------------------------------------------------- */

static void answer_read(struct cw_call *call, struct outcome *outcome)
{
    BUF_AUTO message = BUF_INIT;
    if (outcome->exit_code != FILE_OK) {
        fail(call, outcome, buf_cstr(&outcome->out));
        return;
    }
    call->wire->write_file(&outcome->out, &message);
    cw_reply(call, &message);
}

void cw_read_file(struct cw_call *call)
{
    struct outcome outcome = { .out = BUF_INIT };
    struct err err = ERR_INIT;
    char most[24];
    if (!check_path(call))
        return;
    SANDBOX_AUTO *sandbox = cw_find_sandbox(call);
    const struct op op = cw_op(call, sandbox, NULL);
    if (!cw_begin(call, &op, NULL) || cw_admits(call, call->wire->write_not_read) || !cw_must_run(call, sandbox))
        return;
    snprintf(most, sizeof most, "%" PRId64, cw_now(call->cw)->file_max_bytes);
    if (run_script(call->cw, sandbox, &call->request.file, most, false, cw_is_over, call, &outcome, &err) < 0)
        cw_fail_err(call, &err);
    else
        answer_read(call, &outcome);
    buf_fini(&outcome.out);
}

static void write_file(struct cw_call *call, struct sandbox *sandbox)
{
    struct outcome outcome = { .out = BUF_INIT };
    struct err err = ERR_INIT;
    BUF_AUTO message = BUF_INIT;
    if (run_script(call->cw, sandbox, &call->request.file, "", true, cw_is_over, call, &outcome, &err) < 0) {
        cw_fail_err(call, &err);
    } else if (outcome.exit_code != FILE_OK) {
        fail(call, &outcome, "");
    } else {
        call->wire->write_file_done(&message);
        cw_reply(call, &message);
    }
    buf_fini(&outcome.out);
}

static void reply_written(struct cw_call *call)
{
    BUF_AUTO message = BUF_INIT;
    call->wire->write_file_done(&message);
    cw_reply(call, &message);
}

void cw_write_file(struct cw_call *call)
{
    char size[24];
    bool pretend;
    if (!check_path(call))
        return;
    SANDBOX_AUTO *sandbox = cw_find_sandbox(call);
    const struct op op = cw_op(call, sandbox, NULL);
    if (!cw_begin(call, &op, &pretend) || cw_admits(call, call->wire->write_not_written))
        return;
    snprintf(size, sizeof size, "%zu", call->request.file.len);
    if (pretend)
        reply_written(call);
    else if (!cw_must_run(call, sandbox))
        return;
    else if (call->request.file.len > (size_t) cw_now(call->cw)->file_max_bytes)
        fail(call, &(struct outcome) { .exit_code = FILE_TOO_LARGE }, size);
    else
        write_file(call, sandbox);
}

int cw_mount_files(struct cw *cw, struct sandbox *sandbox, const struct cw_request *request, struct err *err)
{
    for (size_t i = 0; i < request->file_count; i++) {
        struct outcome outcome = { .out = BUF_INIT };
        int rc = request->files[i].path[0] != '/' ? err_set(err, ERR_INVALID, 0, "must be an absolute path")
                                                  : run_script(cw, sandbox, &request->files[i], "make", true, NULL, NULL,
                                                               &outcome, err);
        buf_fini(&outcome.out);
        if (rc == 0 && outcome.exit_code != FILE_OK)
            rc = err_set(err, ERR_IO, 0, "cannot be written there");
        if (rc < 0)
            return err_wrap(err, "file %.100s", request->files[i].path);
    }
    return 0;
}
