/* The command line: what is taken, and that every refusal names the option and what was wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "options.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MAX_WORDS 20

/* `line` is split at blanks; "" is no argument at all. */
static int parse_line(struct options *out, const char *line, const char *env_token, struct err *err)
{
    static char words[512];
    static char program[] = "standbox-mockserver";
    char *argv[MAX_WORDS + 1] = { program };
    int argc = 1;
    assert_true(strlen(line) < sizeof words);
    memcpy(words, line, strlen(line) + 1);
    char *rest = words;
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        assert_true(argc < MAX_WORDS);
        if (*word != '\0')
            argv[argc++] = word;
    }
    argv[argc] = NULL;
    return options_parse(out, argc, argv, env_token, err);
}

static void must_parse(struct options *out, const char *line, const char *env_token)
{
    struct err err = ERR_INIT;
    if (parse_line(out, line, env_token, &err) != 0)
        fail_msg("refused: %s: %s", line, err.text);
}

static void must_refuse(const char *line, enum err_code code, const char *const parts[], size_t count)
{
    struct options o = { .max_streams = 77 };
    struct err err = ERR_INIT;
    if (parse_line(&o, line, NULL, &err) == 0)
        fail_msg("taken: %s", line);
    if (err.code != code)
        fail_msg("%s: code %s (%s)", line, err_code_name(err.code), err.text);
    for (size_t i = 0; i < count; i++) {
        if (strstr(err.text, parts[i]) == NULL)
            fail_msg("%s: said \"%s\", which lacks \"%s\"", line, err.text, parts[i]);
    }
    assert_int_equal(o.max_streams, 77);   /* the output is untouched */
}

static void defaults_are_those_of_the_contract(void **state)
{
    (void) state;
    struct options o;
    must_parse(&o, "", NULL);
    assert_int_equal(o.action, ACTION_SERVE);
    assert_string_equal(o.http_address, "127.0.0.1");
    assert_int_equal(o.http_port, 8700);
    assert_true(o.http_is_loopback);
    assert_int_equal(o.isolation, CHOOSE_AUTO);
    assert_true(o.time_scale > 0.999 && o.time_scale < 1.001);
    assert_int_equal(o.max_streams, 1000);
    assert_int_equal(o.api_key_count, 0);
    assert_non_null(o.api_keys);
    assert_null(o.api_keys[0]);
    assert_null(o.admin_token);
    assert_null(o.state_dir);
    assert_false(o.allow_remote);
    options_fini(&o);
}

static void values_follow_a_blank_or_an_equals_sign(void **state)
{
    (void) state;
    static const char *const lines[] = {
        "--http 127.0.0.1:0 --isolation none --time-scale 2.5 --max-streams 7 --state-dir /s --admin-token t",
        "--http=127.0.0.1:0 --isolation=none --time-scale=2.5 --max-streams=7 --state-dir=/s --admin-token=t",
    };
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct options o;
        must_parse(&o, lines[i], NULL);
        assert_int_equal(o.http_port, 0);
        assert_int_equal(o.isolation, CHOOSE_NONE);
        assert_true(o.time_scale > 2.499 && o.time_scale < 2.501);
        assert_int_equal(o.max_streams, 7);
        assert_string_equal(o.state_dir, "/s");
        assert_string_equal(o.admin_token, "t");
        options_fini(&o);
    }
}

static void only_the_first_equals_sign_ends_the_name(void **state)
{
    (void) state;
    struct options o;
    must_parse(&o, "--api-key=a=b=", NULL);
    assert_string_equal(o.api_keys[0], "a=b=");
    options_fini(&o);
}

static void keys_add_up_and_other_repeats_replace(void **state)
{
    (void) state;
    struct options o;
    must_parse(&o, "--api-key one --max-streams 1 --api-key=two --max-streams 2 --api-key three", NULL);
    assert_int_equal(o.api_key_count, 3);
    assert_string_equal(o.api_keys[0], "one");
    assert_string_equal(o.api_keys[1], "two");
    assert_string_equal(o.api_keys[2], "three");
    assert_null(o.api_keys[3]);
    assert_int_equal(o.max_streams, 2);
    options_fini(&o);
}

static void settings_add_up_and_must_have_the_form(void **state)
{
    (void) state;
    struct options o;
    must_parse(&o, "--set a.b=c --set=d.e=f=g.h", NULL);
    assert_int_equal(o.setting_count, 2);
    assert_string_equal(o.settings[0], "a.b=c");
    assert_string_equal(o.settings[1], "d.e=f=g.h");
    assert_null(o.settings[2]);
    options_fini(&o);
    static const char *const bad[] = { "--set x", "--set a.b", "--set a=b.c", "--set .b=c" };
    for (size_t i = 0; i < COUNT(bad); i++)
        must_refuse(bad[i], ERR_INVALID, (const char *const[]) { "--set", bad[i] + strlen("--set ") }, 2);
}

static void addresses_are_taken_in_every_form(void **state)
{
    (void) state;
    static const struct {
        const char *line, *address;
        int port;
    } rows[] = {
        { "--http 127.0.0.1:1", "127.0.0.1", 1 },
        { "--http 127.8.9.10:65535", "127.8.9.10", 65535 },
        { "--http [::1]:8700", "[::1]", 8700 },
        { "--http=[::1]:0", "[::1]", 0 },
        { "--http localhost:8080", "127.0.0.1", 8080 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct options o;
        must_parse(&o, rows[i].line, NULL);
        assert_string_equal(o.http_address, rows[i].address);
        assert_int_equal(o.http_port, rows[i].port);
        assert_true(o.http_is_loopback);
        options_fini(&o);
    }
}

static void bad_values_are_named_with_their_option(void **state)
{
    (void) state;
    static const struct {
        const char *line, *parts[2];
    } rows[] = {
        { "--http 8700", { "--http", "\"8700\"" } },
        { "--http :8700", { "--http", "\":8700\"" } },
        { "--http 127.0.0.1:", { "--http", "port" } },
        { "--http 127.0.0.1:65536", { "--http", "65536" } },
        { "--http 127.0.0.1:-1", { "--http", "port" } },
        { "--http 127.0.0.1:+1", { "--http", "port" } },
        { "--http 127.0.0.1:80x", { "--http", "port" } },
        { "--http ::1:8700", { "--http", "brackets" } },
        { "--http [::1]", { "--http", "no port" } },
        { "--http [::1]8700", { "--http", "" } },
        { "--http [::g]:1", { "--http", "IPv6" } },
        { "--http []:1", { "--http", "no such address" } },
        { "--http 127.1:1", { "--http", "no such address" } },
        { "--http example.org:1", { "--http", "no such address" } },
        { "--isolation docker", { "--isolation", "\"docker\"" } },
        { "--isolation=", { "--isolation", "auto, namespace or none" } },
        { "--time-scale 0", { "--time-scale", "\"0\"" } },
        { "--time-scale -1", { "--time-scale", "\"-1\"" } },
        { "--time-scale nan", { "--time-scale", "nan" } },
        { "--time-scale inf", { "--time-scale", "inf" } },
        { "--time-scale 2x", { "--time-scale", "2x" } },
        { "--time-scale 1e9", { "--time-scale", "1e9" } },
        { "--max-streams 0", { "--max-streams", "\"0\"" } },
        { "--max-streams 10001", { "--max-streams", "10000" } },
        { "--max-streams 99999999999999999999999", { "--max-streams", "9999" } },
        { "--max-streams 1.5", { "--max-streams", "1.5" } },
        { "--api-key=", { "--api-key", "1 to" } },
        { "--api-key caf\xC3\xA9", { "--api-key", "character 4" } },
        { "--admin-token=\t", { "--admin-token", "character 1" } },
        { "--state-dir=", { "--state-dir", "" } },
        { "--allow-remote=yes", { "--allow-remote", "takes no value" } },
        { "--help=me", { "--help", "takes no value" } },
        { "--max-streams", { "--max-streams", "needs a value" } },
        { "serve", { "serve", "unexpected" } },
        { "--", { "--", "unexpected" } },
        { "-p", { "-p", "unexpected" } },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        must_refuse(rows[i].line, ERR_INVALID, rows[i].parts, 2);
}

static void secrets_are_not_repeated_in_messages(void **state)
{
    (void) state;
    struct options o;
    struct err err = ERR_INIT;
    assert_int_equal(parse_line(&o, "--admin-token s3cr\x01t", NULL, &err), -1);
    assert_null(strstr(err.text, "s3cr"));
}

static void unknown_options_get_the_nearest_name(void **state)
{
    (void) state;
    static const struct {
        const char *line, *part;
    } rows[] = {
        { "--htp 127.0.0.1:1", "did you mean --http?" },
        { "--isolatoin none", "did you mean --isolation?" },
        { "--max-stream=4", "did you mean --max-streams?" },
        { "--iso none", "did you mean --isolation?" },
        { "--timescale 2", "did you mean --time-scale?" },
        { "--api_key k", "did you mean --api-key?" },
        { "--verison", "did you mean --version?" },
        { "--frobnicate-everything-in-sight-and-then-some", "--help lists them" },
        { "--x", "--help lists them" },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        must_refuse(rows[i].line, ERR_INVALID, &rows[i].part, 1);
}

static void scenarios_add_up_in_order(void **state)
{
    (void) state;
    struct options o;
    must_parse(&o, "--scenario a.json --scenario=dir --ledger l --seed 7 --strict", NULL);
    assert_int_equal(o.scenario_count, 2);
    assert_string_equal(o.scenarios[0], "a.json");
    assert_string_equal(o.scenarios[1], "dir");
    assert_null(o.scenarios[2]);
    assert_string_equal(o.ledger, "l");
    assert_true(o.has_seed && o.seed == 7 && o.strict);
    options_fini(&o);
    must_parse(&o, "--check --scenario x", NULL);
    assert_int_equal(o.action, ACTION_CHECK);
    options_fini(&o);
}

/* Servers on ports of their own must not meet on one. */
static void grpc_listens_beside_http_when_it_is_not_said(void **state)
{
    (void) state;
    static const struct {
        const char *line, *address;
        int port;
    } rows[] = {
        { "", "127.0.0.1", 8701 },
        { "--http [::1]:9000", "[::1]", 9001 },
        { "--http 127.0.0.1:0", "127.0.0.1", 0 },
        { "--http 127.0.0.1:65535", "127.0.0.1", 0 },
        { "--grpc localhost:5 --http 127.0.0.1:0", "127.0.0.1", 5 },
        { "--http 127.0.0.1:7 --grpc=127.0.0.2:0", "127.0.0.2", 0 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct options o;
        must_parse(&o, rows[i].line, NULL);
        assert_string_equal(o.grpc_address, rows[i].address);
        assert_int_equal(o.grpc_port, rows[i].port);
        options_fini(&o);
    }
}

static void grpc_addresses_are_refused_as_those_of_http_are(void **state)
{
    (void) state;
    static const struct {
        const char *line, *parts[2];
    } rows[] = {
        { "--grpc 8701", { "--grpc", "no port" } },
        { "--grpc ::1:8701", { "--grpc", "brackets" } },
        { "--grpc 0.0.0.0:8701", { "--grpc", "--allow-remote" } },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        must_refuse(rows[i].line, ERR_INVALID, rows[i].parts, 2);
}

static void remote_listening_needs_all_three_words(void **state)
{
    (void) state;
    static const struct {
        const char *line, *part;
    } rows[] = {
        { "--http 0.0.0.0:8700", "--allow-remote" },
        { "--http [::]:8700", "--allow-remote" },
        { "--http 192.0.2.1:8700 --api-key k --admin-token t", "--allow-remote" },
        { "--http 128.0.0.1:8700", "--allow-remote" },
        { "--allow-remote", "--api-key" },
        { "--allow-remote --api-key k", "--admin-token" },
        { "--allow-remote --admin-token t", "--api-key" },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        must_refuse(rows[i].line, ERR_INVALID, &rows[i].part, 1);
    struct options o;
    must_parse(&o, "--allow-remote --api-key k --admin-token t --http 0.0.0.0:8700", NULL);
    assert_false(o.http_is_loopback);
    assert_string_equal(o.http_address, "0.0.0.0");
    options_fini(&o);
    must_parse(&o, "--allow-remote --api-key k --http [::]:0", "from-env");
    assert_string_equal(o.admin_token, "from-env");
    options_fini(&o);
}

static void a_token_option_beats_the_environment(void **state)
{
    (void) state;
    struct options o;
    must_parse(&o, "--admin-token from-argv", "from-env");
    assert_string_equal(o.admin_token, "from-argv");
    options_fini(&o);
    must_parse(&o, "", "");
    assert_null(o.admin_token);
    options_fini(&o);
    struct err err = ERR_INIT;
    assert_int_equal(parse_line(&o, "", "two words", &err), -1);
    assert_non_null(strstr(err.text, "STANDBOX_ADMIN_TOKEN"));
}

static void questions_are_answered_whatever_follows(void **state)
{
    (void) state;
    static const struct {
        const char *line;
        enum options_action action;
    } rows[] = {
        { "--help --nonsense", ACTION_HELP },
        { "-h", ACTION_HELP },
        { "--http 0.0.0.0:1 --version", ACTION_VERSION },
        { "--print-config --http 127.0.0.1:0", ACTION_PRINT_CONFIG },
        { "--print-config --help", ACTION_HELP },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct options o;
        must_parse(&o, rows[i].line, NULL);
        assert_int_equal(o.action, rows[i].action);
        options_fini(&o);
    }
}

static void the_help_lists_what_can_be_used(void **state)
{
    (void) state;
    static const char *const there[] = {
        "--http ADDR:PORT", "--grpc ADDR:PORT", "--isolation MODE", "--time-scale N", "--max-streams N", "--api-key KEY",
        "--admin-token T", "--allow-remote", "--state-dir DIR", "--print-config", "--version", "--help",
        "--scenario FILE|DIR", "--seed N", "--strict", "--check", "--ledger FILE", "STANDBOX_ADMIN_TOKEN",
    };
    BUF_AUTO text = BUF_INIT;
    options_describe(&text);
    for (size_t i = 0; i < COUNT(there); i++)
        assert_non_null(strstr(buf_cstr(&text), there[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_contract),
        cmocka_unit_test(values_follow_a_blank_or_an_equals_sign),
        cmocka_unit_test(only_the_first_equals_sign_ends_the_name),
        cmocka_unit_test(keys_add_up_and_other_repeats_replace),
        cmocka_unit_test(settings_add_up_and_must_have_the_form),
        cmocka_unit_test(addresses_are_taken_in_every_form),
        cmocka_unit_test(bad_values_are_named_with_their_option),
        cmocka_unit_test(secrets_are_not_repeated_in_messages),
        cmocka_unit_test(unknown_options_get_the_nearest_name),
        cmocka_unit_test(scenarios_add_up_in_order),
        cmocka_unit_test(grpc_listens_beside_http_when_it_is_not_said),
        cmocka_unit_test(grpc_addresses_are_refused_as_those_of_http_are),
        cmocka_unit_test(remote_listening_needs_all_three_words),
        cmocka_unit_test(a_token_option_beats_the_environment),
        cmocka_unit_test(questions_are_answered_whatever_follows),
        cmocka_unit_test(the_help_lists_what_can_be_used),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
