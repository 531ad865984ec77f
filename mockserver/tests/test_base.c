/* base: errors as values, buffers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"

static void an_error_carries_code_errno_and_text(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    assert_int_equal(err_set(&err, ERR_IO, ENOENT, "open %s", "x"), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(err.errnum, ENOENT);
    assert_string_equal(err.text, "open x: No such file or directory");
    assert_int_equal(err_wrap(&err, "start %d", 7), -1);
    assert_string_equal(err.text, "start 7: open x: No such file or directory");
}

static void nobody_has_to_ask_for_the_error(void **state)
{
    (void) state;
    assert_int_equal(err_set(NULL, ERR_IO, 0, "unheard"), -1);
    assert_int_equal(err_wrap(NULL, "unheard"), -1);
}

static void a_long_text_is_cut_and_not_overrun(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    char longer[2 * ERR_TEXT_BYTES];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    err_set(&err, ERR_INVALID, 0, "%s", longer);
    assert_true(strlen(err.text) < ERR_TEXT_BYTES);
    err_wrap(&err, "%s", longer);
    assert_true(strlen(err.text) < ERR_TEXT_BYTES);
}

static void every_code_has_a_name(void **state)
{
    (void) state;
    for (int code = ERR_NONE; code < ERR_CODES; code++)
        assert_true(strlen(err_code_name((enum err_code) code)) > 0);
}

static void a_buffer_grows_and_always_ends_in_nul(void **state)
{
    (void) state;
    BUF_AUTO b = BUF_INIT;
    assert_string_equal(buf_cstr(&b), "");
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i);
    assert_int_equal(strlen(buf_cstr(&b)), b.len);
    assert_int_equal(b.len, 3890);
    buf_clear(&b);
    buf_add(&b, "a\0b", 3);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "a\0b", 4);
}

static void a_file_is_read_whole_or_the_error_names_it(void **state)
{
    (void) state;
    BUF_AUTO out = BUF_INIT;
    struct err err = ERR_INIT;
    FILE *file = tmpfile();
    assert_non_null(file);
    for (int i = 0; i < 200000; i++)
        assert_int_not_equal(fputc(i % 251, file), EOF);
    rewind(file);
    assert_int_equal(file_read_stream(&out, file, "bytes", 200000, &err), 0);
    assert_int_equal(out.len, 200000);
    for (size_t i = 0; i < out.len; i++)
        assert_int_equal((unsigned char) out.data[i], i % 251);
    rewind(file);
    assert_int_equal(file_read_stream(&out, file, "bytes", 399999, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.text, "bytes"));
    fclose(file);
    assert_int_equal(file_read(&out, "/no/such/file", 10, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/no/such/file"));
    assert_int_equal(file_read(&out, "/", (size_t) 1 << 30, &err), -1);   /* a folder opens, and cannot be read */
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(err.errnum, EISDIR);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_carries_code_errno_and_text),
        cmocka_unit_test(nobody_has_to_ask_for_the_error),
        cmocka_unit_test(a_long_text_is_cut_and_not_overrun),
        cmocka_unit_test(every_code_has_a_name),
        cmocka_unit_test(a_buffer_grows_and_always_ends_in_nul),
        cmocka_unit_test(a_file_is_read_whole_or_the_error_names_it),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
