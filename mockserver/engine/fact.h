/*
 * Facts: what really happened to a process, one entry each, never edited.
 *
 * Sequence numbers start at 1 and have no gaps.  Output facts also carry `out_seq`,
 * which counts only them (1, 2, 3 ... across stdout and stderr together), and the place
 * of their bytes in the process's output log.
 */
#ifndef STANDBOX_ENGINE_FACT_H
#define STANDBOX_ENGINE_FACT_H

#include <stdint.h>

enum fact_kind {
    FACT_QUEUED,        /* accepted; nothing runs yet */
    FACT_STARTED,       /* value = pid as the sandbox sees it */
    FACT_OUT,           /* bytes on stdout (or the pty) */
    FACT_ERR,           /* bytes on stderr */
    FACT_STDIN,         /* len bytes reached the process's stdin pipe */
    FACT_STDIN_EOF,     /* its stdin was closed */
    FACT_SIGNALLED,     /* value = signal number, who = sender */
    FACT_TIMED_OUT,     /* its time limit passed; value = limit in ms, capped to INT32_MAX */
    FACT_EXITED,        /* value = exit code */
    FACT_DIED,          /* value = signal number, core = dumped core */
    FACT_START_FAILED,  /* value = errno, stage = what failed */
    FACT_OUTPUT_EOF,    /* no more output will be logged; held = a survivor still has the pipe */
    FACT_KINDS
};

enum fact_who { WHO_NOBODY, WHO_CLIENT, WHO_TIMEOUT, WHO_SANDBOX_STOP, WHO_ADMIN, WHO_COUNT };

struct fact {
    uint64_t seq;       /* 1, 2, 3 ... */
    uint64_t out_seq;   /* FACT_OUT, FACT_ERR: 1, 2, 3 ...; else 0 */
    uint64_t offset;    /* FACT_OUT, FACT_ERR: first byte's place in the output log */
    int64_t wall_ms;    /* epoch milliseconds */
    uint32_t len;       /* FACT_OUT, FACT_ERR, FACT_STDIN: bytes */
    int32_t value;
    uint8_t kind;       /* enum fact_kind */
    uint8_t who;        /* enum fact_who */
    uint8_t flag;       /* core for FACT_DIED, held for FACT_OUTPUT_EOF, enum spawn_stage for START_FAILED */
};

const char *fact_kind_name(enum fact_kind kind);  /* "started", "out", "timed-out" ... */
const char *fact_who_name(enum fact_who who);     /* "client", "timeout" ... */

#endif
