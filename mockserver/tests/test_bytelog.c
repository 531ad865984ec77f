/* engine/bytelog: offsets never change, memory is bounded, the front can go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "engine/bytelog.h"

static unsigned char byte_at(uint64_t offset)
{
    return (unsigned char) (offset * 31 + (offset >> 8) * 7 + (offset >> 16));
}

static void append_pattern(struct bytelog *log, size_t len)
{
    unsigned char *data = malloc(len);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = byte_at(log->end + i);
    assert_int_equal(bytelog_append(log, data, len, NULL), 0);
    free(data);
}

static void assert_pattern(const struct bytelog *log, uint64_t offset, size_t len)
{
    unsigned char *data = malloc(len);
    assert_non_null(data);
    assert_int_equal(bytelog_read(log, offset, data, len, NULL), 0);
    for (size_t i = 0; i < len; i++)
        if (data[i] != byte_at(offset + i))
            fail_msg("byte %llu is wrong", (unsigned long long) (offset + i));
    free(data);
}

static struct log_budget budget_of(size_t limit)
{
    return (struct log_budget) { .limit_bytes = limit, .spool_dir = "/tmp" };
}

static void what_was_appended_is_read_from_any_offset(void **state)
{
    (void) state;
    struct log_budget budget = budget_of(1 << 20);
    struct bytelog log;
    bytelog_init(&log, &budget);
    static const size_t sizes[] = { 1, 7, 4096, 1, 65536, 100000, 3, 16384 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        append_pattern(&log, sizes[i]);
    for (uint64_t at = 0; at < log.end; at += 997)
        assert_pattern(&log, at, log.end - at < 5000 ? (size_t) (log.end - at) : 5000);
    bytelog_fini(&log);
    assert_int_equal(atomic_load(&budget.used_bytes), 0);
}

static void beyond_the_budget_bytes_are_on_disk_and_still_there(void **state)
{
    (void) state;
    struct log_budget budget = budget_of(128 * 1024);
    struct bytelog log;
    bytelog_init(&log, &budget);
    for (int i = 0; i < 100; i++)
        append_pattern(&log, 40000);
    assert_true(log.file_fd >= 0);
    assert_true(atomic_load(&budget.used_bytes) <= 256 * 1024);
    assert_pattern(&log, 0, (size_t) log.end);
    bytelog_fini(&log);
    assert_int_equal(atomic_load(&budget.used_bytes), 0);
}

static void a_dropped_front_is_gone_and_the_rest_is_not(void **state)
{
    (void) state;
    struct log_budget budget = budget_of(128 * 1024);
    struct bytelog log;
    bytelog_init(&log, &budget);
    append_pattern(&log, 1000000);
    bytelog_drop_before(&log, 500001);
    struct err err = ERR_INIT;
    char c;
    assert_int_equal(bytelog_read(&log, 500000, &c, 1, &err), -1);
    assert_int_equal(err.code, ERR_GONE);
    assert_pattern(&log, 500001, 499999);
    append_pattern(&log, 100000);
    bytelog_drop_before(&log, 10);          /* never goes back */
    assert_pattern(&log, 500001, 599999);
    bytelog_drop_before(&log, log.end);
    append_pattern(&log, 10);
    assert_pattern(&log, log.end - 10, 10);
    bytelog_fini(&log);
}

static void bytes_that_were_never_written_are_refused(void **state)
{
    (void) state;
    struct log_budget budget = budget_of(1 << 20);
    struct bytelog log;
    bytelog_init(&log, &budget);
    append_pattern(&log, 10);
    struct err err = ERR_INIT;
    char two[2];
    assert_int_equal(bytelog_read(&log, 9, two, 2, &err), -1);
    assert_int_equal(err.code, ERR_GONE);
    assert_int_equal(bytelog_read(&log, 10, two, 0, &err), 0);
    bytelog_fini(&log);
}

static void logs_share_their_budget(void **state)
{
    (void) state;
    struct log_budget budget = budget_of(256 * 1024);
    struct bytelog logs[8];
    for (int i = 0; i < 8; i++)
        bytelog_init(&logs[i], &budget);
    for (int round = 0; round < 10; round++)
        for (int i = 0; i < 8; i++)
            append_pattern(&logs[i], 30000);
    assert_true(atomic_load(&budget.used_bytes) <= 256 * 1024 + 8 * 128 * 1024);
    for (int i = 0; i < 8; i++) {
        assert_pattern(&logs[i], 0, 300000);
        bytelog_fini(&logs[i]);
    }
    assert_int_equal(atomic_load(&budget.used_bytes), 0);
}

static void without_a_folder_for_files_memory_is_used(void **state)
{
    (void) state;
    struct log_budget budget = { .limit_bytes = 1, .spool_dir = "/no/such/folder" };
    struct bytelog log;
    bytelog_init(&log, &budget);
    append_pattern(&log, 500000);
    assert_pattern(&log, 0, 500000);
    bytelog_fini(&log);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_appended_is_read_from_any_offset),
        cmocka_unit_test(beyond_the_budget_bytes_are_on_disk_and_still_there),
        cmocka_unit_test(a_dropped_front_is_gone_and_the_rest_is_not),
        cmocka_unit_test(bytes_that_were_never_written_are_refused),
        cmocka_unit_test(logs_share_their_budget),
        cmocka_unit_test(without_a_folder_for_files_memory_is_used),
    };
    return cmocka_run_group_tests_name("bytelog", tests, NULL, NULL);
}
