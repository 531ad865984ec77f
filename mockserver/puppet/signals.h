/*
 * The script's handlers.
 *
 * The real handler only notes the signal and writes to an eventfd; the steps run later, from
 * wait.h and between steps.  As with the kernel's own rules a signal is held back while its
 * handler runs, and several of one kind meanwhile count as one.
 */
#ifndef STANDBOX_PUPPET_SIGNALS_H
#define STANDBOX_PUPPET_SIGNALS_H

#include "puppet/steps.h"

struct puppet;

/* Default action for all signals, none blocked, whatever the parent had set up.  0, or -1 with errno. */
int signals_init(void);

/* In a new fork, all signals still blocked: an eventfd of its own, nothing pending, nothing running. */
int signals_renew(void);

/* Carry out an "on" step; `step` is borrowed for ever. */
int signals_install(const struct step *step);

/* Run what is pending. */
void signals_run(struct puppet *p);

/* Becomes readable when a signal was noted; signals_run empties it. */
int signals_fd(void);

/* Send a signal to this process; its handler, if there is one, is pending on return. */
void signals_raise(int signo);

/* Die by ABRT, with a core dump as far as the limits allow. */
_Noreturn void signals_dump_core(void);

#endif
