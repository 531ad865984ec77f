/*
 * The talk with whoever holds the other end of --control: a stream socket (AF_UNIX).
 *
 * The puppet writes one JSON line per wish and goes on when it is granted:
 *   {"barrier":"NAME","id":N}      it stands at a barrier
 *   {"sleep_ms":MS,"id":N}         it sleeps, and the clock is in the controller's hands
 *   {"until_ms":T,"id":N}          it sleeps until the controller's time T, if that was ever told
 *   {"fork":true}                  it forks: with this line comes a new socket (SCM_RIGHTS), on which
 *                                  the forked process makes its own wishes; nothing is answered
 * The controller answers {"go":true,"id":N}; to a sleep it may add "at_ms":T, its own time at which the
 * sleep was due.  Then outputs with a rate name the time of their next piece, or else they would fall
 * behind by what each answer takes.  A handler can make a wish while an interrupted step's wish stands;
 * a {"go":true} without an id grants the newest one.  The end of the socket while a wish stands ends the
 * puppet with 98: without its clock it has no way to do what it was told.
 */
#ifndef STANDBOX_PUPPET_CONTROL_H
#define STANDBOX_PUPPET_CONTROL_H

#include <stdint.h>

#include "base/buf.h"

struct puppet;
struct step;
struct wish;

struct control {
    int fd; /* -1: none */
    int64_t last_id;
    struct buf input;
    struct wish *newest; /* standing wishes, on their steps' stacks */
};

/* `fd` is borrowed until exit.  Returns 0, or -1 with errno when it is no stream socket. */
int control_init(struct control *c, int fd);

void control_barrier(struct puppet *p, const struct step *step);
/* Both return the controller's time at which the sleep was due, or -1: it does not tell. */
int64_t control_sleep_ms(struct puppet *p, const struct step *step, int64_t ms);
int64_t control_sleep_until(struct puppet *p, const struct step *step, int64_t at_ms);

/* Around a fork: make the new process's socket and tell the controller (-1: no controller) ... */
int control_before_fork(struct puppet *p, const struct step *step);
/* ... use it in the new process; takes fd. */
void control_in_child(struct control *c, int fd);

#endif
