/* cli/wildcard: patterns over case ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/wildcard.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void each_wildcard_takes_what_it_promises(void **state)
{
    (void) state;
    static const struct { const char *pattern, *id; bool matches; } rows[] = {
        { "v/exec/exit", "v/exec/exit", true },      { "v/exec/exit", "v/exec/exit-2", false },
        { "v/exec/exit", "v/exec/exit/At:1", false }, { "v/*/exit", "v/exec/exit", true },
        { "v/*/exit", "v/exit", false },             { "v/*", "v/exec/exit", false },
        { "*", "v", true },                          { "*", "v/exec", false },
        { "**", "v/exec/exit", true },               { "v/**", "v/exec/exit/At:1", true },
        { "v/**", "v", true },                       { "v/**/exit", "v/exit", true },
        { "v/**/exit", "v/a/b/exit", true },         { "v/**/exit", "v/a/b", false },
        { "**/At:1", "v/exec/exit/At:1", true },     { "**/*/**", "v", true },
        { "v/exec/*/At:1", "v/exec/exit/At:2", false },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (wildcard_matches(rows[i].pattern, rows[i].id) != rows[i].matches)
            fail_msg("%s, %s", rows[i].pattern, rows[i].id);
    }
}

static void many_double_stars_end_soon(void **state)
{
    (void) state;
    /* Not exponential: ids have few components, but patterns may be silly. */
    assert_false(wildcard_matches("**/**/**/**/**/**/**/**/**/x", "a/b/c/d/e/f/g/h/i/j/k/l"));
}

static void a_component_that_mixes_is_refused(void **state)
{
    (void) state;
    static const char *const bad[] = { "", "v/out-*", "v//x", "/v", "v/", "***", "v/*x" };
    struct err err = ERR_INIT;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (wildcard_check(bad[i], &err) == 0)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_int_equal(err.code, ERR_INVALID);
    }
    assert_int_equal(wildcard_check("v/**/x/*", &err), 0);
}

/* ---- lists ------------------------------------------------------------------------------- */

static void write_file(char *path, const char *text)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void a_file_has_one_a_line_and_comments(void **state)
{
    (void) state;
    char path[] = "/tmp/standbox-wildcard-XXXXXX", at[64];
    struct err err = ERR_INIT;
    struct wildcards w = { 0 };
    write_file(path, "# all of exec\n\n  v/exec/*  # and why\r\nv/start/x\n");
    snprintf(at, sizeof at, "@%s", path);
    assert_int_equal(wildcards_add(&w, at, "--run", &err), 0);
    assert_int_equal(wildcards_add(&w, "v/stdin/*", "--run", &err), 0);   /* they add up */
    assert_int_equal(w.count, 3);
    assert_string_equal(w.rows[0].pattern, "v/exec/*");
    assert_non_null(strstr(w.rows[1].place, ":4"));
    assert_true(wildcards_match(&w, "v/exec/a"));
    assert_false(wildcards_match(&w, "v/kill/a"));
    assert_string_equal(wildcards_unused(&w)->pattern, "v/start/x");
    wildcards_fini(&w);
    unlink(path);
}

static void a_bad_line_adds_nothing_and_is_named(void **state)
{
    (void) state;
    char path[] = "/tmp/standbox-wildcard-XXXXXX", at[64];
    struct err err = ERR_INIT;
    struct wildcards w = { 0 };
    write_file(path, "v/a\nv/b*\n");
    snprintf(at, sizeof at, "@%s", path);
    assert_int_equal(wildcards_add(&w, at, "--run", &err), -1);
    assert_int_equal(w.count, 0);
    assert_non_null(strstr(err.text, ":2: "));
    assert_int_equal(wildcards_add(&w, "@/no/such/file", "--run", &err), -1);
    assert_int_equal(err.code, ERR_IO);
    wildcards_fini(&w);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wildcard_takes_what_it_promises),
        cmocka_unit_test(many_double_stars_end_soon),
        cmocka_unit_test(a_component_that_mixes_is_refused),
        cmocka_unit_test(a_file_has_one_a_line_and_comments),
        cmocka_unit_test(a_bad_line_adds_nothing_and_is_named),
    };
    return cmocka_run_group_tests_name("wildcard", tests, NULL, NULL);
}
