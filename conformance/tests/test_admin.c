/* The admin API as the suite uses it, against a real server. */
#include "tests/link_support.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "link/admin.h"
#include "link/host.h"

static struct host *host;

/* Each stream is a thread of the server, and sanitizers make threads slow to start. */
static const char *const few[] = { "--max-streams", "40", NULL };

static int start_server(void **state)
{
    struct host_options options = { .server = getenv("STANDBOX_SERVER"), .warden = warden_path(),
                                    .args = few, .ready_ms = PLENTY_MS };
    struct err err = ERR_INIT;
    (void) state;
    if (options.server == NULL || host_start(&host, &options, &err) < 0) {
        print_error("STANDBOX_SERVER: %s\n", options.server == NULL ? "must name standbox-mockserver" : err.text);
        return -1;
    }
    return 0;
}

static int stop_server(void **state)
{
    (void) state;
    return host_stop(host, NULL) ? 0 : -1;
}

static struct admin *open_admin(void)
{
    struct admin *admin = NULL;
    struct err err = ERR_INIT;
    if (admin_open(&admin, host_url(host), host_token(host), &err) < 0)
        fail_msg("%s", err.text);
    return admin;
}

static enum admin_done act(struct admin *admin, const char *lane, const char *text, int64_t budget_ms, struct err *err)
{
    struct cJSON *action = json_parse(text, strlen(text), err);
    if (action == NULL)
        fail_msg("%s: %s", text, err->text);
    enum admin_done done = admin_action(admin, lane, action, budget_ms, err);
    json_free(action);
    return done;
}

static void create(struct admin *admin, const char *name, struct admin_lane *lane)
{
    struct err err = ERR_INIT;
    if (admin_lane_create(admin, name, lane, &err) < 0)
        fail_msg("%s", err.text);
}

/* One request of a client in the lane. */
static void touch(const struct admin_lane *lane)
{
    struct admin *client = NULL;
    struct err err = ERR_INIT;
    /* This asks LANE/__admin/touch: a request in the lane that no API knows. */
    assert_int_equal(admin_open(&client, lane->url, "x", &err), 0);
    struct admin_request request = { .method = "GET", .path = "/touch", .budget_ms = PLENTY_MS };
    assert_int_equal(admin_call(client, &request, NULL, &err), -1);
    admin_close(client);
}

static void a_lane_lives_and_dies(void **state)
{
    (void) state;
    struct admin *admin = open_admin();
    struct admin_lane lane;
    struct err err = ERR_INIT;
    BUF_AUTO ledger = BUF_INIT;
    create(admin, "case-1", &lane);
    assert_string_equal(lane.key, "case-1");
    assert_non_null(strstr(lane.url, "/lane/case-1"));
    assert_int_equal(admin_lane_create(admin, "case-1", &lane, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    touch(&lane);
    assert_int_equal(admin_ledger(admin, "case-1", &ledger, &err), 0);
    assert_non_null(strstr(ledger.data, "\"type\":\"request\""));
    struct cJSON *verdict = admin_verdict(admin, "case-1", &err);
    assert_string_equal(json_get(verdict, "lane")->valuestring, "case-1");
    assert_true(json_get(verdict, "requests")->valuedouble == 1);
    json_free(verdict);
    admin_lane_fini(&lane);
    assert_int_equal(admin_lane_delete(admin, "case-1", &err), 0);
    assert_int_equal(admin_ledger(admin, "case-1", &ledger, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_null(admin_verdict(admin, "case-1", &err));
    admin_close(admin);
}

static void refusals_carry_the_servers_words(void **state)
{
    (void) state;
    struct admin *admin = open_admin();
    struct admin_lane lane;
    struct err err = ERR_INIT;
    static const char scenario[] = "{\n  \"standbox\": 1, \"why\": \"w\",\n  \"name\": \"x\", \"faults\": 7 }";
    assert_int_equal(admin_lane_create(admin, "no spaces, please", &lane, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_non_null(strstr(err.text, "POST /lanes: 400: "));
    assert_int_equal(admin_scenario(admin, "case-2", "cases/x y.json", scenario, strlen(scenario), &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    if (strstr(err.text, "cases/x y.json:3:") == NULL)
        fail_msg("%s", err.text);
    admin_close(admin);
}

static void scenarios_and_their_faults_are_per_lane(void **state)
{
    (void) state;
    struct admin *admin = open_admin();
    struct admin_lane lane;
    struct err err = ERR_INIT;
    static const char scenario[] = "// why not\n{\"standbox\":1,\"name\":\"late\",\"why\":\"w\",\"faults\":"
                                   "[{\"when\":{\"op\":\"process.kill\"},\"reply\":{\"pretend\":\"success\"}}]}";
    create(admin, "case-3", &lane);
    assert_int_equal(admin_scenario(admin, "case-3", NULL, scenario, strlen(scenario), &err), 0);
    struct cJSON *faults = admin_faults(admin, "case-3", &err);
    assert_non_null(faults);
    assert_true(json_get(faults, "unfired")->valuedouble == 1);
    assert_int_equal(cJSON_GetArraySize(json_get(faults, "faults")), 1);
    json_free(faults);
    admin_lane_fini(&lane);
    assert_int_equal(admin_lane_delete(admin, "case-3", &err), 0);
    admin_close(admin);
}

/* As the server tells it: at least what was asked. */
static unsigned waited_ms(const struct err *err)
{
    const char *text = strstr(err->text, "waited ");
    if (text == NULL)
        fail_msg("%s", err->text);
    return (unsigned) strtoul(text + strlen("waited "), NULL, 10);
}

static void a_wait_that_is_over_is_told_from_one_that_is_wrong(void **state)
{
    (void) state;
    struct admin *admin = open_admin();
    struct admin_lane lane;
    struct err err = ERR_INIT;
    create(admin, "case-4", &lane);
    assert_int_equal(act(admin, "case-4", "{\"await_request\":{\"count\":1}}", 50, &err), ADMIN_TIMED_OUT);
    assert_non_null(strstr(err.text, "0 of 1 requests"));
    assert_int_equal(act(admin, "case-4", "{\"await_request\":{\"timeout_ms\":20}}", PLENTY_MS, &err), ADMIN_TIMED_OUT);
    assert_in_range(waited_ms(&err), 20, PLENTY_MS - 1);
    admin_set_patience(admin, 3);
    assert_int_equal(act(admin, "case-4", "{\"await_fact\":{\"fact\":\"started\",\"timeout_ms\":20}}", PLENTY_MS, &err),
                     ADMIN_TIMED_OUT);
    assert_in_range(waited_ms(&err), 60, PLENTY_MS - 1);
    assert_int_equal(act(admin, "case-4", "{\"await_process\":{\"state\":\"running\"}}", 10, &err), ADMIN_TIMED_OUT);
    assert_int_equal(act(admin, "case-4", "{\"await_barrier\":{\"name\":\"b\"}}", 0, &err), ADMIN_TIMED_OUT);
    assert_int_equal(act(admin, "case-4", "{\"await_request\":{\"colour\":1}}", 50, &err), ADMIN_FAILED);
    assert_int_equal(err.code, ERR_INVALID);
    touch(&lane);
    assert_int_equal(act(admin, "case-4", "{\"await_request\":{\"path\":\"*touch\"}}", PLENTY_MS, &err), ADMIN_DONE);
    admin_lane_fini(&lane);
    assert_int_equal(admin_lane_delete(admin, "case-4", &err), 0);
    admin_close(admin);
}

static double clock_of(struct admin *admin, const char *lane, const char *name)
{
    struct err err = ERR_INIT;
    struct cJSON *json = admin_ask(admin, "GET", "/clock", lane, NULL, PLENTY_MS, &err);
    if (json == NULL)
        fail_msg("%s", err.text);
    const struct cJSON *clocks = json_get(json, "clocks");
    const struct cJSON *node = json_get(clocks == NULL ? json : cJSON_GetArrayItem(clocks, 0), name);
    double value = cJSON_IsBool(node) ? cJSON_IsTrue(node) : node->valuedouble;
    json_free(json);
    return value;
}

static void the_clock_moves_as_told(void **state)
{
    (void) state;
    struct admin *admin = open_admin();
    struct admin_lane lane;
    struct err err = ERR_INIT;
    create(admin, "case-5", &lane);
    assert_int_equal(act(admin, "case-5", "{\"clock\":{\"freeze\":true}}", 0, &err), ADMIN_DONE);
    double before = clock_of(admin, "case-5", "now_ms");
    assert_int_equal(act(admin, "case-5", "{\"clock\":{\"advance_ms\":1800000}}", 0, &err), ADMIN_DONE);
    assert_true(clock_of(admin, "case-5", "now_ms") == before + 1800000);
    assert_true(clock_of(admin, "case-5", "frozen") == 1);
    assert_int_equal(act(admin, "case-5", "{\"clock\":{\"scale\":2.5}}", 0, &err), ADMIN_DONE);
    assert_true(clock_of(admin, "case-5", "scale") == 2.5);
    assert_int_equal(act(admin, "case-5", "{\"clock\":{\"run\":true}}", 0, &err), ADMIN_DONE);
    assert_true(clock_of(admin, "case-5", "scale") == 1);
    assert_int_equal(act(admin, "case-5", "{\"open_barrier\":{\"name\":\"b\"}}", 0, &err), ADMIN_DONE);
    assert_int_equal(act(admin, "case-5", "{\"scenario\":{\"standbox\":1,\"name\":\"s\",\"why\":\"w\"}}", 0, &err),
                     ADMIN_DONE);
    admin_lane_fini(&lane);
    assert_int_equal(admin_lane_delete(admin, "case-5", &err), 0);
    admin_close(admin);
}

static void an_action_of_the_wrong_form_is_refused_without_asking(void **state)
{
    (void) state;
    static const char *const rows[][2] = {
        { "[]", "an action must be an object with one member" },
        { "{}", "an action must be an object with one member" },
        { "{\"clock\":{\"run\":true},\"scenario\":{}}", "an action must be an object with one member" },
        { "{\"await\":{}}", "/await: there is no such action" },
        { "{\"await_fact\":1}", "/await_fact: must be an object" },
        { "{\"clock\":{\"stop\":true}}", "/clock: must be one of" },
        { "{\"clock\":{\"freeze\":true,\"run\":true}}", "/clock: must be one of" },
        { "{\"clock\":{\"freeze\":false}}", "/clock/freeze: must be true" },
        { "{\"clock\":{\"advance_ms\":\"1\"}}", "/clock/advance_ms: must be a number" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err err = ERR_INIT;
        struct cJSON *action = json_parse(rows[i][0], strlen(rows[i][0]), &err);
        assert_int_equal(admin_action_check(action, &err), -1);
        if (strstr(err.text, rows[i][1]) == NULL)
            fail_msg("%s: %s", rows[i][0], err.text);
        json_free(action);
    }
}

/* ---- cancelling ------------------------------------------------------------------------- */

static void *cancel_it(void *arg)
{
    admin_cancel(arg);
    return NULL;
}

static void a_wait_can_be_cancelled_by_another_thread(void **state)
{
    (void) state;
    struct admin *admin = open_admin();
    struct admin_lane lane;
    struct err err = ERR_INIT;
    pthread_t thread;
    create(admin, "case-6", &lane);
    for (int i = 0; i < 20; i++) { /* before, at the beginning of, in the middle of the call */
        int64_t begin_ns = mono_ns();
        assert_int_equal(pthread_create(&thread, NULL, cancel_it, admin), 0);
        assert_int_equal(act(admin, "case-6", "{\"await_request\":{}}", 600000, &err), ADMIN_CANCELLED);
        pthread_join(thread, NULL);
        assert_true(mono_ns() - begin_ns < (int64_t) PLENTY_MS * NS_IN_MS);
        /* It stays so. */
        assert_int_equal(act(admin, "case-6", "{\"clock\":{\"run\":true}}", 0, &err), ADMIN_CANCELLED);
        admin_resume(admin);
        assert_int_equal(act(admin, "case-6", "{\"clock\":{\"run\":true}}", 0, &err), ADMIN_DONE);
    }
    admin_lane_fini(&lane);
    assert_int_equal(admin_lane_delete(admin, "case-6", &err), 0);
    admin_close(admin);
}

/* A listener that takes a connection, reads a request, and never answers. */
static int listen_somewhere(char url[64])
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &address, len), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &len), 0);
    snprintf(url, 64, "http://127.0.0.1:%u", (unsigned) ntohs(address.sin_port));
    return fd;
}

struct mute {
    int listener;
    struct admin *admin;
    int last_errno; /* of the reading, after the call was cancelled */
};

static void *be_mute(void *arg)
{
    struct mute *mute = arg;
    char bytes[4096];
    int fd = accept4(mute->listener, NULL, NULL, SOCK_CLOEXEC);
    ssize_t n = recv(fd, bytes, sizeof bytes, 0); /* the request is under way */
    admin_cancel(mute->admin);
    while (n > 0)
        n = recv(fd, bytes, sizeof bytes, 0);
    mute->last_errno = n < 0 ? errno : 0;
    close(fd);
    return NULL;
}

static void a_cancelled_call_resets_its_connection(void **state)
{
    (void) state;
    struct mute mute = { .last_errno = -1 };
    struct err err = ERR_INIT;
    pthread_t thread;
    char url[64];
    mute.listener = listen_somewhere(url);
    assert_int_equal(admin_open(&mute.admin, url, "t", &err), 0);
    assert_int_equal(pthread_create(&thread, NULL, be_mute, &mute), 0);
    assert_int_equal(admin_health(mute.admin, &err), -1);
    assert_int_equal(err.code, ERR_CLOSED);
    pthread_join(thread, NULL);
    assert_int_equal(mute.last_errno, ECONNRESET);
    admin_close(mute.admin);
    close(mute.listener);
}

static void no_answer_is_an_error_in_time(void **state)
{
    (void) state;
    struct admin *admin = NULL;
    struct err err = ERR_INIT;
    char url[64];
    int listener = listen_somewhere(url);
    assert_int_equal(admin_open(&admin, url, "t", &err), 0);
    struct admin_request request = { .method = "GET", .path = "/health", .budget_ms = 200 };
    assert_int_equal(admin_call(admin, &request, NULL, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    close(listener);
    request.budget_ms = PLENTY_MS;
    assert_int_equal(admin_call(admin, &request, NULL, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "GET /health: no answer: "));
    admin_close(admin);
}

static void a_token_of_two_lines_is_refused(void **state)
{
    (void) state;
    struct admin *admin = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(admin_open(&admin, "http://127.0.0.1:1", "a\r\nX: b", &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(admin_open(&admin, "ftp://127.0.0.1", "a", &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_lives_and_dies),
        cmocka_unit_test(refusals_carry_the_servers_words),
        cmocka_unit_test(scenarios_and_their_faults_are_per_lane),
        cmocka_unit_test(a_wait_that_is_over_is_told_from_one_that_is_wrong),
        cmocka_unit_test(the_clock_moves_as_told),
        cmocka_unit_test(an_action_of_the_wrong_form_is_refused_without_asking),
        cmocka_unit_test(a_wait_can_be_cancelled_by_another_thread),
        cmocka_unit_test(a_cancelled_call_resets_its_connection),
        cmocka_unit_test(no_answer_is_an_error_in_time),
        cmocka_unit_test(a_token_of_two_lines_is_refused),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
