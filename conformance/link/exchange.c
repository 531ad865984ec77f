#include "link/exchange.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

#define NS_IN_MS 1000000

/* ---- replies --------------------------------------------------------------------------- */

static const char *const end_words[ADAPTER_ENDS] = {
    [ADAPTER_ANSWERED] = "answered",         [ADAPTER_EXITED] = "exit",
    [ADAPTER_SIGNALLED] = "signal",          [ADAPTER_GARBAGE] = "garbage",
    [ADAPTER_DEADLINE] = "deadline",         [ADAPTER_CLOSED_STDIN] = "closed stdin",
    [ADAPTER_CLOSED_STDOUT] = "closed stdout", [ADAPTER_CANCELLED] = "cancelled",
    [ADAPTER_BROKEN] = "broken",
};

/* Takes the buffer's text. */
static void set_text(char **slot, struct buf *text)
{
    free(*slot);
    *slot = text->data != NULL && !text->failed ? text->data : NULL;
    if (*slot == NULL) {
        buf_fini(text);
        *slot = strdup("");
    }
    CHECK(*slot != NULL);
    *text = (struct buf) BUF_INIT;
}

static void set_line(struct adapter_reply *reply, const char *line, size_t len)
{
    BUF_AUTO shown = BUF_INIT;
    show_bytes(&shown, line, len, ADAPTER_SHOWN_BYTES);
    set_text(&reply->line, &shown);
}

static void set_log(struct exchange *x)
{
    BUF_AUTO log = BUF_INIT;
    tail_text(&x->talk->tail, &log);
    set_text(&x->reply->log, &log);
}

/* The reply's last act: says how it ended, in words, and -1 for the caller to pass on. */
int exchange_finish(struct exchange *x, enum adapter_end end, const char *fmt, ...)
{
    struct adapter_reply *reply = x->reply;
    BUF_AUTO text = BUF_INIT;
    char words[ERR_TEXT_BYTES * 2];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(words, sizeof words, fmt, ap);
    va_end(ap);
    buf_str(&text, words);
    set_text(&reply->text, &text);
    reply->end = end;
    if (end != ADAPTER_EXITED && end != ADAPTER_SIGNALLED)
        snprintf(reply->ended, sizeof reply->ended, "%s", end_words[end]);
    set_log(x);
    reply->took_ms = (mono_ns() - x->begin_ns) / NS_IN_MS;
    return -1;
}

int exchange_garbage(struct exchange *x, const char *line, size_t len, const char *what)
{
    set_line(x->reply, line, len);
    x->reply->before_run = x->is_stale;
    return exchange_finish(x, ADAPTER_GARBAGE, "%s%s", x->is_stale ? "before this run was sent: " : "", what);
}

/* How its process ended, and whether in the middle of a line; `when` says in the middle of what else. */
int exchange_ended(struct exchange *x, const char *when)
{
    const char *rest;
    size_t len;
    int status = x->talk->child.wait_status;
    bool exited = WIFEXITED(status);
    talk_rest(x->talk, &rest, &len);
    child_end_text(status, x->reply->ended);
    x->reply->code = exited ? WEXITSTATUS(status) : WTERMSIG(status);
    if (len > 0)
        set_line(x->reply, rest, len);
    return exchange_finish(x, exited ? ADAPTER_EXITED : ADAPTER_SIGNALLED, "%s %s%s", x->reply->ended, when,
                           len > 0 ? ", in the middle of a line" : "");
}

static int out_of_time(struct exchange *x)
{
    long long ms = (x->until_ns - x->begin_ns) / NS_IN_MS;
    if (x->reply->answer != ADAPTER_NO_ANSWER)
        return exchange_finish(x, ADAPTER_DEADLINE, "it answered, but had not ended within %lld ms", ms);
    if (x->run == NULL)
        return exchange_finish(x, ADAPTER_DEADLINE, "no hello within %lld ms", ms);
    if (!talk_all_said(x->talk))
        return exchange_finish(x, ADAPTER_DEADLINE, "no answer within %lld ms: it does not read its stdin", ms);
    if (x->reply->at != NULL)
        return exchange_finish(x, ADAPTER_DEADLINE, "no answer within %lld ms: step \"%.100s\" had begun", ms,
                               x->reply->at);
    return exchange_finish(x, ADAPTER_DEADLINE, "no answer within %lld ms: it named no step", ms);
}

/* Everything that is no line. */
int exchange_broke(struct exchange *x, enum talk_event event)
{
    const char *when = x->reply->answer != ADAPTER_NO_ANSWER ? "behind its answer"
                       : x->run == NULL                      ? "without a hello"
                                                             : "without an answer";
    const char *rest;
    size_t len;
    talk_rest(x->talk, &rest, &len);
    switch (event) {
    case TALK_TOO_LONG: return exchange_garbage(x, rest, len, "a line of more than 64 MiB");
    case TALK_ENDED: return exchange_ended(x, when);
    case TALK_LOST: return exchange_finish(x, ADAPTER_BROKEN, "its warden was killed");
    case TALK_NO_STDIN:
        return exchange_finish(x, ADAPTER_CLOSED_STDIN, "it closed its stdin before it had read the whole line");
    case TALK_NO_STDOUT:
        return exchange_finish(x, ADAPTER_CLOSED_STDOUT, "it closed its stdout %s, and lives on", when);
    case TALK_CANCELLED: return exchange_finish(x, ADAPTER_CANCELLED, "cancelled");
    case TALK_TIMEOUT: return out_of_time(x);
    case TALK_LINE:
    case TALK_NO_MEMORY: break;
    }
    return exchange_finish(x, ADAPTER_BROKEN, "no memory for its line");
}

/* ---- one line of its ------------------------------------------------------------------- */

static int wrong_seq(struct exchange *x, const char *line, size_t len, int64_t seq)
{
    char what[120];
    snprintf(what, sizeof what, "/seq: %lld is not the run under way, which is %lld", (long long) seq,
             (long long) x->seq);
    return exchange_garbage(x, line, len, what);
}

static bool has_step(const struct cJSON *run, const char *name)
{
    const struct cJSON *step;
    cJSON_ArrayForEach(step, json_get(run, "steps"))
    {
        const struct cJSON *own = json_get(step, "step");
        if (cJSON_IsString(own) && strcmp(own->valuestring, name) == 0)
            return true;
    }
    return false;
}

static int hear_at(struct exchange *x, const struct cJSON *json, const char *line, size_t len)
{
    const char *step = json_get(json, "step")->valuestring;
    if (!has_step(x->run, step))
        return exchange_garbage(x, line, len, "/step: the run has no step of this name");
    free(x->reply->at);
    x->reply->at = strdup(step);
    return 0;
}

/* Takes `json`. */
static int hear_answer(struct exchange *x, enum protocol_type type, struct cJSON *json, const char *line, size_t len)
{
    static const enum adapter_answer answers[PROTOCOL_TYPES] = {
        [PROTOCOL_HELLO] = ADAPTER_RESULT, /* the answer to ours */
        [PROTOCOL_RESULT] = ADAPTER_RESULT,
        [PROTOCOL_SKIPPED] = ADAPTER_SKIPPED,
        [PROTOCOL_ERRORED] = ADAPTER_ERRORED,
    };
    x->reply->json = json;
    x->reply->answer = answers[type];
    set_line(x->reply, line, len);
    return 1;
}

static int judge(struct exchange *x, enum protocol_type type, const struct cJSON *json, const char *line, size_t len)
{
    if (x->run == NULL)
        return type == PROTOCOL_HELLO ? 1 : exchange_garbage(x, line, len, "/type: the first line must be a hello");
    if (x->is_stale)
        return exchange_garbage(x, line, len, "a line had begun that nobody asked for");
    if (type == PROTOCOL_HELLO)
        return exchange_garbage(x, line, len, "/type: a hello that nobody asked for");
    if (protocol_seq(json) != x->seq)
        return wrong_seq(x, line, len, protocol_seq(json));
    if (type == PROTOCOL_AT)
        return hear_at(x, json, line, len);
    if (!talk_all_said(x->talk) && !x->talk->needs_not_read)
        return exchange_garbage(x, line, len, "an answer before the whole run was read");
    return 1;
}

/* 1: the answer; 0: go on; -1: it broke the protocol. */
static int hear_line(struct exchange *x, const char *line, size_t len)
{
    enum protocol_type type;
    struct err err = ERR_INIT;
    if (x->reply->answer != ADAPTER_NO_ANSWER)
        return exchange_garbage(x, line, len, "a line behind the answer");
    struct cJSON *json = protocol_read(line, len, &type, &err);
    if (json == NULL)
        return exchange_garbage(x, line, len, err.text);
    int got = judge(x, type, json, line, len);
    x->is_stale = false;
    if (got > 0)
        return hear_answer(x, type, json, line, len);
    json_free(json);
    return got;
}

int exchange_converse(struct exchange *x, bool to_the_end)
{
    for (;;) {
        const char *line = "";
        size_t len = 0;
        enum talk_event event = talk_next(x->talk, x->until_ns, &line, &len);
        if (event == TALK_ENDED && x->reply->answer != ADAPTER_NO_ANSWER && x->talk->child.wait_status == 0) {
            talk_rest(x->talk, &line, &len);
            return len == 0 ? 1 : exchange_ended(x, "behind its answer");
        }
        if (event == TALK_NO_STDOUT && x->reply->answer != ADAPTER_NO_ANSWER) {
            x->talk->out_closed_ns = 0; /* that is how it begins to end */
            continue;
        }
        if (event != TALK_LINE)
            return exchange_broke(x, event);
        int got = hear_line(x, line, len);
        if (got < 0 || (got > 0 && !to_the_end))
            return got;
    }
}

/* Lines that came together with the answer are known now; those that come later are the next run's to notice. */
int exchange_look_behind(struct exchange *x)
{
    const char *line;
    size_t len;
    talk_glance(x->talk);
    switch (lines_next(&x->talk->lines, &line, &len)) {
    case LINES_NONE: return 0;
    case LINES_ONE: return exchange_garbage(x, line, len, "a line behind the answer");
    case LINES_TOO_LONG: return exchange_broke(x, TALK_TOO_LONG);
    case LINES_NO_MEMORY: break;
    }
    return exchange_broke(x, TALK_NO_MEMORY);
}

void exchange_begin(struct exchange *x, int64_t budget_ms)
{
    *x->reply = (struct adapter_reply){ .end = ADAPTER_BROKEN };
    x->begin_ns = mono_ns();
    x->until_ns = x->begin_ns + budget_ms * NS_IN_MS;
}

