#include "commands/pairs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "cli/lines.h"
#include "report/kills.h"
#include "report/results.h"

#define MUTANT_KEY "mutant:"
#define USED_COST_MS 100   /* rather a mutant that is this much slower than one that has a case more */

/* ---- reading ----------------------------------------------------------------------------- */

struct reading {
    struct clients *clients;
    const struct stage *stage;
};

static int add_pair(struct clients *clients, size_t client, size_t row, struct err *err)
{
    struct run_pair *grown = realloc(clients->pairs, (clients->pair_count + 1) * sizeof *grown);
    if (grown == NULL)
        return err_set(err, ERR_NOMEM, 0, "pairs");
    clients->pairs = grown;
    grown[clients->pair_count++] = (struct run_pair) { client, row };
    return 0;
}

static bool is_mutant(const struct run_client *client)
{
    return strncmp(client->key, MUTANT_KEY, strlen(MUTANT_KEY)) == 0;
}

/* Numbers, or the count when there is none. */
static size_t find_client(const struct clients *clients, const char *name)
{
    size_t i = 0;
    while (i < clients->count &&
           (!is_mutant(&clients->list[i]) || strcmp(clients->list[i].key + strlen(MUTANT_KEY), name) != 0))
        i++;
    return i;
}

static size_t find_chosen(const struct selection *chosen, const struct case_def *def)
{
    size_t i = 0;
    while (i < chosen->count && chosen->cases[i] != def)
        i++;
    return i;
}

static int take_line(void *arg, char *line, const char *place, struct err *err)
{
    struct reading *r = arg;
    char *id = line + strcspn(line, " \t");
    if (*id != '\0')
        *id++ = '\0';
    id += strspn(id, " \t");
    size_t client = find_client(r->clients, line);
    const struct case_def *def = case_list_find(r->stage->list, id);
    if (client == r->clients->count)
        return err_set(err, ERR_INVALID, 0, "%s: there is no mutant \"%.100s\"", place, line);
    if (def == NULL)
        return err_set(err, ERR_INVALID, 0, "%s: there is no case \"%.100s\"", place, id);
    size_t row = find_chosen(&r->stage->chosen, def);
    return row == r->stage->chosen.count ? 0 : add_pair(r->clients, client, row, err);
}

static int by_client(const void *a, const void *b)
{
    const struct run_pair *one = a, *two = b;
    if (one->client != two->client)
        return one->client < two->client ? -1 : 1;
    return (one->row > two->row) - (one->row < two->row);
}

int pairs_read(struct clients *clients, const struct stage *stage, const char *path, struct err *err)
{
    for (size_t i = 0; i < clients->count; i++) {
        for (size_t row = 0; !is_mutant(&clients->list[i]) && row < stage->chosen.count; row++) {
            if (add_pair(clients, i, row, err) != 0)
                return -1;
        }
    }
    struct reading reading = { clients, stage };
    if (lines_read(path, take_line, &reading, err) != 0)
        return -1;
    qsort(clients->pairs, clients->pair_count, sizeof *clients->pairs, by_client);
    return 0;
}

/* ---- writing ----------------------------------------------------------------------------- */

static bool proves(const struct kills *kills, size_t mutant, size_t row)
{
    enum kill_mark mark = kills_mark(kills, mutant, row);
    return mark == KILL_KILLED || mark == KILL_NOTICED;
}

static void write_pair(const struct kills *kills, size_t mutant, size_t row, FILE *out)
{
    fprintf(out, "%s %s\n", results_text(kills_mutant(kills, mutant), "key") + strlen(MUTANT_KEY),
            results_text(kills_case(kills, row), "id"));
}

/* How long each mutant took over each case; a mutant that hangs proves its case, but slowly. */
static double *read_durations(const cJSON *document, const struct kills *kills)
{
    size_t mutants = kills_mutant_count(kills), rows = kills_case_count(kills), m = 0, row = 0;
    double *durations = calloc(mutants * rows + 1, sizeof *durations);
    const cJSON *result;
    cJSON_ArrayForEach(result, results_list(document, "results")) {
        const char *key = results_text(result, "client"), *id = results_text(result, "case");
        size_t tried = 0;
        while (tried < mutants && strcmp(results_text(kills_mutant(kills, m), "key"), key) != 0)
            m = (m + 1) % mutants, tried++;
        if (tried == mutants || durations == NULL)
            continue;
        for (tried = 0; tried < rows && strcmp(results_text(kills_case(kills, row), "id"), id) != 0; tried++)
            row = (row + 1) % rows;
        if (tried < rows)
            durations[m * rows + row] = results_number(result, "duration_ms", 0);
    }
    return durations;
}

/* For each case a mutant that it notices: a quick one, and one that has few cases so far, so that most mutants are done
   with when all cases are. */
static void write_cases(const struct kills *kills, const double *durations, size_t *used, bool *killed, FILE *out)
{
    size_t mutants = kills_mutant_count(kills), rows = kills_case_count(kills);
    for (size_t row = 0; row < rows; row++) {
        size_t best = mutants;
        double best_cost = 0;
        for (size_t m = 0; m < mutants; m++) {
            double cost = durations[m * rows + row] + (double) used[m] * USED_COST_MS;
            if (proves(kills, m, row) && (best == mutants || cost < best_cost)) {
                best = m;
                best_cost = cost;
            }
        }
        if (best == mutants)
            continue;
        used[best]++;
        killed[best] = true;
        write_pair(kills, best, row, out);
    }
}

static void write_mutants(const struct kills *kills, const bool *killed, FILE *out)
{
    for (size_t m = 0; m < kills_mutant_count(kills); m++) {
        for (size_t row = 0; !killed[m] && row < kills_case_count(kills); row++) {
            if (proves(kills, m, row)) {
                write_pair(kills, m, row, out);
                break;
            }
        }
    }
}

int pairs_record(const cJSON *document, const char *path, struct err *err)
{
    struct kills *kills = kills_new(document, err);
    if (kills == NULL)
        return -1;
    size_t mutants = kills_mutant_count(kills);
    size_t *used = calloc(mutants + 1, sizeof *used);
    bool *killed = calloc(mutants + 1, sizeof *killed);
    double *durations = read_durations(document, kills);
    FILE *out = used != NULL && killed != NULL && durations != NULL ? fopen(path, "we") : NULL;
    int rc = 0;
    if (out == NULL) {
        rc = err_set(err, ERR_IO, errno, "%s", path);
    } else {
        fputs("# Written by standbox-conformance kills --record-pairs; for --pairs.  MUTANT/PROTOCOL CASE\n", out);
        write_cases(kills, durations, used, killed, out);
        write_mutants(kills, killed, out);
        int failed = ferror(out);
        if (fclose(out) != 0 || failed)
            rc = err_set(err, ERR_IO, errno, "%s", path);
    }
    free(durations);
    free(used);
    free(killed);
    kills_free(kills);
    return rc;
}
