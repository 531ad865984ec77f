/*
 * Markdown for a job summary or a comment on a change.  A comment of GitHub's holds 65,536 characters, so this is kept
 * below that: what matters most comes first, and what does not fit is counted.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "report/detail.h"
#include "report/forms.h"
#include "report/grid.h"
#include "report/kills.h"
#include "report/md.h"
#include "report/report.h"

#define LIMIT          60000 /* all of it */
#define PROBLEMS_LIMIT 40000 /* what is not in order may take it up to here */
#define LISTS_LIMIT    50000 /* the lists of what is known, and so on, up to here; the rest is for mutants */
#define AREA_CLIENTS   10    /* columns of the table of areas */
#define SHOWN          300   /* bytes of one text */
#define SHOWN_PROBLEMS 8

/* ---- head -------------------------------------------------------------------------------- */

static const struct {
    int code;
    const char *sign, *words;
} endings[] = {
    { 0, "✅", "conformant" },
    { 1, "❌", "not conformant" },
    { 3, "❔", "inconclusive" },
    { 4, "💥", "the suite itself failed" },
    { 77, "➖", "nothing was selected" },
};

static void put_title(struct buf *out, const cJSON *doc, const struct report_totals *totals)
{
    size_t i = 0;
    while (endings[i].code != report_exit_code(totals))
        i++;
    buf_printf(out, "## %s Conformance of clients: ", endings[i].sign);
    md_put_prose(out, results_text(doc, "vendor"), SHOWN);
    buf_printf(out, "\n\n**%s**: ", endings[i].words);
    report_totals_line(totals, out);
    buf_str(out, ".\n\nsuite ");
    md_put_code(out, results_text(doc, "suite"), SHOWN);
    buf_str(out, " · ");
    md_put_code(out, results_text(doc, "started_at"), SHOWN);
    buf_printf(out, " · %.1f s · shard ", totals->duration_ms / 1000);
    md_put_code(out, results_text(doc, "shard"), SHOWN);
    if (results_number(doc, "seed", -1) >= 0)
        buf_printf(out, " · seed `%.0f`", results_number(doc, "seed", 0));
    buf_str(out, "\n\n");
}

static void put_notes(struct buf *out, const cJSON *doc)
{
    const cJSON *note;
    cJSON_ArrayForEach(note, results_list(doc, "notes"))
    {
        buf_str(out, "> ");
        md_put_prose(out, cJSON_IsString(note) ? note->valuestring : results_text(note, "what"), 2 * SHOWN);
        buf_str(out, "\n\n");
    }
}

static void put_client_row(struct buf *out, const cJSON *doc, const cJSON *client)
{
    struct report_totals t;
    report_summary(doc, results_text(client, "key"), &t);
    size_t errors = t.verdicts[RESULT_ADAPTER_ERROR] + t.verdicts[RESULT_HARNESS_ERROR];
    buf_str(out, "| ");
    md_put_code(out, results_text(client, "key"), SHOWN);
    buf_str(out, " | ");
    md_put_code(out, results_text(client, "version"), SHOWN);
    buf_printf(out, " | %zu | %zu | %zu | %zu | %zu | %zu | %zu | %zu |\n", t.verdicts[RESULT_PASS],
               t.verdicts[RESULT_FAIL], t.verdicts[RESULT_NON_STRICT], t.verdicts[RESULT_NOT_EXERCISED], errors,
               t.verdicts[RESULT_SKIPPED], t.standings[STANDING_LISTED], t.standings[STANDING_STALE]);
}

static void put_clients(struct buf *out, const cJSON *doc, const struct grid *grid)
{
    buf_str(out, "| client | version | pass | fail | non-strict | not-exercised | errors | skipped | known | stale |\n"
                 "| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: |\n");
    for (size_t i = 0; i < grid->client_count; i++) {
        if (!results_is_mutant(grid->clients[i]))
            put_client_row(out, doc, grid->clients[i]);
    }
    buf_char(out, '\n');
}

/* ---- what is not in order ------------------------------------------------------------------ */

struct problem_rows {
    struct buf *out;
    size_t count;
};

static void put_problem_row(void *arg, const struct problem *problem)
{
    struct problem_rows *rows = arg;
    if (rows->count++ >= SHOWN_PROBLEMS)
        return;
    if (rows->count == 1)
        buf_str(rows->out, "\n| | at | expected | seen |\n| --- | --- | --- | --- |\n");
    buf_printf(rows->out, "| %s | ", problem->kind);
    md_put_code(rows->out, problem->at, SHOWN);
    buf_str(rows->out, " | ");
    md_put_code(rows->out, problem->expected, SHOWN);
    buf_str(rows->out, " | ");
    md_put_code(rows->out, problem->seen, SHOWN);
    buf_str(rows->out, " |\n");
}

static void put_bullet(struct buf *out, const char *head, const cJSON *list)
{
    if (list == NULL || list->child == NULL)
        return;
    buf_printf(out, "- %s: ", head);
    md_put_codes(out, list);
    buf_char(out, '\n');
}

static void put_result(struct buf *out, const cJSON *row, const cJSON *result)
{
    BUF_AUTO summary = BUF_INIT;
    struct problem_rows rows = { out, 0 };
    bool is_stale = result_standing_of(result) == STANDING_STALE;
    detail_put_summary(result, &summary);
    buf_printf(out, "<details><summary><b>%s</b> ",
               is_stale ? "stale" : result_verdict_name(result_verdict_of(result)));
    md_put_html_code(out, results_text(row, "id"), SHOWN);
    buf_str(out, " ");
    md_put_html_code(out, results_text(result, "client"), SHOWN);
    buf_str(out, "<br>");
    md_put_html_code(out, buf_cstr(&summary), SHOWN);
    buf_str(out, "</summary>\n\n");
    buf_printf(out, "- %s, %s: ", results_text(row, "severity"), results_text(row, "tag"));
    md_put_prose(out, results_text(row, "requirement"), 2 * SHOWN);
    buf_char(out, '\n');
    put_bullet(out, "source", results_list(row, "source"));
    put_bullet(out, "bug", results_list(row, "bug"));
    if (results_text(result, "rerun")[0] != '\0') {
        buf_str(out, "- run it again: ");
        md_put_code(out, results_text(result, "rerun"), 0);
        buf_char(out, '\n');
    }
    detail_visit_problems(result, put_problem_row, &rows);
    if (rows.count > SHOWN_PROBLEMS)
        buf_printf(out, "\nand %zu more\n", rows.count - SHOWN_PROBLEMS);
    buf_str(out, "\n</details>\n\n");
}

typedef bool choose_fn(const cJSON *result);
typedef void put_fn(struct buf *out, const cJSON *row, const cJSON *result);

static bool is_broken(const cJSON *result)
{
    enum result_standing standing = result_standing_of(result);
    return standing == STANDING_UNEXPECTED || standing == STANDING_STALE;
}

static bool is_known(const cJSON *result)
{
    return result_standing_of(result) == STANDING_LISTED;
}

static bool is_non_strict(const cJSON *result)
{
    return result_verdict_of(result) == RESULT_NON_STRICT && result_standing_of(result) == STANDING_FINE;
}

static bool is_skipped(const cJSON *result)
{
    return result_verdict_of(result) == RESULT_SKIPPED && result_standing_of(result) == STANDING_FINE;
}

/* The chosen results, each as `put` writes it, as far as they fit below `limit`.  Returns how many did not. */
static size_t put_chosen(struct buf *out, size_t limit, const struct grid *grid, choose_fn *choose, put_fn *put)
{
    size_t left_out = 0;
    for (size_t client = 0; client < grid->client_count; client++) {
        for (size_t row = 0; row < grid->case_count && !results_is_mutant(grid->clients[client]); row++) {
            const cJSON *result = grid_get(grid, client, row);
            BUF_AUTO piece = BUF_INIT;
            if (result == NULL || !choose(result))
                continue;
            if (left_out == 0)
                put(&piece, grid->cases[row], result);
            if (left_out > 0 || !md_put_fitting(out, limit, &piece))
                left_out++;
        }
    }
    return left_out;
}

static size_t count_chosen(const struct grid *grid, choose_fn *choose)
{
    size_t count = 0;
    for (size_t client = 0; client < grid->client_count; client++) {
        for (size_t row = 0; row < grid->case_count && !results_is_mutant(grid->clients[client]); row++) {
            const cJSON *result = grid_get(grid, client, row);
            count += result != NULL && choose(result);
        }
    }
    return count;
}

static void put_left_out(struct buf *out, size_t left_out)
{
    if (left_out > 0)
        buf_printf(out, "\n…and %zu more, which do not fit here: see the HTML or JSON report.\n", left_out);
}

static void put_broken(struct buf *out, size_t start, const struct grid *grid)
{
    size_t count = count_chosen(grid, is_broken);
    if (count == 0)
        return;
    buf_printf(out, "### Not in order (%zu)\n\n", count);
    put_left_out(out, put_chosen(out, start + PROBLEMS_LIMIT, grid, is_broken, put_result));
    buf_char(out, '\n');
}

/* ---- lists --------------------------------------------------------------------------------- */

static void put_list_row(struct buf *out, const cJSON *row, const cJSON *result)
{
    BUF_AUTO summary = BUF_INIT;
    const char *reason = results_text(result, "listed_reason");
    detail_put_summary(result, &summary);
    buf_str(out, "| ");
    md_put_code(out, results_text(row, "id"), SHOWN);
    buf_str(out, " | ");
    md_put_code(out, results_text(result, "client"), SHOWN);
    buf_printf(out, " | %s | ", result_verdict_name(result_verdict_of(result)));
    md_put_code(out, is_known(result) && reason[0] != '\0' ? reason : buf_cstr(&summary), SHOWN);
    buf_str(out, " |\n");
}

static const struct {
    const char *head;
    choose_fn *choose;
} lists[] = {
    { "Known, in a list", is_known },
    { "Non-strict: a SHOULD is not kept", is_non_strict },
    { "Skipped", is_skipped },
};

static void put_lists(struct buf *out, size_t start, const struct grid *grid)
{
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        size_t count = count_chosen(grid, lists[i].choose);
        if (count == 0)
            continue;
        buf_printf(out,
                   "<details><summary>%s (%zu)</summary>\n\n| case | client | verdict | why |\n"
                   "| --- | --- | --- | --- |\n",
                   lists[i].head, count);
        put_left_out(out, put_chosen(out, start + LISTS_LIMIT, grid, lists[i].choose, put_list_row));
        buf_str(out, "\n</details>\n\n");
    }
}

/* ---- areas --------------------------------------------------------------------------------- */

static void put_area_cell(struct buf *out, const struct grid *grid, size_t area, size_t client)
{
    size_t fine = 0, count = 0, broken = 0;
    for (size_t row = 0; row < grid->case_count; row++) {
        const cJSON *result = grid->area_of[row] == area ? grid_get(grid, client, row) : NULL;
        if (result == NULL || result_verdict_of(result) == RESULT_SKIPPED)
            continue;
        count++;
        fine += result_verdict_of(result) == RESULT_PASS;
        broken += is_broken(result);
    }
    if (count == 0)
        buf_str(out, " – |");
    else
        buf_printf(out, " %zu/%zu%s |", fine, count, broken > 0 ? " ❌" : "");
}

/* Areas x clients: passes of what was run. */
static void put_areas(struct buf *out, const struct grid *grid)
{
    size_t shown[AREA_CLIENTS], count = 0, clients = 0;
    for (size_t i = 0; i < grid->client_count; i++) {
        if (results_is_mutant(grid->clients[i]))
            continue;
        if (clients++ < AREA_CLIENTS)
            shown[count++] = i;
    }
    buf_str(out, "| passed, of those not skipped |");
    for (size_t i = 0; i < count; i++) {
        buf_char(out, ' ');
        md_put_code(out, results_text(grid->clients[shown[i]], "key"), 60);
        buf_str(out, " |");
    }
    buf_str(out, "\n| --- |");
    for (size_t i = 0; i < count; i++)
        buf_str(out, " --: |");
    for (size_t area = 0; area < grid->area_count; area++) {
        size_t len;
        const char *name = grid_area(grid, area, &len);
        buf_printf(out, "\n| `%.*s` |", (int) len, name);
        for (size_t i = 0; i < count; i++)
            put_area_cell(out, grid, area, shown[i]);
    }
    buf_str(out, "\n\n");
    if (clients > count)
        buf_printf(out, "%zu more clients are in the HTML report.\n\n", clients - count);
}

/* ---- all ----------------------------------------------------------------------------------- */

static void put_mutants(struct buf *out, size_t start, const struct kills *kills)
{
    BUF_AUTO piece = BUF_INIT;
    if (kills_mutant_count(kills) == 0)
        return;
    kills_markdown(kills, &piece);
    if (!md_put_fitting(out, start + LIMIT, &piece))
        buf_printf(out,
                   "### Mutants\n\n%zu mutants, %zu findings; the kill matrix does not fit here: see the HTML "
                   "report.\n",
                   kills_mutant_count(kills), kills_finding_count(kills));
}

static void put_all(struct buf *out, const cJSON *doc, const struct grid *grid, const struct kills *kills)
{
    size_t start = out->len;
    struct report_totals totals;
    BUF_AUTO areas = BUF_INIT;
    report_summary(doc, NULL, &totals);
    if (totals.results > 0 || kills_mutant_count(kills) == 0) {
        put_title(out, doc, &totals);
        put_notes(out, doc);
        put_clients(out, doc, grid);
        put_broken(out, start, grid);
        put_areas(&areas, grid);
        md_put_fitting(out, start + LISTS_LIMIT, &areas);
        put_lists(out, start, grid);
    }
    put_mutants(out, start, kills);
}

int markdown_render(const struct cJSON *results, struct buf *out, struct err *err)
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
