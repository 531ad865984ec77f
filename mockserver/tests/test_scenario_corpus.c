/* Replays the fuzz corpus: what once was found stays found, with any compiler. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_whole(const char *path, struct buf *out)
{
    char chunk[65536];
    size_t n;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
        buf_add(out, chunk, n);
    fclose(file);
    return !out->failed;
}

static void every_file_of_the_corpus_is_survived(void **state)
{
    (void) state;
    const char *corpus = getenv("STANDBOX_CORPUS");
    char path[1000];
    size_t files = 0;
    assert_non_null(corpus);
    snprintf(path, sizeof path, "%s/scenario", corpus);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        BUF_AUTO text = BUF_INIT;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/scenario/%s", corpus, entry->d_name);
        assert_true(read_whole(path, &text));
        assert_int_equal(LLVMFuzzerTestOneInput((const uint8_t *) buf_cstr(&text), text.len), 0);
        files++;
    }
    closedir(folder);
    assert_true(files >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_file_of_the_corpus_is_survived) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
