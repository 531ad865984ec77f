#include "dialects/coreweave/coreweave.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "dialects/coreweave/cw_priv.h"
#include "lanes/lane.h"
#include "proto/tell.h"

/* ---- making --------------------------------------------------------------------------------- */

int coreweave_create(void **out_self, const struct dialect_env *env, const struct cw_settings *settings,
                     struct err *err)
{
    struct cw *cw = calloc(1, sizeof *cw);
    if (cw == NULL)
        return err_set(err, ERR_NOMEM, 0, "coreweave dialect");
    cw->engine = env->engine;
    cw->lane = env->lane;
    cw->owner = lane_owner(env->lane);
    cw->clock = lane_clock(env->lane);
    cw->api_keys = env->api_keys;
    if (cw_keep_first(cw, settings, err) < 0) {
        free(cw);
        return -1;
    }
    cw->begun_ms = clock_wall_ms(cw->clock);
    pthread_mutex_init(&cw->lock, NULL);
    pthread_cond_init(&cw->created, NULL);
    *out_self = cw;
    return 0;
}

static int create(void **out_self, const struct dialect_env *env, struct err *err)
{
    struct cw_settings settings;
    if (cw_settings_parse(&settings, env->settings, err) < 0)
        return -1;
    return coreweave_create(out_self, env, &settings, err);
}

static void destroy(void *self)
{
    struct cw *cw = self;
    if (cw == NULL)
        return;
    pthread_cond_destroy(&cw->created);
    pthread_mutex_destroy(&cw->lock);
    settings_kept_fini(&cw->kept);
    free(cw);
}

/* Everything hangs on the sandboxes. */
static void reset(void *self)
{
    (void) self;
}

/* ---- whose call is it -------------------------------------------------------------------------- */

bool cw_knows_key(const struct cw *cw, const char *key)
{
    if (key == NULL || key[0] == '\0')
        return false;
    if (cw->api_keys == NULL || cw->api_keys[0] == NULL)
        return true;
    bool known = false;
    for (size_t i = 0; cw->api_keys[i] != NULL; i++)
        known |= same_secret(cw->api_keys[i], key);
    return known;
}

/* What follows "Bearer ", or NULL. */
static const char *bearer(struct exchange *x)
{
    static const char scheme[] = "Bearer ";
    const char *value = exchange_header(x, "authorization");
    if (value == NULL || strncasecmp(value, scheme, sizeof scheme - 1) != 0)
        return NULL;
    value += sizeof scheme - 1;
    return value + strspn(value, " ");
}

static bool whose(void *self, struct exchange *x, struct buf *out_key)
{
    const char *key = bearer(x);
    if (!cw_knows_key(self, key))
        return false;
    buf_str(out_key, key);
    return true;
}

/* ---- methods ------------------------------------------------------------------------------------ */

static const struct cw_row *find_in(const struct cw_row *rows, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].method.path, path) == 0)
            return &rows[i];
    }
    return NULL;
}

static const struct cw_row *find_row(const char *path)
{
    const struct cw_row *row = find_in(cw_v1_rows, cw_v1_row_count, path);
    if (row == NULL)
        row = find_in(cw_v1beta2_rows, cw_v1beta2_row_count, path);
    return row != NULL ? row : find_in(cw_unserved_rows, cw_unserved_row_count, path);
}

static const struct rpc_method *find(const char *path)
{
    const struct cw_row *row = find_row(path);
    return row == NULL ? NULL : &row->method;
}

/* ---- serving -------------------------------------------------------------------------------------- */

bool cw_is_over(void *arg)
{
    struct cw_call *call = arg;
    return call->rpc->x.ops->peer_gone(&call->rpc->x);
}

static void nudge(void *arg)
{
    proc_nudge(arg);
}

void cw_watch(struct cw_call *call, struct proc *proc)
{
    call->rpc->ops->watch(call->rpc, nudge, proc);
}

void cw_unwatch(struct cw_call *call)
{
    call->rpc->ops->watch(call->rpc, NULL, NULL);
}

/* The first message, as a request.  -1: the call is ended or over. */
static int read_request(struct cw_call *call)
{
    struct err err = ERR_INIT;
    BUF_AUTO message = BUF_INIT;
    enum rpc_received got = call->rpc->ops->receive(call->rpc, &message);
    if (got == RPC_OVER)
        return -1;
    if (got == RPC_HALF_CLOSED) {
        cw_fail(call, RPC_INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST", "a message must be sent");
        return -1;
    }
    if (call->row->type == NULL)
        return 0;
    if (proto_decode(call->row->type, buf_cstr(&message), message.len, &call->request.message, &err) < 0) {
        /* As the gRPC libraries answer what they cannot parse. */
        cw_fail(call, err.code == ERR_INVALID ? RPC_INTERNAL : RPC_RESOURCE_EXHAUSTED, NULL,
                "the message could not be read: %s", err.text);
        return -1;
    }
    if (call->row->read(call->request.message, &call->request, &err) == 0)
        return 0;
    cw_fail_err(call, &err);
    return -1;
}

static void serve(void *self, struct rpc *rpc, const struct rpc_method *method)
{
    struct cw_call call = { .cw = self, .rpc = rpc, .row = find_row(method->path) };
    call.wire = call.row->wire;
    op_note_path(&rpc->x, CW_NAME, call.row->op);
    if (!cw_knows_key(self, bearer(&rpc->x)))
        cw_fail(&call, RPC_UNAUTHENTICATED, NULL, "missing or wrong API key");
    else if (read_request(&call) == 0)
        call.row->handle(&call);
    cw_request_fini(&call.request);
}

/* ---- for the journal ------------------------------------------------------------------------------ */

static size_t count_services(const struct cw_wire *wire)
{
    size_t count = 0;
    while (count < sizeof wire->services / sizeof *wire->services && wire->services[count] != NULL)
        count++;
    return count;
}

static bool tell(const struct rpc_method *method, bool from_client, const void *message, size_t len, size_t *room,
                 bool *out_cut, struct buf *out)
{
    struct err ignored;
    const struct cw_wire *wire = find_row(method->path)->wire;
    const ProtobufCMethodDescriptor *known = proto_find_method(wire->services, count_services(wire), method->path);
    if (known == NULL)
        return false;
    return proto_tell(from_client ? known->input : known->output, message, len, room, out_cut, out, &ignored) == 0;
}

static const struct rpc_dialect grpc = { .find = find, .whose = whose, .serve = serve, .tell = tell };

/* ---- what there is of HTTP ---------------------------------------------------------------------------- */

static bool claims(void *self, const struct exchange *x)
{
    (void) self;
    (void) x;
    return false;
}

static bool whose_exchange(void *self, struct exchange *x, struct sandbox **out_sandbox, struct buf *out_key)
{
    (void) self;
    (void) x;
    (void) out_sandbox;
    (void) out_key;
    return false;
}

static void handle(void *self, struct exchange *x)
{
    (void) self;
    (void) x;
    CHECK(false);   /* it claims nothing */
}

/* ---- what people are told --------------------------------------------------------------------------------- */

static void describe(struct buf *out, const char *base_url)
{
    buf_printf(out, "  Python  export CWSANDBOX_BASE_URL=%s CWSANDBOX_API_KEY=any no_proxy=127.0.0.1\n", base_url);
}

static int describe_settings(struct buf *out, const char *const *assignments, struct err *err)
{
    struct cw_settings settings;
    if (cw_settings_parse(&settings, assignments, err) < 0)
        return -1;
    cw_settings_describe(&settings, out);
    return 0;
}

static const char *host_suffix(void *self)
{
    (void) self;
    return NULL;
}

const struct dialect coreweave_dialect = {
    .name = CW_NAME,
    .rpc = &grpc,
    .create = create,
    .destroy = destroy,
    .claims = claims,
    .whose = whose_exchange,
    .handle = handle,
    .takes_raw_body = claims,
    .reset = reset,
    .describe_settings = describe_settings,
    .settings = &cw_setting_table,
    .prepare_settings = cw_prepare_settings,
    .use_settings = cw_use_settings,
    .host_suffix = host_suffix,
    .describe = describe,
};
