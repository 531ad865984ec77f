/* Lanes, clocks and barriers over the admin API. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lanes/puppeteer.h"
#include "tests/support/admin_world.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define HOUR 3600000

/* ---- lanes ------------------------------------------------------------------------------------ */

static void lane_is_made_once_and_says_how_it_is_reached(void **state)
{
    struct admin_world *w = *state;
    ASKED *made = admin_ask(w, "POST", "/__admin/lanes", "{\"name\":\"job-7\"}");
    assert_int_equal(made->f.status, 201);
    assert_string_equal(json_text(made->json, "name"), "job-7");
    assert_string_equal(json_text(made->json, "key"), "job-7");
    assert_string_equal(json_text(made->json, "url"), "http://127.0.0.1:8700/lane/job-7");
    assert_int_equal(json_number(made->json, "sandboxes"), 0);
    ASKED *again = admin_ask(w, "POST", "/__admin/lanes", "{\"name\":\"job-7\"}");
    assert_int_equal(again->f.status, 200);
    ASKED *one = admin_ask(w, "GET", "/__admin/lanes/job-7", NULL);
    assert_string_equal(json_text(one->json, "name"), "job-7");
    ASKED *list = admin_ask(w, "GET", "/__admin/lanes", NULL);
    assert_int_equal(json_length(list->json, "lanes"), 2);
    const cJSON *own = json_item(list->json, "lanes", 0);
    assert_string_equal(json_text(own, "name"), "default");
    assert_int_equal(json_number(own, "active_sandboxes"), 1);
}

static void key_of_a_secret_leads_to_its_lane_without_showing_it(void **state)
{
    struct admin_world *w = *state;
    static const char secret[] = "sk-live-0123456789012345678901234567890123456789";
    char target[128];
    snprintf(target, sizeof target, "/__admin/clock/freeze?lane=%s", secret);
    ASKED *made = admin_ask(w, "POST", target, NULL);
    assert_int_equal(made->f.status, 200);
    ASKED *list = admin_ask(w, "GET", "/__admin/lanes", NULL);
    assert_int_equal(json_length(list->json, "lanes"), 2);
    assert_null(strstr(list->f.body.data, secret));
    snprintf(target, sizeof target, "/__admin/clock?lane=%s", secret);
    ASKED *clock = admin_ask(w, "GET", target, NULL);
    assert_int_equal(clock->f.status, 200);
    assert_true(json_bool(json_item(clock->json, "clocks", 0), "frozen"));
}

static void lane_is_deleted_with_its_sandboxes_but_never_default(void **state)
{
    struct admin_world *w = *state;
    struct err err = ERR_INIT;
    struct lane *lane = NULL;
    struct sandbox *sandbox = NULL;
    assert_int_equal(lanes_get(w->lanes, "doomed", true, &lane, &err), 0);
    struct sandbox_spec spec = { .owner = lane_owner(lane), .dialect = "test", .user = "tester" };
    assert_int_equal(sandbox_create(w->base->engine, &spec, &sandbox, &err), 0);
    ASKED *gone = admin_ask(w, "DELETE", "/__admin/lanes/doomed", NULL);
    assert_int_equal(gone->f.status, 200);
    assert_int_equal(sandbox_get_state(sandbox), SANDBOX_CLOSED);
    ASKED *again = admin_ask(w, "DELETE", "/__admin/lanes/doomed", NULL);
    assert_int_equal(again->f.status, 404);
    ASKED *never = admin_ask(w, "DELETE", "/__admin/lanes/default", NULL);
    assert_int_equal(never->f.status, 400);
    assert_int_equal(sandbox_get_state(w->sandbox), SANDBOX_ACTIVE);
    sandbox_unref(sandbox);
    lane_unref(lane);
}

static void lane_is_emptied_by_reset(void **state)
{
    struct admin_world *w = *state;
    admin_world_say(w->lane, &(struct said) { .path = "/x", .status = 200 });
    ASKED *frozen = admin_ask(w, "POST", "/__admin/clock/freeze?lane=default", NULL);
    assert_int_equal(frozen->f.status, 200);
    ASKED *reset = admin_ask(w, "POST", "/__admin/lanes/default/reset", NULL);
    assert_int_equal(reset->f.status, 200);
    ASKED *lane = admin_ask(w, "GET", "/__admin/lanes/default", NULL);
    assert_int_equal(json_number(lane->json, "sandboxes"), 0);
    assert_int_equal(json_number(lane->json, "entries"), 0);
    assert_false(json_bool(cJSON_GetObjectItem(lane->json, "clock"), "frozen"));
    ASKED *none = admin_ask(w, "POST", "/__admin/lanes/nope/reset", NULL);
    assert_int_equal(none->f.status, 404);
}

/* ---- clocks ------------------------------------------------------------------------------------- */

static void clock_is_frozen_advanced_and_run(void **state)
{
    struct admin_world *w = *state;
    ASKED *frozen = admin_ask(w, "POST", "/__admin/clock/freeze?lane=default", NULL);
    const cJSON *clock = json_item(frozen->json, "clocks", 0);
    assert_true(json_bool(clock, "frozen"));
    int before = json_number(clock, "now_ms");
    ASKED *moved = admin_ask(w, "POST", "/__admin/clock/advance?lane=default", "{\"ms\":3600000}");
    clock = json_item(moved->json, "clocks", 0);
    assert_int_equal(json_number(clock, "now_ms"), before + HOUR);
    assert_true(json_bool(clock, "frozen"));
    ASKED *run = admin_ask(w, "POST", "/__admin/clock/run?lane=default", "{\"scale\":2.5}");
    clock = json_item(run->json, "clocks", 0);
    assert_false(json_bool(clock, "frozen"));
    assert_true(cJSON_GetObjectItem(clock, "scale")->valuedouble == 2.5);
    ASKED *plain = admin_ask(w, "POST", "/__admin/clock/run?lane=default", NULL);
    assert_int_equal(json_number(json_item(plain->json, "clocks", 0), "scale"), 1);
}

static void clock_without_a_lane_is_that_of_all_and_those_to_come(void **state)
{
    struct admin_world *w = *state;
    ASKED *made = admin_ask(w, "POST", "/__admin/lanes", "{\"name\":\"early\"}");
    ASKED *frozen = admin_ask(w, "POST", "/__admin/clock/freeze", NULL);
    assert_int_equal(json_length(frozen->json, "clocks"), 2);
    for (int i = 0; i < 2; i++)
        assert_true(json_bool(json_item(frozen->json, "clocks", i), "frozen"));
    ASKED *late = admin_ask(w, "POST", "/__admin/lanes", "{\"name\":\"late\"}");
    assert_true(json_bool(cJSON_GetObjectItem(late->json, "clock"), "frozen"));
    ASKED *reset = admin_ask(w, "POST", "/__admin/clock/reset", NULL);
    assert_int_equal(json_length(reset->json, "clocks"), 3);
    for (int i = 0; i < 3; i++)
        assert_false(json_bool(json_item(reset->json, "clocks", i), "frozen"));
    assert_int_equal(made->f.status, 201);
}

static void reset_lets_the_clock_run_as_the_scenario_says(void **state)
{
    struct admin_world *w = *state;
    ASKED *added = admin_ask(w, "POST", "/__admin/scenarios?lane=default",
                             "{\"standbox\":1,\"name\":\"fast\",\"why\":\"test\",\"clock\":{\"scale\":50}}");
    assert_int_equal(added->f.status, 201);
    ASKED *frozen = admin_ask(w, "POST", "/__admin/clock/freeze?lane=default", NULL);
    assert_true(json_bool(json_item(frozen->json, "clocks", 0), "frozen"));
    ASKED *reset = admin_ask(w, "POST", "/__admin/clock/reset?lane=default", NULL);
    assert_int_equal(json_number(json_item(reset->json, "clocks", 0), "scale"), 50);
}

/* ---- barriers ------------------------------------------------------------------------------------- */

/* The end of a puppet that says `line`. */
static int puppet(struct admin_world *w, const char *line)
{
    int fd = -1;
    struct err err = ERR_INIT;
    if (puppeteer_add(w->puppeteer, lane_name(w->lane), lane_clock(w->lane), &fd, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(write(fd, line, strlen(line)), strlen(line));
    return fd;
}

static bool has_gone_on(int fd, int timeout_ms)
{
    struct pollfd at = { .fd = fd, .events = POLLIN };
    return poll(&at, 1, timeout_ms) == 1;
}

static void barrier_is_awaited_listed_and_opened(void **state)
{
    struct admin_world *w = *state;
    ASKED *waits = admin_ask_later(w, "POST", "/__admin/barriers/wait?lane=default",
                                   "{\"name\":\"b\",\"count\":2,\"timeout_ms\":60000}");
    int one = puppet(w, "{\"barrier\":\"b\",\"id\":1}\n"), two = puppet(w, "{\"barrier\":\"b\",\"id\":1}\n");
    admin_answer(w, waits);
    assert_int_equal(waits->f.status, 200);
    assert_string_equal(json_text(waits->json, "lane"), "default");
    ASKED *list = admin_ask(w, "GET", "/__admin/barriers", NULL);
    const cJSON *barrier = json_item(list->json, "barriers", 0);
    assert_string_equal(json_text(barrier, "name"), "b");
    assert_int_equal(json_number(barrier, "waiting"), 2);
    assert_false(json_bool(barrier, "open"));
    assert_false(has_gone_on(one, 0));
    ASKED *open = admin_ask(w, "POST", "/__admin/barriers/open", "{\"name\":\"b\",\"for_good\":true}");
    assert_int_equal(json_number(open->json, "released"), 2);
    assert_true(has_gone_on(one, ADMIN_SECONDS * 1000));
    assert_true(has_gone_on(two, ADMIN_SECONDS * 1000));
    ASKED *after = admin_ask(w, "GET", "/__admin/barriers?lane=default", NULL);
    assert_true(json_bool(json_item(after->json, "barriers", 0), "open"));
    close(one);
    close(two);
}

static void barrier_in_any_lane_is_found_and_one_in_vain_is_408(void **state)
{
    struct admin_world *w = *state;
    ASKED *waits = admin_ask_later(w, "POST", "/__admin/barriers/wait", "{\"name\":\"b\",\"timeout_ms\":60000}");
    ASKED *other = admin_ask(w, "POST", "/__admin/lanes", "{\"name\":\"other\"}");
    int fd = puppet(w, "{\"barrier\":\"b\",\"id\":1}\n");
    admin_answer(w, waits);
    assert_int_equal(waits->f.status, 200);
    assert_string_equal(json_text(waits->json, "lane"), "default");
    static const char *const targets[] = { "/__admin/barriers/wait?lane=default", "/__admin/barriers/wait" };
    for (size_t i = 0; i < COUNT(targets); i++) {
        ASKED *vain = admin_ask(w, "POST", targets[i], "{\"name\":\"b\",\"count\":2,\"timeout_ms\":30}");
        assert_int_equal(vain->f.status, 408);
    }
    assert_int_equal(other->f.status, 201);
    close(fd);
}

static void sleeping_puppets_can_be_awaited_before_the_clock_is_moved(void **state)
{
    struct admin_world *w = *state;
    ASKED *frozen = admin_ask(w, "POST", "/__admin/clock/freeze", NULL);
    assert_int_equal(frozen->f.status, 200);
    int fd = puppet(w, "{\"sleep_ms\":1000,\"id\":1}\n");
    ASKED *waits = admin_ask(w, "POST", "/__admin/barriers/wait?lane=default", "{\"timeout_ms\":60000}");
    assert_int_equal(waits->f.status, 200);
    assert_false(has_gone_on(fd, 0));
    ASKED *moved = admin_ask(w, "POST", "/__admin/clock/advance", "{\"ms\":1000}");
    assert_int_equal(moved->f.status, 200);
    assert_true(has_gone_on(fd, ADMIN_SECONDS * 1000));
    close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, admin_world_setup, admin_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lane_is_made_once_and_says_how_it_is_reached),
        TEST(key_of_a_secret_leads_to_its_lane_without_showing_it),
        TEST(lane_is_deleted_with_its_sandboxes_but_never_default),
        TEST(lane_is_emptied_by_reset),
        TEST(clock_is_frozen_advanced_and_run),
        TEST(clock_without_a_lane_is_that_of_all_and_those_to_come),
        TEST(reset_lets_the_clock_run_as_the_scenario_says),
        TEST(barrier_is_awaited_listed_and_opened),
        TEST(barrier_in_any_lane_is_found_and_one_in_vain_is_408),
        TEST(sleeping_puppets_can_be_awaited_before_the_clock_is_moved),
    };
    return world_run_modes("admin lanes", tests, COUNT(tests));
}
