/*
 * The script of a puppet, checked whole and turned into a tree that owns its data.
 *
 * A script is a JSON array of steps; a step is an object with exactly one action and the keys
 * that go with it.  The grammar for people is in docs/standbox-puppet.1 and
 * fixtures/schema/puppet.schema.json; the table in steps.c is what counts.
 *
 * Nothing here runs anything.  Trees are immutable once parsed.
 */
#ifndef STANDBOX_PUPPET_STEPS_H
#define STANDBOX_PUPPET_STEPS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum step_kind {
    STEP_OUT, /* and err */
    STEP_SLEEP,
    STEP_READ,
    STEP_EXPECT,
    STEP_ON,
    STEP_LISTEN,
    STEP_UNLISTEN,
    STEP_FORK,
    STEP_WAIT,
    STEP_CLOSE,
    STEP_RAISE,
    STEP_CORE,
    STEP_EXIT,
    STEP_HANG,
    STEP_BARRIER,
    STEP_ENV,
    STEP_CWD,
    STEP_ARGS,
    STEP_TITLE,
    STEP_LOOP,
    STEP_SPIN,
    STEP_MEMORY,
    STEP_KINDS
};

struct steps {
    struct step *list;
    size_t count;
};

enum read_how { READ_LINE, READ_EOF, READ_BYTES };
enum on_how { ON_STEPS, ON_IGNORE, ON_DEFAULT };

#define LOOP_FOREVER   (-1)
#define LOOP_UNTIL_EOF (-2)

struct route {
    char *path;
    int status;
    struct buf body, type;
};

struct step_out {
    int fd;
    int64_t repeat;
    int64_t rate;  /* bytes per second; 0: as fast as it goes */
    int64_t chunk; /* bytes per write; 0: our choice */
};

struct step_listen {
    in_addr_t host; /* network order */
    bool print, echo, http;
    struct route *routes;
    size_t route_count;
};

struct step {
    enum step_kind kind;
    char *where;     /* JSON pointer of the action, for complaints at run time */
    int64_t number;  /* milliseconds, port, exit code, signal, bytes, times, megabytes, fd: what the kind counts */
    struct buf text; /* what to write, expect, wait for, name */
    struct steps body;
    union {
        struct step_out out;
        struct {
            enum read_how how;
            bool echo;
        } read;
        struct {
            enum on_how how;
        } on;
        struct step_listen listen;
        struct {
            bool keeps[3]; /* by fd */
            bool setsid, twice;
        } fork;
    } as;
};

/* Check and build.  0, or -1: ERR_INVALID "LINE:COLUMN: what" when it is not JSON, "/POINTER: what" when it is no
   script; ERR_LIMIT, ERR_NOMEM.  Free with steps_fini. */
int steps_parse(const char *text, size_t len, struct steps *out, struct err *err);
void steps_fini(struct steps *steps);

/* The first step of this kind, also inside others, or NULL. */
const struct step *steps_find(const struct steps *steps, enum step_kind kind);

#endif
