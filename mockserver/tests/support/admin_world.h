/*
 * A world with lanes and an admin API, asked without a network.
 *
 * Every answer is checked against the OpenAPI description that the API gives of itself: what is not
 * described there, or otherwise, fails the test that asked.
 */
#ifndef STANDBOX_TESTS_ADMIN_WORLD_H
#define STANDBOX_TESTS_ADMIN_WORLD_H

#include <cjson/cJSON.h>

#include "admin/admin.h"
#include "lanes/lane.h"
#include "tests/support/fake_exchange.h"
#include "tests/support/world.h"

#define ADMIN_TOKEN "s3cret-token"
#define ADMIN_SECONDS 60

struct admin_world {
    struct world *base;
    struct puppeteer *puppeteer;
    struct lanes *lanes;
    struct lane *lane;             /* "default", whose the base's sandbox is not */
    struct sandbox *sandbox;       /* the lane's own */
    struct admin *admin;
    cJSON *openapi;
    int shutdowns;
    bool answered_before_shutdown;
    struct exchange *current;      /* what is being asked, for the callback */
};

/* cmocka fixtures; *state is the struct admin_world. */
int admin_world_setup(void **state);
int admin_world_teardown(void **state);

struct asked {
    struct fake_exchange f;        /* first: the exchange is in it */
    struct buf headers;            /* of the answer, "Name: value\n" */
    cJSON *json;                   /* the answer, when it is JSON */
};

/* Ask with the token.  `body` NULL: none. */
struct asked *admin_ask(struct admin_world *w, const char *method, const char *target, const char *body);
struct asked *admin_ask_bytes(struct admin_world *w, const char *method, const char *target, const void *body,
                              size_t len);
/* The same in a thread; admin_answer waits for the end and checks. */
struct asked *admin_ask_later(struct admin_world *w, const char *method, const char *target, const char *body);
void admin_answer(struct admin_world *w, struct asked *asked);
/* With `field: value` instead of the token; the answer is not checked. */
struct asked *admin_ask_as(struct admin_world *w, const char *method, const char *target, const char *field,
                           const char *value);
void asked_free(struct asked **asked);

#define ASKED __attribute__((cleanup(asked_free))) struct asked

/* Members of JSON; they fail the test when there is none of that kind. */
const char *json_text(const cJSON *object, const char *name);
int json_number(const cJSON *object, const char *name);
bool json_bool(const cJSON *object, const char *name);
const cJSON *json_item(const cJSON *object, const char *array, int index);
int json_length(const cJSON *object, const char *array);
bool json_is_null(const cJSON *object, const char *name);

/* A process of `lane`'s own; returns a reference. */
struct proc *admin_world_start(struct admin_world *w, const char *line);

/* A request in the ledger of a lane, as a dialect and a transport would write it; its number. */
struct said {
    const char *id, *method, *path, *query, *body, *op, *sandbox, *process, *command, *content_type, *fault;
    int status;                    /* 0: no answer yet */
    enum answer_end end;
    bool open;
};
uint64_t admin_world_say(struct lane *lane, const struct said *said);

#endif
