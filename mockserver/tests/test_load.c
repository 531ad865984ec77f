/* load: scenario files, folders, links and pipes, as the command line names them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "load.h"

static const struct scenario_hooks hooks = { .check_steps = load_check_steps };

/* More than a pipe holds. */
#define LONG_TEXT_BYTES (1u << 20)

static char folder[100];

static int make_folder(void **state)
{
    const char *tmp = getenv("TMPDIR");
    (void) state;
    snprintf(folder, sizeof folder, "%.60s/load-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;
    return remove(path);
}

static int remove_folder(void **state)
{
    (void) state;
    return nftw(folder, remove_one, 10, FTW_DEPTH | FTW_PHYS);
}

/* ---- what lies there -------------------------------------------------------------------- */

struct path {
    char text[300];
};

static struct path in_folder(const char *name)
{
    struct path path;
    snprintf(path.text, sizeof path.text, "%s/%s", folder, name);
    return path;
}

static void add_folder(const char *name)
{
    assert_int_equal(mkdir(in_folder(name).text, 0700), 0);
}

static void add_link(const char *target, const char *name)
{
    assert_int_equal(symlink(target, in_folder(name).text), 0);
}

static void put_scenario(struct buf *text, const char *name)
{
    buf_printf(text,
               "{\"standbox\":1,\"name\":\"%s\",\"why\":\"y\",\"processes\":[{\"when\":{},\"run\":{\"exit\":0}}]}",
               name);
}

static void add_scenario(const char *path, const char *name)
{
    BUF_AUTO text = BUF_INIT;
    put_scenario(&text, name);
    FILE *file = fopen(in_folder(path).text, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.data, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
}

/* ---- what is loaded ----------------------------------------------------------------------- */

static void assert_loads(const char *path, const char *names)
{
    struct load_list list = { .hooks = &hooks };
    struct err err = ERR_INIT;
    BUF_AUTO got = BUF_INIT;
    int rc = load_scenarios(&list, path, &err);
    for (size_t i = 0; i < list.count; i++)
        buf_printf(&got, "%s%s", i == 0 ? "" : " ", list.items[i]->name);
    load_list_fini(&list);
    if (rc < 0)
        fail_msg("%s", err.text);
    assert_string_equal(buf_cstr(&got), names);
}

static void assert_refused(const char *path, const char *reason)
{
    struct load_list list = { .hooks = &hooks };
    struct err err = ERR_INIT;
    int rc = load_scenarios(&list, path, &err);
    load_list_fini(&list);
    assert_int_equal(rc, -1);
    if (strcmp(err.text, reason) != 0)
        fail_msg("%s\n  and not %s", err.text, reason);
}

static void files_and_folders_are_read_in_the_order_of_names(void **state)
{
    (void) state;
    add_folder("more");
    add_folder("x.json");
    add_scenario("b.json", "b");
    add_scenario("a.json", "z");
    add_scenario("more/c.json", "c");
    add_scenario("x.json/d.json", "d");
    add_scenario("note.txt", "no");
    assert_loads(in_folder("b.json").text, "b");
    assert_loads(folder, "z b c d");
    BUF_AUTO reason = BUF_INIT;
    buf_printf(&reason, "%s/nothing: No such file or directory", folder);
    assert_refused(in_folder("nothing").text, buf_cstr(&reason));
}

static void links_to_files_and_folders_are_followed(void **state)
{
    (void) state;
    add_folder("real");
    add_folder("used");
    add_folder("real/below");
    add_scenario("real/a.json", "a");
    add_scenario("real/below/b.json", "b");
    add_link("../real/a.json", "used/a.json");
    add_link("../real/below", "used/below");
    assert_loads(in_folder("used").text, "a b");
    add_link("used", "link");
    assert_loads(in_folder("link").text, "a b");
    assert_loads(in_folder("link/a.json").text, "a");
}

/* The way configuration is mounted into containers: links to links to a hidden folder. */
static void what_is_hidden_is_read_only_through_its_links(void **state)
{
    (void) state;
    add_folder("..2026");
    add_scenario("..2026/a.json", "a");
    add_link("..2026", "..data");
    add_link("..data/a.json", "a.json");
    add_link("user@host.123", ".#a.json");
    assert_loads(folder, "a");
    assert_loads(in_folder("..data").text, "a");
}

static void a_link_to_nothing_is_refused(void **state)
{
    BUF_AUTO reason = BUF_INIT;
    (void) state;
    add_scenario("a.json", "a");
    add_link("missing.json", "b.json");
    buf_printf(&reason, "%s/b.json: No such file or directory", folder);
    assert_refused(folder, buf_cstr(&reason));
}

static void a_loop_of_links_is_refused(void **state)
{
    BUF_AUTO reason = BUF_INIT;
    (void) state;
    add_folder("sub");
    add_scenario("a.json", "a");
    add_link("..", "sub/up");
    buf_printf(&reason, "%s/sub/up: this link leads back to a folder that it is in", folder);
    assert_refused(folder, buf_cstr(&reason));
}

static void a_folder_without_scenarios_is_refused(void **state)
{
    BUF_AUTO reason = BUF_INIT;
    (void) state;
    add_folder("empty");
    buf_printf(&reason, "%s/empty: no scenario files (*.json) in this folder", folder);
    assert_refused(in_folder("empty").text, buf_cstr(&reason));
}

/* ---- pipes ---------------------------------------------------------------------------------- */

struct writer {
    struct path path; /* opened by the thread; "": write to fd */
    int fd;
    struct buf text;
    bool written;
};

static void *write_text(void *arg)
{
    struct writer *w = arg;
    size_t done = 0;
    if (w->path.text[0] != '\0')
        w->fd = open(w->path.text, O_WRONLY | O_CLOEXEC);
    while (w->fd >= 0 && done < w->text.len) {
        ssize_t n = write(w->fd, w->text.data + done, w->text.len - done);
        if (n < 0)
            break;
        done += (size_t) n;
    }
    if (w->fd >= 0)
        close(w->fd);
    w->written = done == w->text.len;
    return NULL;
}

/* A scenario behind more white space than a pipe holds, so that its reader has to wait. */
static void put_long_text(struct buf *text, const char *name)
{
    char *blanks = buf_reserve(text, LONG_TEXT_BYTES);
    assert_non_null(blanks);
    memset(blanks, ' ', LONG_TEXT_BYTES);
    text->len += LONG_TEXT_BYTES;
    put_scenario(text, name);
}

static void assert_loads_from(struct writer *w, const char *path)
{
    pthread_t thread;
    put_long_text(&w->text, "piped");
    assert_int_equal(pthread_create(&thread, NULL, write_text, w), 0);
    struct load_list list = { .hooks = &hooks };
    struct err err = ERR_INIT;
    int rc = load_scenarios(&list, path, &err);
    if (rc < 0)
        pthread_cancel(thread); /* it may wait for a reader */
    pthread_join(thread, NULL);
    buf_fini(&w->text);
    if (rc < 0)
        fail_msg("%s", err.text);
    assert_true(w->written);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0]->name, "piped");
    load_list_fini(&list);
}

static void a_pipe_is_read_to_its_end(void **state)
{
    int ends[2];
    char path[40];
    (void) state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    struct writer w = { .path = { "" }, .fd = ends[1] };
    assert_loads_from(&w, path);
    close(ends[0]);
}

static void a_fifo_s_writer_may_come_late(void **state)
{
    (void) state;
    struct writer w = { .path = in_folder("fifo"), .fd = -1 };
    assert_int_equal(mkfifo(w.path.text, 0600), 0);
    assert_loads_from(&w, w.path.text);
}

static void a_pipe_that_was_closed_before_is_read(void **state)
{
    int ends[2];
    char path[40];
    BUF_AUTO text = BUF_INIT;
    (void) state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    put_scenario(&text, "early");
    assert_int_equal(write(ends[1], text.data, text.len), text.len);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    assert_loads(path, "early");
    close(ends[0]);
}

struct silent_load {
    int ends[2];
    char path[40];
    struct err err;
    int rc;
    int64_t took_ns;
};

static void *load_silent(void *arg)
{
    struct silent_load *s = arg;
    struct load_list list = { .hooks = &hooks };
    int64_t from_ns = mono_ns();
    s->rc = load_scenarios(&list, s->path, &s->err);
    s->took_ns = mono_ns() - from_ns;
    load_list_fini(&list);
    return NULL;
}

static void a_silent_pipe_is_given_up_after_a_while(void **state)
{
    static const char *const begins[] = { "", "{" }, *const reasons[] = { "nothing", "no end" };
    struct silent_load loads[2] = { 0 };
    pthread_t threads[2];
    (void) state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe2(loads[i].ends, O_CLOEXEC), 0);
        assert_int_equal(write(loads[i].ends[1], begins[i], strlen(begins[i])), strlen(begins[i]));
        snprintf(loads[i].path, sizeof loads[i].path, "/dev/fd/%d", loads[i].ends[0]);
        assert_int_equal(pthread_create(&threads[i], NULL, load_silent, &loads[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        BUF_AUTO reason = BUF_INIT;
        pthread_join(threads[i], NULL);
        close(loads[i].ends[0]);
        close(loads[i].ends[1]);
        buf_printf(&reason, "%s: %s came within 5 s", loads[i].path, reasons[i]);
        assert_int_equal(loads[i].rc, -1);
        assert_string_equal(loads[i].err.text, buf_cstr(&reason));
        assert_true(loads[i].took_ns >= INT64_C(5000000000));
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_and_folders_are_read_in_the_order_of_names),
        TEST(links_to_files_and_folders_are_followed),
        TEST(what_is_hidden_is_read_only_through_its_links),
        TEST(a_link_to_nothing_is_refused),
        TEST(a_loop_of_links_is_refused),
        TEST(a_folder_without_scenarios_is_refused),
        cmocka_unit_test(a_pipe_is_read_to_its_end),
        TEST(a_fifo_s_writer_may_come_late),
        cmocka_unit_test(a_pipe_that_was_closed_before_is_read),
        cmocka_unit_test(a_silent_pipe_is_given_up_after_a_while),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
