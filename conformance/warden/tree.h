/*
 * Who descends from us, as /proc shows it.
 *
 * As a subreaper the warden is an ancestor of everything that its command has ever started: an orphan becomes its
 * child.  So nothing is left exactly when it has no child, and what is to be killed is found by parents.
 */
#ifndef STANDBOX_WARDEN_TREE_H
#define STANDBOX_WARDEN_TREE_H

/* Send SIGKILL to every child, orphans among them.  Cheap enough to be done again and again: one that forks and ends all
   the time is our child for less time than it takes to read all of /proc.  Does nothing on a kernel that does not list
   children (CONFIG_PROC_CHILDREN). */
void tree_kill_children(void);

/* Send SIGKILL to every descendant that is no zombie.  Returns how many refused it (EPERM), -1 when /proc cannot be
   read or memory is short: the next round may do better. */
int tree_kill(void);

#endif
