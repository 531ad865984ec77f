/* The puppeteer and processes that only pretend to be puppets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/puppet_stage.h"

#define GO_1 "{\"go\":true,\"id\":1}\n"

struct world {
    struct stage stage;
    int raw;       /* -1: closed */
    int neighbour; /* asleep until the end; must not notice anything */
};

static int setup(void **state)
{
    static struct world world;
    signal(SIGPIPE, SIG_IGN);
    *state = &world;
    if (!stage_open(&world.stage))
        return -1;
    world.raw = raw_enter(&world.stage, "a");
    world.neighbour = raw_enter(&world.stage, "a");
    return raw_send(world.neighbour, "{\"sleep_ms\":60000,\"id\":1}\n") && stage_await(&world.stage, "a", NULL, 1) ? 0
                                                                                                                : -1;
}

static int teardown(void **state)
{
    struct world *world = *state;
    clock_advance(world->stage.clock, 60000);
    bool is_served = raw_wakes(world->neighbour, 1, NULL);
    if (world->raw >= 0)
        close(world->raw);
    close(world->neighbour);
    bool is_clean = stage_settles(&world->stage, 0, 0);
    return stage_close(&world->stage) && is_clean && is_served ? 0 : -1;
}

static void leave(struct world *world)
{
    close(world->raw);
    world->raw = -1;
}

/* ---- lines ---------------------------------------------------------------------------- */

static void what_no_puppet_says_closes_its_socket_only(void **state)
{
    struct world *world = *state;
    static const char *const lines[] = {
        "\n",
        "go\n",
        "{\n",
        "[]\n",
        "1\n",
        "null\n",
        "{}\n",
        "{\"id\":1}\n",
        "{\"barrier\":\"b\"}\n",
        "{\"barrier\":\"b\",\"id\":0}\n",
        "{\"barrier\":\"b\",\"id\":-1}\n",
        "{\"barrier\":\"b\",\"id\":1.5}\n",
        "{\"barrier\":\"b\",\"id\":1e300}\n",
        "{\"barrier\":\"b\",\"id\":\"1\"}\n",
        "{\"barrier\":\"b\",\"id\":null}\n",
        "{\"barrier\":\"b\",\"id\":1,\"more\":1}\n",
        "{\"barrier\":\"b\",\"barrier\":\"c\"}\n",
        "{\"barrier\":\"b\",\"sleep_ms\":1,\"id\":1}\n",
        "{\"barrier\":\"\",\"id\":1}\n",
        "{\"barrier\":null,\"id\":1}\n",
        "{\"barrier\":[\"b\"],\"id\":1}\n",
        "{\"barrier\":\"a\\u0000b\",\"id\":1}\n",
        "{\"barrier\":\"\xff\",\"id\":1}\n",
        "{\"barrier\":\"b\",\"id\":1} {}\n",
        "{\"Barrier\":\"b\",\"id\":1}\n",
        "{\"sleep_ms\":-1,\"id\":1}\n",
        "{\"sleep_ms\":0.5,\"id\":1}\n",
        "{\"sleep_ms\":1e18,\"id\":1}\n",
        "{\"sleep_ms\":\"1\",\"id\":1}\n",
        "{\"sleep_ms\":true,\"id\":1}\n",
        "{\"sleep_ms\":1}\n",
        "{\"until_ms\":-1,\"id\":1}\n",
        "{\"until_ms\":1}\n",
        "{\"until_ms\":1,\"sleep_ms\":1,\"id\":1}\n",
        "{\"fork\":true}\n", /* without its socket */
        "{\"fork\":false}\n",
        "{\"fork\":1}\n",
        "{\"fork\":true,\"id\":1}\n",
        "{\"go\":true,\"id\":1}\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        int raw = raw_enter(&world->stage, "a");
        assert_true(raw_send(raw, lines[i]));
        bool ends = raw_gets_end(raw);
        close(raw);
        if (!ends)
            fail_msg("still open after %s", lines[i]);
        assert_int_equal(stage_refused(&world->stage), i + 1);
    }
    assert_true(raw_send(world->raw, "{\"sleep_ms\":0,\"id\":1}\n"));
    assert_true(raw_wakes(world->raw, 1, NULL));
}

static void what_was_wished_before_the_bad_line_is_forgotten(void **state)
{
    struct world *world = *state;
    assert_true(raw_send(world->raw, "{\"barrier\":\"b\",\"id\":1}\n{\"sleep_ms\":5,\"id\":2}\nnonsense\n"
                                     "{\"barrier\":\"b\",\"id\":3}\n"));
    assert_true(raw_gets_end(world->raw));
    assert_true(stage_settles(&world->stage, 1, 1));
    assert_int_equal(puppeteer_open_barrier(world->stage.puppeteer, "a", "b", false), 0);
}

static void lines_may_come_in_any_pieces(void **state)
{
    struct world *world = *state;
    static const char line[] = "{\"barrier\":\"b\",\"id\":1}\n";
    for (size_t i = 0; i < sizeof line - 1; i++)
        assert_true(raw_send(world->raw, (char[]){ line[i], '\0' }));
    assert_true(raw_send(world->raw, " { \"id\" : 2 , \"barrier\" : \"\\u0062\" } \r\n{\"sleep_ms\":0,\"id\":3}\n{"));
    assert_true(raw_wakes(world->raw, 3, NULL));
    assert_int_equal(puppeteer_open_barrier(world->stage.puppeteer, "a", "b", false), 2);
    assert_true(raw_gets(world->raw, GO_1 "{\"go\":true,\"id\":2}\n"));
    leave(world); /* with half a line */
    assert_true(stage_settles(&world->stage, 1, 1));
}

static void an_endless_line_is_not_read_to_its_end(void **state)
{
    struct world *world = *state;
    char piece[4096];
    size_t taken = 0;
    memset(piece, ' ', sizeof piece);
    while (taken < (1 << 20) && send(world->raw, piece, sizeof piece, MSG_NOSIGNAL) > 0)
        taken += sizeof piece;
    assert_true(taken < 1 << 20);
    assert_true(raw_gets_end(world->raw));
    assert_int_equal(stage_refused(&world->stage), 1);
}

static bool send_padded(int fd, size_t len)
{
    char *line = malloc(len + 1);
    if (line == NULL)
        return false;
    int used = snprintf(line, len, "{\"sleep_ms\":0,\"id\":1}");
    memset(line + used, ' ', len - (size_t) used);
    line[len] = '\n';
    bool sent = send(fd, line, len + 1, MSG_NOSIGNAL) == (ssize_t) len + 1;
    free(line);
    return sent;
}

static void the_bound_of_a_line_is_exact(void **state)
{
    struct world *world = *state;
    assert_true(send_padded(world->raw, PUPPETEER_LINE_BYTES));
    assert_true(raw_wakes(world->raw, 1, NULL));
    assert_true(send_padded(world->raw, PUPPETEER_LINE_BYTES + 1));
    assert_true(raw_gets_end(world->raw));
}

static void names_have_a_bound(void **state)
{
    struct world *world = *state;
    char name[BARRIER_NAME_BYTES + 1], line[256];
    memset(name, 'n', sizeof name);
    name[BARRIER_NAME_BYTES - 1] = '\0';
    snprintf(line, sizeof line, "{\"barrier\":\"%s\",\"id\":1}\n", name);
    assert_true(raw_send(world->raw, line));
    assert_true(stage_await(&world->stage, "a", name, 1));
    assert_int_equal(puppeteer_open_barrier(world->stage.puppeteer, "a", name, false), 1);
    assert_true(raw_gets(world->raw, GO_1));
    name[BARRIER_NAME_BYTES - 1] = 'n';
    name[BARRIER_NAME_BYTES] = '\0';
    assert_int_equal(puppeteer_open_barrier(world->stage.puppeteer, "a", name, true), 0);
    snprintf(line, sizeof line, "{\"barrier\":\"%s\",\"id\":2}\n", name);
    assert_true(raw_send(world->raw, line));
    assert_true(raw_gets_end(world->raw));
}

/* ---- wishes --------------------------------------------------------------------------- */

static void an_id_may_come_again_when_it_was_granted(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 3; i++) {
        assert_true(raw_send(world->raw, "{\"sleep_ms\":0,\"id\":1}\n"));
        assert_true(raw_wakes(world->raw, 1, NULL));
    }
    assert_true(raw_send(world->raw, "{\"barrier\":\"b\",\"id\":9}\n{\"barrier\":\"c\",\"id\":9}\n"));
    assert_true(raw_gets_end(world->raw));
}

static void wishes_of_one_process_have_a_bound(void **state)
{
    struct world *world = *state;
    char line[64];
    for (int i = 1; i <= PUPPETEER_WISHES; i++) {
        snprintf(line, sizeof line, "{\"%s,\"id\":%d}\n", i % 2 != 0 ? "barrier\":\"b\"" : "sleep_ms\":100000", i);
        assert_true(raw_send(world->raw, line));
    }
    assert_true(stage_settles(&world->stage, 2, PUPPETEER_WISHES + 1));
    snprintf(line, sizeof line, "{\"barrier\":\"b\",\"id\":%d}\n", PUPPETEER_WISHES + 1);
    assert_true(raw_send(world->raw, line));
    assert_true(raw_gets_end(world->raw));
    assert_true(stage_settles(&world->stage, 1, 1));
}

static void who_does_not_read_its_answers_is_closed(void **state)
{
    struct world *world = *state;
    struct pollfd p = { .fd = world->raw, .events = POLLOUT };
    int64_t until_ns = mono_ns() + INT64_C(30000000000);
    while (stage_refused(&world->stage) == 0 && mono_ns() < until_ns) {
        for (int i = 0; i < 100 && poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0; i++)
            (void) raw_send(world->raw, "{\"sleep_ms\":0,\"id\":1}\n");
    }
    assert_int_equal(stage_refused(&world->stage), 1);
    assert_true(stage_settles(&world->stage, 1, 1));
}

static void one_that_is_gone_does_not_stop_the_opening_of_its_barrier(void **state)
{
    struct world *world = *state;
    int others[8];
    assert_true(raw_send(world->raw, "{\"barrier\":\"b\",\"id\":1}\n{\"barrier\":\"b\",\"id\":2}\n"));
    for (size_t i = 0; i < 8; i++) {
        others[i] = raw_enter(&world->stage, "a");
        assert_true(raw_send(others[i], "{\"barrier\":\"b\",\"id\":1}\n"));
    }
    assert_true(stage_await(&world->stage, "a", "b", 10));
    /* It cannot be written to any more, and the puppeteer has no way to know. */
    shutdown(world->raw, SHUT_RD);
    puppeteer_open_barrier(world->stage.puppeteer, "a", "b", false);
    for (size_t i = 0; i < 8; i++) {
        assert_true(raw_gets(others[i], GO_1));
        close(others[i]);
    }
    assert_true(stage_settles(&world->stage, 1, 1));
}

/* ---- forks ---------------------------------------------------------------------------- */

static bool pair_up(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0;
}

/* Fork: returns our end of the new socket, or -1. */
static int raw_fork(int raw, const char *text)
{
    int pair[2];
    if (!pair_up(pair))
        return -1;
    bool sent = raw_send_fds(raw, text, &pair[1], 1);
    close(pair[1]);
    if (sent)
        return pair[0];
    close(pair[0]);
    return -1;
}

static void forks_may_come_close_together_and_in_pieces(void **state)
{
    struct world *world = *state;
    char filler[5000];
    int forks[4];
    assert_true(raw_send(world->raw, "{\"barrier\":\"b\",\"id\":7}\n"));
    forks[0] = raw_fork(world->raw, "{\"fork\":true}\n");
    forks[1] = raw_fork(world->raw, "{\"fork\":true}\n{\"sleep_ms\":0,\"id\":1}\n");
    forks[2] = raw_fork(world->raw, "{\"fo");
    assert_true(raw_send(world->raw, "rk\":true}"));
    /* So long that the next one begins in the middle of what is read at once. */
    memset(filler, ' ', sizeof filler);
    filler[0] = '\n';
    memcpy(filler + 4075, "{\"sleep_ms\":0,\"id\":2}\n", 23);
    assert_true(raw_send(world->raw, filler));
    forks[3] = raw_fork(world->raw, "{\"fork\":true}\n");
    assert_true(raw_wakes(world->raw, 1, NULL));
    assert_true(raw_wakes(world->raw, 2, NULL));
    for (size_t i = 0; i < 4; i++) {
        assert_true(forks[i] >= 0);
        assert_true(raw_send(forks[i], "{\"sleep_ms\":0,\"id\":1}\n"));
        assert_true(raw_wakes(forks[i], 1, NULL));
        close(forks[i]);
    }
}

/* `count` descriptors `fd` with `text`. */
static void assert_refused(struct stage *stage, const char *text, int fd, size_t count)
{
    int raw = raw_enter(stage, "a"), fds[16];
    size_t before = stage_refused(stage);
    for (size_t i = 0; i < count; i++)
        fds[i] = fd;
    assert_true(raw_send_fds(raw, text, fds, count));
    assert_true(raw_gets_end(raw));
    close(raw);
    assert_int_equal(stage_refused(stage), before + 1);
}

static void descriptors_that_do_not_belong_there_are_refused(void **state)
{
    struct world *world = *state;
    static const char fork_line[] = "{\"fork\":true}\n";
    int pair[2], null = open("/dev/null", O_RDWR | O_CLOEXEC), packets = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(null >= 0 && packets >= 0 && inet >= 0 && pair_up(pair));
    size_t fds = count_fds();
    assert_refused(&world->stage, "{\"sleep_ms\":0,\"id\":1}\n{", pair[0], 16);
    assert_refused(&world->stage, "{\"barrier\":\"b\",\"id\":1}\n", pair[0], 1);
    assert_refused(&world->stage, fork_line, pair[0], 2);
    assert_refused(&world->stage, fork_line, pair[0], 16);
    assert_refused(&world->stage, fork_line, null, 1);
    assert_refused(&world->stage, fork_line, packets, 1);
    assert_refused(&world->stage, fork_line, inet, 1);
    assert_int_equal(count_fds(), fds);
    close(pair[0]);
    close(pair[1]);
    close(null);
    close(packets);
    close(inet);
}

static void sockets_in_odd_states_do_no_harm(void **state)
{
    struct world *world = *state;
    int pair[2], lonely = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(lonely >= 0 && pair_up(pair));
    assert_true(raw_send_fds(world->raw, "{\"fork\":true}\n", &lonely, 1)); /* connected to nothing */
    close(lonely);
    /* Both ends of one, so that the puppeteer hears its own answers. */
    assert_true(raw_send(pair[0], "{\"sleep_ms\":0,\"id\":1}\n"));
    assert_true(raw_send_fds(world->raw, "{\"fork\":true}\n", &pair[0], 1));
    assert_true(raw_send_fds(world->raw, "{\"fork\":true}\n", &pair[1], 1));
    close(pair[0]);
    close(pair[1]);
    assert_true(stage_settles(&world->stage, 2, 1));
    assert_true(raw_send(world->raw, "{\"sleep_ms\":0,\"id\":1}\n"));
    assert_true(raw_wakes(world->raw, 1, NULL));
}

static void a_tree_has_a_bound_and_may_be_filled_again(void **state)
{
    struct world *world = *state;
    static int forks[PUPPETEER_TREE + 44];
    size_t count = sizeof forks / sizeof *forks, open = 0;
    for (size_t i = 0; i < count; i++)
        forks[i] = raw_fork(world->raw, "{\"fork\":true}\n");
    /* The line behind them all has been read when it is granted. */
    assert_true(raw_send(world->raw, "{\"sleep_ms\":0,\"id\":1}\n"));
    assert_true(raw_wakes(world->raw, 1, NULL));
    assert_true(stage_settles(&world->stage, PUPPETEER_TREE + 1, 1));
    for (size_t i = 0; i < count; i++) {
        bool is_open = forks[i] >= 0 && raw_send(forks[i], "{\"sleep_ms\":0,\"id\":1}\n") &&
                       raw_wakes(forks[i], 1, NULL);
        assert_int_equal(is_open, i < PUPPETEER_TREE - 1); /* the first one counts, too */
        open += is_open;
        close(forks[i]);
    }
    assert_int_equal(stage_refused(&world->stage), count - open);
    assert_true(stage_settles(&world->stage, 2, 1));
    int again = raw_fork(world->raw, "{\"fork\":true}\n");
    assert_true(raw_send(again, "{\"sleep_ms\":0,\"id\":1}\n"));
    assert_true(raw_wakes(again, 1, NULL));
    close(again);
}

static void a_lanes_name_has_a_bound(void **state)
{
    struct world *world = *state;
    struct err err = ERR_INIT;
    char lane[66];
    int fd = -1;
    memset(lane, 'l', sizeof lane);
    lane[65] = '\0';
    assert_int_equal(puppeteer_add(world->stage.puppeteer, lane, world->stage.clock, &fd, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(puppeteer_open_barrier(world->stage.puppeteer, lane, "b", true), 0);
    assert_int_equal(fd, -1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(what_no_puppet_says_closes_its_socket_only),
        T(what_was_wished_before_the_bad_line_is_forgotten),
        T(lines_may_come_in_any_pieces),
        T(an_endless_line_is_not_read_to_its_end),
        T(the_bound_of_a_line_is_exact),
        T(names_have_a_bound),
        T(an_id_may_come_again_when_it_was_granted),
        T(wishes_of_one_process_have_a_bound),
        T(who_does_not_read_its_answers_is_closed),
        T(one_that_is_gone_does_not_stop_the_opening_of_its_barrier),
        T(forks_may_come_close_together_and_in_pieces),
        T(descriptors_that_do_not_belong_there_are_refused),
        T(sockets_in_odd_states_do_no_harm),
        T(a_tree_has_a_bound_and_may_be_filled_again),
        T(a_lanes_name_has_a_bound),
    };
    return cmocka_run_group_tests_name("puppeteer_hostile", tests, NULL, NULL);
}
