/*
 * The engine's own structs, for files of this folder and its tests.
 *
 * Locks: engine->lock (sandbox list) > sandbox->lock (processes, state) > proc->lock (facts, log, streams).
 * Life-cycle changes, reads of pipes and timers happen on the reactor thread only; callers append
 * signal facts and stdin bytes under proc->lock.
 *
 * A clock's change reaches timers through the reactor, and who waits for a deadline through the
 * sandbox's listener (sandbox_procs.c).
 */
#ifndef STANDBOX_ENGINE_ENGINE_PRIV_H
#define STANDBOX_ENGINE_ENGINE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/bytelog.h"
#include "engine/engine.h"
#include "engine/isolate.h"
#include "engine/link.h"
#include "engine/reactor.h"

#define PROC_BUCKETS 256
#define STDIN_PENDING_BYTES (1024u * 1024u)

struct engine {
    struct engine_config config;
    char *keeper_path, *state_dir;
    char *puppet_path;              /* NULL: none */
    struct reactor *reactor;
    struct log_budget budget;
    struct host_tools tools;        /* what of the host a sandbox gets to see; read once */
    pthread_mutex_t lock;
    struct sandbox *first, **last;  /* oldest first; each holds a reference */
    atomic_uint_fast64_t next_proc_number;
    struct janitor *janitor;        /* stops sandboxes that nobody waits for */
};

struct sandbox {
    struct engine *engine;
    struct sandbox *next;
    atomic_uint refs;
    char id[37];
    const char *dialect;
    struct owner *owner;            /* a reference; NULL: nobody */
    struct clock *clock;            /* a reference */
    struct clock_listener listener; /* from create to close */
    struct sandbox_home *home;      /* folders and users */
    int64_t created_ms, lifetime_ms;
    int64_t stops_at_ms;            /* API time; reactor thread, like the two below: when the timer is due */
    enum stop_reason stops_for;
    bool stops_no_more;             /* it is being closed */
    void *record;
    void (*free_record)(void *);
    pthread_mutex_t lock;           /* everything below */
    pthread_cond_t changed;
    enum sandbox_state state;
    enum stop_reason reason;
    int64_t ended_ms;
    struct proc *newest, *oldest;   /* each holds a reference */
    struct proc *by_id[PROC_BUCKETS], *by_number[PROC_BUCKETS];
    struct proc *main;              /* a reference, from its start until the sandbox is forgotten */
    unsigned live, finished;
    struct link *link;
    unsigned link_users;            /* threads that are sending; the link is not freed under them */
    struct link_ticket *tickets;    /* answers somebody waits for */
    uint64_t next_ticket;
    bool keeper_stopped;            /* STOPPED arrived, or the link ended */
    bool keeper_left_any;           /* it gave up: something of its tree is still alive */
    bool stop_begun;                /* its processes know, and the keeper */
    bool closing;                   /* somebody is in close_sandbox */
    struct sandbox *janitor_next;   /* janitor's lock, like the two below it */
    bool janitor_has_it;
    enum stop_reason janitor_reason;
    struct timer lifetime;          /* reactor thread */
};

/* Somebody waits for SIGNAL_DONE or KILL_DONE. */
struct link_ticket {
    struct link_ticket *next;
    uint64_t number;
    bool done;
    int value;
};

enum stream_slot { SLOT_OUT, SLOT_ERR, SLOT_IN, SLOTS };

struct stream {
    struct source source;           /* first: a source is its stream */
    struct proc *proc;
    enum stream_slot slot;
    bool grown;                     /* its pipe was made larger once */
};

struct proc_reader {
    struct proc_reader *next;       /* in proc->readers, under proc->lock */
    struct proc *proc;              /* a reference */
    uint64_t next_seq;              /* fact to be read next */
    uint64_t pin;                   /* output before it is not needed by this reader */
    uint64_t nudges;                /* of proc->nudges, those that it has followed; under proc->lock */
};

/* What the keeper is to be told of a process, and the far ends of its pipes. */
struct launch {
    struct keeper_request request;
    struct buf text;
    int fds[KEEPER_MAX_FDS];        /* its own; one place is left for long texts */
    size_t fd_count;
    int fail_stage, fail_errno;     /* not STAGE_NONE: nothing is sent, this is what happens */
};

struct proc {
    struct sandbox *sandbox;        /* borrowed while the sandbox lists it; a reference for its whole life */
    struct proc *newer, *older, *next_by_id, *next_by_number;   /* sandbox->lock */
    atomic_uint refs;
    uint64_t number;
    char id[64];
    char *display, *cwd;
    bool pty, stdin_is_pipe, is_main;
    int64_t timeout_ms, term_grace_ms, drain_grace_ms;
    uint64_t keep_bytes;
    struct reactor_job destroy;
    pthread_mutex_t lock;           /* everything below */
    pthread_cond_t changed;         /* facts, output, room for stdin */
    pthread_cond_t moved;           /* view.state has reached what somebody waits for */
    unsigned waiting[PROC_STATES];  /* how many wait for a state */
    uint64_t nudges;                /* how often readers were told to ask their interrupt */
    void (*listener)(void *arg);    /* NULL: none */
    void *listener_arg;
    unsigned listens_to;            /* kinds of facts */
    struct fact *facts;             /* those with seq > facts_dropped */
    size_t fact_count, fact_cap;
    uint64_t facts_dropped;
    struct bytelog log;
    struct proc_view view;
    struct proc_reader *readers;
    struct stream streams[SLOTS];
    bool discards;                  /* finished, and a survivor's pipe is read into the void */
    char *pending;                  /* stdin bytes not yet in the pipe */
    size_t pending_at, pending_len, pending_cap;
    bool stdin_eof_wanted, stdin_writable_watched;
    struct timer time_limit, drain, hold;   /* reactor thread, like the three below */
    int64_t hold_until;             /* API time */
    struct launch *held;            /* waits for the end of the hold */
    bool term_sent;
    bool listed;                    /* counted in sandbox->live until finished */
};

/* proc_life.c: everything that can happen to a process, on the reactor thread, no lock held. */
enum proc_event {
    EVENT_STARTED, EVENT_START_FAILED, EVENT_ENDED, EVENT_OUTPUT_OVER, EVENT_DRAIN_OVER, EVENT_TIME_UP,
    EVENT_KEEPER_LOST, EVENT_HOLD_OVER, EVENT_KILLED /* while held */, PROC_EVENTS
};
struct proc_happening {
    pid_t pid;
    int fd;
    struct fact end;
    int signo;                      /* EVENT_KILLED */
    enum fact_who who;
    bool by_request;                /* proc_kill */
};
void proc_happen(struct proc *proc, enum proc_event event, const struct proc_happening *what);
/* End a process that is held, by a signal; any thread.  False: it is not held (any more), and nothing was done. */
bool proc_end_held(struct proc *proc, int signo, enum fact_who who, bool by_request);
/* The keeper has sent a signal. */
void proc_note_signal(struct proc *proc, int signo, enum fact_who who);

/* proc.c */
struct proc *proc_new(struct sandbox *sandbox, const struct proc_spec *spec);   /* NULL: no memory */

/* proc_start.c */
int launch_send(struct proc *proc, struct launch *launch, struct err *err);
void launch_free(struct launch *launch);                /* NULL is fine */

/* signals.c: does a process die of it that does nothing about signals? */
bool signal_is_deadly(int signo);

/* proc.c: wait on `cond` with proc->lock held, until it is signalled or API `deadline_ms`.  With an `interrupt` it
   looks up once a second and asks it, lock released; at once when there were nudges (proc_nudge) beyond `*nudges`, which
   is the waiter's own memory of them (NULL: nudges are not for it). */
enum wait_result { WAIT_CHANGED, WAIT_DEADLINE, WAIT_INTERRUPTED };
enum wait_result proc_wait_change(struct proc *proc, pthread_cond_t *cond, int64_t deadline_ms,
                                  interrupt_fn *interrupt, void *arg, uint64_t *nudges);

/* proc_log.c, with proc->lock held. */
/* Add a fact, and tell the sandbox's owner; the fact's number and time are filled in here.  `bytes`: of output and
   stdin.  Returns it as it is in the log, NULL: no memory. */
const struct fact *proc_add_fact(struct proc *proc, struct fact fact, const void *bytes);
void proc_append_output(struct proc *proc, enum fact_kind kind, const void *data, size_t len);
void proc_trim(struct proc *proc);

/* proc_io.c */
int proc_open_streams(struct proc *proc, int *child_fds, size_t *child_fd_count, struct err *err);
void proc_read_output(struct proc *proc);               /* from now on; reactor thread */
void proc_pump_all(struct proc *proc);                  /* read what is there; reactor thread, no lock */
bool proc_output_is_over(struct proc *proc);            /* both ends seen; takes the lock */
void proc_adopt_pty(struct proc *proc, int master);     /* -1: it was lost on the way.  Reactor thread, no lock */
void proc_close_stream(struct proc *proc, enum stream_slot slot);  /* reactor thread, lock held */
void proc_close_all(struct proc *proc);                 /* reactor thread, no lock */

/* sandbox_procs.c */
/* From here on it is known, and queued.  ERR_CONFLICT: the sandbox is not active. */
int sandbox_list_proc(struct sandbox *sandbox, struct proc *proc, struct err *err);
/* Who waits for a deadline looks at the clock again. */
void sandbox_wake_waiters(void *sandbox);
void sandbox_proc_finished(struct sandbox *sandbox, struct proc *proc);  /* reactor thread, no lock */
struct proc *sandbox_find_number(struct sandbox *sandbox, uint64_t number);  /* returns a reference */
struct proc **sandbox_live_procs(struct sandbox *sandbox, size_t *out_count);  /* not finished; references */
void sandbox_forget_procs(struct sandbox *sandbox);
void sandbox_forget_main(struct sandbox *sandbox);      /* it holds the sandbox, too; no lock held */

/* sandbox_link.c */
void sandbox_on_report(void *arg, const struct keeper_report *report, int fd);
void sandbox_on_link_end(void *arg);
/* Send to the keeper from any thread. */
int sandbox_send(struct sandbox *sandbox, const struct keeper_request *request, const void *text, size_t len,
                 const int *fds, size_t fd_count, struct err *err);
/* Send and wait for the answer; its value goes to *out_value. */
int sandbox_ask(struct sandbox *sandbox, struct keeper_request *request, int *out_value, struct err *err);

/* sandbox.c */
void engine_cond_init(pthread_cond_t *cond);            /* waits by the machine's monotonic time */
struct timespec engine_real_deadline(int64_t delay_ms); /* for it */
void sandbox_begin_stop(struct sandbox *sandbox, enum stop_reason reason);
int sandbox_finish_stop(struct sandbox *sandbox, struct err *err);

/* sandbox_list.c */
/* Keeps a reference.  ERR_CONFLICT: its owner takes no new ones. */
int engine_list_sandbox(struct engine *engine, struct sandbox *sandbox, struct err *err);
void engine_remember_closed(struct engine *engine, struct sandbox *sandbox);  /* and forget an older one, maybe */
void engine_stop_all(struct engine *engine);            /* for the server's end */

/* census.c: kill and reap what a dead keeper left to the server. */
void orphans_kill(struct engine *engine);

/* janitor.c: a thread that stops sandboxes on behalf of the reactor, which may not wait. */
int janitor_new(struct janitor **out_janitor, struct err *err);
void janitor_free(struct janitor *janitor);
void janitor_give(struct janitor *janitor, struct sandbox *sandbox, enum stop_reason reason);  /* any thread */

#endif
