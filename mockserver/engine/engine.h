/*
 * The engine: sandboxes, processes, and their logs of facts.
 *
 * It knows no HTTP, no JSON and no vendor.  Everything a dialect shows is read from a
 * process's facts.  A reactor thread of the engine's own reads every pipe and every
 * keeper's reports; callers block on a process's condition variable, never on a pipe.
 *
 * Threads: every function here may be called from any thread unless it says otherwise.
 * Locks (all inside): engine > sandbox > process > reactor queue; none is held across a
 * callback into the caller.  Ownership words: *borrows* (valid during the call), *takes*,
 * *returns* (caller releases), *keeps*.
 */
#ifndef STANDBOX_ENGINE_ENGINE_H
#define STANDBOX_ENGINE_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "engine/fact.h"

struct engine;
struct sandbox;
struct proc;

/* ---- the engine --------------------------------------------------------------------- */

enum isolation { ISOLATION_NAMESPACE, ISOLATION_NONE };

struct engine_config {
    enum isolation isolation;
    const char *keeper_path;      /* the standbox-keeper program; NULL: beside this executable */
    const char *state_dir;        /* where sandboxes keep their folders; must exist; borrowed till free */
    struct clock *clock;          /* of sandboxes that nobody owns; a reference is taken */
    const char *puppet_path;      /* the standbox-puppet program; NULL: beside this executable */
    size_t log_memory_bytes;      /* budget for all output logs together; beyond it they go to disk (0: 64 MiB) */
    uint64_t log_limit_bytes;     /* most output kept of one process (0: 1 GiB); the oldest goes first */
    bool in_background;           /* background.h: who calls engine_new is, so keepers are; commands are not to be */
    unsigned keep_finished;       /* finished processes remembered per sandbox (0: 1000); oldest forgotten first */
};

/* Start the engine and its reactor thread.  Makes this program ignore SIGPIPE and be a subreaper.
   Returns -1 with `err` when the keeper program is missing. */
int engine_new(struct engine **out_engine, const struct engine_config *config, struct err *err);

/* Stop every sandbox, end the reactor, free.  Call once, when no other thread is inside. NULL is fine. */
void engine_free(struct engine *engine);

struct clock *engine_clock(const struct engine *engine);   /* borrowed */
enum isolation engine_isolation(const struct engine *engine);

/* Can this machine do ISOLATION_NAMESPACE?  Runs bubblewrap once (about 10 ms). 0 = yes; else `err` says why not. */
int engine_probe_namespace(struct err *err);

/* Remove folders of servers that are gone below `root`, then make and lock a new one; its path goes to `out`.
   The lock lives as long as the process. */
int engine_make_state_dir(struct buf *out, const char *root, struct err *err);

/* Remove a folder made by engine_make_state_dir; after engine_free. */
void engine_remove_state_dir(const char *path);

/* ---- sandboxes ---------------------------------------------------------------------- */

enum sandbox_state { SANDBOX_ACTIVE, SANDBOX_STOPPING, SANDBOX_CLOSED, SANDBOX_BROKEN, SANDBOX_STATES };

enum stop_reason {
    STOP_NOT, STOP_REQUEST, STOP_EXPIRED, STOP_KEEPER_DIED, STOP_SHUTDOWN, STOP_MAIN_ENDED, STOP_REASONS
};

/*
 * Whoever sandboxes belong to (a lane): gives them their time and sees every fact of theirs.  Embedded in
 * something counted; each sandbox holds a reference, which it may give back on a thread of the engine's, also a
 * moment after engine_reset: `unref` must not block.
 */
struct owner {
    struct clock *clock;
    void (*ref)(struct owner *owner);
    void (*unref)(struct owner *owner);
    /* A fact was added to a process's log; `bytes` are those of an output or stdin fact, else NULL.  Called in the
       order of the log with the process's lock held (with the first fact, the sandbox's, too): must not block for long
       nor call the engine, but for proc_id, proc_sandbox, sandbox_id and the like that take no lock.  NULL: does not
       care. */
    void (*fact)(struct owner *owner, const struct proc *proc, const struct fact *fact, const void *bytes);
    /* No new sandboxes any more: sandbox_create is ERR_CONFLICT.  An engine_reset that comes after this was set leaves
       none behind, not even one that was being made. */
    atomic_bool closed;
};

struct sandbox_spec {
    struct owner *owner;          /* NULL: nobody; the engine's clock */
    const char *dialect;          /* whose it is ("hyperbrowser"); borrowed for ever: a literal */
    const char *user;             /* default user name in the sandbox ("ubuntu"); NULL: "user" */
    const char *hostname;         /* NULL: "sandbox" */
    int64_t lifetime_ms;          /* stops by itself after this much API time; 0: never */
    bool without_network;         /* namespace isolation only: no network but loopback */
};

/* Make a sandbox and start its keeper (10 to 20 ms with namespaces).  Returns a reference. */
int sandbox_create(struct engine *engine, const struct sandbox_spec *spec, struct sandbox **out_sandbox,
                   struct err *err);

/* Find by id among those of `owner` (NULL: any) and `dialect` (NULL: any).  Returns a reference or NULL.  Closed
   sandboxes are found too. */
struct sandbox *engine_find_sandbox(struct engine *engine, const struct owner *owner, const char *dialect,
                                    const char *id);

/* All sandboxes of `owner` (NULL: any) and `dialect` (NULL: any), oldest first.  Returns an array of references (free
   with sandbox_list_free) and its length. */
struct sandbox **engine_list_sandboxes(struct engine *engine, const struct owner *owner, const char *dialect,
                                       size_t *out_count);
void sandbox_list_free(struct sandbox **list, size_t count);

struct sandbox *sandbox_ref(struct sandbox *sandbox);
void sandbox_unref(struct sandbox *sandbox);           /* NULL is fine */
/* A reference that drops itself at the end of a block. */
static inline void sandbox_drop(struct sandbox **sandbox)
{
    sandbox_unref(*sandbox);
}
#define SANDBOX_AUTO __attribute__((cleanup(sandbox_drop))) struct sandbox

/* Kill every process and descendant, wait until they are dead, drop the folders.  Idempotent; the second
   caller waits for the first.  Returns 0, also when it was closed already. */
int sandbox_stop(struct sandbox *sandbox, enum stop_reason reason, struct err *err);

/* Let it stop by itself after so much API time (0: at once), unless it does before.  Returns at once. */
void sandbox_stop_after(struct sandbox *sandbox, int64_t delay_ms, enum stop_reason reason);

/* Wait until it is closed, at most so long of the machine's time.  Is it? */
bool sandbox_await_closed(struct sandbox *sandbox, int64_t limit_ms);

/* Stop and forget every sandbox of `owner` (NULL: all), synchronously. */
void engine_reset(struct engine *engine, const struct owner *owner);

struct engine *sandbox_engine(const struct sandbox *sandbox);
struct owner *sandbox_owner(const struct sandbox *sandbox);   /* borrowed; NULL: nobody */
struct clock *sandbox_clock(const struct sandbox *sandbox);   /* borrowed: its owner's or the engine's */
/* The puppet program as processes in it see it, or NULL when this installation has none. */
const char *sandbox_puppet_path(const struct sandbox *sandbox);
const char *sandbox_id(const struct sandbox *sandbox);  /* a uuid */
enum sandbox_state sandbox_get_state(struct sandbox *sandbox);
enum stop_reason sandbox_get_stop_reason(struct sandbox *sandbox);
int64_t sandbox_created_ms(const struct sandbox *sandbox);  /* epoch ms */
int64_t sandbox_ended_ms(struct sandbox *sandbox);          /* epoch ms, 0 while it lives */
const char *sandbox_home(const struct sandbox *sandbox);    /* the default cwd, as processes in it see it */
const char *sandbox_user(const struct sandbox *sandbox);

/* A dialect's own record of the sandbox (names, tokens).  Set once, right after create; freed with the sandbox. */
void sandbox_attach(struct sandbox *sandbox, void *record, void (*free_record)(void *));
void *sandbox_record(struct sandbox *sandbox);

/* The process that was started as its main one (proc_spec.is_main): a reference, NULL when there was none.  Unlike
   others it stays known when the sandbox is closed. */
struct proc *sandbox_main(struct sandbox *sandbox);

/* Kernel truth: every process alive in the sandbox right now, read from /proc. */
struct census_entry {
    pid_t host_pid, host_ppid;
    pid_t pid;                    /* as the sandbox sees it */
    char state;                   /* R S D Z T ... */
    char comm[17];
    bool is_keeper;
};
/* Returns an array (free it) and its length; NULL when there is none. */
struct census_entry *sandbox_census(struct sandbox *sandbox, size_t *out_count);

/* ---- processes ---------------------------------------------------------------------- */

enum stdin_mode { STDIN_EMPTY /* /dev/null */, STDIN_PIPE /* open until proc_stdin_write says eof */ };

struct proc_spec {
    char *const *argv;            /* NULL-terminated; argv[0] is looked up in the child's PATH when it has no slash */
    const char *display;          /* the command as the client worded it; NULL: argv joined by blanks */
    const char *cwd;              /* absolute; NULL: sandbox_home */
    char *const *env;             /* "NAME=value" on top of the base environment, NULL-terminated; NULL: none */
    const char *run_as;           /* user name or number; NULL: the sandbox's default user */
    enum stdin_mode stdin_mode;
    bool is_main;                 /* the sandbox stops when it has ended (STOP_MAIN_ENDED); one in a sandbox, else
                                     ERR_CONFLICT */
    bool pty;                     /* one terminal instead of three pipes */
    unsigned short rows, cols;    /* pty; 0: 24 x 80 */
    int64_t timeout_ms;           /* API time; 0: none.  The group gets TERM, after term_grace_ms KILL */
    int64_t term_grace_ms;        /* API time between TERM and KILL when the time is up */
    int64_t drain_grace_ms;       /* real time to wait for a survivor's pipe after the exit */
    uint64_t keep_bytes;          /* output that must stay readable behind the newest byte; 0: all (to the log limit) */
    const char *id_prefix;        /* the id is this plus random text; NULL: "proc_" */
    int64_t hold_ms;              /* API time to stay queued before it starts; 0: none */
    int fail_errno;               /* not 0: nothing is run, the start fails with this errno at stage "exec" (after
                                     hold_ms) */
    const int *extra_fds;         /* descriptors 3, 4 ... of the program; duplicated, borrowed during the call */
    size_t extra_fd_count;        /* at most PROC_MAX_EXTRA_FDS */
};

#define PROC_MAX_EXTRA_FDS 2

/* Queue a process.  Checks the spec (cwd absolute, env names, no empty argv) and returns a reference at once;
   what becomes of it is in its facts.  ERR_CONFLICT when the sandbox is not active; ERR_LIMIT for too many. */
int proc_start(struct sandbox *sandbox, const struct proc_spec *spec, struct proc **out_proc, struct err *err);

/* The same with a reader that was opened at the first fact before the process could write anything, so that
   nothing of its output can be gone already.  Close the reader.  `out_reader` NULL: none. */
struct proc_reader;
int proc_start_read(struct sandbox *sandbox, const struct proc_spec *spec, struct proc **out_proc,
                    struct proc_reader **out_reader, struct err *err);

struct proc *sandbox_find_proc(struct sandbox *sandbox, const char *id);   /* returns a reference or NULL */
struct proc **sandbox_list_procs(struct sandbox *sandbox, size_t *out_count); /* newest first; references */
void proc_list_free(struct proc **list, size_t count);
struct proc *proc_ref(struct proc *proc);
void proc_unref(struct proc *proc);                    /* NULL is fine */
/* A reference that drops itself at the end of a block. */
static inline void proc_drop(struct proc **proc)
{
    proc_unref(*proc);
}
#define PROC_AUTO __attribute__((cleanup(proc_drop))) struct proc

const char *proc_id(const struct proc *proc);
const char *proc_display(const struct proc *proc);
const char *proc_cwd(const struct proc *proc);
struct sandbox *proc_sandbox(const struct proc *proc); /* borrowed */

/* Where a process is in its life (derived from its facts). */
enum proc_state {
    PROC_QUEUED,      /* accepted, not started */
    PROC_RUNNING,     /* has a pid */
    PROC_DRAINING,    /* has ended; its last output is still being collected */
    PROC_FINISHED,    /* has ended, output complete (facts are complete) */
    PROC_STATES
};

/* One coherent view of the facts so far. */
struct proc_view {
    enum proc_state state;
    pid_t pid;                 /* 0 until started */
    bool ended;                /* exited, died or failed to start: `end` tells */
    struct fact end;           /* FACT_EXITED, FACT_DIED or FACT_START_FAILED; valid when ended */
    bool timed_out;            /* a FACT_TIMED_OUT came before the end */
    bool signalled_by_client;  /* a FACT_SIGNALLED by WHO_CLIENT came before the end */
    bool killed_by_request;    /* proc_kill was asked for before the end */
    bool held;                 /* queued, and will be so for its hold_ms */
    unsigned seen;             /* bit k: the log has a fact of kind k (1u << FACT_...) */
    bool output_held;          /* a survivor still has the pipe; its later output is not logged */
    bool stdin_open;
    int64_t queued_ms, started_ms, ended_ms;  /* epoch; 0 = not yet */
    uint64_t facts;            /* how many facts there are = the newest sequence number */
    uint64_t out_seq;          /* newest output sequence number, 0 = none */
    uint64_t out_bytes[2];     /* bytes so far on stdout [0] and stderr [1] */
    uint64_t kept_from_offset; /* oldest offset still readable */
};
void proc_get_view(struct proc *proc, struct proc_view *out_view);

/* What a failed start is called: "cwd", "exec", "user" ... for FACT_START_FAILED's flag. */
const char *proc_start_stage_name(int stage);

/* Wait until the state is at least `state`, or API deadline `deadline_ms` (CLOCK_NEVER: none), or the
   interrupt callback (NULL: none; called about once a second of real time, no lock held) returns true.
   0, or -1 with ERR_TIMEOUT / ERR_CLOSED (interrupted). */
typedef bool interrupt_fn(void *arg);
int proc_wait_state(struct proc *proc, enum proc_state state, int64_t deadline_ms, interrupt_fn *interrupt,
                    void *arg, struct err *err);

/* The same until the log has a fact of one of the kinds in `mask` (1u << FACT_...).  ERR_GONE when the process is
   finished without one. */
int proc_wait_fact(struct proc *proc, unsigned mask, int64_t deadline_ms, interrupt_fn *interrupt, void *arg,
                   struct err *err);

/* A reader of the log.  While it is open, output from its position on is not dropped (up to the log limit), however
   little `keep_bytes` asks to be kept.

   Start reading at output sequence number `from_out_seq` (1 or 0: the first).  When that output is not kept any
   more: if `or_oldest`, start at the oldest whole output fact kept, else ERR_GONE.  Keeps a reference. */
int proc_reader_open(struct proc *proc, uint64_t from_out_seq, bool or_oldest, struct proc_reader **out_reader,
                     struct err *err);
void proc_reader_close(struct proc_reader *reader);    /* NULL is fine */

enum read_result {
    READ_FACT,        /* *out_fact is filled; for output facts `bytes` holds its bytes */
    READ_END,         /* the process is finished and every fact was read */
    READ_DEADLINE,    /* nothing new before the deadline */
    READ_LOST,        /* the reader fell behind the log limit: bytes are gone */
    READ_CLOSED       /* interrupted */
};
/* Next fact, output or not, in order, each alone.  `bytes` (borrowed,
   cleared first) gets the output.  Waits until API `deadline_ms`.  One thread per reader. */
enum read_result proc_reader_next(struct proc_reader *reader, int64_t deadline_ms, interrupt_fn *interrupt,
                                  void *arg, struct fact *out_fact, struct buf *bytes);
/* Let all who wait for this process's next fact ask their interrupt at once; who begins to wait then asks first.  Any
   thread. */
void proc_nudge(struct proc *proc);
/* From now on call `fn` whenever there may be something for a reader: a fact of these kinds (a mask of 1 << kind), on the
   thread that notes it and with the process's lock held, so it must be quick and may not call the engine.  One at a
   time; `fn` NULL: nobody any more, also not now. */
void proc_listen(struct proc *proc, unsigned kinds, void (*fn)(void *arg), void *arg);

/* Append one stream's output (0 stdout, 1 stderr) that is still kept within the newest `window` bytes of the whole
   log (0: all that is kept) to `out`.  Returns true when something older had to be left out. */
bool proc_collect(struct proc *proc, int stream, uint64_t window, struct buf *out);

/* The oldest output sequence number that is kept and lies whole within the newest `window` bytes of output (the rule
   behind a vendor's replay window); the next number to come when there is none. */
uint64_t proc_oldest_in_window(struct proc *proc, uint64_t window);

/* Copy facts with seq >= from into `out` (at most max); returns how many.  No waiting, no bytes. */
size_t proc_facts(struct proc *proc, uint64_t from, struct fact *out, size_t max);

/* Queue bytes for stdin (copied), then end it if `eof`.  Blocks while more than 1 MiB is pending and the process
   does not read, until API `deadline_ms`: then ERR_TIMEOUT and nothing of this call was queued.
   ERR_CONFLICT when stdin was ended, was never a pipe, or the process is over.  Atomic: all or nothing is queued. */
int proc_stdin_write(struct proc *proc, const void *data, size_t len, bool eof, int64_t deadline_ms,
                     struct err *err);

/* Send a signal to the process's group; returns when the kernel has taken it.  ERR_CONFLICT when it is over.  One that
   is held in the queue and would die of the signal dies at once: signalled, died, never started.  Any other signal to
   a held one is ERR_CONFLICT, too: nothing is there that could take it. */
int proc_signal(struct proc *proc, int signo, enum fact_who who, struct err *err);

/* SIGKILL to the group and every descendant that can be found (setsid, double fork), also after the main
   process is gone; a held one never starts.  Returns when they are dead (a second of real time at most).  Harmless on
   a finished one. */
int proc_kill(struct proc *proc, enum fact_who who, struct err *err);

/* New terminal size.  ERR_CONFLICT without a pty or after the end. */
int proc_resize(struct proc *proc, unsigned short rows, unsigned short cols, struct err *err);

/* ---- signals ------------------------------------------------------------------------ */

/* "TERM", "SIGTERM", "sigterm", "15" -> number; 0 when unknown or out of range. */
int signal_from_name(const char *name);
/* 15 -> "TERM"; "RTMIN+1" style for realtime; never NULL. Uses a static table for known names, else `spare`. */
const char *signal_name(int signo, char spare[16]);

#endif
