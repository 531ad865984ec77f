/*
 * JUnit XML.  There is no standard; this keeps to what Jenkins, GitLab, GitHub actions and pytest agree about: one
 * <testsuite> for each client and area, <properties> first in a <testcase>, then at most one <failure>, <error> or
 * <skipped>, then <system-out> and <system-err>.
 *
 * XML 1.0 has no word at all for most control characters, so chars_show makes them visible.
 */
#include <cjson/cJSON.h>
#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "report/chars.h"
#include "report/detail.h"
#include "report/forms.h"
#include "report/grid.h"
#include "report/kills.h"
#include "report/results.h"

struct counts {
    size_t tests, failures, errors, skipped;
    double time_ms;
};

/* ---- XML --------------------------------------------------------------------------------- */

static void put_xml(struct buf *out, const char *text, size_t len)
{
    for (const char *p = text; p < text + len; p++) {
        switch (*p) {
        case '<': buf_str(out, "&lt;"); break;
        case '>': buf_str(out, "&gt;"); break;
        case '&': buf_str(out, "&amp;"); break;
        case '"': buf_str(out, "&quot;"); break;
        default: buf_char(out, *p); break;
        }
    }
}

/* One line, as it goes into an attribute. */
static void put_line(struct buf *out, const char *text)
{
    BUF_AUTO shown = BUF_INIT;
    chars_show(&shown, text, 0);
    put_xml(out, buf_cstr(&shown), shown.len);
    out->failed |= shown.failed;
}

static void put_lines(struct buf *out, const char *text)
{
    BUF_AUTO shown = BUF_INIT;
    chars_show_lines(&shown, text, 0);
    put_xml(out, buf_cstr(&shown), shown.len);
    out->failed |= shown.failed;
}

static void put_property(struct buf *out, const char *name, const char *value)
{
    if (value[0] == '\0')
        return;
    buf_printf(out, "        <property name=\"%s\" value=\"", name);
    put_line(out, value);
    buf_str(out, "\"/>\n");
}

static void put_text_properties(struct buf *out, const char *name, const cJSON *list)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item))
            put_property(out, name, item->valuestring);
    }
}

/* ---- a case ------------------------------------------------------------------------------ */

static void put_properties(struct buf *out, const cJSON *client, const cJSON *row, const cJSON *result)
{
    buf_str(out, "      <properties>\n");
    put_property(out, "client", results_text(client, "key"));
    put_property(out, "verdict", results_text(result, "verdict"));
    put_property(out, "tag", results_text(row, "tag"));
    put_property(out, "severity", results_text(row, "severity"));
    put_text_properties(out, "source", results_list(row, "source"));
    put_text_properties(out, "bug", results_list(row, "bug"));
    put_property(out, "listed", results_text(result, "listed"));
    if (result_verdict_of(result) == RESULT_NON_STRICT) {
        BUF_AUTO summary = BUF_INIT;
        detail_put_summary(result, &summary);
        put_property(out, "non-strict", buf_cstr(&summary));
    }
    buf_str(out, "      </properties>\n");
}

static void put_skipped(struct buf *out, const char *why)
{
    buf_str(out, "      <skipped message=\"");
    put_line(out, why);
    buf_str(out, "\"/>\n");
}

/* "<failure message=... type=...>all about it</failure>" */
static void put_broken(struct buf *out, const char *element, const char *summary, const cJSON *row, const cJSON *result)
{
    BUF_AUTO all = BUF_INIT;
    detail_put_all(result, row, &all);
    buf_printf(out, "      <%s message=\"", element);
    put_line(out, summary);
    buf_printf(out, "\" type=\"%s\">",
               result_standing_of(result) == STANDING_STALE ? "stale" : result_verdict_name(result_verdict_of(result)));
    put_lines(out, buf_cstr(&all));
    buf_printf(out, "</%s>\n", element);
}

static void put_known(struct buf *out, const char *summary, const cJSON *result)
{
    BUF_AUTO why = BUF_INIT;
    buf_printf(&why, "%s: ", results_text(result, "listed"));
    const char *reason = results_text(result, "listed_reason");
    buf_str(&why, reason[0] != '\0' ? reason : "no reason given");
    buf_printf(&why, " (%s: %s)", result_verdict_name(result_verdict_of(result)), summary);
    put_skipped(out, buf_cstr(&why));
}

static void put_outcome(struct buf *out, const cJSON *row, const cJSON *result)
{
    BUF_AUTO summary = BUF_INIT;
    detail_put_summary(result, &summary);
    switch (detail_outcome(result)) {
    case OUTCOME_FAILURE: put_broken(out, "failure", buf_cstr(&summary), row, result); break;
    case OUTCOME_ERROR: put_broken(out, "error", buf_cstr(&summary), row, result); break;
    case OUTCOME_KNOWN: put_known(out, buf_cstr(&summary), result); break;
    case OUTCOME_SKIPPED: put_skipped(out, buf_cstr(&summary)); break;
    case OUTCOME_PASS:
    case OUTCOMES: break;
    }
}

static void put_case(struct buf *out, const cJSON *client, const cJSON *row, const cJSON *result)
{
    const char *id = results_text(row, "id");
    const cJSON *adapter = json_get(result, "adapter");
    BUF_AUTO class = BUF_INIT;
    buf_str(&class, results_text(client, "key"));
    buf_char(&class, '.');
    buf_add(&class, id, results_area_length(id));
    buf_str(out, "    <testcase name=\"");
    put_line(out, id);
    buf_str(out, "\" classname=\"");
    put_line(out, buf_cstr(&class));
    buf_printf(out, "\" time=\"%.3f\">\n", results_number(result, "duration_ms", 0) / 1000);
    put_properties(out, client, row, result);
    put_outcome(out, row, result);
    if (results_text(adapter, "stderr")[0] != '\0') {
        buf_str(out, "      <system-err>");
        put_lines(out, results_text(adapter, "stderr"));
        buf_str(out, "</system-err>\n");
    }
    buf_str(out, "    </testcase>\n");
}

/* ---- suites ------------------------------------------------------------------------------ */

static void count(struct counts *c, const cJSON *result)
{
    enum outcome outcome = detail_outcome(result);
    c->tests++;
    c->failures += outcome == OUTCOME_FAILURE;
    c->errors += outcome == OUTCOME_ERROR;
    c->skipped += outcome == OUTCOME_SKIPPED || outcome == OUTCOME_KNOWN;
    c->time_ms += results_number(result, "duration_ms", 0);
}

static void put_counts(struct buf *out, const struct counts *c)
{
    buf_printf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"%.3f\"", c->tests,
               c->failures, c->errors, c->skipped, c->time_ms / 1000);
}

/* "2026-11-21T13:35:24", where the schema takes nothing longer; nothing when it is not like that. */
static void put_timestamp(struct buf *out, const char *iso)
{
    static const char shape[] = "0000-00-00T00:00:00";
    for (size_t i = 0; shape[i] != '\0'; i++) {
        if (shape[i] == '0' ? !isdigit((unsigned char) iso[i]) : iso[i] != shape[i])
            return;
    }
    buf_printf(out, " timestamp=\"%.19s\"", iso);
}

static void put_suite(struct buf *out, const cJSON *doc, const struct grid *grid, size_t client, size_t area,
                      struct counts *total)
{
    struct counts c = { 0 };
    BUF_AUTO cases = BUF_INIT;
    for (size_t row = 0; row < grid->case_count; row++) {
        const cJSON *result = grid_get(grid, client, row);
        if (grid->area_of[row] != area || result == NULL)
            continue;
        count(&c, result);
        count(total, result);
        put_case(&cases, grid->clients[client], grid->cases[row], result);
    }
    if (c.tests == 0)
        return;
    size_t len;
    const char *name = grid_area(grid, area, &len);
    buf_printf(out, "  <testsuite name=\"%.*s [", (int) len, name);
    put_line(out, results_text(grid->clients[client], "key"));
    buf_str(out, "]\"");
    put_counts(out, &c);
    put_timestamp(out, results_text(doc, "started_at"));
    buf_str(out, ">\n");
    buf_add(out, buf_cstr(&cases), cases.len);
    buf_str(out, "  </testsuite>\n");
    out->failed |= cases.failed;
}

/* ---- mutants ----------------------------------------------------------------------------- */

static void put_kill_case(struct buf *out, const struct kills *kills, const char *subject, struct counts *c)
{
    const struct kill_finding *finding = kills_finding_of(kills, subject);
    buf_str(out, "    <testcase name=\"");
    put_line(out, subject);
    buf_str(out, "\" classname=\"mutants\" time=\"0.000\"");
    c->tests++;
    if (finding == NULL) {
        buf_str(out, "/>\n");
        return;
    }
    c->failures++;
    buf_printf(out, ">\n      <failure message=\"%s: ", kill_finding_name(finding->kind));
    put_line(out, finding->text);
    buf_printf(out, "\" type=\"%s\"/>\n    </testcase>\n", kill_finding_name(finding->kind));
}

/* Each mutant is a test, and so is each case about which something was found. */
static void put_mutants(struct buf *out, const struct kills *kills, struct counts *total)
{
    struct counts c = { 0 };
    BUF_AUTO cases = BUF_INIT;
    if (kills_mutant_count(kills) == 0)
        return;
    for (size_t i = 0; i < kills_mutant_count(kills); i++)
        put_kill_case(&cases, kills, results_text(kills_mutant(kills, i), "key"), &c);
    for (size_t i = 0; i < kills_case_count(kills); i++) {
        const char *id = results_text(kills_case(kills, i), "id");
        if (kills_finding_of(kills, id) != NULL)
            put_kill_case(&cases, kills, id, &c);
    }
    buf_str(out, "  <testsuite name=\"mutants\"");
    put_counts(out, &c);
    buf_str(out, ">\n");
    buf_add(out, buf_cstr(&cases), cases.len);
    buf_str(out, "  </testsuite>\n");
    out->failed |= cases.failed;
    total->tests += c.tests;
    total->failures += c.failures;
}

static void put_all(struct buf *out, const cJSON *doc, const struct grid *grid, const struct kills *kills)
{
    struct counts total = { 0 };
    BUF_AUTO suites = BUF_INIT;
    for (size_t client = 0; client < grid->client_count; client++) {
        for (size_t area = 0; area < grid->area_count && !results_is_mutant(grid->clients[client]); area++)
            put_suite(&suites, doc, grid, client, area, &total);
    }
    put_mutants(&suites, kills, &total);
    buf_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"standbox-conformance ");
    put_line(out, results_text(doc, "vendor"));
    buf_char(out, '"');
    put_counts(out, &total);
    buf_str(out, ">\n");
    buf_add(out, buf_cstr(&suites), suites.len);
    buf_str(out, "</testsuites>\n");
    out->failed |= suites.failed;
}

int junit_render(const struct cJSON *results, struct buf *out, struct err *err)
{
    GRID_AUTO grid = GRID_INIT;
    struct kills *kills = kills_new(results, err);
    if (kills == NULL || grid_init(&grid, results, err) < 0) {
        kills_free(kills);
        return -1;
    }
    put_all(out, results, &grid, kills);
    kills_free(kills);
    return 0;
}
