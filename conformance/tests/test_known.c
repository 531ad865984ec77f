/* cli/known: lists of what a client gets wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/known.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static int read_text(struct known *k, const char *text, struct err *err)
{
    char path[] = "/tmp/standbox-known-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    int rc = known_read(k, path, err);
    unlink(path);
    return rc;
}

static void an_entry_has_its_words_and_its_reason(void **state)
{
    (void) state;
    struct known k = { 0 };
    struct err err = ERR_INIT;
    assert_int_equal(read_text(&k, "# Node 0.92\n"
                                   "v/a/b\n"
                                   "v/a/c verdict=not-exercised message=0123abcd issue=https://x/issues#12 "
                                   "until=2027-01-31 it gives  up early # ours\n", &err), 0);
    assert_int_equal(k.count, 2);
    assert_string_equal(k.rows[0].verdict, "fail");
    assert_null(k.rows[0].message);
    assert_null(k.rows[0].why);
    assert_string_equal(k.rows[1].verdict, "not-exercised");
    assert_string_equal(k.rows[1].message, "0123abcd");
    assert_string_equal(k.rows[1].issue, "https://x/issues#12");
    assert_string_equal(k.rows[1].until, "2027-01-31");
    assert_string_equal(k.rows[1].why, "it gives  up early");
    known_fini(&k);
}

static void what_is_wrong_is_named_with_its_line(void **state)
{
    (void) state;
    static const struct { const char *text, *line, *says; } rows[] = {
        { "v/a*\n", ":1:", "mixes text" },          { "v/a verdict=pass\n", ":1:", "verdict: \"pass\" is not" },
        { "v/a verdict=oops\n", ":1:", "verdict" }, { "v/a message=xyz\n", ":1:", "message" },
        { "v/a until=soon\n", ":1:", "until" },     { "v/a until=2027-1-1\n", ":1:", "until" },
        { "v/a issue=\n", ":1:", "issue: empty" },  { "v/a verdict=fail verdict=fail\n", ":1:", "said twice" },
        { "v/b\nv/b\n", ":2:", "listed twice" },
    };
    struct err err = ERR_INIT;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct known k = { 0 };
        if (read_text(&k, rows[i].text, &err) == 0)
            fail_msg("taken: %s", rows[i].text);
        if (strstr(err.text, rows[i].says) == NULL || strstr(err.text, rows[i].line) == NULL)
            fail_msg("%s -> %s", rows[i].text, err.text);
        assert_int_equal(k.count, 0);
        known_fini(&k);
    }
}

static void the_exact_entry_comes_before_the_wide_one(void **state)
{
    (void) state;
    struct known k = { 0 };
    struct err err = ERR_INIT;
    assert_int_equal(read_text(&k, "v/*/b wide\nv/a/b exact\n", &err), 0);
    assert_string_equal(known_find(&k, "v/a/b")->why, "exact");
    assert_string_equal(known_find(&k, "v/c/b")->why, "wide");
    assert_null(known_find(&k, "v/c/d"));
    assert_int_equal(k.rows[0].breadth, 2);
    known_fini(&k);
}

static void an_entry_counts_through_its_last_day(void **state)
{
    (void) state;
    struct known_row row = { .until = "2027-01-31" }, always = { .until = "" };
    assert_false(known_is_expired(&row, "2027-01-31"));
    assert_true(known_is_expired(&row, "2027-02-01"));
    assert_false(known_is_expired(&always, "9999-12-31"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_has_its_words_and_its_reason),
        cmocka_unit_test(what_is_wrong_is_named_with_its_line),
        cmocka_unit_test(the_exact_entry_comes_before_the_wide_one),
        cmocka_unit_test(an_entry_counts_through_its_last_day),
    };
    return cmocka_run_group_tests_name("known", tests, NULL, NULL);
}
