#include "base/file.h"

#include <errno.h>

#define STEP ((size_t) 64 << 10)

int file_read_stream(struct buf *out, FILE *stream, const char *name, size_t max_bytes, struct err *err)
{
    for (;;) {
        char *room = buf_reserve(out, STEP);
        if (room == NULL)
            return err_set(err, ERR_NOMEM, 0, "%s: more than %zu bytes", name, out->len);
        size_t got = fread(room, 1, STEP, stream);
        out->len += got;
        out->data[out->len] = '\0';
        if (ferror(stream))
            return err_set(err, ERR_IO, errno, "read %s", name);
        if (out->len > max_bytes)
            return err_set(err, ERR_LIMIT, 0, "%s: more than %zu bytes", name, max_bytes);
        if (got == 0)
            return 0;
    }
}

int file_read(struct buf *out, const char *path, size_t max_bytes, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", path);
    int result = file_read_stream(out, file, path, max_bytes, err);
    fclose(file);
    return result;
}
