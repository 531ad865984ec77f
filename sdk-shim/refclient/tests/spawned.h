/*
 * A program that runs beside a test, with pipes at its stdin and stdout.
 */
#ifndef SPAWNED_H
#define SPAWNED_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct spawned {
    pid_t pid;
    FILE *in;  /* to write to, NULL behind spawned_close_in */
    FILE *out; /* to read from */
};

/* `argv` ends with NULL; its first is a path.  Fails the test when that is NULL or cannot be run. */
void spawned_start(struct spawned *spawned, const char *const *argv);

/* The next line of its stdout without its end, or NULL; free() it.  Waits ten seconds at most. */
char *spawned_read_line(struct spawned *spawned);

void spawned_write_line(struct spawned *spawned, const char *line);
void spawned_close_in(struct spawned *spawned);

/* Wait for the end: exit code, or 128 + signal.  Closes the pipes. */
int spawned_wait(struct spawned *spawned);

/* SIGTERM, and wait. */
int spawned_end(struct spawned *spawned);

/* The mock server, and its URL; free() it. */
char *spawned_server(struct spawned *spawned);

#endif
