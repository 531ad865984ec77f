/*
 * Who descends from us, as /proc shows it.
 *
 * As a subreaper the warden is an ancestor of everything that its command has ever started: an orphan becomes its
 * child.  So nothing is left exactly when it has no child, and what is to be killed is found by parents.
 */
#ifndef STANDBOX_WARDEN_TREE_H
#define STANDBOX_WARDEN_TREE_H

/* Send SIGKILL to every descendant that is no zombie.  Returns how many refused it (EPERM), -1 when /proc cannot be
   read or memory is short: the next round may do better. */
int tree_kill(void);

#endif
