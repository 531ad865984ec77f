/* Conditions one by one, and the request that came nearest to a rule. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/jsonc.h"
#include "scenario/match_priv.h"

/* Cheap ones first, expressions late; a near miss names the first that failed. */
static const enum when_key order[] = { WHEN_OP,  WHEN_DIALECT, WHEN_LANE,    WHEN_SANDBOX,
                                       WHEN_CWD, WHEN_ARGV0,   WHEN_COMMAND, WHEN_ENV };

static const char *text_of(const struct match_subject *subject, enum when_key key)
{
    switch (key) {
    case WHEN_COMMAND: return subject->command;
    case WHEN_ARGV0: return subject->argv0;
    case WHEN_CWD: return subject->cwd;
    case WHEN_SANDBOX: return subject->sandbox;
    case WHEN_LANE: return subject->lane;
    case WHEN_OP:
    case WHEN_DIALECT:
    case WHEN_ENV:
    case WHEN_NTH:
    case WHEN_KEYS: break;
    }
    return NULL;
}

/* Of repeats the last, which is the one a process sees. */
const char *near_env_value(const struct match_subject *subject, const char *name)
{
    size_t len = strlen(name);
    const char *value = NULL;
    for (size_t i = 0; subject->env != NULL && subject->env[i] != NULL; i++) {
        if (strncmp(subject->env[i], name, len) == 0 && subject->env[i][len] == '=')
            value = subject->env[i] + len + 1;
    }
    return value;
}

static bool any_holds(const struct patterns *patterns, const char *subject)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (pattern_holds(&patterns->list[i], subject))
            return true;
    }
    return false;
}

static bool env_holds(const struct when *when, const struct match_subject *subject, size_t *out_failed)
{
    for (size_t i = 0; i < when->env_count; i++) {
        if (!any_holds(&when->env[i].values, near_env_value(subject, when->env[i].name))) {
            *out_failed = i;
            return false;
        }
    }
    return true;
}

static bool key_holds(const struct when *when, const struct match_subject *subject, enum when_key key, size_t *env)
{
    if (key == WHEN_OP)
        return (when->ops & OP_BIT(subject->op)) != 0;
    if (key == WHEN_DIALECT)
        return (when->dialects & DIALECT_BIT(subject->dialect)) != 0;
    if (key == WHEN_ENV)
        return env_holds(when, subject, env);
    return any_holds(&when->text[key], text_of(subject, key));
}

/* Must the process have had this fact by now?  Faults in mid-answer wait for theirs. */
static bool fact_holds(const struct fault_rule *fault, const struct match_subject *subject)
{
    if (fault == NULL || fault->at.place != AT_FACT || !fault_info_of(fault->fault.kind)->is_immediate)
        return true;
    return (subject->facts & SEEN_BIT(fault->at.fact)) != 0;
}

struct verdict near_judge(const struct rule_view *rule, const struct match_subject *subject, bool in_full)
{
    const struct when *when = rule->when;
    struct verdict v = { .holds = true };
    for (size_t i = 0; i < sizeof order / sizeof order[0] && (v.holds || in_full); i++) {
        enum when_key key = order[i];
        bool listed = (when->has >> key & 1) != 0;
        /* Op and dialect also hold what the fault itself implies. */
        if (!listed && key != WHEN_OP && key != WHEN_DIALECT)
            continue;
        bool holds = key_holds(when, subject, key, &v.env);
        v.score += holds && listed;
        if (!holds && v.holds) {
            v.holds = false;
            v.reason = key;
        }
    }
    if (v.holds && !fact_holds(rule->fault, subject)) {
        v.holds = false;
        v.reason = NEAR_FACT;
    }
    return v;
}

/* ---- what is shown -------------------------------------------------------------------- */

/* A few of the words whose bits are set. */
static void show_bits(struct buf *out, const struct words *words, uint64_t bits)
{
    size_t shown = 0;
    for (size_t i = 0; i < words->count; i++) {
        if ((bits >> words->list[i].value & 1) == 0)
            continue;
        buf_printf(out, "%s%s", shown == 0 ? "" : " or ", shown < 5 ? words->list[i].name : "...");
        if (++shown > 5)
            return;
    }
}

/* `hides`: literal texts are secrets.  Globs and expressions say of them only what the scenario does. */
static void show_patterns(struct buf *out, const struct patterns *patterns, bool hides)
{
    for (size_t i = 0; i < patterns->count && i < 4; i++) {
        const struct pattern *p = &patterns->list[i];
        buf_str(out, i == 0 ? "" : " or ");
        if (p->kind == PATTERN_ABSENT)
            buf_str(out, "not set");
        else if (p->kind == PATTERN_ERE)
            buf_str(out, "regex ");
        if (hides && p->kind == PATTERN_EXACT && p->text[0] != '\0')
            buf_str(out, REDACTED);
        else if (p->text != NULL)
            jsonc_quote(out, p->text, strlen(p->text), 60);
    }
    if (patterns->count > 4)
        buf_str(out, " or ...");
}

static void show_text(struct buf *out, const char *text, const char *none)
{
    if (text == NULL)
        buf_str(out, none);
    else
        jsonc_quote(out, text, strlen(text), 80);
}

static void show_env(const struct when_env *env, const char *value, struct buf *seen, struct buf *expected)
{
    size_t len = strlen(env->name);
    bool hides = secret_is_name(env->name, len);
    jsonc_quote(seen, env->name, len, 40);
    buf_char(seen, ' ');
    /* That one is empty is no secret. */
    if (hides && value != NULL && value[0] != '\0')
        buf_str(seen, REDACTED);
    else
        show_text(seen, value, "not set");
    show_patterns(expected, &env->values, hides);
}

static void show_nth(struct buf *out, const struct when *when)
{
    for (size_t i = 0; i < when->nth_count && i < 5; i++) {
        buf_printf(out, "%s%llu", i == 0 ? "" : ", ", (unsigned long long) when->nth[i].from);
        if (when->nth[i].to == UINT64_MAX)
            buf_str(out, " and later");
        else if (when->nth[i].to != when->nth[i].from)
            buf_printf(out, " to %llu", (unsigned long long) when->nth[i].to);
    }
    if (when->nth_count > 5)
        buf_str(out, ", ...");
}

static void show_key(const struct rule_view *rule, const struct match_subject *subject, const struct verdict *v,
                     struct buf *seen, struct buf *expected)
{
    const struct when *when = rule->when;
    enum when_key key = (enum when_key) v->reason;
    if (key == WHEN_OP) {
        buf_str(seen, vocab_name(&vocab_ops, (int) subject->op));
        show_bits(expected, &vocab_ops, when->ops);
    } else if (key == WHEN_DIALECT) {
        buf_str(seen, vocab_name(&vocab_dialects, (int) subject->dialect));
        show_bits(expected, &vocab_dialects, when->dialects);
    } else if (key == WHEN_NTH) {
        buf_printf(seen, "%llu", (unsigned long long) rule->state->nth);
        show_nth(expected, when);
    } else if (key == WHEN_ENV) {
        const struct when_env *env = &when->env[v->env];
        show_env(env, near_env_value(subject, env->name), seen, expected);
    } else {
        show_text(seen, text_of(subject, key), "nothing");
        show_patterns(expected, &when->text[key], false);
    }
}

static const char *const reason_names[NEAR_REASONS] = {
    [NEAR_FACT] = "after_fact",
    [NEAR_PROBABILITY] = "probability",
    [NEAR_TIMES] = "times",
    [NEAR_EARLIER_RULE] = "first match",
};

static void show_reason(const struct rule_view *rule, const struct match_subject *subject, const struct verdict *v,
                        size_t earlier_line, struct buf *seen, struct buf *expected)
{
    if (v->reason < WHEN_KEYS) {
        show_key(rule, subject, v, seen, expected);
    } else if (v->reason == NEAR_FACT) {
        buf_str(seen, "not yet");
        buf_str(expected, vocab_name(&vocab_facts, (int) rule->fault->at.fact));
    } else if (v->reason == NEAR_PROBABILITY) {
        buf_str(seen, "the dice said no");
        buf_printf(expected, "%g", rule->fault->at.probability);
    } else if (v->reason == NEAR_TIMES) {
        buf_str(seen, "all times are taken by requests that still run");
        buf_printf(expected, "%llu", (unsigned long long) rule->fault->times);
    } else {
        buf_printf(seen, "the rule in line %zu took the request", earlier_line);
        buf_str(expected, "no rule before this one to match");
    }
}

static void keep(char *to, size_t room, const struct buf *text)
{
    snprintf(to, room, "%s", buf_cstr(text));
    if (text->len >= room)
        memcpy(to + room - 4, "...", 4);
}

void near_note(const struct rule_view *rule, const struct match_subject *subject, const struct verdict *verdict,
               size_t earlier_line)
{
    struct rule_state *state = rule->state;
    /* One more than the score, so that the first request counts, however far off. */
    unsigned score = verdict->score + 1 + (verdict->reason >= WHEN_NTH);
    if (state->near != NULL && state->near->score >= score)
        return;
    if (state->near == NULL)
        state->near = calloc(1, sizeof *state->near);
    if (state->near == NULL)
        return; /* a report less; the matching itself is right */
    BUF_AUTO seen = BUF_INIT, expected = BUF_INIT, who = BUF_INIT;
    show_reason(rule, subject, verdict, earlier_line, &seen, &expected);
    buf_printf(&who, "%s of %s", vocab_name(&vocab_ops, (int) subject->op),
               vocab_name(&vocab_dialects, (int) subject->dialect));
    if (subject->command != NULL) {
        buf_char(&who, ' ');
        jsonc_quote(&who, subject->command, strlen(subject->command), 80);
    }
    state->near->score = score;
    state->near->shown.any = true;
    const char *key =
        verdict->reason < WHEN_KEYS ? when_key_name((enum when_key) verdict->reason) : reason_names[verdict->reason];
    snprintf(state->near->shown.key, sizeof state->near->shown.key, "%s", key);
    keep(state->near->shown.seen, sizeof state->near->shown.seen, &seen);
    keep(state->near->shown.expected, sizeof state->near->shown.expected, &expected);
    keep(state->near->shown.subject, sizeof state->near->shown.subject, &who);
}
