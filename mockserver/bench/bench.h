/*
 * What every row of the bench is given: the options and the report it adds to.
 *
 * A row function measures one thing against one isolation and adds one or more lines to
 * the report.  It returns -1 with `err` only when the measurement itself failed; a figure
 * short of its target is a result, not a failure.  All rows run one after another on the
 * main thread.
 */
#ifndef STANDBOX_BENCH_BENCH_H
#define STANDBOX_BENCH_BENCH_H

#include <stdbool.h>

#include "base/err.h"
#include "bench/report.h"

#define BENCH_PEERS 4

struct bench_peer {
    char name[32];
    const char *command; /* a shell line; what it starts prints a ready line with `grpc` */
};

struct bench {
    const char *server;    /* the program under test */
    const char *isolation; /* "none" or "namespace": of the row that runs */
    const char *command;   /* the shell line of the exec rows */
    unsigned rounds;       /* server rounds per row, each between two rounds of its peer */
    unsigned round_ms;     /* length of one */
    unsigned starts;       /* cold starts */
    unsigned live;         /* processes alive at once in the live row */
    unsigned leak_execs;
    unsigned stream_mib; /* per stream run */
    struct bench_peer peers[BENCH_PEERS]; /* of the gRPC rows */
    unsigned peer_count;
    struct report report;
};

typedef int bench_row_fn(struct bench *b, struct err *err);

bench_row_fn start_rows_run, exec_rows_run, burst_rows_run, leak_rows_run, stream_rows_run, live_rows_run,
    grpc_rows_run;

#endif
