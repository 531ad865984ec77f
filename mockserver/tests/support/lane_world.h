/*
 * Lanes over an engine of their own, for tests of lanes; with real processes.
 */
#ifndef STANDBOX_TESTS_LANE_WORLD_H
#define STANDBOX_TESTS_LANE_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "engine/engine.h"
#include "lanes/lane.h"
#include "lanes/puppeteer.h"

struct lane_world {
    struct buf state_dir;
    struct engine *engine;
    struct puppeteer *puppeteer;
    struct lanes *lanes;
};

static inline void lane_world_open_in(struct lane_world *w, enum isolation isolation, const char *puppet_path,
                                      struct lanes_config config)
{
    struct err err = ERR_INIT;
    struct clock *clock;
    const char *tmp = getenv("TMPDIR");
    memset(w, 0, sizeof *w);
    if (clock_new(&clock, 1, &err) < 0 ||
        engine_make_state_dir(&w->state_dir, tmp != NULL ? tmp : "/tmp", &err) < 0)
        fail_msg("%s", err.text);
    const struct engine_config engine_config = {
        .isolation = isolation,
        .keeper_path = getenv("STANDBOX_KEEPER"),
        .puppet_path = puppet_path,
        .state_dir = buf_cstr(&w->state_dir),
        .clock = clock,
    };
    if (engine_new(&w->engine, &engine_config, &err) < 0 || puppeteer_new(&w->puppeteer, &err) < 0)
        fail_msg("%s", err.text);
    config.engine = w->engine;
    config.puppeteer = w->puppeteer;
    config.clock_scale = config.clock_scale > 0 ? config.clock_scale : 1;
    if (lanes_new(&w->lanes, &config, &err) < 0)
        fail_msg("%s", err.text);
    clock_unref(clock);
}

/* Without namespaces, which is quicker. */
static inline void lane_world_open(struct lane_world *w, struct lanes_config config)
{
    lane_world_open_in(w, ISOLATION_NONE, getenv("STANDBOX_PUPPET"), config);
}

static inline void lane_world_close(struct lane_world *w)
{
    lanes_free(w->lanes);
    puppeteer_free(w->puppeteer);
    engine_free(w->engine);
    engine_remove_state_dir(buf_cstr(&w->state_dir));
    buf_fini(&w->state_dir);
}

/* Made when it is not there.  Returns a reference. */
static inline struct lane *lane_world_get(struct lane_world *w, const char *name)
{
    struct err err = ERR_INIT;
    struct lane *lane = NULL;
    if (lanes_get(w->lanes, name, true, &lane, &err) < 0)
        fail_msg("%s", err.text);
    return lane;
}

/* A scenario called `name`; `members` are those behind "why", each with a comma in front.  Returns a reference. */
static inline struct scenario *lane_world_scenario(const char *name, const char *members)
{
    struct err err = ERR_INIT;
    struct scenario *scenario = NULL;
    BUF_AUTO json = BUF_INIT;
    buf_printf(&json, "{\"standbox\": 1, \"name\": \"%s\", \"why\": \"a test\"%s}", name, members);
    if (scenario_parse(&scenario, "test.json", buf_cstr(&json), json.len, &err) < 0)
        fail_msg("%s", err.text);
    return scenario;
}

/* Put one to work; `lane` NULL: everywhere. */
static inline void lane_world_add(struct lane_world *w, struct lane *lane, const char *name, const char *members)
{
    struct err err = ERR_INIT;
    struct scenario *scenario = lane_world_scenario(name, members);
    if (lanes_add_scenario(w->lanes, lane, scenario, &err) < 0)
        fail_msg("%s", err.text);
    scenario_unref(scenario);
}

/* Returns a reference. */
static inline struct sandbox *lane_world_sandbox(struct lane_world *w, struct lane *lane)
{
    struct err err = ERR_INIT;
    struct sandbox *sandbox = NULL;
    const struct sandbox_spec spec = { .owner = lane_owner(lane), .dialect = "test", .user = "tester" };
    if (sandbox_create(w->engine, &spec, &sandbox, &err) < 0)
        fail_msg("%s", err.text);
    return sandbox;
}

#endif
