/*
 * An engine with one sandbox for tests, in the isolation mode that the test program is in now.
 *
 * A test program runs its groups once per mode (world_run_modes).  Where namespaces cannot be had, that half says
 * SKIPPED with the reason, and fails when CI=true.
 */
#ifndef STANDBOX_TESTS_WORLD_H
#define STANDBOX_TESTS_WORLD_H

#include "base/buf.h"
#include "engine/engine.h"

/* Real milliseconds after which a test gives up on an event; generous, because machines are busy. */
#define WORLD_LIMIT_MS 60000

struct world {
    struct clock *clock;                 /* the sandbox's: world_owner's, or the engine's */
    struct buf state_dir;
    struct engine *engine;
    struct sandbox *sandbox;
};

/* Changes to the engine's settings for the next world_setup; zeroed by it. */
extern struct engine_config world_config;
extern double world_clock_scale;     /* 0: 1 */
extern struct owner *world_owner;    /* of the sandbox; NULL: nobody */

/* cmocka fixtures; *state is the struct world. */
int world_setup(void **state);
int world_teardown(void **state);

enum isolation world_isolation(void);

struct CMUnitTest;
/* Run `tests` in each isolation mode, or with namespaces only; returns the number of failures. */
int world_run_modes(const char *name, const struct CMUnitTest *tests, size_t count);
int world_run_namespace(const char *name, const struct CMUnitTest *tests, size_t count);

/* A shell line as the spec of a process; `argv` gets four entries. */
struct proc_spec world_shell(const char *line, char **argv);

/* Start, and fail the test when that is refused. */
struct proc *world_start(struct world *w, const struct proc_spec *spec);
struct proc *world_start_line(struct world *w, const char *line);

/* Wait for the end of the output, then let the test look. */
struct outcome {
    struct proc_view view;
    struct buf out, err;
};
void outcome_fini(struct outcome *o);
#define OUTCOME __attribute__((cleanup(outcome_fini))) struct outcome
struct outcome world_finish(struct proc *p);                   /* drops the reference */
struct outcome world_run(struct world *w, const char *line);   /* start and finish */

int64_t world_deadline(struct world *w);                       /* API time of now + WORLD_LIMIT_MS, while it runs */

/* Wait until the process has this fact, by the machine's time, so also while the clock stands still. */
void world_await_fact(struct proc *p, enum fact_kind kind);

/* Wait until the process has written `text` somewhere in its stdout. */
void world_await_output(struct proc *p, const char *text);

/* Host pid of a sandboxed process whose comm is `comm`; waits until there is one. */
pid_t world_await_comm(struct world *w, const char *comm);
/* Host pid of the sandbox's keeper and its state, as in /proc ('S', 'T' ...); 0: it has none. */
pid_t world_keeper(struct world *w, char *out_state);
/* Stop it with SIGSTOP, from outside, and wait until it stands. */
pid_t world_stop_keeper(struct world *w);
/* Wait until host process `pid` is gone or a zombie; false after `limit_ms` of real time. */
bool world_await_death(pid_t pid, int limit_ms);

/* Open descriptors of this process. */
size_t world_open_fds(void);
/* Children of this process that are zombies. */
size_t world_zombies(void);

#endif
