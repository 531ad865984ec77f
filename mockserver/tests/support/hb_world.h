/*
 * A whole Hyperbrowser world for tests: the engine's world, the dialect, one sandbox, and short ways to call it.
 *
 * Functions that cannot do their work fail the running test (cmocka), so they are for the test's
 * own thread only.  Answers belong to the world and live until its teardown.
 */
#ifndef STANDBOX_TESTS_HB_WORLD_H
#define STANDBOX_TESTS_HB_WORLD_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "dialects/hyperbrowser/hyperbrowser.h"
#include "lanes/lane.h"
#include "lanes/puppeteer.h"
#include "tests/support/fake_exchange.h"
#include "tests/support/world.h"

struct answer {
    struct answer *next;
    struct fake_exchange f;
    struct cJSON *json; /* NULL when the body is none */
};

struct hb_world {
    struct world *base;
    struct puppeteer *puppeteer;
    struct lanes *lanes;
    struct lane *lane; /* whose dialect this is */
    struct hb_settings settings;
    const char *api_keys[3];
    void *dialect;
    char sandbox[64], token[128]; /* of the sandbox made by hb_world_setup */
    struct answer *answers;
};

/* cmocka fixtures, in the isolation mode of world_run_modes. */
int hb_world_setup(void **state);
int hb_world_setup_empty(void **state); /* no sandbox of this dialect yet */
int hb_world_teardown(void **state);

/* Again, with world->settings and world->api_keys as the test has changed them. */
void hb_world_remake_dialect(struct hb_world *world);
/* A new sandbox in place of the world's current one. */
void hb_world_new_sandbox(struct hb_world *world);

/* One request, answered.  `body` NULL: none. */
struct answer *hb_control(struct hb_world *world, const char *method, const char *target, const char *body);
/* `rest` is what follows R; with the sandbox's token. */
struct answer *hb_runtime(struct hb_world *world, const char *method, const char *rest, const char *body);
/* The same in a thread of its own, with an Accept header (NULL: none). */
struct answer *hb_runtime_start(struct hb_world *world, const char *method, const char *rest, const char *body,
                                const char *accept);
/* Wait until a started one is over, and parse its body. */
void hb_finish(struct answer *answer);
/* The bare pieces, for requests of another kind. */
struct answer *hb_new_answer(struct hb_world *world, const char *method, const char *target);
struct answer *hb_send(struct hb_world *world, struct answer *answer);

/* A command through /exec; {"command": ...} is made here. */
struct answer *hb_exec(struct hb_world *world, const char *command);
/* Start (protocol A) and copy the id. */
void hb_start(struct hb_world *world, const char *command, char id[64]);
/* POST /processes/ID/VERB. */
struct answer *hb_post(struct hb_world *world, const char *id, const char *verb, const char *body);

/* Members by path: "result/stdout", "data/0/id".  Fail the test when absent or of another type. */
const struct cJSON *hb_at(const struct answer *answer, const char *path);
const char *hb_text(const struct answer *answer, const char *path);
int64_t hb_int(const struct answer *answer, const char *path);

/* Status and error code of a refusal; both message and error must be there. */
void hb_assert_refused(const struct answer *answer, int status, const char *code);

/* The events of a stream's body, parsed. */
struct hb_event {
    char name[16];
    struct cJSON *data;
};
struct hb_event *hb_events(const struct answer *answer, size_t *out_count);
void hb_events_free(struct hb_event *events, size_t count);

#endif
