#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define JOBS_MAX 64
#define SHARDS_MAX 1000
#define PATIENCE_MIN 0.1
#define PATIENCE_MAX 100.0
#define FIRST_CODE 1000   /* of getopt's, so that no row has a character's */

typedef int apply_fn(struct options *o, const char *value, struct err *err);

/* A row either calls `apply` or has `text`, where its value is kept as it is. */
struct row {
    const char *name, *value;   /* without dashes; NULL: takes no value */
    apply_fn *apply;
    size_t text;                /* offset of a const char * */
    const char *help;
};

/* ---- values ------------------------------------------------------------------------------ */

static int parse_whole(const char *text, unsigned long min, unsigned long max, char stop, unsigned long *out,
                       const char **out_end)
{
    if (text[0] < '0' || text[0] > '9')
        return -1;
    char *end;
    errno = 0;
    *out = strtoul(text, &end, 10);
    if (*end != stop || errno != 0 || *out < min || *out > max)
        return -1;
    *out_end = end;
    return 0;
}

static int add_word(struct words *w, const char *word, size_t len, struct err *err)
{
    char **grown = realloc(w->words, (w->count + 2) * sizeof *grown);
    if (grown == NULL)
        return err_set(err, ERR_NOMEM, 0, "options");
    w->words = grown;
    grown[w->count] = strndup(word, len);
    if (grown[w->count] == NULL)
        return err_set(err, ERR_NOMEM, 0, "options");
    grown[++w->count] = NULL;
    return 0;
}

static void words_fini(struct words *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->words[i]);
    free(w->words);
    *w = (struct words) { NULL, 0 };
}

/* One word of a command in quotes: blanks part words, '...' and "..." hold them together, \ takes what follows as it
   is.  Returns what is behind it, NULL when a quote is not closed. */
static const char *next_word(const char *p, struct buf *word)
{
    char quote = '\0';
    for (; *p != '\0' && (quote != '\0' || strchr(" \t", *p) == NULL); p++) {
        if (quote == '\0' && (*p == '\'' || *p == '"'))
            quote = *p;
        else if (quote != '\0' && *p == quote)
            quote = '\0';
        else if (*p == '\\' && quote != '\'' && p[1] != '\0')
            buf_char(word, *++p);
        else
            buf_char(word, *p);
    }
    return quote == '\0' ? p : NULL;
}

static int split_command(struct words *out, const char *command, struct err *err)
{
    const char *p = command + strspn(command, " \t");
    while (*p != '\0') {
        BUF_AUTO word = BUF_INIT;
        p = next_word(p, &word);
        if (p == NULL)
            return err_set(err, ERR_INVALID, 0, "--client: a quote is not closed in: %.200s", command);
        if (add_word(out, buf_cstr(&word), word.len, err) != 0)
            return -1;
        p += strspn(p, " \t");
    }
    return out->count > 0 ? 0 : err_set(err, ERR_INVALID, 0, "--client: is empty");
}

/* `--client python3 adapter.py`: words behind it that are no options belong to it.  One word alone may be a whole
   command in quotes. */
static int apply_client(struct options *o, const char *value, struct err *err)
{
    if (o->client.count > 0)
        return err_set(err, ERR_INVALID, 0, "--client: said twice; several clients are run one by one and joined with "
                                            "`standbox-conformance merge`");
    return add_word(&o->client, value, strlen(value), err);
}

static int apply_level(struct options *o, const char *value, struct err *err)
{
    if (strcmp(value, "1") != 0 && strcmp(value, "2") != 0)
        return err_set(err, ERR_INVALID, 0, "--level: \"%.40s\" is not 1 or 2 (level 0 needs no adapter: see "
                                            "sdk-shim/PROTOCOL.md)", value);
    o->level = value[0] - '0';
    return 0;
}

static int apply_run(struct options *o, const char *value, struct err *err)
{
    return wildcards_add(&o->run, value, "--run", err);
}

static int apply_skip(struct options *o, const char *value, struct err *err)
{
    return wildcards_add(&o->skip, value, "--skip", err);
}

static int apply_failing(struct options *o, const char *value, struct err *err)
{
    return known_read(&o->failing, value, err) == 0 ? 0 : err_wrap(err, "--known-failing");
}

static int apply_flaky(struct options *o, const char *value, struct err *err)
{
    return known_read(&o->flaky, value, err) == 0 ? 0 : err_wrap(err, "--known-flaky");
}

static int apply_jobs(struct options *o, const char *value, struct err *err)
{
    unsigned long jobs;
    const char *end;
    if (parse_whole(value, 1, JOBS_MAX, '\0', &jobs, &end) != 0)
        return err_set(err, ERR_INVALID, 0, "--jobs: \"%.40s\" is not a whole number from 1 to %d", value, JOBS_MAX);
    o->jobs = (unsigned) jobs;
    return 0;
}

static int apply_shard(struct options *o, const char *value, struct err *err)
{
    unsigned long shard, shards;
    const char *end;
    if (parse_whole(value, 1, SHARDS_MAX, '/', &shard, &end) != 0 ||
        parse_whole(end + 1, shard, SHARDS_MAX, '\0', &shards, &end) != 0)
        return err_set(err, ERR_INVALID, 0, "--shard: \"%.40s\" is not I/N, such as 1/4 (I from 1 to N, N at most %d)",
                       value, SHARDS_MAX);
    o->shard = (unsigned) shard;
    o->shards = (unsigned) shards;
    return 0;
}

static int apply_patience(struct options *o, const char *value, struct err *err)
{
    char *end;
    double patience = strtod(value, &end);
    if (end == value || *end != '\0' || !isfinite(patience) || patience < PATIENCE_MIN || patience > PATIENCE_MAX)
        return err_set(err, ERR_INVALID, 0, "--patience: \"%.40s\" is not a number from %g to %g", value, PATIENCE_MIN,
                       PATIENCE_MAX);
    o->patience = patience;
    return 0;
}

static int apply_truth(struct options *o, const char *value, struct err *err)
{
    if (strcmp(value, "documented") != 0 && strcmp(value, "observed") != 0)
        return err_set(err, ERR_INVALID, 0, "--truth: \"%.40s\" is not documented or observed", value);
    o->is_truth_documented = value[0] == 'd';
    return 0;
}

static int apply_isolation(struct options *o, const char *value, struct err *err)
{
    static const char *const modes[] = { "auto", "namespace", "none" };
    for (size_t i = 0; i < COUNT(modes); i++) {
        if (strcmp(value, modes[i]) == 0) {
            o->isolation = modes[i];
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, 0, "--isolation: \"%.40s\" is not auto, namespace or none", value);
}

static int set_action(struct options *o, enum action action, struct err *err)
{
    if (o->action != ACTION_RUN && o->action != action)
        return err_set(err, ERR_INVALID, 0, "only one of --list, --explain, --validate-adapter, merge and kills goes");
    o->action = action;
    return 0;
}

static int apply_list(struct options *o, const char *value, struct err *err)
{
    (void) value;
    return set_action(o, ACTION_LIST, err);
}

static int apply_explain(struct options *o, const char *value, struct err *err)
{
    o->explain = value;
    return set_action(o, ACTION_EXPLAIN, err);
}

static int apply_validate(struct options *o, const char *value, struct err *err)
{
    (void) value;
    return set_action(o, ACTION_VALIDATE_ADAPTER, err);
}

static int apply_version(struct options *o, const char *value, struct err *err)
{
    (void) value, (void) err;
    o->action = ACTION_VERSION;
    return 0;
}

static int apply_help(struct options *o, const char *value, struct err *err)
{
    (void) value, (void) err;
    o->action = ACTION_HELP;
    return 0;
}

static int apply_allow_broad(struct options *o, const char *value, struct err *err)
{
    (void) value, (void) err;
    o->allow_broad = true;
    return 0;
}

static int apply_allow_flaky(struct options *o, const char *value, struct err *err)
{
    (void) value, (void) err;
    o->allow_flaky = true;
    return 0;
}

static int apply_allow_missing(struct options *o, const char *value, struct err *err)
{
    (void) value, (void) err;
    o->allow_missing = true;
    return 0;
}

static int apply_verbose(struct options *o, const char *value, struct err *err)
{
    (void) value, (void) err;
    o->is_verbose = true;
    return 0;
}

static int apply_quiet(struct options *o, const char *value, struct err *err)
{
    (void) value, (void) err;
    o->is_quiet = true;
    return 0;
}

/* ---- the table --------------------------------------------------------------------------- */

#define TEXT(member) NULL, offsetof(struct options, member)
#define CALL(function) function, 0

static const struct row table[] = {
    { "client", "CMD...", CALL(apply_client), "the adapter that drives the client under test, with its arguments" },
    { "vendor", "V", TEXT(vendor), "whose cases: the folders of fixtures/cases (hyperbrowser)" },
    { "run", "PAT", CALL(apply_run), "only these cases; may be repeated; @FILE: a list of patterns" },
    { "skip", "PAT", CALL(apply_skip), "not these cases; the same" },
    { "truth", "T", CALL(apply_truth), "documented: only what a document promises; observed: all cases (observed)" },
    { "known-failing", "FILE", CALL(apply_failing), "what this client is known to get wrong; may be repeated" },
    { "known-flaky", "FILE", CALL(apply_flaky), "what this client gets right at times" },
    { "allow-broad", NULL, CALL(apply_allow_broad), "a wildcard in those lists may name more than 20 cases" },
    { "record-failures", "FILE", TEXT(record_failures), "write what failed as such a list" },
    { "jobs", "N", CALL(apply_jobs), "cases at once (as many as processors, at most 4)" },
    { "shard", "I/N", CALL(apply_shard), "only the I-th of N parts; the parts are joined with merge" },
    { "level", "N", CALL(apply_level), "1: the adapter is run for each case; 2: it stays (2)" },
    { "client-key", "NAME", TEXT(client_key), "what reports call the client (what it calls itself)" },
    { "patience", "X", CALL(apply_patience), "make deadlines X times as long (as the load of the machine says)" },
    { "junit", "FILE", TEXT(reports[REPORT_JUNIT]), "report for CI systems; -: stdout, as for all reports" },
    { "tap", "FILE", TEXT(reports[REPORT_TAP]), "report as TAP 13" },
    { "json", "FILE", TEXT(reports[REPORT_JSON]), "report with everything; merge reads these" },
    { "html", "FILE", TEXT(reports[REPORT_HTML]), "report for people: one page that needs no network" },
    { "md", "FILE", TEXT(reports[REPORT_MARKDOWN]), "report as Markdown" },
    { "list", NULL, CALL(apply_list), "only list the cases" },
    { "explain", "CASE", CALL(apply_explain), "say all that is known of a case" },
    { "validate-adapter", NULL, CALL(apply_validate), "only check that the adapter keeps to the protocol" },
    { "server", "URL", TEXT(server), "use this standbox-mockserver instead of starting one" },
    { "admin-token", "T", TEXT(admin_token), "its admin token; $STANDBOX_ADMIN_TOKEN does the same, unseen by ps" },
    { "server-grpc", "URL", TEXT(server_grpc), "its address for vendors that speak gRPC (\"grpc\" of its ready line)" },
    { "server-only", "URL", TEXT(server_only),
      "judge a server that is not ours, by what a client sees of it (the reference client)" },
    { "api-key", "KEY", TEXT(api_key), "the key for that server" },
    { "isolation", "MODE", CALL(apply_isolation), "of the server that is started: auto, namespace or none (auto)" },
    { "fixtures", "DIR", TEXT(fixtures), "where cases and scenarios are (those of this project)" },
    { "programs", "DIR", TEXT(programs), "where standbox-mockserver and standbox-warden are (beside this program)" },
    { "allow-flaky", NULL, CALL(apply_allow_flaky), "merge: of two verdicts on one case the worst counts" },
    { "allow-missing", NULL, CALL(apply_allow_missing), "merge: a shard may be missing" },
    { "pairs", "FILE", TEXT(pairs),
      "kills: run only these mutants with these cases; all cases need one, and all mutants" },
    { "record-pairs", "FILE", TEXT(record_pairs), "kills: write who kills whom as such a list" },
    { "verbose", NULL, CALL(apply_verbose), "say every case" },
    { "quiet", NULL, CALL(apply_quiet), "say only failures and the sum" },
    { "version", NULL, CALL(apply_version), "print the version and exit" },
    { "help", NULL, CALL(apply_help), "print this text and exit" },
};

void options_describe(struct buf *out)
{
    buf_str(out, "usage: standbox-conformance --client CMD... --vendor V [options]\n"
                 "       standbox-conformance merge [options] FILE...   join results (--json) of shards and clients\n"
                 "       standbox-conformance kills --client CMD... [options]   does the suite notice wrong clients?\n"
                 "Checks a client of a sandbox vendor's API, in any language, against what the vendor documents.\n\n");
    for (size_t i = 0; i < COUNT(table); i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s %s", table[i].name, table[i].value != NULL ? table[i].value : "");
        buf_printf(out, "  %-22s  %s\n", left, table[i].help);
    }
    buf_str(out, "\nA pattern is a case id; * stands for one component of it, ** for any number:\n"
                 "'hyperbrowser/stdin/*'.\n"
                 "CMD may be one word in quotes, and needs to be when it has options of its own.\n"
                 "Exit codes: 0 conformant, 1 not, 2 wrong use or a wrong list, 3 inconclusive (the adapter failed,\n"
                 "or nothing was exercised), 4 a fault of the suite's own, 77 no case was selected.\n");
}

/* ---- parsing ----------------------------------------------------------------------------- */

static void fill_getopt(struct option *out)
{
    for (size_t i = 0; i < COUNT(table); i++) {
        out[i] = (struct option) {
            .name = table[i].name,
            .has_arg = table[i].value != NULL ? required_argument : no_argument,
            .val = FIRST_CODE + (int) i,
        };
    }
    out[COUNT(table)] = (struct option) { 0 };
}

static int apply_row(struct options *o, const struct row *row, const char *value, struct err *err)
{
    if (row->apply != NULL)
        return row->apply(o, value, err);
    if (*value == '\0')
        return err_set(err, ERR_INVALID, 0, "--%s: is empty", row->name);
    memcpy((char *) o + row->text, &value, sizeof value);
    return 0;
}

/* A word that is no option: the name of another action, a part of --client, or a file of merge. */
static int take_word(struct options *o, const char *word, bool is_first, bool is_behind_client, struct err *err)
{
    if (is_first && strcmp(word, "merge") == 0)
        return set_action(o, ACTION_MERGE, err);
    if (is_first && strcmp(word, "kills") == 0)
        return set_action(o, ACTION_KILLS, err);
    if (is_behind_client)
        return add_word(&o->client, word, strlen(word), err);
    if (o->action == ACTION_MERGE)
        return add_word(&o->files, word, strlen(word), err);
    return err_set(err, ERR_INVALID, 0, "\"%.100s\" is no option (patterns go behind --run)", word);
}

static int parse_all(struct options *o, int argc, char **argv, struct err *err)
{
    struct option long_options[COUNT(table) + 1];
    fill_getopt(long_options);
    bool is_behind_client = false;
    opterr = 0;
    optind = 0;   /* glibc: begin anew */
    for (int code; (code = getopt_long(argc, argv, "-:", long_options, NULL)) != -1;) {
        if (code == 1) {
            if (take_word(o, optarg, optind == 2, is_behind_client, err) != 0)
                return -1;
        } else if (code == ':') {
            return err_set(err, ERR_INVALID, 0, "%s: needs a value", argv[optind - 1]);
        } else if (code == '?') {
            return err_set(err, ERR_INVALID, 0, "unknown option %s (--help lists them)", argv[optind - 1]);
        } else {
            const struct row *row = &table[code - FIRST_CODE];
            if (apply_row(o, row, optarg, err) != 0)
                return -1;
            is_behind_client = row->apply == apply_client;
        }
    }
    /* What stands behind "--". */
    while (optind < argc) {
        if (take_word(o, argv[optind++], false, is_behind_client, err) != 0)
            return -1;
    }
    return 0;
}

static int split_client(struct options *o, struct err *err)
{
    if (o->client.count != 1)
        return 0;
    struct words split = { NULL, 0 };
    if (split_command(&split, o->client.words[0], err) != 0) {
        words_fini(&split);
        return -1;
    }
    words_fini(&o->client);
    o->client = split;
    return 0;
}

static int check_together(const struct options *o, struct err *err)
{
    bool needs_client = o->action == ACTION_RUN || o->action == ACTION_VALIDATE_ADAPTER || o->action == ACTION_KILLS;
    if (needs_client && o->client.count == 0 && o->server_only == NULL)
        return err_set(err, ERR_INVALID, 0,
                       "--client is missing: the command of an adapter (docs/write-an-adapter.md)");
    if (o->action == ACTION_MERGE && o->files.count == 0)
        return err_set(err, ERR_INVALID, 0, "merge: no file to join (results are written with --json FILE)");
    if (o->server != NULL && o->server_only != NULL)
        return err_set(err, ERR_INVALID, 0, "--server and --server-only exclude each other");
    if (o->server != NULL && o->admin_token == NULL)
        return err_set(err, ERR_INVALID, 0, "--server needs --admin-token (or $STANDBOX_ADMIN_TOKEN)");
    if (o->server_grpc != NULL && o->server == NULL)
        return err_set(err, ERR_INVALID, 0, "--server-grpc needs --server");
    if (o->server_only != NULL && o->api_key == NULL)
        return err_set(err, ERR_INVALID, 0, "--server-only needs --api-key");
    if (o->is_quiet && o->is_verbose)
        return err_set(err, ERR_INVALID, 0, "--quiet and --verbose exclude each other");
    return 0;
}

int options_parse(struct options *out, int argc, char **argv, const char *env_token, struct err *err)
{
    *out = (struct options) { .vendor = "hyperbrowser", .level = 2, .shard = 1, .shards = 1, .isolation = "auto",
                              .admin_token = env_token };
    if (parse_all(out, argc, argv, err) != 0 || split_client(out, err) != 0) {
        options_fini(out);
        return -1;
    }
    if (out->action == ACTION_HELP || out->action == ACTION_VERSION)
        return 0;
    if (check_together(out, err) != 0) {
        options_fini(out);
        return -1;
    }
    return 0;
}

void options_fini(struct options *o)
{
    words_fini(&o->client);
    words_fini(&o->files);
    wildcards_fini(&o->run);
    wildcards_fini(&o->skip);
    known_fini(&o->failing);
    known_fini(&o->flaky);
}
