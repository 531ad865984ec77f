/* The puppet's forks, its listeners, and its talk with a controller. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/puppet_child.h"

struct world {
    struct puppet_child child;
    int control; /* our end; -1: none */
};

static int setup(void **state)
{
    static struct world world;
    signal(SIGPIPE, SIG_IGN);
    puppet_child_init(&world.child);
    world.control = -1;
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    puppet_child_fini(&world->child);
    if (world->control >= 0)
        close(world->control);
    puppet_child_reap_orphans();
    return 0;
}

static void assert_exited(const struct puppet_child *c, int code)
{
    assert_true(WIFEXITED(c->status));
    assert_int_equal(WEXITSTATUS(c->status), code);
}

/* ---- forks -------------------------------------------------------------------------- */

static void a_fork_keeps_the_pipe_after_the_parents_exit(void **state)
{
    struct puppet_child *c = &((struct world *) *state)->child;
    assert_true(puppet_child_steps(c, "[{\"fork\":[{\"read\":\"line\"},{\"out\":\"late\"}]},{\"exit\":3}]"));
    assert_true(puppet_child_wait(c));
    assert_exited(c, 3);
    struct pollfd p = { .fd = c->fds[1], .events = POLLIN };
    assert_int_equal(poll(&p, 1, 0), 0); /* neither bytes nor an end */
    assert_true(puppet_child_send(c, "\n"));
    assert_true(puppet_child_await(c, 1, NULL));
    assert_string_equal(buf_cstr(&c->got[1]), "late");
}

static void a_fork_leaves_what_it_does_not_keep(void **state)
{
    struct puppet_child *c = &((struct world *) *state)->child;
    assert_true(puppet_child_steps(c, "[{\"fork\":[{\"out\":\"unseen\"},{\"read\":\"eof\"},{\"err\":\"up\"},"
                                      "{\"loop\":{\"times\":\"forever\",\"do\":[{\"sleep_ms\":5},{\"err\":\".\"}]}}],"
                                      "\"keeps\":[\"stderr\"],\"setsid\":true},{\"exit\":0}]"));
    /* Its stdin is at the end although ours is open, and our stdout ends although it lives. */
    assert_true(puppet_child_await(c, 2, "up"));
    assert_true(puppet_child_await(c, 1, NULL));
    assert_true(puppet_child_wait(c));
    assert_string_equal(buf_cstr(&c->got[1]), "");
    buf_clear(&c->got[2]);
    assert_true(puppet_child_await(c, 2, "...")); /* and dies of it when the test closes this */
}

static void wait_waits_for_all_children(void **state)
{
    struct puppet_child *c = &((struct world *) *state)->child;
    assert_true(puppet_child_steps(c, "[{\"loop\":{\"times\":20,\"do\":[{\"fork\":[{\"out\":\"c\"}]}]}},"
                                      "{\"fork\":[{\"read\":\"line\"},{\"out\":\"c\"},{\"exit\":9}]},{\"wait\":true},"
                                      "{\"out\":\"p\"},{\"wait\":true},{\"exit\":2}]"));
    assert_true(puppet_child_send(c, "\n"));
    assert_true(puppet_child_finish(c));
    assert_exited(c, 2);
    assert_string_equal(buf_cstr(&c->got[1]), "cccccccccccccccccccccp");
}

static void wait_ends_also_when_children_are_not_reaped_by_us(void **state)
{
    struct puppet_child *c = &((struct world *) *state)->child;
    assert_true(puppet_child_exits(c,
                                   "[{\"on\":\"CHLD\",\"do\":\"ignore\"},{\"fork\":[{\"sleep_ms\":1}]},"
                                   "{\"fork\":[{\"raise\":\"KILL\"}]},{\"wait\":true},{\"exit\":4}]",
                                   4));
}

static void a_handler_of_chld_sees_the_child_end(void **state)
{
    struct puppet_child *c = &((struct world *) *state)->child;
    assert_true(puppet_child_exits(c,
                                   "[{\"on\":\"CHLD\",\"do\":[{\"out\":\"chld\"},{\"exit\":8}]},"
                                   "{\"fork\":[{\"exit\":1}]},{\"hang\":true}]",
                                   8));
}

/* The first process that has this parent and this name, 0 if none. */
static pid_t find_child(pid_t parent, const char *comm)
{
    pid_t found = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc != NULL && found == 0 && (entry = readdir(proc)) != NULL;) {
        char path[300], line[512] = "", name[64];
        int pid, ppid;
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *stat = fopen(path, "r");
        if (stat == NULL)
            continue;
        if (fgets(line, sizeof line, stat) != NULL && sscanf(line, "%d (%63[^)]) %*c %d", &pid, name, &ppid) == 3 &&
            ppid == parent && strcmp(name, comm) == 0)
            found = pid;
        fclose(stat);
    }
    if (proc != NULL)
        closedir(proc);
    return found;
}

static void double_fork_and_setsid_make_a_daemon(void **state)
{
    struct puppet_child *c = &((struct world *) *state)->child;
    assert_true(puppet_child_steps(c, "[{\"fork\":[{\"title\":\"my daemon\"},{\"out\":\"up\"},{\"read\":\"line\"},"
                                      "{\"exit\":9}],\"double\":true,\"setsid\":true},{\"wait\":true},{\"exit\":1}]"));
    pid_t main_pid = c->pid;
    assert_true(puppet_child_await(c, 1, "up"));
    assert_true(puppet_child_wait(c)); /* "wait" did not wait for it */
    assert_exited(c, 1);
    pid_t daemon = find_child(getpid(), "my daemon");
    assert_true(daemon > 0);
    assert_int_not_equal(getsid(daemon), getsid(0));
    assert_int_not_equal(getsid(daemon), daemon); /* not its leader, either */
    assert_int_not_equal(getsid(daemon), main_pid);
    assert_true(puppet_child_send(c, "\n"));
    assert_true(puppet_child_await(c, 1, NULL));
    int status = 0;
    assert_int_equal(waitpid(daemon, &status, 0), daemon);
    assert_int_equal(WEXITSTATUS(status), 9);
}

static void a_fork_inherits_handlers_and_nothing_pending(void **state)
{
    struct puppet_child *c = &((struct world *) *state)->child;
    /* The fork happens in the handler of TERM, and can be sent TERM itself. */
    assert_true(puppet_child_exits(c,
                                   "[{\"on\":\"TERM\",\"do\":[{\"fork\":[{\"out\":\"c\"},"
                                   "{\"on\":\"TERM\",\"do\":[{\"out\":\"t\"}]},{\"raise\":\"TERM\"}]},{\"wait\":true},"
                                   "{\"out\":\"p\"}]},{\"raise\":\"TERM\"},{\"exit\":0}]",
                                   0));
    assert_string_equal(buf_cstr(&c->got[1]), "ctp");
}

/* ---- listening ---------------------------------------------------------------------- */

static int dial(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t) port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval limit = { .tv_sec = 30 };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *) &address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static int await_port(struct puppet_child *c)
{
    assert_true(puppet_child_await(c, 1, "\n"));
    return (int) strtol(c->got[1].data, NULL, 10);
}

/* Everything that the peer answers to `request`. */
static void talk(int port, const char *request, struct buf *out)
{
    char chunk[4096];
    ssize_t n;
    int fd = dial(port);
    assert_true(fd >= 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t) strlen(request));
    buf_clear(out);
    while ((n = recv(fd, chunk, sizeof chunk, 0)) > 0)
        buf_add(out, chunk, (size_t) n);
    close(fd);
    assert_int_equal(n, 0); /* an end, neither a reset nor the deadline */
}

static void http_is_answered_in_the_background(void **state)
{
    struct puppet_child *c = &((struct world *) *state)->child;
    static const struct {
        const char *request, *answer;
    } rows[] = {
        { "GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
          "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 0\r\n\r\n" },
        { "GET /x?a=b HTTP/1.1\r\n\r\n",
          "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: application/json\r\n"
          "Content-Length: 4\r\n\r\nnull" },
        { "HEAD /x HTTP/1.0\r\n\r\n",
          "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: application/json\r\n"
          "Content-Length: 4\r\n\r\n" },
        { "POST /y HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
          "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n" },
        { "GET /heal HTTP/1.1\r\n\r\n",
          "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
          "Content-Length: 0\r\n\r\n" },
        { "hello\r\n\r\n",
          "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
          "Content-Length: 0\r\n\r\n" },
    };
    BUF_AUTO answer = BUF_INIT;
    assert_true(puppet_child_steps(c, "[{\"listen\":0,\"print\":true,\"http\":{\"/health\":200,"
                                      "\"/x\":{\"status\":503,\"body\":\"null\",\"type\":\"application/json\"},"
                                      "\"/y\":204}},{\"hang\":true}]"));
    int port = await_port(c);
    int idle = dial(port); /* disturbs nobody */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        talk(port, rows[i].request, &answer);
        assert_string_equal(buf_cstr(&answer), rows[i].answer);
    }
    close(idle);
}

static void an_endless_request_head_is_refused(void **state)
{
    struct puppet_child *c = &((struct world *) *state)->child;
    BUF_AUTO request = BUF_INIT, answer = BUF_INIT;
    buf_str(&request, "GET / HTTP/1.1\r\nX: ");
    while (request.len < 100000)
        buf_str(&request, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    assert_true(puppet_child_steps(c, "[{\"listen\":0,\"print\":true,\"http\":{\"/\":200}},{\"read\":\"eof\"}]"));
    talk(await_port(c), request.data, &answer);
    assert_int_equal(strncmp(answer.data, "HTTP/1.1 431 ", 13), 0);
    assert_true(puppet_child_finish(c));
    assert_exited(c, 0);
}

static void echo_gives_back_every_byte(void **state)
{
    struct puppet_child *c = &((struct world *) *state)->child;
    assert_true(puppet_child_steps(c, "[{\"listen\":0,\"print\":true,\"echo\":true},{\"sleep_ms\":600000}]"));
    int fd = dial(await_port(c));
    char got[16] = "";
    assert_true(fd >= 0);
    assert_int_equal(send(fd, "ping\0pong", 9, MSG_NOSIGNAL), 9);
    assert_int_equal(recv(fd, got, 9, MSG_WAITALL), 9);
    assert_memory_equal(got, "ping\0pong", 9);
    shutdown(fd, SHUT_WR);
    assert_int_equal(recv(fd, got, sizeof got, 0), 0);
    close(fd);
}

static void unlisten_and_the_end_free_the_port(void **state)
{
    struct puppet_child *c = &((struct world *) *state)->child;
    assert_true(puppet_child_steps(c, "[{\"listen\":0,\"print\":true,\"echo\":true},{\"read\":\"line\"},"
                                      "{\"unlisten\":0},{\"err\":\"off\"},{\"read\":\"line\"}]"));
    int port = await_port(c), fd = dial(port);
    char got[1];
    assert_true(fd >= 0);
    /* Accepted before the listener goes away. */
    assert_int_equal(send(fd, "a", 1, MSG_NOSIGNAL), 1);
    assert_int_equal(recv(fd, got, 1, 0), 1);
    assert_true(puppet_child_send(c, "\n"));
    assert_true(puppet_child_await(c, 2, "off"));
    assert_int_equal(dial(port), -1);
    /* Who is connected stays so. */
    assert_int_equal(send(fd, "b", 1, MSG_NOSIGNAL), 1);
    assert_int_equal(recv(fd, got, 1, 0), 1);
    close(fd);
    assert_true(puppet_child_finish(c));
    assert_exited(c, 0);
}

static void a_port_that_is_taken_is_a_failed_step(void **state)
{
    struct puppet_child *c = &((struct world *) *state)->child;
    struct puppet_child second;
    char script[64], complaint[128];
    puppet_child_init(&second);
    assert_true(puppet_child_steps(c, "[{\"listen\":0,\"print\":true},{\"hang\":true}]"));
    int port = await_port(c);
    snprintf(script, sizeof script, "[{\"listen\":%d}]", port);
    snprintf(complaint, sizeof complaint, "standbox-puppet: /0/listen: port %d: Address already in use\n", port);
    bool exits = puppet_child_exits(&second, script, 98);
    bool says = exits && strcmp(buf_cstr(&second.got[2]), complaint) == 0;
    puppet_child_fini(&second);
    assert_true(exits);
    assert_true(says);
}

static void a_fork_does_not_hold_the_port(void **state)
{
    struct puppet_child *c = &((struct world *) *state)->child;
    assert_true(puppet_child_steps(c, "[{\"listen\":0,\"print\":true,\"echo\":true},{\"fork\":[{\"err\":\"up\"},"
                                      "{\"read\":\"eof\"}]},{\"raise\":\"STOP\"},{\"exit\":0}]"));
    int port = await_port(c);
    assert_true(puppet_child_await(c, 2, "up"));
    kill(c->pid, SIGKILL);
    assert_true(puppet_child_wait(c));
    assert_int_equal(dial(port), -1);
}

/* ---- the controller ----------------------------------------------------------------- */

static void start_controlled(struct world *world, const char *clock, const char *steps)
{
    int pair[2];
    char number[16];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    snprintf(number, sizeof number, "%d", pair[1]);
    world->control = pair[0];
    world->child.pass_fd = pair[1];
    assert_true(puppet_child_start(
        &world->child, (const char *const[]){ "--control", number, "--clock", clock, "--steps", steps, NULL }));
    close(pair[1]);
}

/* Read one line, and the fd that may come with it (-1). */
static void assert_wish(int control, const char *line, int *out_fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } rights;
    char got[256] = "";
    int fd = -1;
    for (size_t len = 0; len + 1 < sizeof got && memchr(got, '\n', len) == NULL; len++) {
        struct iovec iov = { .iov_base = got + len, .iov_len = 1 };
        struct msghdr message = {
            .msg_iov = &iov, .msg_iovlen = 1, .msg_control = rights.room, .msg_controllen = sizeof rights.room
        };
        assert_true(puppet_child_readable(control));
        assert_int_equal(recvmsg(control, &message, MSG_CMSG_CLOEXEC), 1);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        if (header != NULL && header->cmsg_type == SCM_RIGHTS)
            memcpy(&fd, CMSG_DATA(header), sizeof fd);
    }
    assert_string_equal(got, line);
    if (out_fd != NULL)
        *out_fd = fd;
    else
        assert_int_equal(fd, -1);
}

static void answer(int control, const char *line)
{
    assert_int_equal(send(control, line, strlen(line), MSG_NOSIGNAL), (ssize_t) strlen(line));
}

static void a_barrier_holds_until_it_is_lifted(void **state)
{
    struct world *world = *state;
    start_controlled(world, "real",
                     "[{\"out\":\"1\"},{\"barrier\":\"b \\\"1\\\"\"},{\"out\":\"2\"},{\"sleep_ms\":1},"
                     "{\"barrier\":\"b2\"},{\"exit\":3}]");
    assert_true(puppet_child_await(&world->child, 1, "1"));
    assert_wish(world->control, "{\"barrier\":\"b \\\"1\\\"\",\"id\":1}\n", NULL);
    assert_string_equal(buf_cstr(&world->child.got[1]), "1");
    answer(world->control, "{\"go\":true}\n");
    assert_true(puppet_child_await(&world->child, 1, "12"));
    assert_wish(world->control, "{\"barrier\":\"b2\",\"id\":2}\n", NULL);
    answer(world->control, "{\"go\":");
    answer(world->control, "true,\"id\":2}\n");
    assert_true(puppet_child_finish(&world->child));
    assert_exited(&world->child, 3);
    assert_string_equal(buf_cstr(&world->child.got[1]), "12");
}

/* So that whoever sees it there can let it go on, and gets two pieces. */
static void who_stands_at_a_barrier_has_been_read(void **state)
{
    struct world *world = *state;
    start_controlled(world, "real", "[{\"err\":\"1\"},{\"barrier\":\"b\"}]");
    struct pollfd wish = { .fd = world->control, .events = POLLIN };
    assert_int_equal(poll(&wish, 1, 50), 0);
    assert_true(puppet_child_await(&world->child, 2, "1"));
    assert_wish(world->control, "{\"barrier\":\"b\",\"id\":1}\n", NULL);
    answer(world->control, "{\"go\":true}\n");
    assert_true(puppet_child_finish(&world->child));
}

static void a_manual_clock_is_asked_for_sleeps_and_rates(void **state)
{
    struct world *world = *state;
    start_controlled(world, "manual",
                     "[{\"sleep_ms\":86400000},{\"out\":{\"text\":\"abcdef\",\"rate\":2,\"chunk\":4}}]");
    assert_wish(world->control, "{\"sleep_ms\":86400000,\"id\":1}\n", NULL);
    answer(world->control, "{\"go\":true,\"id\":1}\n");
    assert_wish(world->control, "{\"sleep_ms\":2000,\"id\":2}\n", NULL);
    assert_true(puppet_child_await(&world->child, 1, "abcd"));
    answer(world->control, "{\"go\":true,\"id\":2}\n");
    assert_wish(world->control, "{\"sleep_ms\":1000,\"id\":3}\n", NULL);
    answer(world->control, "{\"go\":true,\"id\":3}\n");
    assert_true(puppet_child_finish(&world->child));
    assert_exited(&world->child, 0);
    assert_string_equal(buf_cstr(&world->child.got[1]), "abcdef");
}

/* Answers come late, the more so the faster the clock runs; that must not add up. */
static void a_rate_counts_from_its_start_when_the_controller_says_the_time(void **state)
{
    struct world *world = *state;
    start_controlled(world, "manual", "[{\"out\":{\"text\":\"abcdef\",\"rate\":2,\"chunk\":2}},{\"sleep_ms\":5}]");
    assert_wish(world->control, "{\"sleep_ms\":1000,\"id\":1}\n", NULL);
    answer(world->control, "{\"go\":true,\"id\":1,\"at_ms\":9000}\n");
    assert_wish(world->control, "{\"until_ms\":10000,\"id\":2}\n", NULL);
    answer(world->control, "{\"go\":true,\"id\":2,\"at_ms\":10000}\n");
    assert_wish(world->control, "{\"until_ms\":11000,\"id\":3}\n", NULL);
    answer(world->control, "{\"go\":true,\"id\":3,\"at_ms\":11000}\n");
    assert_wish(world->control, "{\"sleep_ms\":5,\"id\":4}\n", NULL);
    answer(world->control, "{\"go\":true}\n");
    assert_true(puppet_child_finish(&world->child));
    assert_exited(&world->child, 0);
    assert_string_equal(buf_cstr(&world->child.got[1]), "abcdef");
}

static void a_handlers_wish_and_the_interrupted_one_keep_apart(void **state)
{
    struct world *world = *state;
    static const char script[] = "[{\"on\":\"TERM\",\"do\":[{\"sleep_ms\":10},{\"out\":\"h\"}]},{\"barrier\":\"b\"},"
                                 "{\"out\":\"m\"}]";
    start_controlled(world, "manual", script);
    assert_wish(world->control, "{\"barrier\":\"b\",\"id\":1}\n", NULL);
    kill(world->child.pid, SIGTERM);
    assert_wish(world->control, "{\"sleep_ms\":10,\"id\":2}\n", NULL);
    /* The interrupted step may be granted first, and still comes after its handler. */
    answer(world->control, "{\"go\":true,\"id\":1}\n");
    answer(world->control, "{\"go\":true,\"id\":2}\n");
    assert_true(puppet_child_finish(&world->child));
    assert_exited(&world->child, 0);
    assert_string_equal(buf_cstr(&world->child.got[1]), "hm");
}

static void a_fork_brings_its_own_control_socket(void **state)
{
    struct world *world = *state;
    int forked = -1;
    start_controlled(world, "manual",
                     "[{\"fork\":[{\"sleep_ms\":100},{\"out\":\"c\"}]},{\"sleep_ms\":50},"
                     "{\"out\":\"p\"},{\"exit\":0}]");
    assert_wish(world->control, "{\"fork\":true}\n", &forked);
    assert_true(forked >= 0);
    assert_wish(world->control, "{\"sleep_ms\":50,\"id\":1}\n", NULL);
    assert_wish(forked, "{\"sleep_ms\":100,\"id\":1}\n", NULL);
    answer(world->control, "{\"go\":true,\"id\":1}\n");
    assert_true(puppet_child_wait(&world->child));
    answer(forked, "{\"go\":true,\"id\":1}\n");
    assert_true(puppet_child_await(&world->child, 1, NULL));
    assert_string_equal(buf_cstr(&world->child.got[1]), "pc");
    close(forked);
}

static void a_lost_or_foolish_controller_ends_the_puppet(void **state)
{
    struct world *world = *state;
    static const struct {
        const char *answer, *complaint;
    } rows[] = {
        { NULL, "standbox-puppet: /0/barrier: the control socket was closed\n" },
        { "{\"go\":1}\n", "standbox-puppet: /0/barrier: control socket: /go: must be true or false\n" },
        { "{\"go\":true,\"at_ms\":-1}\n",
          "standbox-puppet: /0/barrier: control socket: /at_ms: must be from 0 to 9007199254740992\n" },
        { "{}\n", "standbox-puppet: /0/barrier: control socket: a line without \"go\": true\n" },
        { "go\n", "standbox-puppet: /0/barrier: control socket: 1:1: a JSON value should be here\n" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        start_controlled(world, "real", "[{\"barrier\":\"b\"},{\"exit\":0}]");
        assert_wish(world->control, "{\"barrier\":\"b\",\"id\":1}\n", NULL);
        if (rows[i].answer != NULL)
            answer(world->control, rows[i].answer);
        else
            shutdown(world->control, SHUT_RDWR);
        assert_true(puppet_child_finish(&world->child));
        assert_exited(&world->child, 98);
        assert_string_equal(buf_cstr(&world->child.got[2]), rows[i].complaint);
        teardown(state);
        world->control = -1;
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(a_fork_keeps_the_pipe_after_the_parents_exit),
        T(a_fork_leaves_what_it_does_not_keep),
        T(wait_waits_for_all_children),
        T(wait_ends_also_when_children_are_not_reaped_by_us),
        T(a_handler_of_chld_sees_the_child_end),
        T(double_fork_and_setsid_make_a_daemon),
        T(a_fork_inherits_handlers_and_nothing_pending),
        T(http_is_answered_in_the_background),
        T(an_endless_request_head_is_refused),
        T(echo_gives_back_every_byte),
        T(unlisten_and_the_end_free_the_port),
        T(a_port_that_is_taken_is_a_failed_step),
        T(a_fork_does_not_hold_the_port),
        T(a_barrier_holds_until_it_is_lifted),
        T(who_stands_at_a_barrier_has_been_read),
        T(a_manual_clock_is_asked_for_sleeps_and_rates),
        T(a_rate_counts_from_its_start_when_the_controller_says_the_time),
        T(a_handlers_wish_and_the_interrupted_one_keep_apart),
        T(a_fork_brings_its_own_control_socket),
        T(a_lost_or_foolish_controller_ends_the_puppet),
    };
    puppet_child_adopt_orphans();
    return cmocka_run_group_tests_name("puppet_tree", tests, NULL, NULL);
}
