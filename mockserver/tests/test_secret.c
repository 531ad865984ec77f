/* base/secret: names that promise a secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/secret.h"

static void names_that_promise_a_secret_are_known(void **state)
{
    static const char *const secret[] = {
        "Authorization",
        "proxy-authorization",
        "Cookie",
        "Set-Cookie",
        "X-Api-Key",
        "X-Modal-Token-Secret",
        "x-modal-token-id",
        "X-Standbox-Token",
        "token",
        "accessToken",
        "apiKey",
        "api_key",
        "APIKEY",
        "clientSecret",
        "password",
        "DB_PASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "refresh-token",
        "X-Auth-Key",
        "X-Amz-Signature",
        "sig",
        "jwt",
        "dbPass",
        "GITHUB_PAT",
        "session_id",
    };
    static const char *const plain[] = { "host", "content-type", "x-request-id", "key", "to", "name",
                                         "",     "PATH",         "DEBUG",        "author", "compass", "design",
                                         "tokenExpiresAt", "token_expires_at" };
    (void) state;
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
        assert_true(secret_is_name(secret[i], strlen(secret[i])));
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        assert_false(secret_is_name(plain[i], strlen(plain[i])));
}

static void long_names_count_as_secret(void **state)
{
    char name[SECRET_NAME_BYTES + 1];
    (void) state;
    memset(name, 'x', sizeof name);
    assert_false(secret_is_name(name, SECRET_NAME_BYTES));
    assert_true(secret_is_name(name, SECRET_NAME_BYTES + 1));
    memcpy(name + SECRET_NAME_BYTES - 5, "token", 5);
    assert_true(secret_is_name(name, SECRET_NAME_BYTES));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_promise_a_secret_are_known),
        cmocka_unit_test(long_names_count_as_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
