/*
 * Rows about gRPC: unary calls and StreamExec a second, beside servers on other gRPC libraries that do the same and
 * beside bare spawning; stdout and stdin in MB a second.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bench/against.h"
#include "bench/bench.h"
#include "bench/grpc_load.h"
#include "bench/rawcopy.h"
#include "bench/shellenv.h"
#include "bench/stats.h"
#include "bench/target.h"

#define PYTHON_UNARY  3.0  /* issue: at least three times grpcio-python's rate */
#define BARE_EXEC     0.85
#define BARE_CALLERS  8
#define FILE_MIB      16
#define PIECE_BYTES   65536

static const unsigned levels[] = { 1, 8, 64 };

struct side {
    const char *name;
    struct target target;
    char sandbox[GRPC_ID_BYTES];
    double rates[STATS_MAX_ROUNDS + 1];
};

/* The server under test, who is measured with it, and bare spawning. */
struct field {
    struct bench *b;
    struct side ours, peers[BENCH_PEERS];
    struct shellenv shell;
    struct against against;
};

/* ---- rates --------------------------------------------------------------------------- */

static double side_round(const struct field *f, const struct side *side, enum grpc_kind kind, unsigned callers,
                         struct err *err)
{
    double rate = grpc_round(&side->target.grpc, kind, callers, side->sandbox, f->shell.argv, f->b->round_ms, err);
    return rate < 0 ? err_wrap(err, "%s", side->name) : rate;
}

static int peers_round(struct field *f, enum grpc_kind kind, unsigned callers, unsigned round, struct err *err)
{
    for (unsigned i = 0; i < f->b->peer_count; i++) {
        f->peers[i].rates[round] = side_round(f, &f->peers[i], kind, callers, err);
        if (f->peers[i].rates[round] < 0)
            return -1;
    }
    return kind == GRPC_EXEC ? against_bare_round(&f->against, f->b, &f->shell, round, err) : 0;
}

static int our_round(struct field *f, enum grpc_kind kind, unsigned callers, unsigned round, struct err *err)
{
    double before = against_client_cpu_s(), from = (double) mono_ns() / 1e9;
    double rate = f->ours.rates[round] = side_round(f, &f->ours, kind, callers, err);
    f->against.server[round] = rate;
    f->against.execs += rate * ((double) mono_ns() / 1e9 - from);
    f->against.client_cpu_s += against_client_cpu_s() - before;
    return rate < 0 ? -1 : 0;
}

/* Peers, server, peers, server ... peers: see stats_paired_ratio. */
static int run_rounds(struct field *f, enum grpc_kind kind, unsigned callers, struct err *err)
{
    f->against = (struct against) { .callers = callers };
    if (target_sample(&f->ours.target, &f->against.before, err) != 0)
        return -1;
    for (unsigned i = 0; i <= f->b->rounds; i++)
        if (peers_round(f, kind, callers, i, err) != 0 || (i < f->b->rounds && our_round(f, kind, callers, i, err) != 0))
            return -1;
    return target_sample(&f->ours.target, &f->against.after, err);
}

/* ---- what is said of them ------------------------------------------------------------ */

static const char *const kind_names[GRPC_KINDS] = { [GRPC_GET] = "gRPC unary", [GRPC_EXEC] = "gRPC exec" };

/* `what` is counted a second. */
static struct report_line *add_ratio(struct field *f, const char *name, const double *peer, const char *unit,
                                     const char *what)
{
    struct report_line *line = report_add_line(&f->b->report, f->b->isolation, name);
    double ours[STATS_MAX_ROUNDS], theirs[STATS_MAX_ROUNDS + 1];
    line->value = stats_paired_ratio(f->ours.rates, peer, f->b->rounds);
    line->unit = unit;
    memcpy(ours, f->ours.rates, sizeof ours);   /* the median sorts */
    memcpy(theirs, peer, sizeof theirs);
    report_note_line(line, "%.0f %s/s, the peer %.0f", stats_median(ours, f->b->rounds), what,
                     stats_median(theirs, f->b->rounds + 1));
    return line;
}

static void want(struct report_line *line, bool is_wanted, double least)
{
    if (!is_wanted)
        return;
    line->sense = TARGET_AT_LEAST;
    line->target = least;
}

static void report_rates(struct field *f, enum grpc_kind kind, unsigned callers)
{
    char name[80];
    for (unsigned i = 0; i < f->b->peer_count; i++) {
        const struct side *peer = &f->peers[i];
        snprintf(name, sizeof name, "%s x%u, %s", kind_names[kind], callers, peer->name);
        want(add_ratio(f, name, peer->rates, "of peer", "calls"), kind == GRPC_GET && strcmp(peer->name, "grpcio-python") == 0,
             PYTHON_UNARY);
    }
    snprintf(name, sizeof name, "%s x%u", kind_names[kind], callers);
    if (kind == GRPC_EXEC) {
        want(against_report(&f->against, f->b, name), callers == BARE_CALLERS, BARE_EXEC);
    } else if (f->b->peer_count == 0) {
        struct report_line *line = report_add_line(&f->b->report, f->b->isolation, name);
        line->value = stats_median(f->ours.rates, f->b->rounds);
        line->unit = "/s";
        report_note_line(line, "no peer was named (--peer)");
    }
}

/* ---- bytes --------------------------------------------------------------------------- */

static const char make_file[] = "l=0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-; "
                                "yes \"$l\" 2>/dev/null | head -c 16777216 > text";

static int shell_exec(struct field *f, const char *line, const void *input, size_t len, unsigned times, uint64_t *bytes,
                      int64_t *ns, struct err *err)
{
    const char *argv[] = { "/bin/sh", "-c", line, NULL };
    return grpc_exec(&f->ours.target.grpc, f->ours.sandbox, argv, input, len, times, NULL, bytes, ns, err);
}

static int stdout_rounds(struct field *f, const char *line, double *raw_rates, struct err *err)
{
    uint64_t bytes, expected = (uint64_t) f->b->stream_mib << 20;
    int64_t ns;
    struct rawcopy *raw = rawcopy_new(make_file, line, expected, err);
    int rc = raw == NULL ? -1 : shell_exec(f, make_file, NULL, 0, 0, &bytes, &ns, err);
    for (unsigned i = 0; rc == 0 && i <= f->b->rounds; i++) {
        if ((raw_rates[i] = rawcopy_run(raw, err)) < 0)
            rc = -1;
        else if (i < f->b->rounds)
            rc = shell_exec(f, line, "go\n", 3, 1, &bytes, &ns, err);
        if (rc == 0 && i < f->b->rounds && bytes != expected)
            rc = err_set(err, ERR_INVALID, 0, "%llu bytes of %llu came", (unsigned long long) bytes,
                         (unsigned long long) expected);
        if (rc == 0 && i < f->b->rounds)
            f->ours.rates[i] = (double) expected / 1e6 / ((double) ns / 1e9);
    }
    rawcopy_free(raw);
    return rc;
}

static int stdout_row(struct field *f, struct err *err)
{
    BUF_AUTO line = BUF_INIT;
    buf_str(&line, "read -r go; exec cat");
    for (unsigned done = 0; done < f->b->stream_mib; done += FILE_MIB)
        buf_str(&line, " text");
    double raw_rates[STATS_MAX_ROUNDS + 1];
    if (stdout_rounds(f, buf_cstr(&line), raw_rates, err) != 0)
        return err_wrap(err, "stdout");
    struct report_line *row = add_ratio(f, "gRPC stdout", raw_rates, "of raw", "MB");
    report_note_line(row, "; %u MiB each", f->b->stream_mib);
    return 0;
}

static int stdin_row(struct field *f, struct err *err)
{
    static char piece[PIECE_BYTES];
    unsigned times = f->b->stream_mib * ((1 << 20) / PIECE_BYTES);
    uint64_t bytes;
    int64_t ns;
    memset(piece, 'x', sizeof piece);
    for (unsigned i = 0; i < f->b->rounds; i++) {
        if (shell_exec(f, "exec cat >/dev/null", piece, sizeof piece, times, &bytes, &ns, err) != 0)
            return err_wrap(err, "stdin");
        f->ours.rates[i] = (double) times * PIECE_BYTES / 1e6 / ((double) ns / 1e9);
    }
    struct report_line *line = report_add_line(&f->b->report, f->b->isolation, "gRPC stdin");
    line->value = stats_median(f->ours.rates, f->b->rounds);
    line->unit = "MB/s";
    report_note_line(line, "%u MiB in messages of 64 KiB to cat >/dev/null, up to its exit", f->b->stream_mib);
    return 0;
}

/* ---- all of it ----------------------------------------------------------------------- */

static int start_side(struct side *side, const char *name, const char *const *argv, struct err *err)
{
    side->name = name;
    if (target_start_program(&side->target, argv, err) != 0)
        return err_wrap(err, "%s", name);
    if (side->target.grpc.sin_port == 0)
        return err_set(err, ERR_INVALID, 0, "%s: its ready line has no grpc", name);
    return grpc_make_sandbox(&side->target.grpc, side->sandbox, err) == 0 ? 0 : err_wrap(err, "%s", name);
}

static int start_sides(struct field *f, struct err *err)
{
    const char *ours[] = { f->b->server, "--http", "127.0.0.1:0", "--isolation", f->b->isolation, NULL };
    if (start_side(&f->ours, "standbox", ours, err) != 0)
        return -1;
    for (unsigned i = 0; i < f->b->peer_count; i++) {
        BUF_AUTO line = BUF_INIT;
        buf_printf(&line, "exec %s", f->b->peers[i].command);
        const char *argv[] = { "/bin/sh", "-c", buf_cstr(&line), NULL };
        if (start_side(&f->peers[i], f->b->peers[i].name, argv, err) != 0)
            return -1;
    }
    return 0;
}

static int ask_environment(struct field *f, struct err *err)
{
    static const char *const env[] = { "/usr/bin/env", NULL };
    BUF_AUTO text = BUF_INIT;
    uint64_t bytes;
    int64_t ns;
    if (grpc_exec(&f->ours.target.grpc, f->ours.sandbox, env, NULL, 0, 0, &text, &bytes, &ns, err) != 0)
        return -1;
    return shellenv_take(&f->shell, buf_cstr(&text), f->b->command, err);
}

static int measure(struct field *f, struct err *err)
{
    if (start_sides(f, err) != 0 || ask_environment(f, err) != 0)
        return -1;
    for (int kind = 0; kind < GRPC_KINDS; kind++) {
        for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
            if (run_rounds(f, (enum grpc_kind) kind, levels[i], err) != 0)
                return err_wrap(err, "%s x%u", kind_names[kind], levels[i]);
            report_rates(f, (enum grpc_kind) kind, levels[i]);
        }
    }
    return stdout_row(f, err) != 0 ? -1 : stdin_row(f, err);
}

int grpc_rows_run(struct bench *b, struct err *err)
{
    struct field f = { .b = b, .ours.target = TARGET_INIT };
    for (unsigned i = 0; i < BENCH_PEERS; i++)
        f.peers[i].target = (struct target) TARGET_INIT;
    int rc = measure(&f, err);
    for (unsigned i = 0; i < BENCH_PEERS; i++)
        rc = target_stop(&f.peers[i].target, rc == 0 ? err : NULL) != 0 ? -1 : rc;
    rc = target_stop(&f.ours.target, rc == 0 ? err : NULL) != 0 ? -1 : rc;
    shellenv_fini(&f.shell);
    return rc;
}
