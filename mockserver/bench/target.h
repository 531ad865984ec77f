/*
 * The server under test: started, asked for a sandbox, watched through /proc, stopped.
 *
 * It is a process of its own, as users run it; nothing of it is linked in here.  Figures
 * of memory, descriptors and CPU time come from the kernel, not from the server.
 */
#ifndef STANDBOX_BENCH_TARGET_H
#define STANDBOX_BENCH_TARGET_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct target {
    pid_t pid;          /* 0: not running */
    int log_fd;         /* an unlinked file with its stderr; -1: none */
    int64_t spawned_ns; /* monotonic, before the spawn */
    double ready_ms;    /* from before the spawn to the whole ready line */
    struct sockaddr_in address;
    struct sockaddr_in grpc; /* port 0: it has none */
    char runtime_path[128]; /* "/sandbox/<id>" */
    char auth[256];         /* "Authorization: Bearer ..." */
};

#define TARGET_INIT \
    { \
        .pid = 0, .log_fd = -1 \
    }

/* Start `server` on a free port.  `max_streams` 0: its default.  On failure `err` holds the end of its stderr. */
int target_start(struct target *t, const char *server, const char *isolation, unsigned max_streams, struct err *err);

/* Start any program that prints a ready line with `http`, `grpc` or both, and ends well on
   SIGTERM.  `argv` ends in NULL. */
int target_start_program(struct target *t, const char *const *argv, struct err *err);

/* Ask for the list of sandboxes; milliseconds from before the spawn to the answer, or -1 with `err`. */
double target_first_answer(const struct target *t, struct err *err);

/* Make the sandbox that the other calls use. */
int target_open_sandbox(struct target *t, struct err *err);

/* SIGTERM, then the kill if it is not gone in 10 seconds; -1 when it had to be killed or failed. */
int target_stop(struct target *t, struct err *err);

/* Start, make a sandbox, measure, stop: what most rows are made of.  0, or -1 when any of it failed. */
typedef int target_measure_fn(void *arg, const struct target *t, struct err *err);
int target_run(const char *server, const char *isolation, target_measure_fn *measure, void *arg, struct err *err);

/* A request to the sandbox: `tail` follows the sandbox's path.  Status >= 300 is an error too. */
int target_call(const struct target *t, const char *method, const char *tail, const char *accept, const char *body,
                struct buf *out_body, struct err *err);

/* The text of a request for that, for connections that send it themselves. */
void target_make_request(const struct target *t, struct buf *out, const char *method, const char *tail,
                         const char *accept, const char *body);

/* What the kernel says of the server and of its helpers (the keepers and what starts them). */
struct target_sample {
    long rss_kib, anon_kib, peak_kib;
    unsigned threads, fds;
    double cpu_s;
    unsigned helpers;
    long helper_rss_kib;
    unsigned helper_fds;
    double helper_cpu_s, children_cpu_s; /* of children: the processes that keepers have reaped */
    unsigned descendants, zombies;
};
int target_sample(const struct target *t, struct target_sample *out_sample, struct err *err);

/* The share of this machine's CPUs that is in use while we do nothing for `ms`: 0 to 1, or -1 if it cannot be told. */
double target_other_load(unsigned ms);

#endif
