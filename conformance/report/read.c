/* results_read: a document from a file. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "report/results.h"

#define MAX_BYTES ((size_t) 512 << 20)
#define STEP      ((size_t) 64 << 10)

static int read_all(FILE *file, struct buf *out, struct err *err)
{
    for (;;) {
        char *at = buf_reserve(out, STEP);
        if (at == NULL)
            return err_set(err, ERR_NOMEM, 0, "a file of more than %zu bytes", out->len);
        size_t got = fread(at, 1, STEP, file);
        out->len += got;
        if (ferror(file))
            return err_set(err, ERR_IO, errno, "cannot read");
        if (got == 0)
            return 0;
        if (out->len > MAX_BYTES)
            return err_set(err, ERR_LIMIT, 0, "more than %zu MiB", MAX_BYTES >> 20);
    }
}

struct cJSON *results_read(const char *path, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    bool is_stdin = strcmp(path, "-") == 0;
    const char *name = is_stdin ? "standard input" : path;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    if (file == NULL) {
        err_set(err, ERR_IO, errno, "%s", name);
        return NULL;
    }
    int rc = read_all(file, &text, err);
    if (!is_stdin)
        fclose(file);
    cJSON *doc = rc < 0 ? NULL : json_parse(buf_cstr(&text), text.len, err);
    if (doc == NULL || results_check(doc, err) < 0) {
        json_free(doc);
        err_wrap(err, "%s", name);
        return NULL;
    }
    return doc;
}
