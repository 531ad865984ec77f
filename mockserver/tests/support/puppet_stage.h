/*
 * A puppeteer with a clock, and puppets on it: real ones, and raw sockets for what no puppet would say.
 *
 * Everything gives up at a deadline and then returns false; nothing here asserts.
 */
#ifndef STANDBOX_TESTS_PUPPET_STAGE_H
#define STANDBOX_TESTS_PUPPET_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "lanes/puppeteer.h"
#include "tests/support/puppet_child.h"

struct stage {
    struct puppeteer *puppeteer;
    struct clock *clock;
    size_t fds_before;
};

bool stage_open(struct stage *s); /* the clock stands still */
bool stage_close(struct stage *s); /* false: descriptors are left over */

/* Start a real puppet of the lane; `clock` NULL: the stage's. */
bool stage_enter(struct stage *s, struct puppet_child *c, const char *lane, struct clock *clock, const char *steps);

/* Wait until so many stand at the barrier; `name` NULL: until so many sleep. */
bool stage_await(struct stage *s, const char *lane, const char *name, unsigned count);
/* Wait until so many sockets are served, and so many wishes stand. */
bool stage_settles(struct stage *s, size_t puppets, size_t wishes);
size_t stage_wishes(struct stage *s);
size_t stage_refused(struct stage *s);

/* ---- raw sockets ---------------------------------------------------------------------- */

int raw_enter(struct stage *s, const char *lane); /* -1: no */
bool raw_send(int fd, const char *text);
/* One message with descriptors (of which raw_send_fds keeps yours open). */
bool raw_send_fds(int fd, const char *text, const int *fds, size_t count);
/* Exactly this comes next. */
bool raw_gets(int fd, const char *text);
/* The grant of a sleep, that was due then (`out_at_ms` NULL: whenever). */
bool raw_wakes(int fd, int id, int64_t *out_at_ms);
bool raw_gets_end(int fd);

size_t count_fds(void);

#endif
