#include "tests/support/report_sample.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define BOX      "4675e5cc-4e43-4776-86cf-584358c659e1"
#define PROC     "proc_6b3e35398eb2d1f7b1d7fd5d"
#define BEGAN_MS 1795268124436LL
#define ISSUES   "https://github.com/hyperbrowserai/sdk/issues"

/* ---- JSON made easily -------------------------------------------------------------------------- */

static cJSON *parse(char *text)
{
    for (char *p = text; *p != '\0'; p++) {
        if (*p == '\'')
            *p = '"';
    }
    cJSON *json = cJSON_Parse(text);
    if (json == NULL)
        fprintf(stderr, "sample: not JSON: %s\n", text);
    CHECK(json != NULL);
    return json;
}

struct cJSON *sample_json(const char *text)
{
    char *copy = strdup(text);
    CHECK(copy != NULL);
    cJSON *json = parse(copy);
    free(copy);
    return json;
}

/* Returns the item added to `list`. */
__attribute__((format(printf, 2, 3))) static cJSON *add(cJSON *list, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    CHECK(len >= 0);
    cJSON *item = parse(text);
    free(text);
    CHECK(cJSON_AddItemToArray(list, item));
    return item;
}

static void put_text(cJSON *object, const char *name, const char *text)
{
    if (text != NULL)
        CHECK(cJSON_AddStringToObject(object, name, text) != NULL);
}

static cJSON *put_list(cJSON *object, const char *name)
{
    cJSON *list = cJSON_AddArrayToObject(object, name);
    CHECK(list != NULL);
    return list;
}

struct cJSON *sample_at(struct cJSON *doc, const char *place)
{
    char name[64];
    cJSON *node = doc;
    while (*place != '\0') {
        size_t len = strcspn(place, "/");
        CHECK(len < sizeof name);
        snprintf(name, sizeof name, "%.*s", (int) len, place);
        node = cJSON_IsArray(node) ? cJSON_GetArrayItem(node, (int) strtol(name, NULL, 10))
                                   : cJSON_GetObjectItemCaseSensitive(node, name);
        CHECK(node != NULL);
        place += len + (place[len] == '/');
    }
    return node;
}

void sample_set(struct cJSON *doc, const char *place, const char *json)
{
    const char *last = strrchr(place, '/');
    char *above = strndup(place, last == NULL ? 0 : (size_t) (last - place));
    CHECK(above != NULL);
    cJSON *node = sample_at(doc, above), *value = sample_json(json);
    const char *name = last == NULL ? place : last + 1;
    free(above);
    if (cJSON_IsArray(node)) {
        CHECK(cJSON_ReplaceItemInArray(node, (int) strtol(name, NULL, 10), value));
        return;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(node, name);
    CHECK(cJSON_AddItemToObject(node, name, value));
}

/* ---- stories: what the ledger has ---------------------------------------------------------------- */

struct story {
    cJSON *lines;
    int number;
    long long now_ms;
    cJSON *stream; /* a request that is still open */
    const char *process;
};

static cJSON *ask(struct story *s, const char *op, const char *method, const char *path, const char *body)
{
    bool is_api = strncmp(path, "/api", 4) == 0;
    cJSON *line = add(s->lines,
                      "{'type':'request','lane':'c1','number':%d,'time_ms':%lld,'end_ms':null,"
                      "'request_id':'req_d83f5f8bb3434c61%04d','method':'%s','path':'%s','query':'','headers':"
                      "[{'name':'Accept','value':'*/*'},{'name':'Content-Type','value':'application/json'},"
                      "{'name':'%s','value':'%s'}],'body':null,'dialect':'hyperbrowser','op':'%s','sandbox':'" BOX "',"
                      "'process':%s%s%s,'command':null,'fault':null,'answer':null,'end':null}",
                      s->number, s->now_ms, s->number, method, path, is_api ? "X-Api-Key" : "Authorization",
                      is_api ? "[redacted]" : "Bearer [redacted]", op, is_api ? "" : "'", is_api ? "null" : s->process,
                      is_api ? "" : "'");
    s->number++;
    if (body != NULL) {
        cJSON *bytes = sample_json("{'bytes':0,'encoding':'utf-8','cut':false}");
        cJSON_SetNumberValue(cJSON_GetObjectItem(bytes, "bytes"), (double) strlen(body));
        put_text(bytes, "data", body);
        CHECK(cJSON_ReplaceItemInObjectCaseSensitive(line, "body", bytes));
    }
    return line;
}

static void answer(struct story *s, cJSON *line, int ms, int status, const char *end, const char *body)
{
    cJSON *made = sample_json("{'status':0,'content_type':'application/json','body':"
                              "{'bytes':0,'encoding':'utf-8','cut':false}}");
    cJSON *bytes = cJSON_GetObjectItem(made, "body");
    s->now_ms += ms;
    cJSON_SetNumberValue(cJSON_GetObjectItem(made, "status"), status);
    cJSON_SetNumberValue(cJSON_GetObjectItem(bytes, "bytes"), (double) strlen(body));
    put_text(bytes, "data", body);
    CHECK(cJSON_ReplaceItemInObjectCaseSensitive(line, "answer", made));
    CHECK(cJSON_ReplaceItemInObjectCaseSensitive(line, "end_ms", cJSON_CreateNumber((double) s->now_ms)));
    CHECK(cJSON_ReplaceItemInObjectCaseSensitive(line, "end", cJSON_CreateString(end)));
}

static void strike(cJSON *line, const char *scenario, const char *kind)
{
    cJSON *fault = sample_json("{'rule':0,'fired':true}");
    put_text(fault, "scenario", scenario);
    put_text(fault, "kind", kind);
    CHECK(cJSON_ReplaceItemInObjectCaseSensitive(line, "fault", fault));
}

/* `more`: "'pid':4" and so on. */
static void fact(struct story *s, int ms, const char *kind, const char *command, const char *more)
{
    s->now_ms += ms;
    cJSON *line =
        add(s->lines,
            "{'type':'fact','lane':'c1','number':%d,'time_ms':%lld,'sandbox':'" BOX "','process':'%s','seq':%d,"
            "'fact':'%s'%s%s}",
            s->number, s->now_ms, s->process, s->number, kind, more[0] == '\0' ? "" : ",", more);
    s->number++;
    put_text(line, "command", command);
}

static void output(struct story *s, int ms, const char *kind, const char *command, const char *text)
{
    cJSON *bytes = sample_json("{'bytes':0,'encoding':'utf-8','cut':false}");
    cJSON_SetNumberValue(cJSON_GetObjectItem(bytes, "bytes"), (double) strlen(text));
    put_text(bytes, "data", text);
    fact(s, ms, kind, command, "");
    CHECK(cJSON_AddItemToObject(cJSON_GetArrayItem(s->lines, s->number - 2), "output", bytes));
}

static void begin_box(struct story *s)
{
    cJSON *line = ask(s, "sandbox.create", "POST", "/api/sandbox", "{\"imageName\": \"default\"}");
    answer(s, line, 12, 200, "complete", "{\"id\":\"" BOX "\",\"status\":\"active\",\"token\":\"[redacted]\"}");
    s->now_ms++;
}

static void tell_exec(struct story *s)
{
    static const char command[] = "echo it's $HOME; exit 7";
    cJSON *line = ask(s, "process.exec", "POST", "/sandbox/" BOX "/exec",
                      "{\"command\": \"echo it's $HOME; exit 7\", \"env\": {\"LANG\": \"C.UTF-8\"}}");
    fact(s, 0, "queued", command, "");
    fact(s, 2, "started", command, "'pid':4");
    output(s, 1, "out", command, "it's /home/ubuntu\n");
    fact(s, 0, "exited", command, "'exit_code':7");
    fact(s, 0, "output-eof", command, "'held_by_survivor':false");
    answer(s, line, 1, 200, "complete", "{\"result\":{\"id\":\"" PROC "\",\"status\":\"exited\",\"exit_code\":7}}");
}

static void tell_stream(struct story *s)
{
    static const char command[] = "for i in 1 2 3; do echo line $i; done";
    static const char started[] =
        "event: started\ndata: {\"process\":{\"id\":\"" PROC "\",\"status\":\"running\"}}\n\n";
    cJSON *line = ask(s, "process.start", "POST", "/sandbox/" BOX "/processes", "{\"command\": \"for i in 1 2 3...\"}");
    fact(s, 0, "queued", command, "");
    fact(s, 3, "started", command, "'pid':4");
    for (int i = 1; i <= 14; i++)
        output(s, i % 3, i % 5 == 0 ? "err" : "out", command, "line of output\n");
    strike(line, "net-cut-mid-event", "cut");
    answer(s, line, 2, 200, "cut", started);
    line = ask(s, "process.stream", "GET", "/sandbox/" BOX "/processes/" PROC "/stream", NULL);
    output(s, 4, "out", command, "the last line\n");
    fact(s, 1, "exited", command, "'exit_code':0");
    fact(s, 0, "output-eof", command, "'held_by_survivor':false");
    answer(s, line, 1, 200, "complete", "event: done\ndata: {}\n\n");
}

static void tell_kill(struct story *s)
{
    static const char command[] = "trap '' TERM; sleep 60";
    cJSON *line =
        ask(s, "process.start", "POST", "/sandbox/" BOX "/processes", "{\"command\": \"trap '' TERM; sleep 60\"}");
    fact(s, 0, "queued", command, "");
    fact(s, 2, "started", command, "'pid':4");
    answer(s, line, 1, 201, "complete", "{\"process\":{\"id\":\"" PROC "\",\"status\":\"running\"}}");
    s->stream = ask(s, "process.wait", "POST", "/sandbox/" BOX "/processes/" PROC "/wait", "{\"timeoutMs\": 5000}");
    s->now_ms += 20;
    line = ask(s, "process.kill", "POST", "/sandbox/" BOX "/processes/" PROC "/kill", "{\"timeoutMs\": 100}");
    fact(s, 1, "signalled", command, "'signal':'TERM','signal_number':15,'by':'client'");
    fact(s, 100, "signalled", command, "'signal':'KILL','signal_number':9,'by':'client'");
    fact(s, 1, "died", command, "'signal':'KILL','signal_number':9,'core_dumped':false");
    fact(s, 0, "output-eof", command, "'held_by_survivor':false");
    answer(s, line, 1, 200, "complete", "{\"process\":{\"id\":\"" PROC "\",\"status\":\"killed\"}}");
    answer(s, s->stream, 0, 200, "complete", "{\"result\":{\"status\":\"killed\",\"exit_code\":null}}");
    line = ask(s, "process.get", "GET", "/sandbox/" BOX "/processes/" PROC, NULL);
    answer(s, line, 2, 404, "complete", "{\"error\":\"gone\"}");
}

/* Half an hour goes by, on a clock that was moved. */
static void tell_limit(struct story *s)
{
    static const char command[] = "sleep 7200";
    cJSON *line =
        ask(s, "process.exec", "POST", "/sandbox/" BOX "/exec", "{\"command\":\"sleep 7200\",\"timeoutMs\":1800000}");
    fact(s, 0, "queued", command, "");
    fact(s, 2, "started", command, "'pid':4");
    fact(s, 1800000, "timed-out", command, "'limit_ms':1800000");
    fact(s, 0, "signalled", command, "'signal':'TERM','signal_number':15,'by':'timeout'");
    fact(s, 1, "died", command, "'signal':'TERM','signal_number':15,'core_dumped':false");
    fact(s, 0, "output-eof", command, "'held_by_survivor':false");
    answer(s, line, 1, 200, "complete", "{\"result\":{\"id\":\"" PROC "\",\"status\":\"timed_out\"}}");
}

static void tell_lost_reply(struct story *s)
{
    static const char command[] = "touch done";
    static const char *const made[] = { PROC, "proc_00c7a9d1e2f3b4a5c6d7e8f9" };
    for (int i = 0; i < 2; i++) {
        s->process = made[i];
        cJSON *line = ask(s, "process.start", "POST", "/sandbox/" BOX "/processes", "{\"command\": \"touch done\"}");
        fact(s, 0, "queued", command, "");
        fact(s, 2, "started", command, "'pid':4");
        fact(s, 1, "exited", command, "'exit_code':0");
        if (i == 0)
            strike(line, "start-lost-reply", "lost-reply");
        answer(s, line, 1, i == 0 ? 0 : 201, i == 0 ? "reset" : "complete", "");
        s->now_ms += 200;
    }
}

typedef void tell_fn(struct story *s);

static cJSON *tell(tell_fn *told)
{
    struct story s = { cJSON_CreateArray(), 1, BEGAN_MS, NULL, PROC };
    CHECK(s.lines != NULL);
    begin_box(&s);
    told(&s);
    return s.lines;
}

/* ---- cases --------------------------------------------------------------------------------------- */

static const struct sample_case {
    const char *id, *requirement, *severity, *tag, *bug, *kills_none;
    tell_fn *told;
    const char *at, *expected, *seen; /* what a client gets wrong */
} cases[] = {
    { "exec/exit-code", "A command that ends with a code other than 0 is a result, not an error.", "MUST", "documented",
      NULL, NULL, tell_exec, "r.value.exit_code", "7", "0" },
    { "exec/stderr-apart", "What a command writes to stderr is in `stderr`, and not in `stdout`.", "MUST", "documented",
      NULL, NULL, tell_exec, "r.value.stderr", "\"oops\\n\"", "\"\"" },
    { "exec/cwd", "The command runs in the folder that was asked for.", "MUST", "documented", NULL, NULL, tell_exec,
      "r.value.stdout", "\"/tmp\\n\"", "\"/home/ubuntu\\n\"" },
    { "exec/env", "Variables that were given are in the environment of the command.", "MUST", "documented", NULL, NULL,
      tell_exec, "r.value.stdout", "\"yes\\n\"", "\"\\n\"" },
    { "exec/time-limit", "A command that outlives its limit has the status `timed_out`, and is dead.", "MUST",
      "documented", "hyperbrowserai/sdk#77", NULL, tell_limit, "r.value.status", "\"timed_out\"", "\"exited\"" },
    { "exec/no-command", "An empty command is refused, by the client or by the server.", "SHOULD", "inferred", NULL,
      "every client passes the server's refusal on", tell_exec, "r.error.kind", "\"invalid\"", "nothing" },
    { "stream/order", "Output events come in the order in which they were written.", "MUST", "documented", NULL, NULL,
      tell_stream, "s.value.events.3.seq", "more than 3", "3" },
    { "stream/cut-mid-event", "A stream that breaks before its last event is an error, never a success.", "MUST",
      "documented", "cloudflare/sandbox-sdk#873", NULL, tell_stream, "s.error", "an error", "nothing" },
    { "stream/resume/Split:1", "After a cut the client goes on at the sequence number that it has seen last.", "MUST",
      "observed", NULL, NULL, tell_stream, "s.value.events", "14 elements", "13 elements" },
    { "stream/resume/Split:2", "After a cut the client goes on at the sequence number that it has seen last.", "MUST",
      "observed", NULL, NULL, tell_stream, "s.value.events", "14 elements", "15 elements" },
    { "stream/resume/Split:10", "After a cut the client goes on at the sequence number that it has seen last.", "MUST",
      "observed", NULL, NULL, tell_stream, "s.value.events", "14 elements", "13 elements" },
    { "stream/utf8-split", "A character whose bytes come in two events is one character.", "MUST", "documented",
      "modal-labs/modal-client#3012", NULL, tell_stream, "s.value.events.0.data", "\"\xE2\x82\xAC\"",
      "\"\xEF\xBF\xBD\xEF\xBF\xBD\"" },
    { "kill/term-ignored", "`kill` ends also a process that ignores SIGTERM.", "MUST", "documented", NULL, NULL,
      tell_kill, "k.value.status", "\"killed\"", "\"running\"" },
    { "kill/twice", "Killing a process that has ended is no error.", "SHOULD", "observed", NULL, NULL, tell_kill, "k2",
      "a value", "error conflict" },
    { "kill/wait-goes-on", "A `wait` that another call's `kill` ends returns the result.", "MUST", "inferred", NULL,
      NULL, tell_kill, "w.value.status", "\"killed\"", "error timeout" },
    { "start/lost-reply", "A start whose answer was lost is not sent twice.", "MUST", "inferred",
      "modal-labs/modal-client#2881", NULL, tell_lost_reply, "s.error.definite", "false", "nothing" },
    { "start/retry-503", "A start that was refused with 503 may be tried again.", "SHOULD", "observed", NULL, NULL,
      tell_lost_reply, "s", "a value", "error unavailable" },
    { "lifecycle/stop-twice", "Stopping a sandbox twice is no error.", "MUST", "observed", NULL,
      "no client can tell the two apart", tell_exec, "t", "a value", "error not_found" },
    { "lifecycle/token-refresh", "A token that has expired is refreshed once, and the request goes on.", "MUST",
      "documented", NULL, NULL, tell_exec, "r", "a value", "error unauthenticated" },
    { "lifecycle/idle", "A sandbox that nobody uses stays until its time is up.", "MUST", "documented", NULL, NULL,
      tell_limit, "st.value.status", "\"active\"", "\"closed\"" },
};

static void add_case(cJSON *list, const struct sample_case *c)
{
    cJSON *item = add(
        list, "{'id':'hyperbrowser/%s','source':['docs: Sandbox Processes','wire/hyperbrowser.md \xC2\xA7 5']}", c->id);
    put_text(item, "requirement", c->requirement);
    put_text(item, "severity", c->severity);
    put_text(item, "tag", c->tag);
    put_text(item, "kills_none", c->kills_none);
    if (c->bug != NULL)
        CHECK(cJSON_AddItemToArray(put_list(item, "bug"), cJSON_CreateString(c->bug)));
}

/* ---- results -------------------------------------------------------------------------------------- */

/* p pass, f fail, n non-strict, x not-exercised, s skipped, a adapter-error, h harness-error; F X A: the same, but
   listed; P: passes, and is listed all the same; L: flaky; '-': not run */
static const struct {
    char letter;
    const char *verdict, *listed;
    bool is_stale, has_problem;
} letters[] = {
    { 'p', "pass", NULL, false, false },
    { 'f', "fail", NULL, false, true },
    { 'n', "non-strict", NULL, false, true },
    { 'x', "not-exercised", NULL, false, false },
    { 's', "skipped", NULL, false, false },
    { 'a', "adapter-error", NULL, false, false },
    { 'h', "harness-error", NULL, false, false },
    { 'F', "fail", "known-failing", false, true },
    { 'X', "not-exercised", "known-failing", false, false },
    { 'A', "adapter-error", "known-failing", false, false },
    { 'P', "pass", "known-failing", true, false },
    { 'L', "fail", "known-flaky", false, true },
};

static void add_step(cJSON *result, const struct sample_case *c, bool has_problem)
{
    cJSON *steps = put_list(result, "steps");
    add(steps, "{'step':'box','op':'sandbox.create','input':{'as':'box','image':'default'},'expect':{'value':{'status':"
               "'active'}},"
               "'outcome':{'step':'box','value':{'id':'" BOX "','status':'active'}},'problems':[]}");
    cJSON *step =
        add(steps, "{'step':'r','op':'exec','input':{'sandbox':'box','command':'exit 7'},'expect':{'value':"
                   "{'exit_code':7,'status':'exited'}},'outcome':{'step':'r','value':{'exit_code':0,'stdout':''}},"
                   "'problems':[]}");
    if (!has_problem)
        return;
    cJSON *problem = add(cJSON_GetObjectItem(step, "problems"), "{}");
    put_text(problem, "at", c->at);
    put_text(problem, "expected", c->expected);
    put_text(problem, "seen", c->seen);
}

static void add_checks(cJSON *result, bool is_exercised, bool is_broken)
{
    add(put_list(result, "wire"),
        "{'what':'the command went out as it is','ok':%s,'expected':'exactly 1','seen':'%d',"
        "'entries':[2]}",
        is_broken ? "false" : "true", is_broken ? 2 : 1);
    add(put_list(result, "witness"),
        "{'what':'the process was started','ok':%s,'expected':'at least 1','seen':'%d',"
        "'entries':[%s]}",
        is_exercised ? "true" : "false", is_exercised, is_exercised ? "4" : "");
    cJSON *journal = put_list(result, "journal");
    add(journal, "{'id':'duplicate-starts','verdict':'%s','what':'%s'}", is_broken ? "fail" : "pass",
        is_broken ? "a start was sent twice" : "no start was sent twice");
    add(journal, "{'id':'retries','verdict':'not-exercised','what':'no request got a final answer (4xx)'}");
}

static void add_adapter(cJSON *result, char letter)
{
    static const char log[] = "Traceback (most recent call last):\n  File \"adapter.py\", line 88, in run\n"
                              "    raise KeyError(\"exit_code\")\nKeyError: 'exit_code'\n";
    cJSON *adapter = sample_json(letter == 'a' ? "{'end':'signal 11 (SIGSEGV)','line':'{\\'type\\':\\'resu'}"
                                               : "{'end':'answered'}");
    put_text(adapter, "stderr", letter == 'a' || letter == 'A' || letter == 'f' ? log : "");
    CHECK(cJSON_AddItemToObject(result, "adapter", adapter));
}

static const char *summary_of(char letter)
{
    switch (letter) {
    case 'p':
    case 'P': return "";
    case 'x':
    case 'X': return "witness missing: the process was started (expected at least 1, seen 0)";
    case 's': return "";
    case 'a':
    case 'A': return "the adapter died of signal 11 (SIGSEGV)";
    case 'h': return "the admin API answered 500 to clock/advance";
    default: return NULL;
    }
}

static void add_summary(cJSON *result, const struct sample_case *c, char letter)
{
    char text[300];
    const char *fixed = summary_of(letter);
    snprintf(text, sizeof text, "%s: expected %s, seen %s", c->at, c->expected, c->seen);
    put_text(result, "summary", fixed != NULL ? fixed : text);
    if (fixed == NULL || fixed[0] != '\0')
        put_text(result, "message_hash", "5f0c1a9e");
}

static void add_result(cJSON *doc, const char *client, const struct sample_case *c, char letter)
{
    size_t kind = 0;
    if (letter == '-')
        return;
    while (letters[kind].letter != letter) {
        kind++;
        CHECK(kind < COUNT(letters));
    }
    cJSON *result = add(cJSON_GetObjectItem(doc, "results"),
                        "{'case':'hyperbrowser/%s','client':'%s','verdict':'%s',"
                        "'listed':null,'stale':%s,'duration_ms':%zu}",
                        c->id, client, letters[kind].verdict, letters[kind].is_stale ? "true" : "false",
                        40 + strlen(c->requirement) % 50);
    bool is_exercised = strchr("xXsaAh", letter) == NULL;
    if (letters[kind].listed != NULL) {
        cJSON_DeleteItemFromObject(result, "listed");
        put_text(result, "listed", letters[kind].listed);
        put_text(result, "listed_reason", "the SDK reads the exit code from the wrong member; reported");
        put_text(result, "issue_url", ISSUES "/77");
    }
    add_summary(result, c, letter);
    if (letter == 's')
        put_text(result, "skip_reason", "the client does not declare exec.env");
    if (letter != 's' && letter != 'h') {
        add_step(result, c, letters[kind].has_problem);
        add_checks(result, is_exercised, letter == 'f' && c->told == tell_lost_reply);
        add_adapter(result, letter);
    }
    if (c->told != NULL && letter != 's' && letter != 'h') {
        CHECK(cJSON_AddItemToObject(result, "ledger", tell(c->told)));
    }
    if (c->told == tell_stream)
        add(put_list(result, "faults"),
            "{'lane':'c1','scenario':'net-cut-mid-event','kind':'cut','planned':1,'fired':%d}", letter != 'x');
    char rerun[300];
    snprintf(rerun, sizeof rerun,
             "standbox-conformance --vendor hyperbrowser --run hyperbrowser/%s --client python3 "
             "adapters/python/adapter.py",
             c->id);
    put_text(result, "rerun", rerun);
}

/* ---- documents -------------------------------------------------------------------------------------- */

static const struct {
    const char *key, *name, *language, *version, *more, *letters;
} clients[] = {
    { "standbox-refclient", "standbox refclient", "c", "1.0", ",'reference':true,'level':2", "pppppnppppppppppppp-" },
    { "hyperbrowser-python", "hyperbrowser", "python", "1.14.0", ",'level':2,'issues':'" ISSUES "'",
      "fppsFnpfpppPpnpxppas" },
    { "hyperbrowser-node", "@hyperbrowser/sdk", "javascript", "0.92.6", ",'level':2", "pppppnpppFpFppLppphX" },
    { "mutant:loses-exit-code", "mutant", "c", "1.0", ",'mutant':true,'imitates':'reads a missing exit code as 0'",
      "fppppppppppppppppppp" },
    { "mutant:ignores-stderr", "mutant", "c", "1.0", ",'mutant':true,'imitates':'drops what comes on stderr'",
      "pfpppppppppppppppppp" },
    { "mutant:drops-last-chunk", "mutant", "c", "1.0",
      ",'mutant':true,'imitates':'loses the end of a stream','bug':"
      "['cloudflare/sandbox-sdk#873']",
      "ppppppffffffpppppppp" },
    { "mutant:splits-utf8", "mutant", "c", "1.0", ",'mutant':true,'imitates':'decodes each chunk by itself'",
      "pppppppppppfpppppppp" },
    { "mutant:retries-start", "mutant", "c", "1.0",
      ",'mutant':true,'imitates':'sends a start again','bug':"
      "['modal-labs/modal-client#2881']",
      "pppppppppppppppfnfpp" },
    { "mutant:term-is-kill", "mutant", "c", "1.0", ",'mutant':true,'imitates':'sends KILL for TERM'",
      "ppppppppppppfffppppp" },
    { "mutant:refreshes-twice", "mutant", "c", "1.0", ",'mutant':true,'imitates':'asks for a new token for each 401'",
      "pppppnpppppppppppppp" },
};

static cJSON *begin_doc(const char *vendor)
{
    cJSON *doc = sample_json("{'standbox_results':1,'suite':'0.1.0','started_at':'2026-11-21T13:35:24.435Z',"
                             "'duration_ms':9840,'load_factor':1,'seed':424242,'shard':'1/1','clients':[],'cases':[],"
                             "'results':[]}");
    put_text(doc, "vendor", vendor);
    return doc;
}

struct cJSON *sample_run(void)
{
    cJSON *doc = begin_doc("hyperbrowser");
    for (size_t i = 0; i < COUNT(cases); i++)
        add_case(cJSON_GetObjectItem(doc, "cases"), &cases[i]);
    for (size_t i = 0; i < COUNT(clients); i++) {
        cJSON *client = add(cJSON_GetObjectItem(doc, "clients"),
                            "{'key':'%s','language':'%s','version':'%s','command':"
                            "['python3','adapter.py'],'capabilities':['exec','start','stream']%s}",
                            clients[i].key, clients[i].language, clients[i].version, clients[i].more);
        put_text(client, "name", clients[i].name);
        for (size_t row = 0; row < COUNT(cases); row++)
            add_result(doc, clients[i].key, &cases[row], clients[i].letters[row]);
    }
    return doc;
}

struct cJSON *sample_matrix(size_t client_count, size_t case_count)
{
    static const char *const areas[] = { "exec", "stream", "start", "kill", "stdin", "lifecycle", "time", "transport" };
    static const char pattern[] = "ppppppppppppppppppppFpppppppppspppppppppppppppnpppppppppfppppppppppppsspppppppppp";
    cJSON *doc = begin_doc("hyperbrowser");
    for (size_t row = 0; row < case_count; row++) {
        char id[100];
        struct sample_case c = cases[row % COUNT(cases)];
        snprintf(id, sizeof id, "%s/case-%zu", areas[row * COUNT(areas) / case_count], row);
        c.id = id;
        add_case(cJSON_GetObjectItem(doc, "cases"), &c);
        for (size_t i = 0; i < client_count; i++) {
            char key[40];
            snprintf(key, sizeof key, "client-%zu", i);
            char letter = pattern[(row * 31 + i * 17 + row * i) % (sizeof pattern - 1)];
            c.told = letter == 'p' ? NULL : cases[row % COUNT(cases)].told;
            add_result(doc, key, &c, letter);
        }
    }
    for (size_t i = 0; i < client_count; i++)
        add(cJSON_GetObjectItem(doc, "clients"),
            "{'key':'client-%zu','name':'Client %zu','version':'1.%zu','language':'c'}", i, i, i);
    return doc;
}

struct cJSON *sample_small(void)
{
    cJSON *doc = begin_doc("hyperbrowser");
    add(cJSON_GetObjectItem(doc, "clients"), "{'key':'one'}");
    add(cJSON_GetObjectItem(doc, "cases"),
        "{'id':'hyperbrowser/exec/exit-code','requirement':'It works.','source':['docs'],"
        "'tag':'documented','severity':'MUST'}");
    add(cJSON_GetObjectItem(doc, "results"), "{'case':'hyperbrowser/exec/exit-code','client':'one','verdict':'pass'}");
    return doc;
}

/* ---- hostile texts ------------------------------------------------------------------------------------ */

const char sample_evil[] =
    "</script><img src=x onerror=\"document.title='owned'\"> <!-- ]]> & ' `${alert(1)}` ``` | # TODO \\ "
    "@everyone cloudflare/sandbox-sdk#1 **b** [x](javascript:alert(1))\n- not ok 99 # SKIP\n...\n"
    "\x1b[31mred\x07 \xE2\x80\xAE"
    "desrever \xE2\x80\xA8 \xC0\x80 \xFF $(touch owned) ;rm -rf x";

/* Every text of the tree but ids, words and addresses that have a shape becomes the evil one. */
static void poison(cJSON *node)
{
    static const char *const kept[] = { "id",     "key",  "case",     "client", "verdict",
                                        "listed", "tag",  "severity", "vendor", "suite",
                                        "shard",  "type", "encoding", "fact",   "started_at" };
    for (cJSON *child = node->child; child != NULL; child = child->next) {
        bool is_kept = false;
        for (size_t i = 0; i < COUNT(kept) && child->string != NULL; i++)
            is_kept |= strcmp(child->string, kept[i]) == 0;
        if (cJSON_IsString(child) && !is_kept)
            CHECK(cJSON_SetValuestring(child, sample_evil) != NULL);
        else
            poison(child);
    }
}

/* A path and a body as they could really come, so that the shell has to be careful, too. */
struct cJSON *sample_hostile(void)
{
    cJSON *doc = sample_run();
    poison(doc);
    CHECK(cJSON_AddItemToArray(put_list(doc, "notes"), cJSON_CreateString(sample_evil)));
    /* A key is outside text, too. */
    cJSON *node;
    cJSON_ArrayForEach(node, cJSON_GetObjectItem(doc, "results"))
    {
        if (strcmp(cJSON_GetObjectItem(node, "client")->valuestring, "hyperbrowser-node") == 0)
            CHECK(cJSON_SetValuestring(cJSON_GetObjectItem(node, "client"), sample_evil) != NULL);
    }
    CHECK(cJSON_SetValuestring(cJSON_GetObjectItem(sample_at(doc, "clients/2"), "key"), sample_evil) != NULL);
    return doc;
}
