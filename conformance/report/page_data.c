#include "report/page_data.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/jsonw.h"
#include "report/grid.h"
#include "report/kills.h"
#include "report/report.h"
#include "report/tree.h"

#define DETAILS_BYTES ((size_t) 3 << 20)   /* of all results together; then only what is needed to know what failed */
#define LEDGER_BYTES  ((size_t) 200 << 10) /* of one result's time-line; a flood of output would take all the room */

static const char verdict_letters[RESULT_VERDICTS] = {
    [RESULT_PASS] = 'p',    [RESULT_FAIL] = 'f',          [RESULT_NON_STRICT] = 'n',    [RESULT_NOT_EXERCISED] = 'x',
    [RESULT_SKIPPED] = 's', [RESULT_ADAPTER_ERROR] = 'a', [RESULT_HARNESS_ERROR] = 'h',
};

static const char standing_letters[STANDINGS] = {
    [STANDING_FINE] = '.',
    [STANDING_LISTED] = 'l',
    [STANDING_STALE] = 's',
    [STANDING_UNEXPECTED] = 'u',
};

static const char kill_letters[KILL_MARKS] = {
    [KILL_NOT_RUN] = '-', [KILL_NONE] = '.', [KILL_KILLED] = 'K',
    [KILL_NOTICED] = 'N', [KILL_VOID] = 'V', [KILL_OTHER] = 'O',
};

/* ---- small ones ----------------------------------------------------------------------------- */

/* A comma where one is due. */
static void put_comma(struct buf *out)
{
    char last = out->len == 0 ? '{' : out->data[out->len - 1];
    if (last != '{' && last != '[' && last != ':')
        buf_char(out, ',');
}

static void put_name(struct buf *out, const char *name)
{
    put_comma(out);
    buf_printf(out, "\"%s\":", name);
}

static void put_text(struct buf *out, const char *name, const char *text)
{
    put_name(out, name);
    buf_char(out, '"');
    json_escape(out, text, strlen(text));
    buf_char(out, '"');
}

static void put_members(struct buf *out, const cJSON *object, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++) {
        const cJSON *member = json_get(object, names[i]);
        if (member == NULL)
            continue;
        put_name(out, names[i]);
        tree_write(out, member);
    }
}

/* ---- the matrix ------------------------------------------------------------------------------ */

static void put_items(struct buf *out, const char *name, const cJSON *const *items, size_t count, bool skips_mutants)
{
    put_name(out, name);
    buf_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (skips_mutants && results_is_mutant(items[i]))
            continue;
        put_comma(out);
        tree_write(out, items[i]);
    }
    buf_char(out, ']');
}

typedef void put_cell_fn(struct buf *out, const cJSON *result);

static void put_verdict(struct buf *out, const cJSON *result)
{
    buf_char(out, result == NULL ? '-' : verdict_letters[result_verdict_of(result)]);
}

static void put_standing(struct buf *out, const cJSON *result)
{
    buf_char(out, result == NULL ? '.' : standing_letters[result_standing_of(result)]);
}

static void put_duration(struct buf *out, const cJSON *result)
{
    put_comma(out);
    buf_printf(out, "%.0f", ceil(results_number(result, "duration_ms", 0)));
}

/* One text or list, between `open` and `close`, for each client that is no mutant. */
static void put_lines(struct buf *out, const char *name, const struct grid *grid, char open, char close,
                      put_cell_fn *put)
{
    put_name(out, name);
    buf_char(out, '[');
    for (size_t client = 0; client < grid->client_count; client++) {
        if (results_is_mutant(grid->clients[client]))
            continue;
        put_comma(out);
        buf_char(out, open);
        for (size_t row = 0; row < grid->case_count; row++)
            put(out, grid_get(grid, client, row));
        buf_char(out, close);
    }
    buf_char(out, ']');
}

/* ---- details --------------------------------------------------------------------------------- */

/* What goes first into a page that may become full. */
enum rank { RANK_BROKEN, RANK_KNOWN, RANK_REMARK, RANK_KILL, RANK_PASS, RANK_NONE };

/* How much of a result is told. */
enum telling { TELL_ALL, TELL_NO_LEDGER, TELL_LITTLE };

static const char *const little[] = { "listed",      "listed_reason", "stale", "summary", "message_hash",
                                      "skip_reason", "issue_url",     "rerun", NULL };
static const char *const most[] = { "steps", "wire", "witness", "journal", "faults", "adapter", "notes", NULL };

static enum rank rank_of(const cJSON *client, const cJSON *result)
{
    enum result_verdict verdict = result_verdict_of(result);
    if (results_is_mutant(client))
        return verdict == RESULT_PASS ? RANK_NONE : RANK_KILL;
    switch (result_standing_of(result)) {
    case STANDING_UNEXPECTED:
    case STANDING_STALE: return RANK_BROKEN;
    case STANDING_LISTED: return RANK_KNOWN;
    case STANDING_FINE:
    case STANDINGS: break;
    }
    return verdict == RESULT_PASS ? RANK_PASS : RANK_REMARK;
}

/* The lines as far as they fit: of a longer ledger the beginning and the end.  Were all put? */
static bool put_ledger(struct buf *out, const cJSON *ledger)
{
    BUF_AUTO line = BUF_INIT;
    const cJSON *item = ledger->child;
    size_t start = out->len;
    buf_char(out, '[');
    for (; item != NULL; item = item->next) {
        buf_clear(&line);
        tree_write(&line, item);
        if (out->len - start + line.len > LEDGER_BYTES * 2 / 3)
            break;
        put_comma(out);
        buf_add(out, buf_cstr(&line), line.len);
    }
    bool is_whole = item == NULL;
    if (!is_whole) {
        /* From the last line backwards, while there is room. */
        const cJSON *tail = NULL;
        size_t room = LEDGER_BYTES / 3, used = 0;
        for (const cJSON *last = ledger->child->prev;; last = last->prev) {
            buf_clear(&line);
            tree_write(&line, last);
            used += line.len + 1;
            if (used > room)
                break;
            tail = last;
            if (last == item)
                break;
        }
        for (; tail != NULL; tail = tail->next) {
            put_comma(out);
            tree_write(out, tail);
        }
    }
    buf_char(out, ']');
    return is_whole;
}

static void put_detail(struct buf *out, const cJSON *result, size_t client, size_t row, enum telling telling)
{
    const cJSON *ledger = results_list(result, "ledger");
    const char *cut = telling == TELL_ALL ? NULL : telling == TELL_LITTLE ? "details" : "ledger";
    buf_printf(out, "{\"c\":%zu,\"r\":%zu", client, row);
    put_members(out, result, little);
    if (telling != TELL_LITTLE)
        put_members(out, result, most);
    if (telling == TELL_ALL && ledger != NULL && ledger->child != NULL) {
        put_name(out, "ledger");
        if (!put_ledger(out, ledger))
            cut = "ledger";
    }
    if (cut != NULL)
        put_text(out, "cut", cut);
    buf_char(out, '}');
}

struct chosen {
    struct buf details, kills; /* of clients, of mutants */
    size_t left_out;
};

/* As much of this result as there is room for. */
static void choose(struct chosen *c, const cJSON *result, size_t client, size_t row, enum rank rank)
{
    struct buf *out = rank == RANK_KILL ? &c->kills : &c->details;
    for (enum telling telling = TELL_ALL; telling <= TELL_LITTLE; telling++) {
        BUF_AUTO one = BUF_INIT;
        put_detail(&one, result, client, row, telling);
        bool fits = c->details.len + c->kills.len + one.len <= DETAILS_BYTES;
        /* What failed, and why, is told of all. */
        if (!fits && (telling < TELL_LITTLE || rank >= RANK_KILL))
            continue;
        put_comma(out);
        buf_add(out, buf_cstr(&one), one.len);
        out->failed |= one.failed;
        c->left_out += telling == TELL_LITTLE;
        return;
    }
    c->left_out++;
}

static void choose_rank(struct chosen *c, const struct grid *grid, enum rank rank)
{
    size_t clients = 0, mutants = 0;
    for (size_t client = 0; client < grid->client_count; client++) {
        size_t place = results_is_mutant(grid->clients[client]) ? mutants++ : clients++;
        for (size_t row = 0; row < grid->case_count; row++) {
            const cJSON *result = grid_get(grid, client, row);
            if (result != NULL && rank_of(grid->clients[client], result) == rank)
                choose(c, result, place, row, rank);
        }
    }
}

/* ---- mutants --------------------------------------------------------------------------------- */

static void put_kill_marks(struct buf *out, const struct kills *kills)
{
    put_name(out, "marks");
    buf_char(out, '[');
    for (size_t m = 0; m < kills_mutant_count(kills); m++) {
        put_comma(out);
        buf_char(out, '"');
        for (size_t row = 0; row < kills_case_count(kills); row++)
            buf_char(out, kill_letters[kills_mark(kills, m, row)]);
        buf_char(out, '"');
    }
    buf_char(out, ']');
}

static void put_kill_findings(struct buf *out, const struct kills *kills)
{
    put_name(out, "findings");
    buf_char(out, '[');
    for (size_t i = 0; i < kills_finding_count(kills); i++) {
        const struct kill_finding *finding = kills_finding(kills, i);
        put_comma(out);
        buf_char(out, '{');
        put_text(out, "kind", kill_finding_name(finding->kind));
        put_text(out, "subject", finding->subject);
        put_text(out, "text", finding->text);
        buf_char(out, '}');
    }
    buf_char(out, ']');
}

static void put_kills(struct buf *out, const struct kills *kills, const struct buf *details)
{
    put_name(out, "kills");
    buf_str(out, "{");
    put_name(out, "mutants");
    buf_char(out, '[');
    for (size_t m = 0; m < kills_mutant_count(kills); m++) {
        put_comma(out);
        tree_write(out, kills_mutant(kills, m));
    }
    buf_char(out, ']');
    put_kill_marks(out, kills);
    put_kill_findings(out, kills);
    put_name(out, "details");
    buf_printf(out, "[%s]}", buf_cstr(details));
}

/* ---- all ------------------------------------------------------------------------------------- */

static void put_head(struct buf *out, const cJSON *doc)
{
    static const char *const members[] = { "suite", "vendor", "started_at", "duration_ms", "load_factor",
                                           "seed",  "shard",  "notes",      "parts",       NULL };
    struct report_totals totals;
    BUF_AUTO line = BUF_INIT;
    report_summary(doc, NULL, &totals);
    report_totals_line(&totals, &line);
    put_members(out, doc, members);
    put_name(out, "ending");
    buf_printf(out, "%d", report_exit_code(&totals));
    put_text(out, "totals", buf_cstr(&line));
}

static void put_all(struct buf *out, const cJSON *doc, const struct grid *grid, const struct kills *kills)
{
    struct chosen c = { BUF_INIT, BUF_INIT, 0 };
    buf_char(out, '{');
    put_head(out, doc);
    put_items(out, "clients", grid->clients, grid->client_count, true);
    put_items(out, "cases", grid->cases, grid->case_count, false);
    put_lines(out, "verdicts", grid, '"', '"', put_verdict);
    put_lines(out, "standings", grid, '"', '"', put_standing);
    put_lines(out, "durations", grid, '[', ']', put_duration);
    for (enum rank rank = 0; rank < RANK_NONE; rank++)
        choose_rank(&c, grid, rank);
    put_name(out, "details");
    buf_printf(out, "[%s]", buf_cstr(&c.details));
    put_name(out, "left_out");
    buf_printf(out, "%zu", c.left_out);
    if (kills_mutant_count(kills) > 0)
        put_kills(out, kills, &c.kills);
    buf_char(out, '}');
    out->failed |= c.details.failed || c.kills.failed;
    buf_fini(&c.details);
    buf_fini(&c.kills);
}

int page_data_put(const struct cJSON *results, struct buf *out, struct err *err)
{
    GRID_AUTO grid = GRID_INIT;
    BUF_AUTO json = BUF_INIT;
    struct kills *kills = kills_new(results, err);
    if (kills == NULL || grid_init(&grid, results, err) < 0) {
        kills_free(kills);
        return -1;
    }
    put_all(&json, results, &grid, kills);
    kills_free(kills);
    tree_put_in_page(out, &json);
    out->failed |= json.failed;
    return 0;
}
