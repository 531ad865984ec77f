/* results_read: a document from a file. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "report/results.h"

#define MAX_BYTES ((size_t) 512 << 20)

struct cJSON *results_read(const char *path, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "standard input" : path;
    int rc = is_stdin ? file_read_stream(&text, stdin, name, MAX_BYTES, err) : file_read(&text, path, MAX_BYTES, err);
    if (rc < 0)
        return NULL;
    cJSON *doc = json_parse(buf_cstr(&text), text.len, err);
    if (doc == NULL || results_check(doc, err) < 0) {
        json_free(doc);
        err_wrap(err, "%s", name);
        return NULL;
    }
    return doc;
}
