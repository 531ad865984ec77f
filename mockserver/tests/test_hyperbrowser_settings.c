/* hyperbrowser: its settings as --set makes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "dialects/hyperbrowser/hyperbrowser.h"
#include "dialects/hyperbrowser/settings.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void assignments_change_what_they_name_and_nothing_else(void **state)
{
    (void) state;
    static const char *const list[] = { "keepalive_ms=500", "region=us-east", "keepalive_ms=700", NULL };
    struct hb_settings s, expected = hb_default_settings;
    assert_int_equal(hb_settings_parse(&s, list, NULL), 0);
    expected.keepalive_ms = 700;
    expected.region = s.region;
    assert_string_equal(s.region, "us-east");
    assert_memory_equal(&s, &expected, sizeof s);
}

static void without_assignments_the_defaults_stand(void **state)
{
    (void) state;
    struct hb_settings s;
    assert_int_equal(hb_settings_parse(&s, NULL, NULL), 0);
    assert_memory_equal(&s, &hb_default_settings, sizeof s);
}

static void a_bad_assignment_is_named_and_changes_nothing(void **state)
{
    (void) state;
    static const char *const bad[] = {
        "no_such=1", "keepalive_ms", "keepalive_ms=", "keepalive_ms=-1", "keepalive_ms=1x", "keepalive_ms=1.5",
        "keepalive_ms=99999999999999999999", "killed_exit_code=137", "user=../etc", "user=", "shell=bash",
        "host_suffix=sbx.test", "host_suffix=.a b", "=1", "",
        "token_form=none", "token_expiry=never", "runtime_slash=yes",
        "page_size=0", "page_size_max=0", "list_limit=0", "list_limit_max=0",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        const char *const list[] = { "keepalive_ms=5", bad[i], NULL };
        struct hb_settings s = { .keepalive_ms = 77 };
        struct err err = ERR_INIT;
        if (hb_settings_parse(&s, list, &err) == 0)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(err.code, ERR_INVALID);
        if (strstr(err.text, bad[i]) == NULL)
            fail_msg("\"%s\" is not named in: %s", bad[i], err.text);
        assert_int_equal(s.keepalive_ms, 77);
    }
}

/* One line a setting: name, value, known or guess, and a reason. */
static void every_setting_is_described_with_its_reason(void **state)
{
    (void) state;
    static const char *const list[] = { "keepalive_ms=4711", NULL };
    BUF_AUTO text = BUF_INIT;
    assert_int_equal(hyperbrowser_dialect.describe_settings(&text, list, NULL), 0);
    assert_non_null(strstr(buf_cstr(&text), "4711"));
    size_t lines = 0;
    for (char *line = text.data; *line != '\0'; lines++) {
        size_t len = strcspn(line, "\n");
        line[len] = '\0';
        char *kind = strstr(line, " known: ") != NULL ? strstr(line, " known: ") : strstr(line, " guess: ");
        if (kind == NULL || strlen(kind) < sizeof " known: " + 10)
            fail_msg("no reason: %s", line);
        line += len + 1;
    }
    assert_true(lines >= 20);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(assignments_change_what_they_name_and_nothing_else),
        cmocka_unit_test(without_assignments_the_defaults_stand),
        cmocka_unit_test(a_bad_assignment_is_named_and_changes_nothing),
        cmocka_unit_test(every_setting_is_described_with_its_reason),
    };
    return cmocka_run_group_tests_name("hyperbrowser settings", tests, NULL, NULL);
}
