/* base/hash: the published numbers of FNV-1a and splitmix64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hash.h"

static void hash_is_that_of_fnv_1a(void **state)
{
    (void) state;
    assert_true(hash_bytes(HASH_BEGIN, "", 0) == UINT64_C(0xCBF29CE484222325));
    assert_true(hash_bytes(HASH_BEGIN, "a", 1) == UINT64_C(0xAF63DC4C8601EC8C));
    assert_true(hash_bytes(HASH_BEGIN, "foobar", 6) == UINT64_C(0x85944171F73967E8));
    assert_true(hash_bytes(hash_bytes(HASH_BEGIN, "foo", 3), "bar", 3) == hash_bytes(HASH_BEGIN, "foobar", 6));
}

static void texts_do_not_run_into_each_other(void **state)
{
    (void) state;
    assert_true(hash_text(hash_text(HASH_BEGIN, "ab"), "c") != hash_text(hash_text(HASH_BEGIN, "a"), "bc"));
    assert_true(hash_text(HASH_BEGIN, "a") == hash_bytes(HASH_BEGIN, "a", 2));
}

static void dice_are_those_of_splitmix64(void **state)
{
    (void) state;
    uint64_t zero = 0, other = 1234567;
    assert_true(dice_roll(&zero) == UINT64_C(0xE220A8397B1DCDAF));
    assert_true(dice_roll(&zero) == UINT64_C(0x6E789E6AA1B965F4));
    assert_true(dice_roll(&other) == UINT64_C(6457827717110365317));
    assert_true(dice_roll(&other) == UINT64_C(3203168211198807973));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_that_of_fnv_1a),
        cmocka_unit_test(texts_do_not_run_into_each_other),
        cmocka_unit_test(dice_are_those_of_splitmix64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
