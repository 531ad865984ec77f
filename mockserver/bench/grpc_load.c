#include "bench/grpc_load.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "bench/pb.h"

#define SERVICE          "/coreweave.sandbox.v1.SandboxService/"
#define SILENCE_LIMIT_MS 60000
#define UNSENT_MAX       (1 << 20)

/* Fields of the messages; wire/coreweave.md section 2.2. */
enum { SANDBOX_ID = 1, SANDBOX_SPEC = 2, SANDBOX_STATUS = 3, STATUS_STATE = 1, CREATE_SANDBOX = 1, GET_ID = 1 };
enum { SPEC_CONTAINER = 1, CONTAINER_NAME = 1, CONTAINER_IMAGE = 2, CONTAINER_COMMAND = 3, CONTAINER_ARG = 4 };
enum { STREAM_INIT = 1, STREAM_STDIN = 2, INIT_SANDBOX = 1, INIT_COMMAND = 2 };
enum { ANSWER_OUTPUT = 2, ANSWER_EXIT = 3, OUTPUT_STREAM = 1, OUTPUT_DATA = 2, EXIT_CODE = 1, STDOUT = 1 };
#define STATE_RUNNING 2

/* ---- one unary call ------------------------------------------------------------------ */

struct single {
    struct buf answer;
    bool is_over;
    int status;
    char why[80];
};

static void keep_message(void *arg, struct gcall *call, const char *data, size_t len)
{
    struct single *s = arg;
    (void) call;
    buf_add(&s->answer, data, len);
}

static void keep_end(void *arg, int status, const char *why)
{
    struct single *s = arg;
    s->is_over = true;
    s->status = status;
    snprintf(s->why, sizeof s->why, "%s", why);
}

static int serve_until(struct gconn *c, const bool *flag, struct err *err)
{
    while (!*flag) {
        int n = gconn_serve(c, SILENCE_LIMIT_MS, err);
        if (n <= 0)
            return n < 0 ? -1 : err_set(err, ERR_TIMEOUT, 0, "nothing for %d s", SILENCE_LIMIT_MS / 1000);
    }
    return 0;
}

static int call_once(struct gconn *c, const char *path, const struct buf *request, struct single *s, struct err *err)
{
    static const struct gcall_events events = { keep_message, keep_end };
    buf_clear(&s->answer);
    s->is_over = false;
    if (gconn_call(c, path, request->data, request->len, true, &events, s) == NULL)
        return err_set(err, ERR_NOMEM, 0, "%s", path);
    if (serve_until(c, &s->is_over, err) != 0)
        return err_wrap(err, "%s", path);
    return s->status == 0 ? 0 : err_set(err, ERR_INVALID, 0, "%s: %s", path, s->why);
}

static int take_id(const struct buf *sandbox, char out_id[GRPC_ID_BYTES], struct err *err)
{
    struct pb_field id;
    if (!pb_find(buf_cstr(sandbox), sandbox->len, SANDBOX_ID, &id) || id.len == 0 || id.len >= GRPC_ID_BYTES)
        return err_set(err, ERR_INVALID, 0, "a sandbox without an id");
    memcpy(out_id, id.data, id.len);
    out_id[id.len] = '\0';
    return 0;
}

static bool is_running(const struct buf *sandbox)
{
    struct pb_field status, state;
    return pb_find(buf_cstr(sandbox), sandbox->len, SANDBOX_STATUS, &status) &&
           pb_find(status.data, status.len, STATUS_STATE, &state) && state.number == STATE_RUNNING;
}

/* One container, whose main process stays. */
static void put_create(struct buf *out)
{
    static const struct {
        unsigned number;
        const char *text;
    } fields[] = { { CONTAINER_NAME, "main" }, { CONTAINER_IMAGE, "default" }, { CONTAINER_COMMAND, "/bin/sleep" },
                   { CONTAINER_ARG, "infinity" } };
    BUF_AUTO container = BUF_INIT;
    BUF_AUTO spec = BUF_INIT;
    BUF_AUTO sandbox = BUF_INIT;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        pb_put(&container, fields[i].number, fields[i].text, strlen(fields[i].text));
    pb_put(&spec, SPEC_CONTAINER, container.data, container.len);
    pb_put(&sandbox, SANDBOX_SPEC, spec.data, spec.len);
    pb_put(out, CREATE_SANDBOX, sandbox.data, sandbox.len);
}

int grpc_make_sandbox(const struct sockaddr_in *address, char out_id[GRPC_ID_BYTES], struct err *err)
{
    struct single s = { .answer = BUF_INIT };
    BUF_AUTO create = BUF_INIT;
    BUF_AUTO get = BUF_INIT;
    struct gconn *c = gconn_open(address, err);
    if (c == NULL)
        return -1;
    put_create(&create);
    int rc = call_once(c, SERVICE "CreateSandbox", &create, &s, err);
    if (rc == 0)
        rc = take_id(&s.answer, out_id, err);
    if (rc == 0)
        pb_put(&get, GET_ID, out_id, strlen(out_id));
    for (int64_t until = mono_ns() + INT64_C(20000000000); rc == 0 && !is_running(&s.answer);) {
        rc = call_once(c, SERVICE "GetSandbox", &get, &s, err);
        if (rc == 0 && mono_ns() > until)
            rc = err_set(err, ERR_TIMEOUT, 0, "the sandbox does not come to run");
    }
    gconn_close(c);
    buf_fini(&s.answer);
    return rc;
}

/* ---- rounds -------------------------------------------------------------------------- */

struct caller {
    struct round *round;
    bool is_right;   /* what this call has answered so far */
};

struct round {
    struct gconn *conn;
    enum grpc_kind kind;
    struct buf request;
    int64_t until_ns;
    uint64_t done;
    unsigned in_flight;
    char failure[120];
};

static const char *const paths[GRPC_KINDS] = { [GRPC_GET] = SERVICE "GetSandbox", [GRPC_EXEC] = SERVICE "StreamExec" };

static bool is_exit_zero(const char *data, size_t len)
{
    struct pb_field exit, code;
    return pb_find(data, len, ANSWER_EXIT, &exit) &&
           (!pb_find(exit.data, exit.len, EXIT_CODE, &code) || code.number == 0);
}

static void look_at(void *arg, struct gcall *call, const char *data, size_t len)
{
    struct caller *caller = arg;
    struct pb_field id;
    (void) call;
    caller->is_right = caller->is_right ||
                       (caller->round->kind == GRPC_GET ? pb_find(data, len, SANDBOX_ID, &id) : is_exit_zero(data, len));
}

static void call_next(struct caller *caller);

static void count_end(void *arg, int status, const char *why)
{
    struct caller *caller = arg;
    struct round *round = caller->round;
    round->in_flight--;
    round->done += status == 0 && caller->is_right;
    if ((status != 0 || !caller->is_right) && round->failure[0] == '\0')
        snprintf(round->failure, sizeof round->failure, "%s%s", why, status == 0 ? ": a wrong answer" : "");
    if (round->failure[0] == '\0' && mono_ns() < round->until_ns)
        call_next(caller);
}

static void call_next(struct caller *caller)
{
    static const struct gcall_events events = { look_at, count_end };
    struct round *round = caller->round;
    caller->is_right = false;
    if (gconn_call(round->conn, paths[round->kind], round->request.data, round->request.len, true, &events, caller) != NULL)
        round->in_flight++;
    else
        snprintf(round->failure, sizeof round->failure, "the connection takes no more calls");
}

static void put_init(struct buf *out, const char *sandbox, const char *const *argv)
{
    BUF_AUTO init = BUF_INIT;
    pb_put(&init, INIT_SANDBOX, sandbox, strlen(sandbox));
    for (; *argv != NULL; argv++)
        pb_put(&init, INIT_COMMAND, *argv, strlen(*argv));
    pb_put(out, STREAM_INIT, init.data, init.len);
}

static int run_round(struct round *round, struct caller *callers, unsigned count, struct err *err)
{
    for (unsigned i = 0; i < count; i++) {
        callers[i] = (struct caller){ .round = round };
        call_next(&callers[i]);
    }
    while (round->in_flight > 0) {
        int n = gconn_serve(round->conn, SILENCE_LIMIT_MS, err);
        if (n <= 0)
            return n < 0 ? -1 : err_set(err, ERR_TIMEOUT, 0, "%u calls without an answer", round->in_flight);
    }
    return round->failure[0] == '\0' ? 0 : err_set(err, ERR_INVALID, 0, "%s: %s", paths[round->kind], round->failure);
}

#define CALLERS_MAX 1024

double grpc_round(const struct sockaddr_in *address, enum grpc_kind kind, unsigned count, const char *sandbox,
                  const char *const *argv, unsigned ms, struct err *err)
{
    static struct caller callers[CALLERS_MAX];
    struct round round = { .conn = gconn_open(address, err), .kind = kind };
    if (round.conn == NULL)
        return -1;
    if (kind == GRPC_GET)
        pb_put(&round.request, GET_ID, sandbox, strlen(sandbox));
    else
        put_init(&round.request, sandbox, argv);
    int64_t begin = mono_ns();
    round.until_ns = begin + (int64_t) ms * 1000000;
    int rc = run_round(&round, callers, count < CALLERS_MAX ? count : CALLERS_MAX, err);
    double seconds = (double) (mono_ns() - begin) / 1e9;
    gconn_close(round.conn);
    buf_fini(&round.request);
    return rc == 0 ? (double) round.done / seconds : -1;
}

/* ---- one exec ------------------------------------------------------------------------ */

struct run {
    struct buf *out;
    uint64_t bytes;
    bool is_ready, exit_zero, is_over;
    int64_t last_ns;   /* when the last output came */
    char why[80];
};

static void take_answer(void *arg, struct gcall *call, const char *data, size_t len)
{
    struct run *run = arg;
    struct pb_field output, stream, bytes;
    (void) call;
    run->is_ready = true;
    run->exit_zero = run->exit_zero || is_exit_zero(data, len);
    if (!pb_find(data, len, ANSWER_OUTPUT, &output) || !pb_find(output.data, output.len, OUTPUT_DATA, &bytes) ||
        !pb_find(output.data, output.len, OUTPUT_STREAM, &stream) || stream.number != STDOUT)
        return;
    run->bytes += bytes.len;
    run->last_ns = mono_ns();
    if (run->out != NULL)
        buf_add(run->out, bytes.data, bytes.len);
}

static void take_end(void *arg, int status, const char *why)
{
    struct run *run = arg;
    run->is_over = true;
    run->exit_zero = run->exit_zero && status == 0;
    snprintf(run->why, sizeof run->why, "%s", why);
}

/* Never far ahead of the server's window: the memory would be ours. */
static int feed(struct gconn *c, struct gcall *call, const struct run *run, const void *input, size_t len, unsigned times,
                struct err *err)
{
    BUF_AUTO message = BUF_INIT;
    pb_put(&message, STREAM_STDIN, input, len);
    for (unsigned i = 0; i < times; i++) {
        while (!run->is_over && gcall_unsent(call) > UNSENT_MAX) {
            if (gconn_serve(c, SILENCE_LIMIT_MS, err) <= 0)
                return err_wrap(err, "after %u pieces of stdin", i);
        }
        if (run->is_over)
            return err_set(err, ERR_CLOSED, 0, "over after %u pieces of stdin: %s", i, run->why);
        gcall_send(call, message.data, message.len, i + 1 == times);
    }
    return 0;
}

int grpc_exec(const struct sockaddr_in *address, const char *sandbox, const char *const *argv, const void *input,
              size_t input_bytes, unsigned times, struct buf *out_stdout, uint64_t *out_bytes, int64_t *out_ns,
              struct err *err)
{
    static const struct gcall_events events = { take_answer, take_end };
    struct run run = { .out = out_stdout };
    BUF_AUTO request = BUF_INIT;
    struct gconn *c = gconn_open(address, err);
    if (c == NULL)
        return -1;
    put_init(&request, sandbox, argv);
    struct gcall *call = gconn_call(c, paths[GRPC_EXEC], request.data, request.len, input == NULL, &events, &run);
    int rc = call == NULL ? err_set(err, ERR_NOMEM, 0, "StreamExec") : 0;
    if (rc == 0 && input != NULL)
        rc = serve_until(c, &run.is_ready, err);
    int64_t begin = mono_ns();
    if (rc == 0 && input != NULL)
        rc = feed(c, call, &run, input, input_bytes, times, err);
    if (rc == 0)
        rc = serve_until(c, &run.is_over, err);
    *out_ns = (run.last_ns > begin ? run.last_ns : mono_ns()) - begin;
    *out_bytes = run.bytes;
    gconn_close(c);
    return rc != 0 || run.exit_zero ? rc : err_set(err, ERR_INVALID, 0, "%s does not end with 0: %s", argv[0], run.why);
}
