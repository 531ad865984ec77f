/* transports/http: the start in two steps; many workers are there only some time after the server is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/http_client.h"
#include "tests/support/http_site.h"
#include "tests/support/patience.h"

#define LIMIT_MS HTTP_CLIENT_LIMIT_MS
#define HOST "Host: 127.0.0.1\r\n"
#define ECHO "GET /echo HTTP/1.1\r\n" HOST "\r\n"
#define MANY_STREAMS 400   /* enough for two steps, and more than the first step's workers */

static struct site site;

/* ---- fixtures --------------------------------------------------------------------------- */

static int start(unsigned max_streams)
{
    struct err err = ERR_INIT;
    if (site_start(&site, &(struct http_config) { .max_streams = max_streams }, &err) == 0)
        return 0;
    print_error("%s\n", err.text);
    return -1;
}

static int teardown(void **state)
{
    (void) state;
    site_stop(&site);
    return 0;
}

static int setup(void **state)
{
    (void) state;
    return start(MANY_STREAMS);
}

static void await_workers(void)
{
    struct err err = ERR_INIT;
    if (http_server_await_workers(site.server, &err) < 0)
        fail_msg("%s", err.text);
}

static unsigned count_fds(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

static size_t count_threads(void *unused)
{
    (void) unused;
    char line[128];
    size_t n = 0;
    FILE *f = fopen("/proc/self/status", "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "Threads:", 8) == 0)
            n = strtoul(line + 8, NULL, 10);
    }
    fclose(f);
    return n;
}

static void ask_on_a_new_connection(void)
{
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    site_join(&site, &c);
    site_ask(&c, &a, ECHO);
    assert_int_equal(a.status, 200);
}

static void open_streams(struct http_client *clients, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        site_join(&site, &clients[i]);
        assert_int_equal(http_client_text(&clients[i], "GET /open HTTP/1.1\r\n" HOST "\r\n"), 0);
    }
}

static void close_all(struct http_client *clients, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        http_client_close(&clients[i]);
}

/* ---- the start -------------------------------------------------------------------------- */

/* The machine may be busy enough for all workers to come first, but not every time. */
static void answers_before_all_workers_run(void **state)
{
    (void) state;
    enum { STREAMS = 1500, TRIES = 20 };
    bool was_early = false;
    for (int i = 0; i < TRIES && !was_early; i++) {
        assert_int_equal(start(STREAMS), 0);
        ask_on_a_new_connection();
        was_early = count_threads(NULL) < STREAMS;
        await_workers();
        size_t threads = count_threads(NULL);
        site_stop(&site);
        assert_true(threads >= STREAMS);
    }
    assert_true(was_early);
}

/* Silent connections and endless streams hold more workers than there are at first. */
static void nobody_waits_behind_those_who_stay(void **state)
{
    (void) state;
    enum { SILENT = 20, STREAMS = 200 };
    struct http_client silent[SILENT], streams[STREAMS];
    HTTP_ANSWER a = { 0 };
    for (int i = 0; i < SILENT; i++)
        site_join(&site, &silent[i]);
    open_streams(streams, STREAMS);
    for (int i = 0; i < STREAMS; i++) {
        assert_int_equal(http_client_head(&streams[i], &a), 0);
        assert_int_equal(http_client_chunk(&streams[i], NULL), 1);
    }
    ask_on_a_new_connection();
    for (int i = 0; i < SILENT; i++) {
        site_ask(&silent[i], &a, ECHO);
        assert_int_equal(a.status, 200);
    }
    await_workers();
    assert_true(site_await_open(&site, STREAMS, STREAMS, LIMIT_MS));
    assert_true(site_await(&site, SITE_OPENED, STREAMS, LIMIT_MS));
    site_release(&site);
    for (int i = 0; i < STREAMS; i++)
        assert_int_equal(http_client_chunk(&streams[i], NULL), 0);
    assert_true(site_await_open(&site, 0, 0, LIMIT_MS));
    assert_int_equal(site_get(&site, SITE_GONE), 0);
    close_all(silent, SILENT);
    close_all(streams, STREAMS);
}

struct awaiting { pthread_t thread; atomic_bool over; struct err err; };

static void *await_in_thread(void *arg)
{
    struct awaiting *awaiting = arg;
    http_server_await_workers(site.server, &awaiting->err);
    atomic_store(&awaiting->over, true);
    return NULL;
}

/* One connection stays from before to after; the others come at every moment. */
static void every_request_is_answered_once_through_the_hand_over(void **state)
{
    (void) state;
    enum { AFTER = 100 };
    struct awaiting awaiting = { .err = ERR_INIT };
    HTTP_CLIENT staying = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    unsigned asked = 0;
    site_join(&site, &staying);
    assert_int_equal(pthread_create(&awaiting.thread, NULL, await_in_thread, &awaiting), 0);
    for (int after = 0; after < AFTER; after += atomic_load(&awaiting.over)) {
        ask_on_a_new_connection();
        site_ask(&staying, &a, ECHO);
        assert_int_equal(a.status, 200);
        asked += 2;
    }
    pthread_join(awaiting.thread, NULL);
    assert_int_equal(awaiting.err.code, ERR_NONE);
    assert_int_equal(site_get(&site, SITE_HANDLED), asked);
}

/* A poll that began on another file would notice nobody for two seconds. */
static void first_connection_after_the_hand_over_is_taken_at_once(void **state)
{
    (void) state;
    await_workers();
    int64_t begin = mono_ns();
    ask_on_a_new_connection();
    assert_false(took_too_long((mono_ns() - begin) / 1000000, 1500));
}

static void as_many_streams_as_promised_are_served(void **state)
{
    (void) state;
    struct http_client streams[MANY_STREAMS];
    HTTP_CLIENT extra = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    open_streams(streams, MANY_STREAMS);
    assert_true(site_await_open(&site, MANY_STREAMS, MANY_STREAMS, LIMIT_MS));
    site_join(&site, &extra);
    site_ask(&extra, &a, "GET /open HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 503);
    close_all(streams, MANY_STREAMS);
}

/* ---- the end ---------------------------------------------------------------------------- */

/* Start, perhaps open streams and wait for all workers, stop; how long the stop took. */
static int64_t stop_after(unsigned streams, bool awaits)
{
    struct http_client clients[100];
    assert_int_equal(start(MANY_STREAMS), 0);
    open_streams(clients, streams);
    if (awaits)
        await_workers();
    int64_t begin = mono_ns();
    site_stop(&site);
    int64_t took_ms = (mono_ns() - begin) / 1000000;
    for (unsigned i = 0; i < streams; i++)
        http_client_close(&clients[i]);
    return took_ms;
}

static void stop_is_quick_and_leaves_nothing_at_any_moment(void **state)
{
    (void) state;
    static const struct { unsigned streams; bool awaits; } rows[] = {
        { 0, false }, { 20, false }, { 100, false }, { 0, true }, { 20, true }, { 100, true },
    };
    unsigned fds = count_fds();
    size_t threads = count_threads(NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t took_ms = stop_after(rows[i].streams, rows[i].awaits);
        if (took_too_long(took_ms, 1500))   /* a master that nobody woke: 2000 */
            fail_msg("row %zu: stopping took %lld ms", i, (long long) took_ms);
    }
    assert_true(comes_down_to(count_threads, NULL, threads));
    assert_int_equal(count_fds(), fds);
}

/* ---- without the second step --------------------------------------------------------------- */

/* So that `free_fds` more descriptors can be had; returns the old limit. */
static struct rlimit limit_fds(unsigned free_fds)
{
    struct rlimit old;
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit tight = { (rlim_t) next + free_fds, old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    return old;
}

/* The listening socket, its duplicate and two eventfds are had, a socket for the second step is not. */
static void without_more_workers_it_serves_with_few_and_says_so(void **state)
{
    (void) state;
    enum { FEW = 16 };
    struct http_client streams[FEW];
    struct err err = ERR_INIT;
    HTTP_CLIENT c = HTTP_CLIENT_INIT;
    HTTP_ANSWER a = { 0 };
    unsigned fds = count_fds();
    struct rlimit old = limit_fds(4);
    int started = start(MANY_STREAMS);
    int rc = started == 0 ? http_server_await_workers(site.server, &err) : 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(started, 0);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "worker threads"));
    open_streams(streams, FEW);
    assert_true(site_await_open(&site, FEW, FEW, LIMIT_MS));
    site_join(&site, &c);
    site_ask(&c, &a, "GET /open HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(a.status, 503);
    site_ask(&c, &a, ECHO);
    assert_int_equal(a.status, 200);
    int64_t begin = mono_ns();
    site_stop(&site);
    assert_false(took_too_long((mono_ns() - begin) / 1000000, 1500));
    close_all(streams, FEW);
    http_client_close(&c);
    assert_int_equal(count_fds(), fds);
}

static void start_that_fails_leaves_nothing(void **state)
{
    (void) state;
    for (unsigned missing = 0; missing < 3; missing++) {
        struct err err = ERR_INIT;
        unsigned fds = count_fds();
    size_t threads = count_threads(NULL);
        struct rlimit old = limit_fds(missing);
        int rc = site_start(&site, &(struct http_config) { .max_streams = MANY_STREAMS }, &err);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_int_equal(rc, -1);
        assert_int_equal(err.code, ERR_IO);
        assert_int_equal(count_fds(), fds);
        assert_true(comes_down_to(count_threads, NULL, threads));
    }
}

#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_before_all_workers_run),
        WITH(nobody_waits_behind_those_who_stay),
        WITH(every_request_is_answered_once_through_the_hand_over),
        WITH(first_connection_after_the_hand_over_is_taken_at_once),
        WITH(as_many_streams_as_promised_are_served),
        cmocka_unit_test(stop_is_quick_and_leaves_nothing_at_any_moment),
        cmocka_unit_test(without_more_workers_it_serves_with_few_and_says_so),
        cmocka_unit_test(start_that_fails_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
