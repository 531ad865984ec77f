#include "link/adapter.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "link/exchange.h"

#define NS_IN_MS 1000000

struct adapter {
    char **argv, **env;     /* NULL-ended */
    char *warden, *cwd;     /* cwd: or NULL */
    int level;
    int cancel_fd;
    struct cJSON *hello;    /* or NULL */
    struct talk talk;       /* level 2: its process */
    bool started;           /* level 2: talk is to be ended */
    bool is_last;           /* level 2: stdin ends behind the next run */
    bool dead;              /* level 2: no further run */
};

/* ---- replies --------------------------------------------------------------------------- */

static const char *const answer_names[ADAPTER_ANSWERS] = {
    [ADAPTER_NO_ANSWER] = "none",
    [ADAPTER_RESULT] = "result",
    [ADAPTER_SKIPPED] = "skipped",
    [ADAPTER_ERRORED] = "errored",
};

const char *adapter_answer_name(enum adapter_answer answer)
{
    return answer_names[answer];
}

void adapter_reply_fini(struct adapter_reply *reply)
{
    json_free(reply->json);
    free(reply->at);
    free(reply->line);
    free(reply->text);
    free(reply->log);
    *reply = (struct adapter_reply){ .end = ADAPTER_BROKEN };
}

/* ---- level 2 --------------------------------------------------------------------------- */

static void give_up(struct adapter *a)
{
    child_kill(&a->talk.child);
    a->dead = true;
}

/* What it did since its last answer is not this run's fault. */
static int check_idle(struct exchange *x)
{
    const char *rest;
    size_t len;
    talk_glance(x->talk);
    x->is_stale = true;
    if (exchange_look_behind(x) < 0) /* the line's first byte was there before we said anything */
        return -1;
    if (x->talk->drained) {
        x->reply->before_run = true;
        return exchange_ended(x, "before this run was sent");
    }
    talk_rest(x->talk, &rest, &len);
    x->is_stale = len > 0;
    return 0;
}

static int say_json(struct exchange *x, const struct cJSON *json)
{
    BUF_AUTO text = BUF_INIT;
    json_print(&text, json);
    buf_char(&text, '\n');
    if (text.failed || !talk_say(x->talk, text.data, text.len))
        return exchange_finish(x, ADAPTER_BROKEN, "no memory for the run's line");
    x->talk->close_behind = x->adapter->is_last;
    return 0;
}

static void run_line(struct exchange *x)
{
    struct adapter *a = x->adapter;
    if (a->dead) {
        exchange_finish(x, ADAPTER_BROKEN, "this adapter has been ended");
        return;
    }
    if (check_idle(x) < 0 || say_json(x, x->run) < 0 || exchange_converse(x, false) < 0 ||
        exchange_look_behind(x) < 0) {
        x->reply->answer = ADAPTER_NO_ANSWER;
        give_up(a);
        return;
    }
    exchange_finish(x, ADAPTER_ANSWERED, "%s", "");
    x->reply->usable = !a->talk.child.ended && !a->is_last;
    a->dead = !x->reply->usable;
}

static struct child_options child_options_of(const struct adapter *a, char **argv, char **env)
{
    return (struct child_options){ .argv = (const char *const *) argv, .env = (const char *const *) env,
                                   .warden = a->warden, .cwd = a->cwd };
}

static int start_failed(struct exchange *x, struct err *err)
{
    return exchange_finish(x, ADAPTER_BROKEN, "%s", err->text);
}

/* An adapter's own failure as an error. */
static int hello_failed(const struct exchange *x, struct err *err)
{
    static const enum err_code codes[ADAPTER_ENDS] = { [ADAPTER_DEADLINE] = ERR_TIMEOUT,
                                                       [ADAPTER_CANCELLED] = ERR_CLOSED,
                                                       [ADAPTER_BROKEN] = ERR_IO };
    enum err_code code = codes[x->reply->end] != ERR_NONE ? codes[x->reply->end] : ERR_INVALID;
    return err_set(err, code, 0, "%s: %s", x->adapter->argv[0], x->reply->text);
}

/* The hello is ours now. */
static int keep_hello(struct exchange *x)
{
    x->adapter->hello = x->reply->json;
    x->reply->json = NULL;
    if (x->adapter->hello == NULL)
        exchange_finish(x, ADAPTER_ANSWERED, "it said nothing to --hello: %s", x->reply->ended);
    else
        exchange_finish(x, ADAPTER_ANSWERED, "%s", "");
    x->reply->usable = true;
    return 0;
}

static int open_line(struct exchange *x, int64_t hello_ms, struct err *err)
{
    static const char hello[] = "{\"type\":\"hello\",\"version\":1}\n";
    struct adapter *a = x->adapter;
    struct child_options options = child_options_of(a, a->argv, a->env);
    if (talk_start(&a->talk, &options, ADAPTER_LINE_BYTES, hello_ms, err) < 0)
        return start_failed(x, err);
    a->started = true;
    a->talk.cancel_fd = a->cancel_fd;
    if (!talk_say(&a->talk, hello, strlen(hello))) {
        exchange_finish(x, ADAPTER_BROKEN, "no memory for the hello");
        return hello_failed(x, err);
    }
    if (exchange_converse(x, false) < 0 || exchange_look_behind(x) < 0)
        return hello_failed(x, err);
    return keep_hello(x);
}

/* ---- level 1 --------------------------------------------------------------------------- */

static size_t count_strings(char *const *list)
{
    size_t count = 0;
    while (list != NULL && list[count] != NULL)
        count++;
    return count;
}

/* The array alone is new. */
static char **with_last(char *const *argv, const char *last)
{
    size_t count = count_strings(argv);
    char **out = calloc(count + 2, sizeof *out);
    if (out == NULL)
        return NULL;
    memcpy(out, argv, count * sizeof *out);
    out[count] = (char *) last;
    return out;
}

static const char *text_at(const struct cJSON *object, const char *name)
{
    const struct cJSON *node = json_get(object, name);
    return cJSON_IsString(node) ? node->valuestring : "";
}

enum { FIRST_VARIABLES = 5 };

struct case_env {
    struct buf variables[FIRST_VARIABLES];
    char **list;
};

static void case_env_fini(struct case_env *env)
{
    for (size_t i = 0; i < FIRST_VARIABLES; i++)
        buf_fini(&env->variables[i]);
    free(env->list);
}

/* The caller's own additions come behind ours: the first of a name counts. */
static bool case_env_fill(struct case_env *env, const struct adapter *a, const struct cJSON *run, const char *line,
                          bool with_context)
{
    const struct cJSON *client = json_get(run, "client");
    const char *const pairs[FIRST_VARIABLES][2] = { { "STANDBOX_CASE", text_at(run, "case") },
                                                    { "STANDBOX_VENDOR", text_at(run, "vendor") },
                                                    { "STANDBOX_URL", text_at(client, "url") },
                                                    { "STANDBOX_TOKEN", text_at(client, "api_key") },
                                                    { "STANDBOX_CONTEXT", line } };
    size_t own = with_context ? FIRST_VARIABLES : FIRST_VARIABLES - 1, others = count_strings(a->env);
    env->list = calloc(own + others + 1, sizeof *env->list);
    if (env->list == NULL)
        return false;
    for (size_t i = 0; i < own; i++) {
        buf_printf(&env->variables[i], "%s=%s", pairs[i][0], pairs[i][1]);
        if (env->variables[i].failed)
            return false;
        env->list[i] = env->variables[i].data;
    }
    if (others > 0)
        memcpy(&env->list[own], a->env, others * sizeof *env->list);
    return true;
}

/* One process from start to end, with `line` on its stdin ("": nothing).  The talk is left for the caller to end. */
static int run_process(struct exchange *x, char **argv, char **env, const char *line, size_t len, struct err *err)
{
    struct child_options options = child_options_of(x->adapter, argv, env);
    if (talk_start(x->talk, &options, ADAPTER_LINE_BYTES, (x->until_ns - mono_ns()) / NS_IN_MS, err) < 0)
        return start_failed(x, err);
    x->talk->cancel_fd = x->adapter->cancel_fd;
    x->talk->needs_not_read = true; /* it has the environment, too */
    x->talk->close_behind = true;
    if (!talk_say(x->talk, line, len))
        return exchange_finish(x, ADAPTER_BROKEN, "no memory for the run's line");
    return exchange_converse(x, true);
}

static int run_case(struct exchange *x, const struct buf *line)
{
    struct err err = ERR_INIT;
    struct case_env env = { { BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT }, NULL };
    char **argv = with_last(x->adapter->argv, text_at(json_get(x->run, "client"), "url"));
    BUF_AUTO context = BUF_INIT;
    int got;
    x->reply->no_context = line->len > ADAPTER_CONTEXT_BYTES;
    buf_add(&context, line->data, line->len - 1);
    if (argv == NULL || context.failed ||
        !case_env_fill(&env, x->adapter, x->run, context.data, !x->reply->no_context))
        got = exchange_finish(x, ADAPTER_BROKEN, "no memory for the run's line");
    else
        got = run_process(x, argv, env.list, line->data, line->len, &err);
    case_env_fini(&env);
    free(argv);
    return got;
}

static void run_once(struct exchange *x)
{
    struct talk talk = { .child = CHILD_INIT, .lines = LINES_INIT(0), .unsent = BUF_INIT };
    BUF_AUTO line = BUF_INIT;
    x->talk = &talk;
    json_print(&line, x->run);
    buf_char(&line, '\n');
    if (line.failed)
        exchange_finish(x, ADAPTER_BROKEN, "no memory for the run's line");
    else if (run_case(x, &line) > 0)
        exchange_finish(x, ADAPTER_ANSWERED, "%s", "");
    else
        x->reply->answer = ADAPTER_NO_ANSWER;
    x->reply->usable = x->reply->end != ADAPTER_CANCELLED;
    talk_fini(&talk);
    x->talk = NULL;
    x->reply->survivors = talk.child.left;
}

/* "It may print a hello line, or nothing": who does not know the argument may fail, as long as it is silent. */
static bool said_nothing(const struct exchange *x)
{
    return x->reply->end == ADAPTER_EXITED && x->reply->json == NULL && x->reply->line == NULL;
}

static int probe(struct exchange *x, struct err *err)
{
    char **argv = with_last(x->adapter->argv, "--hello");
    if (argv == NULL)
        return err_set(err, ERR_NOMEM, 0, "%s", x->adapter->argv[0]);
    int got = run_process(x, argv, x->adapter->env, "", 0, err);
    free(argv);
    if (got > 0 || said_nothing(x))
        return keep_hello(x);
    return err->code != ERR_NONE ? -1 : hello_failed(x, err);
}

static int open_once(struct exchange *x, struct err *err)
{
    struct talk talk = { .child = CHILD_INIT, .lines = LINES_INIT(0), .unsent = BUF_INIT };
    struct err own = ERR_INIT;
    x->talk = &talk;
    int result = probe(x, &own);
    talk_fini(&talk);
    x->talk = NULL;
    if (result < 0 && err != NULL)
        *err = own;
    return result;
}

/* ---- for callers ----------------------------------------------------------------------- */

static char **copy_strings(const char *const *list)
{
    size_t count = count_strings((char *const *) list);
    char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = strdup(list[i]);
        CHECK(copy[i] != NULL);
    }
    CHECK(copy != NULL);
    return copy;
}

static void free_strings(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        free(list[i]);
    free(list);
}

static void adapter_free(struct adapter *a)
{
    if (a->started)
        talk_fini(&a->talk);
    if (a->cancel_fd >= 0)
        close(a->cancel_fd);
    json_free(a->hello);
    free_strings(a->argv);
    free_strings(a->env);
    free(a->warden);
    free(a->cwd);
    free(a);
}

static struct adapter *adapter_new(const struct adapter_options *options, struct err *err)
{
    struct adapter *a = calloc(1, sizeof *a);
    if (a == NULL) {
        err_set(err, ERR_NOMEM, 0, "%s", options->argv[0]);
        return NULL;
    }
    a->argv = copy_strings(options->argv);
    a->env = copy_strings(options->env);
    a->warden = strdup(options->warden);
    a->cwd = options->cwd == NULL ? NULL : strdup(options->cwd);
    CHECK(a->warden != NULL && (options->cwd == NULL || a->cwd != NULL));
    a->level = options->level;
    a->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->cancel_fd >= 0)
        return a;
    err_set(err, ERR_IO, errno, "make an eventfd");
    adapter_free(a);
    return NULL;
}

static int open_it(struct adapter *a, const struct adapter_options *options, struct adapter_reply *why,
                   struct err *err)
{
    struct exchange x = { .adapter = a, .talk = &a->talk, .reply = why };
    exchange_begin(&x, options->hello_ms);
    if (a->level == 2)
        return open_line(&x, options->hello_ms, err);
    if (!options->no_hello)
        return open_once(&x, err);
    exchange_finish(&x, ADAPTER_ANSWERED, "%s", "");
    return 0;
}

int adapter_open(struct adapter **out_adapter, const struct adapter_options *options, struct adapter_reply *why,
                 struct err *err)
{
    struct adapter_reply own = { .end = ADAPTER_BROKEN };
    CHECK(options->level == 1 || options->level == 2);
    if (why == NULL)
        why = &own;
    *why = own;
    struct adapter *a = adapter_new(options, err);
    int result = a == NULL ? -1 : open_it(a, options, why, err);
    if (a == NULL && (why->text = strdup("")) != NULL)
        why->log = strdup("");
    if (a != NULL && result < 0)
        adapter_free(a);
    else if (a != NULL)
        *out_adapter = a;
    adapter_reply_fini(&own);
    return result;
}

const struct cJSON *adapter_hello(const struct adapter *adapter)
{
    return adapter->hello;
}

void adapter_run(struct adapter *adapter, const struct cJSON *run, int64_t budget_ms, struct adapter_reply *reply)
{
    struct exchange x = { .adapter = adapter, .talk = &adapter->talk, .run = run, .seq = protocol_seq(run),
                          .reply = reply };
    exchange_begin(&x, budget_ms);
    if (adapter->level == 2)
        run_line(&x);
    else
        run_once(&x);
}

void adapter_end_input(struct adapter *adapter)
{
    adapter->is_last = true;
}

void adapter_signal(struct adapter *adapter, int signal)
{
    if (adapter->started)
        child_signal(&adapter->talk.child, signal);
}

void adapter_cancel(struct adapter *adapter)
{
    eventfd_write(adapter->cancel_fd, 1);
}

/* ---- the end --------------------------------------------------------------------------- */

/* Waits for its end; what it says meanwhile was not asked for. */
static void await_end(struct exchange *x)
{
    const char *line = "";
    size_t len = 0;
    bool spoke = false;
    x->talk->cancel_fd = -1;
    x->talk->needs_not_read = true;
    for (;;) {
        enum talk_event event = talk_next(x->talk, x->until_ns, &line, &len);
        if (event == TALK_LINE) {
            if (!spoke)
                exchange_garbage(x, line, len, "a line that nobody asked for, at the end");
            spoke = true;
            continue;
        }
        if (event == TALK_NO_STDOUT) { /* that is how it begins to end */
            x->talk->out_closed_ns = 0;
            continue;
        }
        if (spoke)
            return;
        if (event == TALK_TIMEOUT)
            exchange_finish(x, ADAPTER_DEADLINE, "it had not ended within %lld ms",
                   (long long) ((x->until_ns - x->begin_ns) / NS_IN_MS));
        else if (event == TALK_ENDED)
            exchange_ended(x, "at the end");
        else
            exchange_broke(x, event);
        return;
    }
}

void adapter_await_end(struct adapter *adapter, int64_t budget_ms, struct adapter_reply *reply)
{
    struct exchange x = { .adapter = adapter, .talk = &adapter->talk, .reply = reply };
    exchange_begin(&x, budget_ms);
    if (adapter->level == 2 && adapter->started) {
        await_end(&x);
        return;
    }
    exchange_finish(&x, ADAPTER_EXITED, "%s", "");
    snprintf(reply->ended, sizeof reply->ended, "exit 0");
}

void adapter_close(struct adapter *adapter, int64_t grace_ms, struct adapter_reply *reply)
{
    struct adapter_reply own = { .end = ADAPTER_BROKEN };
    if (adapter == NULL)
        return;
    if (adapter->started)
        child_close_stdin(&adapter->talk.child);
    if (reply == NULL)
        reply = &own;
    adapter_await_end(adapter, grace_ms, reply);
    if (adapter->started)
        talk_fini(&adapter->talk);
    reply->survivors = adapter->talk.child.left;
    adapter_reply_fini(&own);
    adapter_free(adapter);
}
