/* standbox-bench: options, the list of rows, the order they run in. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/stats.h"
#include "bench/target.h"

#define FDS_WANTED   8192
#define LOAD_LOOK_MS 500

static const struct row {
    const char *name;
    bench_row_fn *run;
    const char *what;
} rows[] = {
    { "start", start_rows_run, "start to ready line; idle memory, default and --max-streams 50" },
    { "exec", exec_rows_run, "exec over 1, 8, 32 connections beside bare spawning" },
    { "burst", burst_rows_run, "500 execs at once" },
    { "stream", stream_rows_run, "one stream's bytes a second beside a plain copy, protocols A and B" },
    { "live", live_rows_run, "1,000 live processes, each with an open stream" },
    { "grpc", grpc_rows_run, "unary calls and StreamExec over 1, 8, 64 calls at once beside --peer and bare spawning" },
    { "leak", leak_rows_run, "what 5,000 execs leave behind" },
};
#define ROWS (sizeof rows / sizeof *rows)

struct options {
    bool isolation[2];    /* none, namespace */
    bool isolation_asked; /* then an isolation this machine cannot do is a failure */
    bool wanted[ROWS];
    const char *json;
};

static const char *const isolation_names[2] = { "none", "namespace" };

static void print_help(FILE *out)
{
    fputs("usage: standbox-bench [options]\n"
          "Measures a standbox-mockserver beside what this machine does without it.\n"
          "  --server PATH       the server (default: standbox-mockserver beside this program)\n"
          "  --isolation WHICH   none, namespace or both (default: both)\n"
          "  --only ROW          just this one (repeatable)\n"
          "  --quick             fewer and shorter rounds: for a look, not for quoting\n"
          "  --rounds N          rounds per figure (default 5)\n"
          "  --round-ms N        length of a round of exec (default 1000)\n"
          "  --live N            processes in the row 'live' (default 1000)\n"
          "  --peer NAME=LINE    a shell line that starts a server to compare the gRPC rows with (up to four; see bench/peers)\n"
          "  --command LINE      shell line of the exec rows (default: /bin/true)\n"
          "  --json FILE         also write the report as JSON\n"
          "  --help\n"
          "Ends with 0 unless a measurement failed; a figure short of its target is not a failure.\n"
          "Rows:\n",
          out);
    for (size_t i = 0; i < ROWS; i++)
        fprintf(out, "  %-8s %s\n", rows[i].name, rows[i].what);
}

enum {
    OPT_SERVER = 256,
    OPT_ISOLATION,
    OPT_ONLY,
    OPT_QUICK,
    OPT_ROUNDS,
    OPT_ROUND_MS,
    OPT_LIVE,
    OPT_COMMAND,
    OPT_PEER,
    OPT_JSON,
    OPT_HELP
};

static const struct option long_options[] = {
    { "server", required_argument, NULL, OPT_SERVER },
    { "isolation", required_argument, NULL, OPT_ISOLATION },
    { "only", required_argument, NULL, OPT_ONLY },
    { "quick", no_argument, NULL, OPT_QUICK },
    { "rounds", required_argument, NULL, OPT_ROUNDS },
    { "round-ms", required_argument, NULL, OPT_ROUND_MS },
    { "live", required_argument, NULL, OPT_LIVE },
    { "command", required_argument, NULL, OPT_COMMAND },
    { "peer", required_argument, NULL, OPT_PEER },
    { "json", required_argument, NULL, OPT_JSON },
    { "help", no_argument, NULL, OPT_HELP },
    { NULL, 0, NULL, 0 },
};

static _Noreturn void refuse(const char *what, const char *value)
{
    fprintf(stderr, "standbox-bench: %s: %s (see --help)\n", what, value);
    exit(2);
}

static unsigned take_number(const char *text, unsigned max)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9' || n == 0 || n > max)
        refuse("not a number in range", text);
    return (unsigned) n;
}

static void take_isolation(struct options *o, const char *text)
{
    bool both = strcmp(text, "both") == 0;
    o->isolation_asked = true;
    for (int i = 0; i < 2; i++)
        o->isolation[i] = both || strcmp(text, isolation_names[i]) == 0;
    if (!o->isolation[0] && !o->isolation[1])
        refuse("no such isolation", text);
}

static void take_row(struct options *o, const char *text)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(text, rows[i].name) == 0) {
            o->wanted[i] = true;
            return;
        }
    refuse("no such row", text);
}

static void take_peer(struct bench *b, const char *text)
{
    const char *sign = strchr(text, '=');
    struct bench_peer *peer = &b->peers[b->peer_count];
    if (b->peer_count == BENCH_PEERS)
        refuse("more than four peers", text);
    if (sign == NULL || sign == text || sign[1] == '\0' || (size_t) (sign - text) >= sizeof peer->name)
        refuse("not NAME=LINE", text);
    snprintf(peer->name, sizeof peer->name, "%.*s", (int) (sign - text), text);
    peer->command = sign + 1;
    b->peer_count++;
}

static void make_quick(struct bench *b)
{
    b->rounds = 3;
    b->round_ms = 300;
    b->starts = 5;
    b->stream_mib = 64;
    b->leak_execs = 1000;
}

static void take_option(struct bench *b, struct options *o, int opt)
{
    switch (opt) {
    case OPT_SERVER: b->server = optarg; break;
    case OPT_ISOLATION: take_isolation(o, optarg); break;
    case OPT_ONLY: take_row(o, optarg); break;
    case OPT_QUICK: make_quick(b); break;
    case OPT_ROUNDS: b->rounds = take_number(optarg, STATS_MAX_ROUNDS - 1); break;
    case OPT_ROUND_MS: b->round_ms = take_number(optarg, 60000); break;
    case OPT_LIVE: b->live = take_number(optarg, 4000); break;
    case OPT_COMMAND: b->command = optarg; break;
    case OPT_PEER: take_peer(b, optarg); break;
    case OPT_JSON: o->json = optarg; break;
    case OPT_HELP: print_help(stdout); exit(0);
    default: exit(2);
    }
}

static void take_options(struct bench *b, struct options *o, int argc, char **argv)
{
    int opt;
    while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        take_option(b, o, opt);
    if (optind < argc)
        refuse("not an option", argv[optind]);
    bool any = false;
    for (size_t i = 0; i < ROWS; i++)
        any = any || o->wanted[i];
    for (size_t i = 0; i < ROWS && !any; i++)
        o->wanted[i] = true;
}

/* The server that was built together with this program. */
static const char *server_beside_us(char path[PATH_MAX])
{
    static const char name[] = "standbox-mockserver";
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof name - 1);
    path[n < 0 ? 0 : n] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return name;
    memcpy(slash + 1, name, sizeof name);
    return path;
}

/* A thousand streams are a thousand sockets on this side too. */
static void raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < FDS_WANTED) {
        limit.rlim_cur = limit.rlim_max < FDS_WANTED ? limit.rlim_max : FDS_WANTED;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void run_row(struct bench *b, const struct options *o, const struct row *row)
{
    struct err err = ERR_INIT;
    fprintf(stderr, "%s, isolation %s ...\n", row->name, b->isolation);
    if (row->run(b, &err) == 0)
        return;
    bool unavailable = !o->isolation_asked && strcmp(b->isolation, "namespace") == 0 && err.code == ERR_CLOSED;
    struct report_line *line = report_add_line(&b->report, b->isolation, row->name);
    line->state = unavailable ? LINE_UNAVAILABLE : LINE_FAILED;
    report_note_line(line, "%s", err.text);
    fprintf(stderr, "%s, isolation %s: %s\n", row->name, b->isolation, err.text);
}

static int finish(struct bench *b, const struct options *o)
{
    struct err err = ERR_INIT;
    int rc = report_has_failed(&b->report) ? 1 : 0;
    report_print_table(&b->report, stdout);
    if (o->json != NULL && report_write_json(&b->report, o->json, &err) != 0) {
        fprintf(stderr, "standbox-bench: %s\n", err.text);
        rc = 1;
    }
    report_fini(&b->report);
    return rc;
}

int main(int argc, char **argv)
{
    char path[PATH_MAX];
    struct bench b = { .command = "/bin/true",
                       .rounds = 5,
                       .round_ms = 1000,
                       .starts = 10,
                       .live = 1000,
                       .leak_execs = 5000,
                       .stream_mib = 256 };
    struct options o = { .isolation = { true, true } };
    b.server = server_beside_us(path);
    take_options(&b, &o, argc, argv);
    raise_fd_limit();
    signal(SIGPIPE, SIG_IGN);
    b.report.load_before = target_other_load(LOAD_LOOK_MS);
    for (int i = 0; i < 2; i++)
        for (size_t r = 0; r < ROWS; r++)
            if (o.isolation[i] && o.wanted[r]) {
                b.isolation = isolation_names[i];
                run_row(&b, &o, &rows[r]);
            }
    b.report.load_after = target_other_load(LOAD_LOOK_MS);
    return finish(&b, &o);
}
