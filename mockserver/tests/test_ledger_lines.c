/* lanes: the ledger as JSON lines, in the admin API and in the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "lanes/ledger.h"
#include "tests/support/ledger_book.h"

/* ---- filling it ---------------------------------------------------------------------- */

static void add(struct book *b, const struct fact *fact, const char *bytes)
{
    ledger_add_fact(b->ledger, "s-1", "p-1", "ls", fact, bytes);
}

static void add_out(struct book *b, const char *text, size_t len)
{
    add(b, &(struct fact) { .seq = 2, .out_seq = 1, .kind = FACT_OUT, .len = (uint32_t) len, .wall_ms = 77 }, text);
}

static bool put_line(void *arg, const struct ledger_entry *entry)
{
    struct buf *out = arg;
    struct jsonw w;
    jsonw_init(&w, out);
    ledger_write_entry(&w, NULL, "my-lane", entry);
    buf_char(out, '\n');
    return true;
}

/* All entries from `from` on, as lines. */
static void show(struct book *b, uint64_t from, struct buf *out)
{
    ledger_visit(b->ledger, from, put_line, out);
}

static void check_line(struct book *b, uint64_t number, const char *expected)
{
    BUF_AUTO out = BUF_INIT, line = BUF_INIT;
    show(b, number, &out);
    buf_add(&line, out.data, strcspn(buf_cstr(&out), "\n"));
    assert_string_equal(buf_cstr(&line), expected);
}

/* ---- shapes -------------------------------------------------------------------------- */

#define FACT_HEAD(number, seq, kind)                                                                        \
    "{\"type\":\"fact\",\"lane\":\"my-lane\",\"number\":" #number ",\"time_ms\":77,\"sandbox\":\"s-1\","     \
    "\"process\":\"p-1\",\"command\":\"ls\",\"seq\":" #seq ",\"fact\":\"" kind "\""

static void facts_say_what_their_kind_has_to_say(void **state)
{
    static const struct {
        struct fact fact;
        const char *bytes, *line;
    } rows[] = {
        { { .seq = 1, .kind = FACT_QUEUED }, NULL, FACT_HEAD(1, 1, "queued") "}" },
        { { .seq = 2, .kind = FACT_STARTED, .value = 12 }, NULL, FACT_HEAD(2, 2, "started") ",\"pid\":12}" },
        { { .seq = 3, .kind = FACT_OUT, .out_seq = 1, .len = 3 }, "a\nb",
          FACT_HEAD(3, 3, "out") ",\"out_seq\":1,\"output\":{\"bytes\":3,\"data\":\"a\\nb\",\"encoding\":\"utf-8\","
                                 "\"cut\":false}}" },
        { { .seq = 4, .kind = FACT_ERR, .out_seq = 2, .len = 2 }, "\xff\xfe",
          FACT_HEAD(4, 4, "err") ",\"out_seq\":2,\"output\":{\"bytes\":2,\"data\":\"//4=\",\"encoding\":\"base64\","
                                 "\"cut\":false}}" },
        { { .seq = 5, .kind = FACT_STDIN, .len = 12 }, "0123456789ab",
          FACT_HEAD(5, 5, "stdin") ",\"input\":{\"bytes\":12,\"data\":\"0123456789\",\"encoding\":\"utf-8\","
                                   "\"cut\":true}}" },
        { { .seq = 6, .kind = FACT_STDIN_EOF }, NULL, FACT_HEAD(6, 6, "stdin-eof") "}" },
        { { .seq = 7, .kind = FACT_SIGNALLED, .value = 15, .who = WHO_CLIENT }, NULL,
          FACT_HEAD(7, 7, "signalled") ",\"signal\":\"TERM\",\"signal_number\":15,\"by\":\"client\"}" },
        { { .seq = 8, .kind = FACT_TIMED_OUT, .value = 500 }, NULL,
          FACT_HEAD(8, 8, "timed-out") ",\"limit_ms\":500}" },
        { { .seq = 9, .kind = FACT_EXITED, .value = 3 }, NULL, FACT_HEAD(9, 9, "exited") ",\"exit_code\":3}" },
        { { .seq = 10, .kind = FACT_DIED, .value = 11, .flag = 1 }, NULL,
          FACT_HEAD(10, 10, "died") ",\"signal\":\"SEGV\",\"signal_number\":11,\"core_dumped\":true}" },
        { { .seq = 11, .kind = FACT_OUTPUT_EOF, .flag = 1 }, NULL,
          FACT_HEAD(11, 11, "output-eof") ",\"held_by_survivor\":true}" },
    };
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { .max_body_bytes = 10 });
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fact fact = rows[i].fact;
        fact.wall_ms = 77;
        add(&b, &fact, rows[i].bytes);
        check_line(&b, i + 1, rows[i].line);
    }
    book_close(&b);
}

static void a_failed_start_says_errno_and_stage(void **state)
{
    struct book b;
    struct err err = ERR_INIT;
    BUF_AUTO out = BUF_INIT;
    (void) state;
    book_open(&b, &(struct ledger_config) { 0 });
    add(&b, &(struct fact) { .seq = 2, .kind = FACT_START_FAILED, .value = ENOENT, .flag = 2 }, NULL);
    show(&b, 1, &out);
    struct cJSON *json = json_parse(out.data, out.len - 1, &err);
    assert_non_null(json);
    assert_int_equal(cJSON_GetObjectItem(json, "errno")->valueint, ENOENT);
    assert_string_equal(cJSON_GetObjectItem(json, "error")->valuestring, "No such file or directory");
    assert_true(cJSON_IsString(cJSON_GetObjectItem(json, "stage")));
    json_free(json);
    book_close(&b);
}

static void a_request_says_all_that_is_known(void **state)
{
    static const struct wire_header headers[] = { { "Host", "h:1" } };
    struct book b;
    BUF_AUTO expected = BUF_INIT;
    (void) state;
    book_open(&b, &(struct ledger_config) { 0 });
    long long begin_ms = (long long) clock_wall_ms(b.clock);
    uint64_t n = ledger_begin_request(b.ledger, "id-1", "POST", "/x", "a=1", headers, 1);
    buf_printf(&expected,
               "{\"type\":\"request\",\"lane\":\"my-lane\",\"number\":1,\"time_ms\":%lld,\"end_ms\":null,"
               "\"request_id\":\"id-1\",\"method\":\"POST\",\"path\":\"/x\",\"raw_path\":\"/x\",\"query\":\"a=1\","
               "\"headers\":[{\"name\":\"Host\",\"value\":\"h:1\"}],"
               "\"body\":{\"bytes\":0,\"data\":\"\",\"encoding\":\"utf-8\",\"cut\":false},\"dialect\":null,\"op\":null,"
               "\"sandbox\":null,\"process\":null,\"command\":null,\"fault\":null,\"answer\":null,\"end\":null}",
               begin_ms);
    check_line(&b, n, buf_cstr(&expected));

    ledger_set_request_raw_path(b.ledger, n, "/lane/my-lane//x");
    ledger_set_request_body(b.ledger, n, "hi", 2);
    ledger_set_request_op(b.ledger, n, "hyperbrowser", "process.exec", "s-1", "p-1", "ls -l");
    ledger_set_request_fault(b.ledger, n, "scene", 4, "cut", true);
    ledger_set_answer(b.ledger, n, 200, "application/json");
    ledger_add_answer_bytes(b.ledger, n, "{}", 2);
    clock_advance(b.clock, 12);
    ledger_end_request(b.ledger, n, ANSWER_CUT);
    buf_clear(&expected);
    buf_printf(&expected,
               "{\"type\":\"request\",\"lane\":\"my-lane\",\"number\":1,\"time_ms\":%lld,\"end_ms\":%lld,"
               "\"request_id\":\"id-1\",\"method\":\"POST\",\"path\":\"/x\",\"raw_path\":\"/lane/my-lane//x\",\"query\":\"a=1\","
               "\"headers\":[{\"name\":\"Host\",\"value\":\"h:1\"}],"
               "\"body\":{\"bytes\":2,\"data\":\"hi\",\"encoding\":\"utf-8\",\"cut\":false},"
               "\"dialect\":\"hyperbrowser\",\"op\":\"process.exec\",\"sandbox\":\"s-1\",\"process\":\"p-1\","
               "\"command\":\"ls -l\",\"fault\":{\"scenario\":\"scene\",\"rule\":4,\"kind\":\"cut\",\"fired\":true},"
               "\"answer\":{\"status\":200,\"content_type\":\"application/json\","
               "\"body\":{\"bytes\":2,\"data\":\"{}\",\"encoding\":\"utf-8\",\"cut\":false}},\"end\":\"cut\"}",
               begin_ms, begin_ms + 12);
    check_line(&b, n, buf_cstr(&expected));
    book_close(&b);
}

/* ---- the file ------------------------------------------------------------------------ */

static char folder[100], path[128];

static int make_folder(void **state)
{
    const char *tmp = getenv("TMPDIR");
    (void) state;
    snprintf(folder, sizeof folder, "%.60s/ledger-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/l.jsonl", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void) state;
    unlink(path);
    return rmdir(folder);
}

static struct ledger_file *open_file(const char *name)
{
    struct err err = ERR_INIT;
    struct ledger_file *file;
    if (ledger_file_open(&file, name, &err) < 0)
        fail_msg("%s", err.text);
    return file;
}

static void read_fd(int fd, struct buf *out)
{
    ssize_t n = 1;
    while (n > 0) {
        char *at = buf_reserve(out, 65536);
        assert_non_null(at);
        n = read(fd, at, 65536);
        out->len += n > 0 ? (size_t) n : 0;
        out->data[out->len] = '\0';
    }
}

static void read_file(struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    read_fd(fd, out);
    close(fd);
}

/* Every line must be a whole JSON object; how many. */
static size_t count_lines(const struct buf *text)
{
    size_t lines = 0;
    for (const char *at = buf_cstr(text); *at != '\0'; lines++) {
        struct err err = ERR_INIT;
        size_t len = strcspn(at, "\n");
        assert_int_equal(at[len], '\n');
        struct cJSON *json = json_parse(at, len, &err);
        if (json == NULL)
            fail_msg("%.*s: %s", (int) len, at, err.text);
        json_free(json);
        at += len + 1;
    }
    return lines;
}

static void facts_are_written_at_once_and_requests_at_their_end(void **state)
{
    struct book b;
    struct ledger_file *file = open_file(path);
    BUF_AUTO first = BUF_INIT, second = BUF_INIT, exported = BUF_INIT;
    (void) state;
    book_open(&b, &(struct ledger_config) { .file = file });
    uint64_t n = ledger_begin_request(b.ledger, "r", "GET", "/", "", NULL, 0);
    add_out(&b, "x", 1);
    read_file(&first);
    show(&b, 2, &exported);
    assert_string_equal(buf_cstr(&first), buf_cstr(&exported));
    ledger_end_request(b.ledger, n, ANSWER_COMPLETE);
    read_file(&second);
    assert_int_equal(count_lines(&second), 2);
    assert_non_null(strstr(second.data, "\"type\":\"request\""));
    book_close(&b);
    assert_int_equal(ledger_file_close(file), 0);
}

static void what_is_dropped_or_cleared_was_written(void **state)
{
    struct book b;
    struct ledger_file *file = open_file(path);
    BUF_AUTO text = BUF_INIT;
    (void) state;
    book_open(&b, &(struct ledger_config) { .file = file, .max_entries = 2 });
    uint64_t hidden = ledger_begin_request(b.ledger, "r", "GET", "/", "", NULL, 0);
    uint64_t aside = ledger_begin_request(b.ledger, "s", "GET", "/", "", NULL, 0);
    ledger_clear(b.ledger);
    for (int i = 0; i < 10; i++)
        add_out(&b, "x", 1);
    ledger_end_request(b.ledger, hidden, ANSWER_COMPLETE);
    ledger_end_request(b.ledger, aside, ANSWER_COMPLETE);
    read_file(&text);
    assert_int_equal(count_lines(&text), 12);
    book_close(&b);
    assert_int_equal(ledger_file_close(file), 0);
}

static void an_existing_file_is_continued(void **state)
{
    BUF_AUTO text = BUF_INIT;
    (void) state;
    for (int i = 0; i < 2; i++) {
        struct book b;
        struct ledger_file *file = open_file(path);
        book_open(&b, &(struct ledger_config) { .file = file });
        add_out(&b, "x", 1);
        book_close(&b);
        assert_int_equal(ledger_file_close(file), 0);
    }
    read_file(&text);
    assert_int_equal(count_lines(&text), 2);
}

static void a_file_that_cannot_be_opened_is_said(void **state)
{
    struct err err = ERR_INIT;
    struct ledger_file *file;
    char bad[160];
    (void) state;
    snprintf(bad, sizeof bad, "%s/missing/x", folder);
    assert_int_equal(ledger_file_open(&file, bad, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(err.errnum, ENOENT);
    assert_int_equal(ledger_file_close(NULL), 0);
}

#define WRITERS 6
#define LINES   400

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        add_out(arg, "some output that makes the line longer", 38);
    return NULL;
}

static void lines_of_many_threads_and_lanes_are_whole(void **state)
{
    struct book books[WRITERS];
    pthread_t threads[WRITERS];
    struct ledger_file *file = open_file(path);
    BUF_AUTO text = BUF_INIT;
    (void) state;
    for (int i = 0; i < WRITERS; i++) {
        book_open(&books[i], &(struct ledger_config) { .file = file });
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &books[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        book_close(&books[i]);
    }
    assert_int_equal(ledger_file_close(file), 0);
    read_file(&text);
    assert_int_equal(count_lines(&text), WRITERS * LINES);
}

static void a_full_disk_costs_lines_and_nothing_else(void **state)
{
    struct book b;
    struct ledger_file *file = open_file("/dev/full");
    (void) state;
    book_open(&b, &(struct ledger_config) { .file = file });
    for (int i = 0; i < 5000; i++)
        add_out(&b, "x", 1);
    book_close(&b);
    assert_int_equal(ledger_file_close(file), 5000);
}

/* Nobody reads: the writer must come back, and what does not fit is counted. */
static void a_pipe_that_nobody_reads_holds_nobody_up(void **state)
{
    struct book b;
    BUF_AUTO text = BUF_INIT;
    (void) state;
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    struct ledger_file *file = open_file(path);
    book_open(&b, &(struct ledger_config) { .file = file });
    for (int i = 0; i < 5000; i++)
        add_out(&b, "0123456789", 10);
    read_fd(reader, &text);
    size_t added = 5000;
    for (; text.len > 0 && text.data[text.len - 1] != '\n'; added++) {
        size_t before = text.len;
        add_out(&b, "more", 4);   /* the rest of the line that is half out goes first */
        read_fd(reader, &text);
        assert_true(text.len > before);
    }
    book_close(&b);
    size_t written = count_lines(&text);
    buf_clear(&text);
    uint64_t lost = ledger_file_close(file);
    read_fd(reader, &text);
    written += count_lines(&text);
    assert_true(lost > 0);
    assert_int_equal(written + lost, added);
    close(reader);
}

static void a_reader_that_comes_later_gets_what_waited(void **state)
{
    struct book b;
    BUF_AUTO text = BUF_INIT;
    (void) state;
    assert_int_equal(mkfifo(path, 0600), 0);
    struct ledger_file *file = open_file(path);
    book_open(&b, &(struct ledger_config) { .file = file });
    add_out(&b, "first", 5);
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    add_out(&b, "second", 6);
    book_close(&b);
    assert_int_equal(ledger_file_close(file), 0);
    read_fd(reader, &text);
    assert_int_equal(count_lines(&text), 2);
    close(reader);
}

/* What standard error is during a test; the old one comes back. */
static int replace_stderr(int fd)
{
    int old = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_true(old >= 0);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    return old;
}

static void check_stderr(int reader, int writer)
{
    struct book b;
    BUF_AUTO text = BUF_INIT;
    int old = replace_stderr(writer);
    struct ledger_file *file = open_file("-");
    int flags = fcntl(writer, F_GETFL);
    book_open(&b, &(struct ledger_config) { .file = file });
    for (int i = 0; i < 20000; i++)
        add_out(&b, "x", 1);
    book_close(&b);
    uint64_t lost = ledger_file_close(file);
    dup2(old, STDERR_FILENO);
    close(old);
    close(writer);
    read_fd(reader, &text);
    close(reader);
    assert_int_equal(flags & O_NONBLOCK, 0);   /* it is not ours alone */
    assert_true(text.len > 0);
    assert_true(lost > 0 && lost < 20000);
}

static void standard_error_is_not_made_non_blocking_for_others(void **state)
{
    int fds[2];
    (void) state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    check_stderr(fds[0], fds[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    check_stderr(fds[0], fds[1]);
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

/* A call's member, as JSON. */
static void assert_call(struct book *b, uint64_t number, const char *expected)
{
    BUF_AUTO out = BUF_INIT;
    show(b, number, &out);
    const char *from = strstr(buf_cstr(&out), "\"grpc\":");
    assert_non_null(from);
    assert_int_equal(strncmp(from, expected, strlen(expected)), 0);
}

static void a_call_has_its_messages_and_its_end(void **state)
{
    struct book b;
    (void) state;
    book_open(&b, &(struct ledger_config) { .max_body_bytes = 50 });   /* so 400 of messages */
    uint64_t n = ledger_begin_request(b.ledger, "r", "POST", "/s/m", "", NULL, 0);
    ledger_begin_call(b.ledger, n, 1500);
    assert_true(ledger_add_message(b.ledger, n, true, "{\"api_key\":\"hush\"}", 18, 7, false));
    ledger_add_half_close(b.ledger, n);
    assert_true(ledger_add_message(b.ledger, n, false, NULL, 0, 9, true));
    ledger_set_call_end(b.ledger, n, "NOT_FOUND", "no such thing", "WHY");
    ledger_set_answer(b.ledger, n, 200, "application/grpc");
    ledger_end_request(b.ledger, n, ANSWER_COMPLETE);
    assert_call(&b, n,
                "\"grpc\":{\"status\":\"NOT_FOUND\",\"message\":\"no such thing\",\"reason\":\"WHY\",\"timeout_ms\":1500,"
                "\"reset_by_client\":null,\"messages\":[{\"from\":\"client\",\"message\":{\"api_key\":\"[redacted]\"},\"size\":7},"
                "{\"from\":\"client\",\"end\":true},{\"from\":\"server\",\"message\":null,\"size\":9,\"cut\":true}],"
                "\"messages_left_out\":0}}");
    book_close(&b);
}

static void of_too_many_messages_the_first_and_the_newest_stay(void **state)
{
    struct book b;
    char json[30];
    (void) state;
    book_open(&b, &(struct ledger_config) { .max_body_bytes = 25 });   /* so 200 of messages */
    uint64_t n = ledger_begin_request(b.ledger, "r", "POST", "/s/m", "", NULL, 0);
    ledger_begin_call(b.ledger, n, -1);
    for (int i = 0; i < 50; i++) {
        int len = snprintf(json, sizeof json, "{\"i\":%d}", i);
        assert_int_equal(ledger_add_message(b.ledger, n, false, json, (size_t) len, 1, false), i < 4);
    }
    ledger_set_call_reset(b.ledger, n, 8);
    assert_call(&b, n,
                "\"grpc\":{\"status\":null,\"message\":null,\"timeout_ms\":null,\"reset_by_client\":8,\"messages\":["
                "{\"from\":\"server\",\"message\":{\"i\":0},\"size\":1},{\"from\":\"server\",\"message\":{\"i\":1},\"size\":1},"
                "{\"from\":\"server\",\"message\":{\"i\":2},\"size\":1},{\"from\":\"server\",\"message\":{\"i\":3},\"size\":1},"
                "{\"from\":\"server\",\"message\":{\"i\":49},\"size\":1}],\"messages_left_out\":45}}");
    ledger_end_request(b.ledger, n, ANSWER_CLIENT_GONE);
    book_close(&b);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_say_what_their_kind_has_to_say),
        cmocka_unit_test(a_failed_start_says_errno_and_stage),
        cmocka_unit_test(a_request_says_all_that_is_known),
        cmocka_unit_test(a_call_has_its_messages_and_its_end),
        cmocka_unit_test(of_too_many_messages_the_first_and_the_newest_stay),
        FILE_TEST(facts_are_written_at_once_and_requests_at_their_end),
        FILE_TEST(what_is_dropped_or_cleared_was_written),
        FILE_TEST(an_existing_file_is_continued),
        FILE_TEST(a_file_that_cannot_be_opened_is_said),
        FILE_TEST(lines_of_many_threads_and_lanes_are_whole),
        FILE_TEST(a_full_disk_costs_lines_and_nothing_else),
        FILE_TEST(a_pipe_that_nobody_reads_holds_nobody_up),
        FILE_TEST(a_reader_that_comes_later_gets_what_waited),
        cmocka_unit_test(standard_error_is_not_made_non_blocking_for_others),
    };
    return cmocka_run_group_tests_name("ledger_lines", tests, NULL, NULL);
}
