/* Running standbox-conformance as a person does.  Thread: one. */
#ifndef STANDBOX_TESTS_PROGRAM_H
#define STANDBOX_TESTS_PROGRAM_H

#include "base/buf.h"

struct cJSON;

struct program_run {
    int code;                /* exit code; -1: it died of a signal */
    struct buf out, err;
    struct cJSON *results;   /* what --json wrote, when it was asked for; NULL else */
};

#define PROGRAM_RUN_INIT { 0, BUF_INIT, BUF_INIT, NULL }
#define PROGRAM_RUN __attribute__((cleanup(program_run_fini))) struct program_run

/* Run it with these words (NULL-ended, without the program's name) and --json (unless they say it themselves), and wait; fails the test when it does not end. */
struct program_run program_run(const char *const *words);
void program_run_fini(struct program_run *run);

#define RUN(...) program_run((const char *const[]) { __VA_ARGS__, NULL })

/* How many results have this verdict; NULL: all. */
size_t program_count(const struct program_run *run, const char *verdict);
/* The result of a case; fails the test when there is none. */
const struct cJSON *program_result(const struct program_run *run, const char *id);

/* The environment's paths (conformance/tests/CMakeLists.txt). */
const char *program_env(const char *name);
/* Path of a bad adapter of conformance/tests/adapters; good until the next call but three. */
const char *program_adapter(const char *name);

#endif
