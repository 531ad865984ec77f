#include "run/session.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "judge/evidence.h"
#include "link/adapter.h"
#include "link/admin.h"
#include "run/where.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
#define HELLO_MS 20000
#define CLOSE_GRACE_MS 2000
#define ACTION_MS 5000            /* for one action of the suite's own */
#define BESIDE_GRACE_MS 300       /* for an action of the suite's that is under way when the adapter is done */
#define WITNESS_MS 2000           /* for facts that come a moment after the answer */
#define WITNESS_GLANCE_MS 10
#define ADMIN_MS 30000
#define FAILED_HELLOS_MAX 3       /* in a row: it will not come up any more */

struct session {
    const struct session_server *server;
    const struct session_client *client;
    const char *name;
    struct admin *admin, *beside;     /* of this thread, and of the one that does `meanwhile`; NULL: foreign server */
    struct adapter *adapter;          /* NULL: to be started */
    unsigned lanes;                   /* made so far, for their names */
    int64_t seq;
    unsigned failed_hellos;
    struct err hello_error;
};

/* What one case needs on its way; everything here is freed by case_fini. */
struct case_run {
    struct session *s;
    const struct case_def *def;
    char lane[24];
    bool has_lane;
    struct admin_lane at;
    cJSON *line;                      /* what the adapter is sent */
    struct adapter_reply reply;
    struct evidence *evidence;
    cJSON *faults, *journal;
    struct action_report actions;
    char actions_why[ERR_TEXT_BYTES];
    char harness[ERR_TEXT_BYTES + 32];
    struct judge_input input;
};

/* ---- a session --------------------------------------------------------------------------- */

int session_new(struct session **out_session, const struct session_server *server, const char *name, struct err *err)
{
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_set(err, ERR_NOMEM, 0, "session");
    s->server = server;
    s->name = name;
    if (server->host != NULL &&
        (admin_open(&s->admin, host_url(server->host), host_token(server->host), err) != 0 ||
         admin_open(&s->beside, host_url(server->host), host_token(server->host), err) != 0)) {
        session_free(s);
        return -1;
    }
    *out_session = s;
    return 0;
}

static void end_adapter(struct session *s)
{
    adapter_close(s->adapter, (int64_t) (CLOSE_GRACE_MS * s->server->patience), NULL);
    s->adapter = NULL;
}

void session_free(struct session *s)
{
    if (s == NULL)
        return;
    end_adapter(s);
    admin_close(s->admin);
    admin_close(s->beside);
    free(s);
}

void session_use(struct session *s, const struct session_client *client)
{
    if (s->client == client)
        return;
    end_adapter(s);
    s->client = client;
    s->failed_hellos = 0;
}

void session_adopt(struct session *s, const struct session_client *now, const struct session_client *same)
{
    CHECK(s->client == now);
    s->client = same;
}

int session_hello(struct session *s, const cJSON **out_hello, struct err *err)
{
    if (s->adapter == NULL) {
        if (s->failed_hellos >= FAILED_HELLOS_MAX) {
            *err = s->hello_error;
            return -1;
        }
        struct adapter_options options = { .argv = s->client->argv, .level = s->client->level,
                                           .warden = s->client->warden,
                                           .hello_ms = (int64_t) (HELLO_MS * s->server->patience) };
        struct adapter_reply why = { 0 };
        int rc = adapter_open(&s->adapter, &options, &why, err);
        if (rc != 0) {
            if (why.log != NULL && *why.log != '\0')
                err_set(err, err->code, 0, "%.200s; its stderr ends with: %.250s", err->text,
                        why.log + (strlen(why.log) > 250 ? strlen(why.log) - 250 : 0));
            s->hello_error = *err;
            s->failed_hellos++;
            s->adapter = NULL;
        }
        adapter_reply_fini(&why);
        if (rc != 0)
            return -1;
        s->failed_hellos = 0;
    }
    *out_hello = adapter_hello(s->adapter);
    return 0;
}

/* ---- the lane ---------------------------------------------------------------------------- */

static int harness(struct case_run *run, const char *what, const struct err *err)
{
    snprintf(run->harness, sizeof run->harness, "%.30s: %.500s", what, err->text);
    run->input.harness_error = run->harness;
    return -1;
}

/* Does `before` in order; a failure of it is the suite's. */
static int do_before(struct case_run *run)
{
    struct err err = ERR_INIT;
    size_t index = 0;
    const cJSON *action;
    cJSON_ArrayForEach(action, run->def->before) {
        int64_t budget_ms = (int64_t) (ACTION_MS * run->s->server->patience);
        if (admin_action(run->s->admin, run->lane, action, budget_ms, &err) != ADMIN_DONE) {
            run->actions = (struct action_report) { .end = ACTIONS_BROKEN, .in_before = true, .index = index };
            snprintf(run->actions_why, sizeof run->actions_why, "%s", err.text);
            run->actions.why = run->actions_why;
            return -1;
        }
        index++;
    }
    return 0;
}

/* Does the lane's time pass as the machine's does?  Not when its scenario has set the clock. */
static int has_real_clock(struct case_run *run, int64_t budget_ms, bool *out_is_real, struct err *err)
{
    cJSON *answer = admin_ask(run->s->admin, "GET", "/clock", run->lane, NULL, budget_ms, err);
    const cJSON *clock = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(answer, "clocks"), 0);
    const cJSON *scale = cJSON_GetObjectItemCaseSensitive(clock, "scale");
    *out_is_real = cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(clock, "frozen")) && cJSON_IsNumber(scale) &&
        scale->valueint == 1;
    int rc = answer != NULL ? 0 : -1;
    json_free(answer);
    return rc;
}

/* A client whose limits are longer by the patience has a lane whose time is slower by it; else a silence that is meant
   to outlast such a limit would not. */
static int slow_clock(struct case_run *run, struct err *err)
{
    double patience = run->s->server->patience;
    int64_t budget_ms = (int64_t) (ACTION_MS * patience);
    bool is_real;
    if (patience <= 1 || !cJSON_HasObjectItem(run->def->client, "timeout_ms"))
        return 0;
    if (has_real_clock(run, budget_ms, &is_real, err) != 0)
        return -1;
    if (!is_real)
        return 0;
    cJSON *slow = cJSON_CreateObject();
    cJSON_AddNumberToObject(slow, "scale", 1 / patience);
    cJSON *answer = admin_ask(run->s->admin, "POST", "/clock/run", run->lane, slow, budget_ms, err);
    int rc = answer != NULL ? 0 : -1;
    json_free(slow);
    json_free(answer);
    return rc;
}

static int load_scenario(struct case_run *run, struct err *err)
{
    struct session *s = run->s;
    BUF_AUTO text = BUF_INIT;
    where_fill(s->server->url, run->def->scenario, &text);
    if (text.failed)
        return err_set(err, ERR_NOMEM, 0, "scenario");
    return admin_scenario(s->admin, run->lane, run->def->scenario_name, buf_cstr(&text), text.len, err);
}

static int make_lane(struct case_run *run)
{
    struct err err = ERR_INIT;
    struct session *s = run->s;
    snprintf(run->lane, sizeof run->lane, "%.12s-%u", s->name, ++s->lanes);
    if (admin_lane_create(s->admin, run->lane, &run->at, &err) != 0)
        return harness(run, "making a lane", &err);
    run->has_lane = true;
    if (run->def->scenario != NULL && load_scenario(run, &err) != 0)
        return harness(run, "loading the scenario", &err);
    if (slow_clock(run, &err) != 0)
        return harness(run, "slowing the clock", &err);
    return do_before(run);
}

/* ---- the line that the adapter gets ------------------------------------------------------ */

static cJSON *make_client(const struct case_run *run)
{
    const struct session_server *server = run->s->server;
    cJSON *client = run->def->client != NULL ? cJSON_Duplicate(run->def->client, true) : cJSON_CreateObject();
    if (client == NULL || where_fill_json(server->url, client) < 0)
        goto no_memory;
    if (cJSON_GetObjectItemCaseSensitive(client, "url") == NULL)
        cJSON_AddStringToObject(client, "url", server->url);
    /* A busy machine is slow to answer what a limit does not mean to stop. */
    cJSON *limit = cJSON_GetObjectItemCaseSensitive(client, "timeout_ms");
    if (cJSON_IsNumber(limit))
        cJSON_SetNumberValue(limit, (double) (int64_t) (limit->valuedouble * server->patience));
    cJSON_AddStringToObject(client, "api_key", run->has_lane ? run->at.key : server->api_key);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(client, "runtime_proxy"))) {
        BUF_AUTO host = BUF_INIT;
        where_host(server->url, &host);
        cJSON_ReplaceItemInObjectCaseSensitive(client, "runtime_proxy", cJSON_CreateString(buf_cstr(&host)));
    }
    return client;
no_memory:
    cJSON_Delete(client);
    return NULL;
}

static int make_line(struct case_run *run, struct err *err)
{
    run->line = cJSON_CreateObject();
    if (run->line == NULL)
        return err_set(err, ERR_NOMEM, 0, "case");
    cJSON_AddStringToObject(run->line, "type", "run");
    cJSON_AddNumberToObject(run->line, "seq", (double) ++run->s->seq);
    cJSON_AddStringToObject(run->line, "case", run->def->id);
    cJSON_AddStringToObject(run->line, "vendor", run->def->vendor);
    return cJSON_AddItemToObject(run->line, "client", make_client(run)) &&
           cJSON_AddItemToObject(run->line, "steps", cJSON_Duplicate(run->def->steps, true)) ? 0 :
           err_set(err, ERR_NOMEM, 0, "case");
}

/* ---- what the suite does beside the adapter ---------------------------------------------- */

static enum action_end end_of(enum admin_done done)
{
    static const enum action_end ends[] = { [ADMIN_DONE] = ACTIONS_DONE, [ADMIN_TIMED_OUT] = ACTIONS_TIMED_OUT,
                                            [ADMIN_CANCELLED] = ACTIONS_LEFT, [ADMIN_FAILED] = ACTIONS_BROKEN };
    return ends[done];
}

static void *do_meanwhile(void *arg)
{
    struct case_run *run = arg;
    struct err err = ERR_INIT;
    const cJSON *action;
    size_t index = 0;
    int64_t budget_ms = (int64_t) ((double) run->def->deadline_ms * run->s->server->patience);
    cJSON_ArrayForEach(action, run->def->meanwhile) {
        enum admin_done done = admin_action(run->s->beside, run->lane, action, budget_ms, &err);
        if (done != ADMIN_DONE) {
            run->actions = (struct action_report) { .end = end_of(done), .index = index };
            snprintf(run->actions_why, sizeof run->actions_why, "%s", err.text);
            run->actions.why = run->actions_why;
            return NULL;
        }
        index++;
    }
    return NULL;
}

/* What lets a client come back may have its own answer still on the way: it gets a moment before it is called off. */
static void join_beside(struct case_run *run, pthread_t beside)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    if (run->reply.end == ADAPTER_ANSWERED) {
        int64_t ns = until.tv_nsec + (int64_t) (BESIDE_GRACE_MS * run->s->server->patience) * NS_PER_MS;
        until.tv_sec += (time_t) (ns / NS_PER_S);
        until.tv_nsec = (long) (ns % NS_PER_S);
    }
    if (pthread_timedjoin_np(beside, NULL, &until) == 0)
        return;
    admin_cancel(run->s->beside);
    pthread_join(beside, NULL);
}

/* The adapter works on this thread, the suite's own actions on another, which is called off when the adapter is
   done. */
static int work(struct case_run *run, int64_t budget_ms)
{
    pthread_t beside;
    bool has_beside = run->def->meanwhile != NULL && run->s->beside != NULL;
    if (has_beside) {
        admin_resume(run->s->beside);
        int rc = pthread_create(&beside, NULL, do_meanwhile, run);
        struct err err = ERR_INIT;
        if (rc != 0) {
            err_set(&err, ERR_IO, rc, "a thread");
            return harness(run, "starting", &err);
        }
    }
    adapter_run(run->s->adapter, run->line, budget_ms, &run->reply);
    if (has_beside)
        join_beside(run, beside);
    if (!run->reply.usable && run->s->client->level == 2)
        end_adapter(run->s);
    return 0;
}

/* ---- evidence ---------------------------------------------------------------------------- */

static int read_ledger(struct case_run *run)
{
    struct err err = ERR_INIT;
    BUF_AUTO text = BUF_INIT;
    evidence_free(run->evidence);
    run->evidence = NULL;
    if (admin_ledger(run->s->admin, run->lane, &text, &err) != 0)
        return harness(run, "reading the ledger", &err);
    run->evidence = evidence_parse(buf_cstr(&text), text.len, &err);
    return run->evidence != NULL ? 0 : harness(run, "reading the ledger", &err);
}

/* A fact may come a moment after the answer that tells of it; nothing comes where nobody asked. */
static int await_witnesses(struct case_run *run)
{
    int64_t until = mono_ns() + (int64_t) (WITNESS_MS * run->s->server->patience) * NS_PER_MS;
    for (;;) {
        if (read_ledger(run) != 0)
            return -1;
        if (run->reply.end != ADAPTER_ANSWERED || run->reply.answer != ADAPTER_RESULT ||
            !evidence_has_request(run->evidence) ||
            !judge_witness_missing(run->def, run->evidence, run->reply.json) || mono_ns() >= until)
            return 0;
        nanosleep(&(struct timespec) { .tv_nsec = WITNESS_GLANCE_MS * NS_PER_MS }, NULL);
    }
}

static int collect(struct case_run *run)
{
    struct err err = ERR_INIT;
    if (await_witnesses(run) != 0)
        return -1;
    run->journal = admin_ask(run->s->admin, "GET", "/verdict", run->lane, NULL, ADMIN_MS, &err);
    if (run->journal == NULL)
        return harness(run, "asking for the verdict", &err);
    run->faults = admin_faults(run->s->admin, run->lane, &err);
    if (run->faults == NULL)
        return harness(run, "asking for the faults", &err);
    return 0;
}

/* ---- judgement --------------------------------------------------------------------------- */

static const enum judge_end judge_ends[ADAPTER_ENDS] = {
    [ADAPTER_ANSWERED] = JUDGE_ANSWERED,   [ADAPTER_EXITED] = JUDGE_EXITED,
    [ADAPTER_SIGNALLED] = JUDGE_KILLED,    [ADAPTER_GARBAGE] = JUDGE_GARBAGE,
    [ADAPTER_DEADLINE] = JUDGE_DEADLINE,   [ADAPTER_CLOSED_STDIN] = JUDGE_GARBAGE,
    [ADAPTER_CLOSED_STDOUT] = JUDGE_GARBAGE, [ADAPTER_CANCELLED] = JUDGE_NOT_RUN,
    [ADAPTER_BROKEN] = JUDGE_NOT_RUN,
};

static void describe_adapter(const struct adapter_reply *reply, struct adapter_report *out)
{
    *out = (struct adapter_report) {
        .end = judge_ends[reply->end],
        .code = reply->code,
        .line = reply->json,
        .garbage = reply->line != NULL ? reply->line : reply->text,
        .garbage_why = reply->text,
        .at_step = reply->at,
        .stderr_tail = reply->log,
    };
    out->garbage_len = out->garbage != NULL ? strlen(out->garbage) : 0;
    out->stderr_len = out->stderr_tail != NULL ? strlen(out->stderr_tail) : 0;
}

static void case_fini(struct case_run *run)
{
    struct err err = ERR_INIT;
    if (run->has_lane)
        admin_lane_delete(run->s->admin, run->lane, &err);   /* a lane that stays costs nothing but room */
    admin_lane_fini(&run->at);
    cJSON_Delete(run->line);
    adapter_reply_fini(&run->reply);
    evidence_free(run->evidence);
    json_free(run->faults);
    json_free(run->journal);
}

/* A case that finds the adapter broken by the one before is not to blame: it is asked again, with a new one. */
static int run_adapter(struct case_run *run, struct err *err)
{
    int64_t budget_ms = (int64_t) ((double) run->def->deadline_ms * run->s->server->patience);
    run->input.deadline_ms = budget_ms;
    for (int attempt = 0; attempt < 2; attempt++) {
        const cJSON *hello;
        struct err hello_err = ERR_INIT;
        if (session_hello(run->s, &hello, &hello_err) != 0) {
            run->input.adapter = (struct adapter_report) { .end = JUDGE_GARBAGE };
            snprintf(run->harness, sizeof run->harness, "%s", hello_err.text);
            run->input.adapter.garbage_why = run->harness;
            return 0;
        }
        run->input.is_undeclared = hello == NULL;
        if (hello != NULL) {
            run->input.missing_need =
                case_missing_need(run->def, cJSON_GetObjectItemCaseSensitive(hello, "capabilities"));
            if (run->input.missing_need != NULL) {
                run->input.adapter.end = JUDGE_NOT_RUN;
                return 0;
            }
        }
        if (run->s->server->host != NULL && !run->has_lane && make_lane(run) != 0)
            return 0;
        cJSON_Delete(run->line);
        if (make_line(run, err) != 0)
            return -1;
        adapter_reply_fini(&run->reply);
        run->reply = (struct adapter_reply) { 0 };
        if (work(run, budget_ms) != 0)
            return 0;
        if (!run->reply.before_run)
            break;
    }
    describe_adapter(&run->reply, &run->input.adapter);
    if (run->reply.end == ADAPTER_BROKEN) {
        struct err broken = ERR_INIT;
        err_set(&broken, ERR_IO, 0, "%s", run->reply.text);
        harness(run, "the adapter", &broken);
    }
    if (run->s->server->host != NULL)
        collect(run);
    return 0;
}

int session_run(struct session *s, const struct case_def *def, const char *client_key, const char *rerun,
                struct judgement *out, struct err *err)
{
    int64_t begin = mono_ns();
    struct case_run run = { .s = s, .def = def };
    run.input = (struct judge_input) { .def = def, .client = client_key, .rerun = rerun,
                                       .is_foreign_server = s->server->host == NULL,
                                       .adapter = { .end = JUDGE_NOT_RUN } };
    int rc = run_adapter(&run, err);
    if (rc == 0) {
        run.input.actions = run.actions;
        run.input.evidence = run.evidence;
        run.input.faults = run.def->scenario != NULL ? run.faults : NULL;
        run.input.journal = run.journal;
        run.input.duration_ms = (mono_ns() - begin) / NS_PER_MS;
        rc = judge_case(&run.input, out, err);
    }
    case_fini(&run);
    return rc;
}
