/*
 * A conversation with a child: bytes to its stdin, lines from its stdout, the end of its stderr kept.
 *
 * One call moves all of them at once, so neither side can block the other, however much either says: stderr is read
 * always, and a child that does not read its stdin only makes the time run out.  When the child has ended, what is in
 * its pipes at that moment is taken, and their end is not waited for: somebody else may hold them.
 *
 * Thread: belongs to one thread.
 */
#ifndef STANDBOX_LINK_TALK_H
#define STANDBOX_LINK_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "link/child.h"
#include "link/lines.h"

/* How long a child that has closed a pipe is given to end, before that counts by itself. */
#define TALK_CLOSED_MS 2000

struct talk {
    struct child child;
    struct lines lines;
    struct tail tail;
    struct buf unsent;      /* for its stdin */
    size_t sent;
    bool close_behind;      /* close its stdin behind what is unsent */
    bool needs_not_read;    /* a closed stdin is no event */
    int64_t in_broke_ns;    /* it closed its stdin while we had more for it; 0: no */
    int64_t out_closed_ns;  /* it closed its stdout; 0: no */
    bool drained;           /* it has ended, and all that was in its pipes is here */
    int cancel_fd;          /* readable: give up; -1: none.  Borrowed */
};

enum talk_event {
    TALK_LINE,
    TALK_TOO_LONG,    /* a line of more than the limit; talk_rest has it */
    TALK_NO_MEMORY,
    TALK_ENDED,       /* child.wait_status; talk_rest has an unfinished line */
    TALK_LOST,        /* its warden was killed, and it with it */
    TALK_NO_STDIN,    /* it closed its stdin with more to come, and has not ended */
    TALK_NO_STDOUT,   /* it closed its stdout, and has not ended */
    TALK_CANCELLED,
    TALK_TIMEOUT
};

/* Start the child.  Arguments and errors as child_start's. */
int talk_start(struct talk *t, const struct child_options *options, size_t line_limit, int64_t start_ms,
               struct err *err);

/* Kill and reap everything, free.  Fine for one that never started, and twice. */
void talk_fini(struct talk *t);

/* Have `data` written to its stdin in the next talk_next; false: no memory. */
bool talk_say(struct talk *t, const char *data, size_t len);
/* Is all of it written? */
bool talk_all_said(const struct talk *t);

/* The next event, until the machine's monotonic moment `until_ns`.  Lines come before everything else.  The line is
   valid until the next call. */
enum talk_event talk_next(struct talk *t, int64_t until_ns, const char **out_line, size_t *out_len);

/* Take in what is there now, without waiting. */
void talk_glance(struct talk *t);

/* Bytes of stdout that have not become a line. */
void talk_rest(const struct talk *t, const char **out_data, size_t *out_len);

#endif
