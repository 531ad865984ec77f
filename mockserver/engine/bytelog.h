/*
 * An append-only log of bytes that is bounded in memory.
 *
 * Bytes have offsets that never change (0 is the first byte ever appended).  The newest
 * blocks are in memory; when all logs of a budget together exceed its limit, the log that
 * grows moves its oldest blocks to a file that has no name.  Reading does not care where
 * bytes are.  The front can be dropped for good.
 *
 * Thread: none inside except the budget's counter; the owner (struct proc) locks.
 */
#ifndef STANDBOX_ENGINE_BYTELOG_H
#define STANDBOX_ENGINE_BYTELOG_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct log_budget {
    size_t limit_bytes;       /* for the blocks of all logs together */
    const char *spool_dir;    /* where the nameless files are made; borrowed */
    atomic_size_t used_bytes;
};

struct bytelog_block;

struct bytelog {
    struct log_budget *budget;        /* borrowed */
    struct bytelog_block **blocks;    /* ring of `cap` slots, oldest at `head` */
    size_t head, count, cap;
    uint64_t start;                   /* oldest offset still readable */
    uint64_t end;                     /* one past the newest byte */
    uint64_t file_end;                /* offsets below it (and >= start) are in the file */
    int file_fd;                      /* -1: no file yet */
};

void bytelog_init(struct bytelog *log, struct log_budget *budget);
void bytelog_fini(struct bytelog *log);

/* Append all of it, or nothing with ERR_NOMEM.  A full disk is no error: memory is used then. */
int bytelog_append(struct bytelog *log, const void *data, size_t len, struct err *err);

/* Copy `len` bytes at `offset` to `out`.  ERR_GONE when any of them were dropped or never written, ERR_IO. */
int bytelog_read(const struct bytelog *log, uint64_t offset, void *out, size_t len, struct err *err);

/* Bytes before `offset` are not needed any more.  Never goes back. */
void bytelog_drop_before(struct bytelog *log, uint64_t offset);

#endif
