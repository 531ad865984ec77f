/* Start and CreateSandbox: a sandbox, its files, its main process (wire page §3.1). */
#include "dialects/coreweave/cw_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lanes/lane.h"
#include "lanes/start.h"

/* ---- one create for each request id ------------------------------------------------------------ */

/* A create under way; whoever comes with the same id waits for it. */
struct cw_claim {
    struct cw_claim *next;
    const char *request_id;
};

static bool is_claimed(const struct cw *cw, const char *request_id)
{
    for (const struct cw_claim *claim = cw->claims; claim != NULL; claim = claim->next) {
        if (strcmp(claim->request_id, request_id) == 0)
            return true;
    }
    return false;
}

static void claim_id(struct cw *cw, struct cw_claim *claim)
{
    pthread_mutex_lock(&cw->lock);
    while (is_claimed(cw, claim->request_id))
        pthread_cond_wait(&cw->created, &cw->lock);
    claim->next = cw->claims;
    cw->claims = claim;
    pthread_mutex_unlock(&cw->lock);
}

static void release_id(struct cw *cw, const struct cw_claim *claim)
{
    pthread_mutex_lock(&cw->lock);
    struct cw_claim **at = &cw->claims;
    while (*at != claim)
        at = &(*at)->next;
    *at = claim->next;
    pthread_cond_broadcast(&cw->created);
    pthread_mutex_unlock(&cw->lock);
}

/* The sandbox that was made for this id before: a reference, or NULL. */
static struct sandbox *find_made(const struct cw *cw, const char *request_id)
{
    size_t count;
    struct sandbox *found = NULL;
    struct sandbox **list = engine_list_sandboxes(cw->engine, cw->owner, CW_NAME, &count);
    for (size_t i = 0; i < count && found == NULL; i++) {
        const struct cw_record *record = sandbox_record(list[i]);
        if (record != NULL && record->made_from.request_id != NULL &&
            strcmp(record->made_from.request_id, request_id) == 0)
            found = sandbox_ref(list[i]);
    }
    sandbox_list_free(list, count);
    return found;
}

static bool is_same_message(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    BUF_AUTO left = BUF_INIT;
    BUF_AUTO right = BUF_INIT;
    if (a == NULL || b == NULL || a->descriptor != b->descriptor)
        return false;
    proto_encode(a, &left);
    proto_encode(b, &right);
    return left.len == right.len && (left.len == 0 || memcmp(left.data, right.data, left.len) == 0);
}

/* ---- making ------------------------------------------------------------------------------------- */

static bool is_missing_image(const struct cw *cw, const char *image)
{
    const char *prefix = cw_now(cw)->missing_image_prefix;
    return prefix[0] != '\0' && strncmp(image, prefix, strlen(prefix)) == 0;
}

static int check_request(const struct cw *cw, const struct cw_request *request, struct err *err)
{
    size_t count = 0;
    for (char **entry = request->env; entry != NULL && *entry != NULL; entry++)
        count++;
    if (count > (size_t) cw_now(cw)->env_max)
        return err_set(err, ERR_INVALID, 0, "more than %lld environment variables", (long long) cw_now(cw)->env_max);
    if (request->max_lifetime_s < 0)
        return err_set(err, ERR_INVALID, 0, "max_lifetime_seconds must not be negative");
    if (request->working_dir[0] != '\0' && request->working_dir[0] != '/')
        return err_set(err, ERR_INVALID, 0, "working_dir must be absolute");
    return 0;
}

/* What runs when the request names no program: as the SDK's default, it is there until it is told to end. */
static char *const default_argv[] = { (char *) "/bin/sh", (char *) "-c",
                                      (char *) "trap 'exit 0' TERM INT; sleep infinity & wait", NULL };

/* The program and its arguments; free it.  NULL: no memory. */
static char **make_argv(const struct cw_request *request)
{
    char **argv = calloc(request->args.count + 2, sizeof *argv);
    if (argv == NULL)
        return NULL;
    argv[0] = (char *) (uintptr_t) request->program;
    for (size_t i = 0; i < request->args.count; i++)
        argv[i + 1] = request->args.list[i];
    return argv;
}

/* What scenarios say of sandbox.create among their processes is about this one; and what they say of waiting in the queue
   makes the sandbox wait, too. */
static int start_main(const struct cw *cw, struct sandbox *sandbox, const struct cw_request *request, struct err *err)
{
    char **argv = request->program[0] == '\0' ? NULL : make_argv(request);
    if (argv == NULL && request->program[0] != '\0')
        return err_set(err, ERR_NOMEM, 0, "command");
    const struct proc_spec spec = {
        .argv = argv == NULL ? default_argv : argv,
        .cwd = request->working_dir[0] == '\0' ? NULL : request->working_dir,
        .env = request->env,
        .stdin_mode = STDIN_EMPTY,
        .is_main = true,
        .drain_grace_ms = cw_now(cw)->drain_grace_ms,
        .keep_bytes = (uint64_t) cw_now(cw)->keep_log_bytes,
        .hold_ms = cw_now(cw)->pending_ms + cw_now(cw)->creating_ms,   /* or longer, when scenarios say so */
        .id_prefix = "main_",
    };
    struct proc *proc;
    int rc = lane_start(cw->lane, OP_SANDBOX_CREATE, DIALECT_COREWEAVE, sandbox, &spec, "/bin/sh", &proc, NULL, err);
    free(argv);
    if (rc == 0)
        proc_unref(proc);
    return rc;
}

/* What goes wrong from here on is the sandbox's failure, not the request's. */
static void bring_to_life(struct cw *cw, struct sandbox *sandbox, struct cw_record *record)
{
    struct err err = ERR_INIT;
    const struct cw_request *request = &record->made_from;
    int rc = 0;
    if (is_missing_image(cw, request->image))
        rc = err_set(&err, ERR_NOT_FOUND, 0, "image \"%.100s\" could not be pulled", request->image);
    if (rc == 0)
        rc = cw_mount_files(cw, sandbox, request, &err);
    if (rc == 0)
        rc = start_main(cw, sandbox, request, &err);
    if (rc == 0)
        return;
    snprintf(record->reason, sizeof record->reason, "%.199s", err.text);
    sandbox_stop_after(sandbox, 0, STOP_MAIN_ENDED);
}

static int make(struct cw_call *call, struct sandbox **out_sandbox, struct err *err)
{
    struct cw *cw = call->cw;
    struct cw_record *record;
    struct sandbox *sandbox;
    const struct sandbox_spec spec = {
        .owner = cw->owner,
        .dialect = CW_NAME,
        .user = cw_now(cw)->user,
        .lifetime_ms = call->request.max_lifetime_s * 1000,
    };
    if (cw_record_new(&record, &call->request, call->wire, err) < 0)
        return -1;
    if (sandbox_create(cw->engine, &spec, &sandbox, err) < 0) {
        cw_record_free(record);
        return -1;
    }
    bring_to_life(cw, sandbox, record);
    sandbox_attach(sandbox, record, cw_record_free);
    *out_sandbox = sandbox;
    return 0;
}

/* ---- the call ------------------------------------------------------------------------------------- */

static void reply_created(struct cw_call *call, struct sandbox *sandbox)
{
    struct cw_view view;
    struct op op = cw_op(call, sandbox, NULL);
    BUF_AUTO message = BUF_INIT;
    op_note_subject(&call->rpc->x, &op);
    cw_view_sandbox(call->cw, sandbox, &view);
    cw_show_otherwise(call, &view, 1);
    call->wire->write_created(&view, &message);
    cw_reply(call, &message);
}

static void create(struct cw_call *call)
{
    struct err err = ERR_INIT;
    SANDBOX_AUTO *sandbox = NULL;
    if (make(call, &sandbox, &err) < 0)
        cw_fail_err(call, &err);
    else
        reply_created(call, sandbox);
}

/* Whoever tries again after a lost answer gets what was made for it then. */
static void create_once(struct cw_call *call)
{
    struct cw_claim claim = { .request_id = call->request.request_id };
    BUF_AUTO id = BUF_INIT;   /* of our own: a record takes the request's */
    buf_str(&id, claim.request_id);
    claim.request_id = buf_cstr(&id);
    claim_id(call->cw, &claim);
    SANDBOX_AUTO *made = find_made(call->cw, claim.request_id);
    if (made == NULL)
        create(call);
    else if (is_same_message(((struct cw_record *) sandbox_record(made))->made_from.message, call->request.message))
        reply_created(call, made);
    else
        cw_fail(call, RPC_ALREADY_EXISTS, "CWSANDBOX_REQUEST_ID_CONFLICT",
                "request_id %.60s was used for another sandbox", claim.request_id);
    release_id(call->cw, &claim);
}

void cw_create_sandbox(struct cw_call *call)
{
    struct err err = ERR_INIT;
    const struct op op = cw_op(call, NULL, NULL);
    if (!cw_begin(call, &op, NULL))
        return;
    if (check_request(call->cw, &call->request, &err) < 0)
        cw_fail_err(call, &err);
    else if (call->request.request_id[0] != '\0')
        create_once(call);
    else
        create(call);
}
