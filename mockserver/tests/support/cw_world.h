/*
 * A whole CoreWeave world for tests: the engine's world, the dialect, and short ways to call it in both versions.
 *
 * A test is written once and runs for v1 and v1beta2 (cw_world_run): `world->is_v1` says which, and the functions here
 * speak that version.  Functions that cannot do their work fail the running test (cmocka), so they are for the test's
 * own thread only.  Calls belong to the world and live until its teardown.
 */
#ifndef STANDBOX_TESTS_CW_WORLD_H
#define STANDBOX_TESTS_CW_WORLD_H

#include "dialects/coreweave/coreweave.h"
#include "lanes/lane.h"
#include "lanes/puppeteer.h"
#include "proto/coreweave_v1.pb-c.h"
#include "proto/coreweave_v1beta2.pb-c.h"
#include "proto/proto.h"
#include "proto/rpc.pb-c.h"
#include "tests/support/fake_rpc.h"
#include "tests/support/world.h"

#define CW_SECONDS 60

struct cw_answer {
    struct cw_answer *next;
    struct fake_rpc f;
    ProtobufCMessage *messages[64];   /* that were read */
    size_t message_count;
};

struct cw_world {
    struct world *base;
    struct puppeteer *puppeteer;
    struct lanes *lanes;
    struct lane *lane;
    struct cw_settings settings;
    const char *api_keys[3];
    void *dialect;
    bool is_v1;
    char sandbox[64];                 /* the newest */
    struct cw_answer *answers;
};

/* Run `tests` in each isolation mode and version; returns the number of failures. */
int cw_world_run(const char *name, const struct CMUnitTest *tests, size_t count);
int cw_world_setup(void **state);         /* with a running sandbox */
int cw_world_setup_empty(void **state);
int cw_world_teardown(void **state);
/* Again, with world->settings and world->api_keys as the test has changed them. */
void cw_world_remake_dialect(struct cw_world *world);

/* ---- calls ------------------------------------------------------------------------------------- */

/* A call of `method` ("SandboxService/GetSandbox", "GatewayService/Get"), not begun; the package is the world's. */
struct cw_answer *cw_new(struct cw_world *world, const char *method);
void cw_send(struct cw_answer *answer, const void *message);
void cw_start(struct cw_world *world, struct cw_answer *answer);
void cw_finish(struct cw_answer *answer);
/* One message there and back. */
struct cw_answer *cw_unary(struct cw_world *world, const char *method, const void *message);
/* The `index`-th message of the answer as one of `type`. */
const void *cw_read(struct cw_answer *answer, size_t index, const ProtobufCMessageDescriptor *type);
void cw_assert_ok(const struct cw_answer *answer);
/* Status, and the reason in the vendor's domain (NULL: none). */
void cw_assert_refused(const struct cw_answer *answer, enum rpc_status status, const char *reason);
/* A value of the ErrorInfo's metadata, or NULL; valid until the world's teardown. */
const char *cw_meta(struct cw_answer *answer, const char *name);

/* ---- in the words of both versions ------------------------------------------------------------------- */

struct cw_wish {
    const char *program, *image, *tag, *request_id, *working_dir;   /* NULL: none */
    const char *args[4];
    const char *env_name, *env_value;
    const char *file_path, *file_content;
    int max_lifetime_s;
};

struct cw_answer *cw_create(struct cw_world *world, const struct cw_wish *wish);
/* The same, and its id into world->sandbox; waits until it runs. */
void cw_new_sandbox(struct cw_world *world, const struct cw_wish *wish);
/* The same, with a shell line as its main process, and waits until that has written "up" (its traps are set then). */
void cw_new_sandbox_running(struct cw_world *world, const char *line);

/* What a Get shows. */
struct cw_seen {
    int state;                       /* CW_... of wire.h, by the version's own numbers */
    bool has_exit_code;
    int exit_code;
    char reason[200];
    int64_t started_s;
};
struct cw_seen cw_get(struct cw_world *world, const char *id);
/* Poll until it is so, as the SDK does. */
struct cw_seen cw_await_state(struct cw_world *world, const char *id, int state);
/* `grace_s` as on the wire. */
struct cw_answer *cw_stop(struct cw_world *world, const char *id, int grace_s, bool allow_missing);

/* A StreamExec that has been begun: `argv` ends with NULL. */
struct cw_answer *cw_exec_start(struct cw_world *world, const char *const *argv, bool tty);
/* ... of a shell line, with its input half-closed, finished. */
struct cw_answer *cw_exec(struct cw_world *world, const char *line);
void cw_stdin(struct cw_world *world, struct cw_answer *answer, const void *data, size_t len);
void cw_close(struct cw_world *world, struct cw_answer *answer);
void cw_resize(struct cw_world *world, struct cw_answer *answer, unsigned width, unsigned height);

/* What the messages of an exec say so far. */
struct cw_story {
    struct buf out, err;             /* joined */
    size_t ready, outputs, exits, errors, after_exit;
    int exit_code;
    char error_code[64];
};
void cw_tell(struct cw_world *world, struct cw_answer *answer, struct cw_story *out_story);
void cw_story_fini(struct cw_story *story);
#define CW_STORY __attribute__((cleanup(cw_story_fini))) struct cw_story
/* Wait until stdout holds `text`. */
void cw_await_output(struct cw_world *world, struct cw_answer *answer, const char *text);

#endif
