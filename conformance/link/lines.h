/*
 * Bytes in, lines out; and the two ways in which we keep what a program said for people to read.
 * Thread: each belongs to one thread.
 */
#ifndef STANDBOX_LINK_LINES_H
#define STANDBOX_LINK_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* ---- lines of a bounded length --------------------------------------------------------- */

struct lines {
    struct buf buf;
    size_t start;      /* first byte not given out */
    size_t scanned;    /* no newline between start and here */
    size_t limit;      /* longest line, without its newline */
};

#define LINES_INIT(longest) { BUF_INIT, 0, 0, (longest) }

enum lines_got { LINES_NONE, LINES_ONE, LINES_TOO_LONG, LINES_NO_MEMORY };

void lines_fini(struct lines *l);

/* Room for `more` bytes to be read into, then lines_added how many came.  NULL: no memory. */
char *lines_room(struct lines *l, size_t more);
void lines_added(struct lines *l, size_t len);

/* The next whole line, without its newline; valid until lines_room. */
enum lines_got lines_next(struct lines *l, const char **out_line, size_t *out_len);

/* What has come of a line that has no newline yet. */
void lines_rest(const struct lines *l, const char **out_line, size_t *out_len);

/* ---- the end of a log ------------------------------------------------------------------ */

#define TAIL_BYTES 4096

struct tail {
    char data[TAIL_BYTES];
    size_t len;        /* bytes kept, the oldest at `begin` */
    size_t begin;
};

void tail_add(struct tail *t, const char *data, size_t len);
/* Appends it as valid UTF-8 (U+FFFD for what is none; a character cut at the front is left out), NUL as U+FFFD too. */
void tail_text(const struct tail *t, struct buf *out);

/* ---- showing bytes --------------------------------------------------------------------- */

/* Append the first `most` of `len` bytes on one line: control characters and what is not UTF-8 as \xNN, and how many
   there were if some are left out. */
void show_bytes(struct buf *out, const char *data, size_t len, size_t most);

#endif
