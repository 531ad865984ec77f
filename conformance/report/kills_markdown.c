/* The kill matrix for people: findings, mutants with their killers, cases. */
#include <cjson/cJSON.h>
#include <string.h>

#include "report/kills.h"
#include "report/md.h"
#include "report/results.h"

#define KILLERS 3   /* cases named for one mutant */
#define SHOWN   200 /* bytes of one text */

static const char *const finding_heads[KILL_FINDINGS] = {
    [KILL_SURVIVOR] = "Surviving mutants",
    [KILL_IDLE_CASE] = "Cases that kill none, and give no reason",
    [KILL_STALE_REASON] = "Cases with a reason for killing none, that do kill",
    [KILL_NO_REFERENCE] = "Cases that the reference does not pass",
};

static void put_findings(struct buf *out, const struct kills *kills, enum kill_finding_kind kind)
{
    bool has_any = false;
    for (size_t i = 0; i < kills_finding_count(kills); i++) {
        const struct kill_finding *finding = kills_finding(kills, i);
        if (finding->kind != kind)
            continue;
        if (!has_any)
            buf_printf(out, "**%s**\n\n", finding_heads[kind]);
        has_any = true;
        buf_str(out, "- ");
        md_put_code(out, finding->subject, SHOWN);
        buf_printf(out, ": %s\n", finding->text);
    }
    if (has_any)
        buf_char(out, '\n');
}

static void put_killers(struct buf *out, const struct kills *kills, size_t mutant)
{
    size_t total = kills_of_mutant(kills, mutant), named = 0;
    buf_printf(out, "%zu", total);
    for (size_t row = 0; row < kills_case_count(kills) && named < KILLERS; row++) {
        if (kills_mark(kills, mutant, row) != KILL_KILLED)
            continue;
        buf_str(out, named++ == 0 ? ": " : ", ");
        md_put_code(out, results_text(kills_case(kills, row), "id"), SHOWN);
    }
    if (total > named)
        buf_str(out, ", …");
}

static void put_mutant(struct buf *out, const struct kills *kills, size_t mutant)
{
    const cJSON *client = kills_mutant(kills, mutant);
    const cJSON *bugs = results_list(client, "bug");
    buf_str(out, kills_of_mutant(kills, mutant) > 0 ? "| " : "| ❌ ");
    md_put_code(out, results_text(client, "key"), SHOWN);
    buf_str(out, " | ");
    md_put_prose(out, results_text(client, "imitates"), SHOWN);
    if (bugs != NULL && bugs->child != NULL) {
        buf_str(out, " (");
        md_put_codes(out, bugs);
        buf_char(out, ')');
    }
    buf_str(out, " | ");
    put_killers(out, kills, mutant);
    buf_str(out, " |\n");
}

static void put_case(struct buf *out, const struct kills *kills, size_t row)
{
    const cJSON *c = kills_case(kills, row);
    buf_str(out, "| ");
    md_put_code(out, results_text(c, "id"), SHOWN);
    buf_printf(out, " | %zu | ", kills_of_case(kills, row));
    md_put_prose(out, results_text(c, "kills_none"), SHOWN);
    buf_str(out, " |\n");
}

void kills_markdown(const struct kills *kills, struct buf *out)
{
    size_t mutants = kills_mutant_count(kills), killed = 0;
    for (size_t m = 0; m < mutants; m++)
        killed += kills_of_mutant(kills, m) > 0;
    buf_printf(out, "### %s Mutants: %zu of %zu killed\n\n", kills_finding_count(kills) == 0 ? "✅" : "❌", killed,
               mutants);
    for (enum kill_finding_kind kind = 0; kind < KILL_FINDINGS; kind++)
        put_findings(out, kills, kind);
    buf_str(out, "<details><summary>Who kills whom</summary>\n\n| mutant | what it does | killed by |\n"
                 "| --- | --- | --- |\n");
    for (size_t m = 0; m < mutants; m++)
        put_mutant(out, kills, m);
    buf_str(out, "\n| case | kills | why none |\n| --- | --: | --- |\n");
    for (size_t row = 0; row < kills_case_count(kills); row++)
        put_case(out, kills, row);
    buf_str(out, "\n</details>\n");
}
