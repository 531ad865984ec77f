/*
 * What server and keeper say to each other over a SOCK_SEQPACKET pair: one struct a packet.
 *
 * Both ends are built from this tree, so structs go over as they are.  A process is named by a number
 * that the server gives; the keeper never reuses or invents one.  Texts of a spawn (cwd, argv, env:
 * NUL-terminated, one behind the other) follow the struct, or come in a memfd when they are long.
 *
 * Order that the keeper promises for one process: STARTED or START_FAILED first, EXITED after STARTED.
 */
#ifndef STANDBOX_ENGINE_KEEPER_WIRE_H
#define STANDBOX_ENGINE_KEEPER_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KEEPER_MAX_EXTRA_FDS 2
#define KEEPER_MAX_FDS (3 + KEEPER_MAX_EXTRA_FDS + 1)
#define KEEPER_INLINE_BYTES (16u * 1024u)
#define KEEPER_MAX_TEXT_BYTES (48u * 1024u * 1024u)

enum keeper_op {
    KEEPER_SPAWN = 1,   /* fds: [stdin,] stdout, stderr (none of them with a pty), extra_fds [, memfd] */
    KEEPER_SIGNAL,      /* to the group of `number`; answered by SIGNAL_DONE */
    KEEPER_KILL_TREE,   /* SIGNAL_DONE without a ticket when the process itself lived; answered by KILL_DONE */
    KEEPER_STOP         /* kill all, report every exit, then STOPPED, then exit */
};

enum keeper_spawn_flags {
    SPAWN_HAS_STDIN = 1,    /* else /dev/null */
    SPAWN_PTY = 2,
    SPAWN_TEXT_IN_MEMFD = 4,
    SPAWN_SETUID = 8,       /* real setuid/setgid to uid, gid (keeper runs as root) */
    SPAWN_USERNS = 16       /* a user namespace in which we are uid, gid */
};

struct keeper_request {
    uint32_t op;
    uint32_t flags;
    uint64_t number;
    uint64_t ticket;        /* echoed in the answer of SIGNAL and KILL_TREE */
    int32_t signo;
    uint32_t who;           /* enum fact_who; echoed with what it did */
    uint32_t uid, gid;
    uint16_t rows, cols;
    uint32_t argc, envc;
    uint32_t text_bytes;    /* cwd, argv..., env... */
    uint32_t extra_fds;     /* how many; they become 3, 4 ... */
};

enum keeper_event {
    KEEPER_READY = 1,       /* value = keeper's pid in its own pid namespace */
    KEEPER_STARTED,         /* value = pid; a pty's master comes as fd */
    KEEPER_START_FAILED,    /* value = errno, stage */
    KEEPER_EXITED,          /* value = exit code */
    KEEPER_DIED,            /* value = signal, stage = 1 when core was dumped */
    KEEPER_SIGNAL_DONE,     /* value = errno or 0, stage = signal, who; comes before the end that it causes */
    KEEPER_KILL_DONE,       /* value = how many were still alive */
    KEEPER_STOPPED
};

enum spawn_stage {
    STAGE_NONE, STAGE_KEEPER, STAGE_MEMORY, STAGE_PTY, STAGE_FORK, STAGE_USER, STAGE_CWD, STAGE_EXEC, STAGES
};

struct keeper_report {
    uint32_t event;
    int32_t value;
    uint64_t number;
    uint64_t ticket;
    uint32_t stage;
    uint32_t who;
};

/* Send one packet with up to KEEPER_MAX_FDS descriptors.  `flags` as sendmsg's.  0 or -1 with errno. */
int keeper_send(int sock, const void *head, size_t head_len, const void *text, size_t text_len,
                const int *fds, size_t fd_count, int flags);

/* Receive one packet; descriptors are close-on-exec.  Bytes received, 0 at the end, -1 with errno. */
ssize_t keeper_receive(int sock, void *data, size_t room, int *fds, size_t *fd_count, int flags);

/* Name of a stage: "cwd", "exec" ... */
const char *spawn_stage_name(int stage);

/* The environment variables by which the descendants of a process and of a sandbox are known, even after a double
   fork. */
#define KEEPER_MARK "STANDBOX_PROCESS="
#define SANDBOX_MARK "STANDBOX_SANDBOX="

#endif
