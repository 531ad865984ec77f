/* report_write: files whole or not at all; the JSON report is the document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "report/report.h"
#include "tests/support/report_sample.h"

static char folder[64], file_path[100];

static int make_folder(void **state)
{
    (void) state;
    snprintf(folder, sizeof folder, "/tmp/standbox-write-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(file_path, sizeof file_path, "%s/report", folder);
    return 0;
}

/* How many files there are; `removes` takes them away. */
static int count_files(bool removes)
{
    int count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[400];
        if (entry->d_name[0] == '.')
            continue;
        count++;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (removes && unlink(path) < 0)
            rmdir(path);
    }
    closedir(dir);
    return count;
}

static int drop_folder(void **state)
{
    (void) state;
    count_files(true);
    return rmdir(folder);
}

static void read_file(const char *path, struct buf *out)
{
    struct err err = ERR_INIT;
    if (file_read(out, path, (size_t) 64 << 20, &err) != 0)
        fail_msg("%s", err.text);
}

static void each_format_is_written_as_it_is_rendered(void **state)
{
    (void) state;
    cJSON *doc = sample_small();
    for (enum report_format format = 0; format < REPORT_FORMATS; format++) {
        struct err err = ERR_INIT;
        BUF_AUTO rendered = BUF_INIT;
        BUF_AUTO written = BUF_INIT;
        assert_int_equal(report_render(doc, format, &rendered, &err), 0);
        assert_int_equal(report_write(doc, format, file_path, &err), 0);
        read_file(file_path, &written);
        assert_int_equal(rendered.len, written.len);
        assert_memory_equal(rendered.data, written.data, rendered.len);
        assert_int_equal(count_files(false), 1);
    }
    cJSON_Delete(doc);
}

static void a_report_that_fails_leaves_the_old_file_alone(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    BUF_AUTO text = BUF_INIT;
    cJSON *doc = sample_small();
    assert_int_equal(report_write(doc, REPORT_TAP, file_path, &err), 0);
    sample_set(doc, "results/0/verdict", "'passed'");
    assert_int_equal(report_write(doc, REPORT_TAP, file_path, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_int_equal(strncmp(err.text, "tap report: broken result document: /results/0/verdict: must be", 62), 0);
    cJSON_Delete(doc);
    read_file(file_path, &text);
    assert_int_equal(strncmp(text.data, "TAP version 13\n1..1\n", 20), 0);
    assert_int_equal(count_files(false), 1);
}

static void a_broken_document_is_still_written_as_json(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    BUF_AUTO text = BUF_INIT;
    cJSON *doc = sample_small();
    sample_set(doc, "results/0/verdict", "'passed'");
    assert_int_equal(report_write(doc, REPORT_JSON, file_path, &err), 0);
    cJSON_Delete(doc);
    read_file(file_path, &text);
    assert_non_null(strstr(text.data, "\"verdict\":\"passed\""));
}

static void a_place_where_nothing_can_be_written_is_named(void **state)
{
    (void) state;
    static const char *const places[] = { "/nowhere/at/all/report", "/proc/self/nothing", NULL };
    cJSON *doc = sample_small();
    for (size_t i = 0; i < 3; i++) {
        const char *place = places[i] != NULL ? places[i] : folder;
        struct err err = ERR_INIT;
        assert_int_equal(report_write(doc, REPORT_TAP, place, &err), -1);
        assert_int_equal(err.code, ERR_IO);
        assert_non_null(strstr(err.text, place));
    }
    cJSON_Delete(doc);
    assert_int_equal(count_files(false), 0);
}

static void a_link_stays_a_link(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    char link_path[120];
    struct stat st;
    cJSON *doc = sample_small();
    snprintf(link_path, sizeof link_path, "%s/link", folder);
    assert_int_equal(report_write(doc, REPORT_TAP, file_path, &err), 0);
    assert_int_equal(symlink("report", link_path), 0);
    assert_int_equal(report_write(doc, REPORT_JSON, link_path, &err), 0);
    cJSON_Delete(doc);
    assert_int_equal(lstat(link_path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    BUF_AUTO text = BUF_INIT;
    read_file(file_path, &text);
    assert_int_equal(text.data[0], '{');
}

static void what_is_no_file_is_written_to(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    struct stat st;
    char got[21] = "";
    cJSON *doc = sample_small();
    assert_int_equal(report_write(doc, REPORT_TAP, "/dev/null", &err), 0);
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    /* Both ends are ours, and the pipe has room for all of it. */
    assert_int_equal(mkfifo(file_path, 0600), 0);
    int end = open(file_path, O_RDWR | O_CLOEXEC);
    assert_true(end >= 0);
    assert_int_equal(report_write(doc, REPORT_TAP, file_path, &err), 0);
    assert_int_equal(read(end, got, 20), 20);
    assert_string_equal(got, "TAP version 13\n1..1\n");
    close(end);
    cJSON_Delete(doc);
}

static void a_hyphen_is_standard_output(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    BUF_AUTO text = BUF_INIT;
    cJSON *doc = sample_small();
    fflush(stdout);
    int saved = dup(STDOUT_FILENO), file = open(file_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(saved >= 0 && file >= 0);
    assert_int_equal(dup2(file, STDOUT_FILENO), STDOUT_FILENO);
    int rc = report_write(doc, REPORT_TAP, "-", &err);
    assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
    close(saved);
    close(file);
    cJSON_Delete(doc);
    assert_int_equal(rc, 0);
    read_file(file_path, &text);
    assert_int_equal(strncmp(text.data, "TAP version 13\n1..1\n", 20), 0);
}

/* Numbers, NULs and characters come back as they went. */
static void the_json_report_reads_back_the_same(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    BUF_AUTO text = BUF_INIT;
    static const char odd[] =
        "{\"standbox_results\":1,\"odd\":[0.1,-1,1e300,9007199254740991,0.30000000000000004,true,null,"
        "\"a\\u0000b\",\"\\u20ac\\ud83d\\ude00\\u2028\",{},[],{\"\\u0000\":[[{}]]}]}";
    cJSON *doc = json_parse(odd, sizeof odd - 1, &err);
    assert_non_null(doc);
    assert_int_equal(report_write(doc, REPORT_JSON, file_path, &err), 0);
    read_file(file_path, &text);
    for (size_t i = 0; i < text.len; i++)
        assert_true(text.data[i] == '\n' || (text.data[i] >= 0x20 && text.data[i] < 0x7F));
    cJSON *again = json_parse(text.data, text.len, &err);
    assert_non_null(again);
    assert_true(cJSON_Compare(doc, again, true));
    cJSON_Delete(again);
    cJSON_Delete(doc);
}

/* An adapter may answer anything: a tree that is far too deep for recursion is written all the same. */
static void a_very_deep_tree_is_written(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    BUF_AUTO text = BUF_INIT;
    cJSON *top = cJSON_CreateObject(), *inner = NULL;
    for (int i = 0; i < 5000; i++) {
        cJSON *outer = cJSON_CreateArray();
        if (inner != NULL)
            cJSON_AddItemToArray(outer, inner);
        inner = outer;
    }
    cJSON_AddItemToObject(top, "deep", inner);
    assert_int_equal(report_render(top, REPORT_JSON, &text, &err), 0);
    assert_true(text.len > 10000);
    cJSON_Delete(top);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(each_format_is_written_as_it_is_rendered),
        IN_FOLDER(a_report_that_fails_leaves_the_old_file_alone),
        IN_FOLDER(a_broken_document_is_still_written_as_json),
        IN_FOLDER(a_place_where_nothing_can_be_written_is_named),
        IN_FOLDER(a_link_stays_a_link),
        IN_FOLDER(what_is_no_file_is_written_to),
        IN_FOLDER(a_hyphen_is_standard_output),
        IN_FOLDER(the_json_report_reads_back_the_same),
        cmocka_unit_test(a_very_deep_tree_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
