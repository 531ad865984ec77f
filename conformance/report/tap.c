/*
 * TAP 13, each point with a block of YAML behind it where there is more to say.
 *
 * Descriptions and reasons are one line each, with "\" and "#" escaped.  All YAML values are double-quoted, with
 * escapes that YAML and the small reader of Perl's TAP::Parser agree about.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "base/json.h"
#include "report/chars.h"
#include "report/detail.h"
#include "report/forms.h"
#include "report/grid.h"
#include "report/kills.h"
#include "report/results.h"

/* ---- TAP's and YAML's own quoting ---------------------------------------------------------- */

/* One line of text in which no "#" begins a directive. */
static void put_words(struct buf *out, const char *text)
{
    BUF_AUTO shown = BUF_INIT;
    chars_show(&shown, text, 0);
    for (const char *p = buf_cstr(&shown); *p != '\0'; p++) {
        if (*p == '#' || *p == '\\')
            buf_char(out, '\\');
        buf_char(out, *p);
    }
    out->failed |= shown.failed;
}

static void put_yaml_char(struct buf *out, uint32_t point)
{
    if (point == '"' || point == '\\')
        buf_printf(out, "\\%c", (char) point);
    else if (point == '\n')
        buf_str(out, "\\n");
    else if (point == '\t')
        buf_str(out, "\\t");
    else if (!chars_is_hidden(point))
        chars_put(out, point);
    else if (point < 0x100)
        buf_printf(out, "\\x%02x", (unsigned) point);
    else
        buf_printf(out, point < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned) point);
}

static void put_yaml(struct buf *out, const char *text)
{
    buf_char(out, '"');
    while (*text != '\0')
        put_yaml_char(out, chars_next(&text));
    buf_char(out, '"');
}

static void put_yaml_member(struct buf *out, const char *indent, const char *name, const char *text)
{
    if (text[0] == '\0')
        return;
    buf_printf(out, "%s%s: ", indent, name);
    put_yaml(out, text);
    buf_char(out, '\n');
}

/* On one line: Perl's reader takes an item of a YAML list that begins like "docs: x" for a mapping. */
static void put_yaml_texts(struct buf *out, const char *name, const cJSON *list)
{
    BUF_AUTO all = BUF_INIT;
    detail_put_texts(list, &all);
    put_yaml_member(out, "  ", name, buf_cstr(&all));
    out->failed |= all.failed;
}

/* ---- points -------------------------------------------------------------------------------- */

struct problems {
    struct buf *out;
    bool has_any;
};

static void put_problem(void *arg, const struct problem *problem)
{
    struct problems *p = arg;
    if (!p->has_any)
        buf_str(p->out, "  problems:\n");
    p->has_any = true;
    buf_printf(p->out, "    - kind: \"%s\"\n", problem->kind);
    put_yaml_member(p->out, "      ", "at", problem->at);
    put_yaml_member(p->out, "      ", "expected", problem->expected);
    put_yaml_member(p->out, "      ", "seen", problem->seen);
}

static void put_diagnostics(struct buf *out, const cJSON *row, const cJSON *result, const char *summary)
{
    struct problems problems = { out, false };
    buf_str(out, "  ---\n");
    put_yaml_member(out, "  ", "message", summary);
    put_yaml_member(out, "  ", "verdict", results_text(result, "verdict"));
    put_yaml_member(out, "  ", "severity", results_text(row, "severity"));
    put_yaml_member(out, "  ", "tag", results_text(row, "tag"));
    put_yaml_member(out, "  ", "requirement", results_text(row, "requirement"));
    put_yaml_texts(out, "source", results_list(row, "source"));
    put_yaml_texts(out, "bug", results_list(row, "bug"));
    put_yaml_member(out, "  ", "listed", results_text(result, "listed"));
    put_yaml_member(out, "  ", "listed_reason", results_text(result, "listed_reason"));
    detail_visit_problems(result, put_problem, &problems);
    put_yaml_member(out, "  ", "stderr", results_text(json_get(result, "adapter"), "stderr"));
    put_yaml_member(out, "  ", "rerun", results_text(result, "rerun"));
    buf_str(out, "  ...\n");
}

static void put_directive(struct buf *out, const cJSON *result, enum outcome outcome, const char *summary)
{
    const char *reason = results_text(result, "listed_reason");
    if (outcome == OUTCOME_SKIPPED) {
        buf_str(out, " # SKIP ");
        put_words(out, summary);
    } else if (outcome == OUTCOME_KNOWN) {
        buf_printf(out, " # TODO %s: ", results_text(result, "listed"));
        put_words(out, reason[0] != '\0' ? reason : summary);
    }
}

static void put_point(struct buf *out, size_t number, const cJSON *client, const cJSON *row, const cJSON *result)
{
    enum outcome outcome = detail_outcome(result);
    bool is_ok = outcome == OUTCOME_PASS || outcome == OUTCOME_SKIPPED;
    BUF_AUTO summary = BUF_INIT;
    detail_put_summary(result, &summary);
    buf_printf(out, "%s %zu - ", is_ok ? "ok" : "not ok", number);
    put_words(out, results_text(row, "id"));
    buf_str(out, " [");
    put_words(out, results_text(client, "key"));
    buf_char(out, ']');
    put_directive(out, result, outcome, buf_cstr(&summary));
    buf_char(out, '\n');
    if (!is_ok || result_verdict_of(result) == RESULT_NON_STRICT)
        put_diagnostics(out, row, result, buf_cstr(&summary));
}

/* ---- mutants ------------------------------------------------------------------------------- */

static void put_kill_point(struct buf *out, size_t number, const char *subject, const struct kill_finding *finding)
{
    buf_printf(out, "%s %zu - ", finding == NULL ? "ok" : "not ok", number);
    put_words(out, subject);
    buf_char(out, '\n');
    if (finding == NULL)
        return;
    buf_str(out, "  ---\n");
    put_yaml_member(out, "  ", "message", finding->text);
    put_yaml_member(out, "  ", "finding", kill_finding_name(finding->kind));
    buf_str(out, "  ...\n");
}

static size_t put_mutants(struct buf *out, size_t number, const struct kills *kills)
{
    if (kills_mutant_count(kills) > 0)
        buf_str(out, "# mutants\n");
    for (size_t i = 0; i < kills_mutant_count(kills); i++) {
        const char *key = results_text(kills_mutant(kills, i), "key");
        put_kill_point(out, ++number, key, kills_finding_of(kills, key));
    }
    for (size_t i = 0; i < kills_case_count(kills); i++) {
        const char *id = results_text(kills_case(kills, i), "id");
        const struct kill_finding *finding = kills_finding_of(kills, id);
        if (finding != NULL)
            put_kill_point(out, ++number, id, finding);
    }
    return number;
}

static size_t put_client(struct buf *out, size_t number, const struct grid *grid, size_t client)
{
    buf_str(out, "# ");
    put_words(out, results_text(grid->clients[client], "key"));
    buf_char(out, '\n');
    for (size_t row = 0; row < grid->case_count; row++) {
        const cJSON *result = grid_get(grid, client, row);
        if (result != NULL)
            put_point(out, ++number, grid->clients[client], grid->cases[row], result);
    }
    return number;
}

static void put_all(struct buf *out, const struct grid *grid, const struct kills *kills)
{
    size_t number = 0;
    BUF_AUTO points = BUF_INIT;
    for (size_t client = 0; client < grid->client_count; client++) {
        if (!results_is_mutant(grid->clients[client]))
            number = put_client(&points, number, grid, client);
    }
    number = put_mutants(&points, number, kills);
    buf_printf(out, "TAP version 13\n1..%zu%s\n", number, number == 0 ? " # SKIP nothing was selected" : "");
    buf_add(out, buf_cstr(&points), points.len);
    out->failed |= points.failed;
}

int tap_render(const struct cJSON *results, struct buf *out, struct err *err)
{
    GRID_AUTO grid = GRID_INIT;
    struct kills *kills = kills_new(results, err);
    if (kills == NULL || grid_init(&grid, results, err) < 0) {
        kills_free(kills);
        return -1;
    }
    put_all(out, &grid, kills);
    kills_free(kills);
    return 0;
}
