#include "link/validate.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "link/protocol.h"

#define LONG_ARGUMENT_BYTES (1u << 20)
#define FAR_SEQ             (INT64_C(1) << 33)
#define API_KEY             "standbox-validate"

struct session {
    struct adapter_options options;
    const char *vendor;
    int64_t limit_ms;
    struct validate_report *report;
    struct adapter *adapter;  /* NULL: to be opened for the next dialogue */
    struct cJSON *hello;      /* a copy of the first; NULL: none */
    int64_t seq;
    char url[64];             /* nobody listens there */
    bool hopeless;            /* it does not start */
};

/* ---- findings -------------------------------------------------------------------------- */

static char *copy(const char *text)
{
    char *own = text == NULL ? NULL : strdup(text);
    CHECK(text == NULL || own != NULL);
    return own;
}

static void find(struct session *s, bool ok, const char *rule, const char *text, const struct adapter_reply *reply)
{
    struct validate_report *report = s->report;
    struct validate_finding *list = realloc(report->list, (report->count + 1) * sizeof *list);
    CHECK(list != NULL);
    report->list = list;
    list[report->count++] = (struct validate_finding){
        .ok = ok,
        .rule = copy(rule),
        .text = copy(text),
        .line = ok || reply == NULL ? NULL : copy(reply->line),
        .log = ok || reply == NULL || reply->log == NULL || *reply->log == '\0' ? NULL : copy(reply->log),
    };
    report->broken += !ok;
}

static void broken(struct session *s, const char *rule, const struct adapter_reply *reply, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void broken(struct session *s, const char *rule, const struct adapter_reply *reply, const char *fmt, ...)
{
    char text[ERR_TEXT_BYTES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    find(s, false, rule, text, reply);
}

void validate_report_fini(struct validate_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        free(report->list[i].rule);
        free(report->list[i].text);
        free(report->list[i].line);
        free(report->list[i].log);
    }
    free(report->list);
    *report = (struct validate_report){ NULL, 0, 0 };
}

/* ---- hello ----------------------------------------------------------------------------- */

static bool has_text(const struct cJSON *list, const char *text)
{
    const struct cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item) && strcmp(item->valuestring, text) == 0)
            return true;
    }
    return false;
}

/* Without a hello (level 1) an adapter may be asked anything. */
static bool declares(const struct session *s, const char *capability)
{
    return s->hello == NULL || has_text(json_get(s->hello, "capabilities"), capability);
}

static bool is_known(const char *capability)
{
    for (size_t i = 0; protocol_fine_capabilities[i] != NULL; i++) {
        if (strcmp(protocol_fine_capabilities[i], capability) == 0)
            return true;
    }
    return protocol_op_find(capability) != NULL;
}

/* Names that the protocol does not have may be meant (facts that some vendor's cases ask for), or be misspelt. */
static void judge_capabilities(struct session *s)
{
    const struct cJSON *item;
    BUF_AUTO unknown = BUF_INIT;
    cJSON_ArrayForEach(item, json_get(s->hello, "capabilities"))
    {
        if (cJSON_IsString(item) && !is_known(item->valuestring))
            buf_printf(&unknown, "%s%.60s", unknown.len > 0 ? ", " : "note: the protocol does not name ",
                       item->valuestring);
    }
    find(s, true, "declares capabilities", buf_cstr(&unknown), NULL);
}

static void judge_hello(struct session *s, const struct adapter_reply *why)
{
    static const char rule[] = "says hello";
    struct err err = ERR_INIT;
    const struct cJSON *hello = adapter_hello(s->adapter);
    if (hello == NULL) {
        find(s, true, rule, why->text, NULL);
        return;
    }
    s->hello = cJSON_Duplicate(hello, true);
    if (protocol_check(hello, PROTOCOL_HELLO, NULL, &err) < 0)
        broken(s, rule, why, "%s", err.text);
    else if (!has_text(json_get(hello, "vendors"), s->vendor))
        broken(s, rule, why, "/vendors: %s is not in it", s->vendor);
    else
        find(s, true, rule, "", NULL);
    judge_capabilities(s);
}

/* Sees to it that there is an adapter; `rule` is broken when there is none. */
static bool ready(struct session *s, const char *rule)
{
    struct adapter_reply why = { .end = ADAPTER_BROKEN };
    struct err err = ERR_INIT;
    if (s->adapter == NULL && adapter_open(&s->adapter, &s->options, &why, &err) < 0) {
        broken(s, rule, &why, "%s", err.text);
        s->adapter = NULL;
    }
    adapter_reply_fini(&why);
    return s->adapter != NULL;
}

static void drop(struct session *s, int64_t grace_ms, struct adapter_reply *reply)
{
    adapter_close(s->adapter, grace_ms, reply);
    s->adapter = NULL;
}

static void open_first(struct session *s)
{
    struct adapter_reply why = { .end = ADAPTER_BROKEN };
    struct err err = ERR_INIT;
    if (adapter_open(&s->adapter, &s->options, &why, &err) == 0) {
        judge_hello(s, &why);
    } else {
        broken(s, "says hello", &why, "%s", err.text);
        s->hopeless = true;
    }
    s->options.no_hello = true; /* of level 1: known now */
    adapter_reply_fini(&why);
}

/* ---- runs ------------------------------------------------------------------------------ */

/* `steps` is JSON.  Aborts when it is none, which would be our own mistake. */
static struct cJSON *make_run(struct session *s, const char *steps)
{
    BUF_AUTO text = BUF_INIT;
    struct err err = ERR_INIT;
    buf_printf(&text, "{\"type\":\"run\",\"seq\":%lld,\"case\":\"", (long long) ++s->seq);
    json_escape(&text, s->vendor, strlen(s->vendor));
    buf_str(&text, "/validate/dialogue\",\"vendor\":\"");
    json_escape(&text, s->vendor, strlen(s->vendor));
    buf_printf(&text, "\",\"client\":{\"url\":\"%s\",\"api_key\":\"" API_KEY "\"%s,\"future\":{}},\"future\":[null],",
               s->url, declares(s, "client.timeout_ms") ? ",\"timeout_ms\":2000" : "");
    buf_printf(&text, "\"steps\":%s}", steps);
    struct cJSON *run = text.failed ? NULL : json_parse(text.data, text.len, &err);
    CHECK(run != NULL);
    return run;
}

/* What is wrong with the outcome of a step that nobody can do; NULL: nothing. */
static const char *judge_unknown(const struct cJSON *outcomes)
{
    const struct cJSON *first = cJSON_GetArrayItem(outcomes, 0);
    return json_get(first, "skipped") != NULL ? NULL
                                               : "/outcomes/0: an operation that does not exist must be \"skipped\"";
}

static const char *judge_nobody(const struct cJSON *outcomes)
{
    const struct cJSON *create = cJSON_GetArrayItem(outcomes, 0), *exec = cJSON_GetArrayItem(outcomes, 1);
    const struct cJSON *kind = json_get(json_get(create, "error"), "kind");
    if (kind == NULL)
        return "/outcomes/0: nobody listens at the URL, so this must be an \"error\"";
    if (strcmp(kind->valuestring, "connection") != 0)
        return "/outcomes/0/error/kind: nobody listens at the URL, so this must be \"connection\"";
    return json_get(exec, "skipped") != NULL
               ? NULL
               : "/outcomes/1: its sandbox never came to be, so this must be \"skipped\"";
}

typedef const char *judge_fn(const struct cJSON *outcomes);

static void judge_run(struct session *s, const char *rule, judge_fn *judge, const struct cJSON *run,
                      const struct adapter_reply *reply)
{
    static const enum protocol_type types[ADAPTER_ANSWERS] = { [ADAPTER_RESULT] = PROTOCOL_RESULT,
                                                               [ADAPTER_SKIPPED] = PROTOCOL_SKIPPED,
                                                               [ADAPTER_ERRORED] = PROTOCOL_ERRORED };
    struct err err = ERR_INIT;
    const char *wrong = NULL;
    if (reply->end != ADAPTER_ANSWERED) {
        broken(s, rule, reply, "%s", reply->text);
        return;
    }
    if (protocol_check(reply->json, types[reply->answer], run, &err) < 0)
        wrong = err.text;
    else if (reply->answer == ADAPTER_ERRORED)
        wrong = "/type: \"errored\": nothing in this run should make an adapter fail";
    else if (reply->answer == ADAPTER_RESULT && judge != NULL)
        wrong = judge(json_get(reply->json, "outcomes"));
    if (wrong != NULL)
        broken(s, rule, reply, "%s", wrong);
    else
        find(s, true, rule, "", NULL);
}

static void ask(struct session *s, const char *rule, const char *steps, judge_fn *judge)
{
    struct adapter_reply reply = { .end = ADAPTER_BROKEN };
    if (!ready(s, rule))
        return;
    struct cJSON *run = make_run(s, steps);
    adapter_run(s->adapter, run, s->limit_ms, &reply);
    judge_run(s, rule, judge, run, &reply);
    if (!reply.usable)
        drop(s, 0, NULL);
    adapter_reply_fini(&reply);
    json_free(run);
}

static void ask_nothing(struct session *s)
{
    ask(s, "answers a run without steps", "[]", NULL);
}

static void ask_unknown(struct session *s)
{
    ask(s, "skips an operation that it does not know", "[{\"step\":\"x\",\"op\":\"no.such.operation\",\"future\":1}]",
        judge_unknown);
}

static void ask_nobody(struct session *s)
{
    static const char rule[] = "says that there was no answer";
    if (!declares(s, "sandbox.create") || !declares(s, "exec"))
        find(s, true, rule, "not asked: it does not declare sandbox.create and exec", NULL);
    else
        ask(s, rule,
            "[{\"step\":\"box\",\"op\":\"sandbox.create\",\"as\":\"box\",\"image\":\"default\"},"
            "{\"step\":\"r\",\"op\":\"exec\",\"sandbox\":\"box\",\"command\":\"true\"}]",
            judge_nobody);
}

static void ask_long(struct session *s)
{
    BUF_AUTO steps = BUF_INIT;
    buf_str(&steps, "[{\"step\":\"x\",\"op\":\"no.such.operation\",\"data\":\"");
    char *room = buf_reserve(&steps, LONG_ARGUMENT_BYTES);
    CHECK(room != NULL);
    memset(room, 'x', LONG_ARGUMENT_BYTES);
    steps.len += LONG_ARGUMENT_BYTES;
    buf_str(&steps, "\"}]");
    ask(s, "reads a line of a mebibyte", buf_cstr(&steps), judge_unknown);
}

static void ask_far_seq(struct session *s)
{
    s->seq += FAR_SEQ;
    ask(s, "gives a large seq back as it is", "[]", NULL);
    s->seq -= FAR_SEQ;
}

/* ---- ends (level 2) -------------------------------------------------------------------- */

static void judge_end(struct session *s, const char *rule, bool any_end, const struct adapter_reply *reply)
{
    bool fine = reply->end == ADAPTER_EXITED && (any_end || reply->code == 0);
    if (any_end && reply->end == ADAPTER_SIGNALLED && reply->code == SIGTERM)
        fine = true;
    if (fine)
        find(s, true, rule, "", NULL);
    else
        broken(s, rule, reply, "%s", reply->text);
}

static void end_stdin(struct session *s)
{
    static const char rule[] = "ends with exit 0 when its stdin ends";
    struct adapter_reply reply = { .end = ADAPTER_BROKEN };
    if (!ready(s, rule))
        return;
    drop(s, s->limit_ms, &reply);
    judge_end(s, rule, false, &reply);
    adapter_reply_fini(&reply);
}

static void end_in_flight(struct session *s)
{
    static const char rule[] = "finishes the run in flight when its stdin ends, then ends with exit 0";
    struct adapter_reply answer = { .end = ADAPTER_BROKEN }, reply = { .end = ADAPTER_BROKEN };
    if (!ready(s, rule))
        return;
    struct cJSON *run = make_run(s, "[]");
    adapter_end_input(s->adapter);
    adapter_run(s->adapter, run, s->limit_ms, &answer);
    drop(s, s->limit_ms, &reply);
    if (answer.end != ADAPTER_ANSWERED)
        broken(s, rule, &answer, "%s", answer.text);
    else
        judge_end(s, rule, false, &reply);
    adapter_reply_fini(&answer);
    adapter_reply_fini(&reply);
    json_free(run);
}

static void end_by_signal(struct session *s)
{
    static const char rule[] = "ends on SIGTERM";
    struct adapter_reply reply = { .end = ADAPTER_BROKEN };
    if (!ready(s, rule))
        return;
    adapter_signal(s->adapter, SIGTERM);
    adapter_await_end(s->adapter, s->limit_ms, &reply);
    judge_end(s, rule, true, &reply);
    drop(s, 0, NULL);
    adapter_reply_fini(&reply);
}

/* ---- all of it ------------------------------------------------------------------------- */

typedef void dialogue_fn(struct session *s);

static const struct dialogue {
    dialogue_fn *hold;
    int level; /* that it is for; 0: any */
} dialogues[] = {
    { ask_nothing, 0 },   { ask_unknown, 0 }, { ask_nobody, 0 },    { ask_long, 0 },
    { ask_far_seq, 0 },   { end_stdin, 2 },   { end_in_flight, 2 }, { end_by_signal, 2 },
};

/* A port that is ours, with nobody listening.  The descriptor keeps it so. */
static int reserve_port(struct session *s, struct err *err)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, ERR_IO, errno, "make a socket");
    if (bind(fd, (struct sockaddr *) &address, len) != 0 || getsockname(fd, (struct sockaddr *) &address, &len) != 0) {
        err_set(err, ERR_IO, errno, "take a port");
        close(fd);
        return -1;
    }
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", (unsigned) ntohs(address.sin_port));
    return fd;
}

int adapter_validate(const struct adapter_options *options, const char *vendor, int64_t limit_ms,
                     struct validate_report *report, struct err *err)
{
    struct session s = { .options = *options, .vendor = vendor, .limit_ms = limit_ms, .report = report };
    int port = reserve_port(&s, err);
    if (port < 0)
        return -1;
    *report = (struct validate_report){ NULL, 0, 0 };
    s.options.hello_ms = limit_ms;
    open_first(&s);
    for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0] && !s.hopeless; i++) {
        if (dialogues[i].level == 0 || dialogues[i].level == options->level)
            dialogues[i].hold(&s);
    }
    adapter_close(s.adapter, 0, NULL);
    json_free(s.hello);
    close(port);
    return 0;
}
