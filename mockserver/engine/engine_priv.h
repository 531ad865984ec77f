/*
 * The engine's own structs, for files of this folder and its tests.
 *
 * Locks: engine->lock (sandbox list) > sandbox->lock (processes, state) > proc->lock (facts, log, streams).
 * Life-cycle changes, reads of pipes and timers happen on the reactor thread only; callers append
 * signal facts and stdin bytes under proc->lock.
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
    struct sandbox_home *home;      /* folders and users */
    int64_t created_ms, lifetime_ms;
    void *record;
    void (*free_record)(void *);
    pthread_mutex_t lock;           /* everything below */
    pthread_cond_t changed;
    enum sandbox_state state;
    enum stop_reason reason;
    int64_t ended_ms;
    struct proc *newest, *oldest;   /* each holds a reference */
    struct proc *by_id[PROC_BUCKETS], *by_number[PROC_BUCKETS];
    unsigned live, finished;
    struct link *link;
    struct link_ticket *tickets;    /* answers somebody waits for */
    uint64_t next_ticket;
    bool keeper_stopped;            /* STOPPED arrived, or the link ended */
    bool janitor_has_it;
    struct sandbox *janitor_next;
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
};

struct proc {
    struct sandbox *sandbox;        /* borrowed while the sandbox lists it; a reference for its whole life */
    struct proc *newer, *older, *next_by_id, *next_by_number;   /* sandbox->lock */
    atomic_uint refs;
    uint64_t number;
    char id[64];
    char *display, *cwd;
    bool pty, stdin_is_pipe;
    int64_t timeout_ms, term_grace_ms, drain_grace_ms;
    uint64_t keep_bytes;
    pthread_mutex_t lock;           /* everything below */
    pthread_cond_t changed;
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
    struct timer time_limit, drain; /* reactor thread */
    bool term_sent;
    bool listed;                    /* counted in sandbox->live until finished */
};

/* proc_life.c: everything that can happen to a process, on the reactor thread, no lock held. */
enum proc_event {
    EVENT_STARTED, EVENT_START_FAILED, EVENT_ENDED, EVENT_OUTPUT_OVER, EVENT_DRAIN_OVER, EVENT_TIME_UP,
    EVENT_KEEPER_LOST, PROC_EVENTS
};
struct proc_happening { pid_t pid; int fd; struct fact end; };
void proc_happen(struct proc *proc, enum proc_event event, const struct proc_happening *what);

/* proc_log.c, with proc->lock held. */
struct fact *proc_append_fact(struct proc *proc, enum fact_kind kind);   /* NULL: no memory, counted as lost */
void proc_append_output(struct proc *proc, enum fact_kind kind, const void *data, size_t len);
void proc_trim(struct proc *proc);

/* proc_io.c */
int proc_open_streams(struct proc *proc, int *child_fds, size_t *child_fd_count, struct err *err);
void proc_pump_all(struct proc *proc);                  /* read what is there; reactor thread, no lock */
bool proc_output_is_over(struct proc *proc);            /* both ends seen; takes the lock */
void proc_adopt_pty(struct proc *proc, int master);     /* reactor thread, no lock */
void proc_close_stream(struct proc *proc, enum stream_slot slot);  /* reactor thread, lock held */
void proc_close_all(struct proc *proc);                 /* reactor thread, no lock */

/* sandbox.c */
void sandbox_proc_finished(struct sandbox *sandbox, struct proc *proc);  /* reactor thread, no lock */
void sandbox_on_report(void *arg, const struct keeper_report *report, int fd);
void sandbox_on_link_end(void *arg);
struct proc *sandbox_find_number(struct sandbox *sandbox, uint64_t number);  /* returns a reference */
int sandbox_ask(struct sandbox *sandbox, struct keeper_request *request, int *out_value, struct err *err);

/* janitor.c: a thread that stops sandboxes on behalf of the reactor, which may not wait. */
int janitor_new(struct janitor **out_janitor, struct err *err);
void janitor_free(struct janitor *janitor);
void janitor_give(struct janitor *janitor, struct sandbox *sandbox, enum stop_reason reason);

#endif
