#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/corpus.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

#define FILE_MAX ((size_t) 64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void corpus_replay(const char *name, size_t least)
{
    const char *corpus = getenv("STANDBOX_CORPUS");
    char path[1000];
    size_t files = 0;
    assert_non_null(corpus);
    snprintf(path, sizeof path, "%s/%s", corpus, name);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        BUF_AUTO text = BUF_INIT;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s/%s", corpus, name, entry->d_name);
        assert_int_equal(file_read(&text, path, FILE_MAX, NULL), 0);
        assert_int_equal(LLVMFuzzerTestOneInput((const uint8_t *) buf_cstr(&text), text.len), 0);
        files++;
    }
    closedir(folder);
    assert_true(files >= least);
}
