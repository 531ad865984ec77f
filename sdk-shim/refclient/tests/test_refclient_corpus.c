/* Replays the fuzz corpus of the CoreWeave client: what once was found stays found, with any compiler. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>

#include "sbc_text.h"

#define LEAST 25 /* files */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const char *path)
{
    struct sbc_buf bytes = { 0 };
    char chunk[4096];
    size_t n;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
        sbc_buf_add(&bytes, chunk, n);
    fclose(file);
    assert_int_equal(LLVMFuzzerTestOneInput((const uint8_t *) bytes.data, bytes.size), 0);
    sbc_buf_free(&bytes);
}

static void every_file_of_the_corpus_is_survived(void **state)
{
    (void) state;
    size_t files = 0;
    char path[1000];
    assert_non_null(getenv("STANDBOX_CORPUS"));
    snprintf(path, sizeof path, "%s/client", getenv("STANDBOX_CORPUS"));
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/client/%s", getenv("STANDBOX_CORPUS"), entry->d_name);
        replay(path);
        files++;
    }
    closedir(folder);
    assert_true(files >= LEAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_file_of_the_corpus_is_survived) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
