#include "commands/place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BARE "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-"

/* Folder of this program, without a slash at its end. */
static int own_folder(struct buf *out, struct err *err)
{
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    if (len < 0)
        return err_set(err, ERR_IO, errno, "/proc/self/exe");
    path[len] = '\0';
    *strrchr(path, '/') = '\0';
    buf_str(out, path);
    return 0;
}

int place_program(const struct options *options, const char *name, struct buf *out, struct err *err)
{
    buf_clear(out);
    if (options->programs != NULL)
        buf_str(out, options->programs);
    else if (own_folder(out, err) != 0)
        return -1;
    buf_printf(out, "/%s", name);
    if (access(buf_cstr(out), X_OK) == 0)
        return 0;
    return err_set(err, ERR_NOT_FOUND, errno, "%s (build all of it, or say with --programs where it is)",
                   buf_cstr(out));
}

static bool holds_cases(struct buf *folder)
{
    size_t len = folder->len;
    buf_str(folder, "/cases");
    bool found = access(buf_cstr(folder), R_OK) == 0;
    folder->len = len;
    folder->data[len] = '\0';
    return found;
}

int place_fixtures(const struct options *options, struct buf *out, struct err *err)
{
    buf_clear(out);
    if (options->fixtures != NULL) {
        buf_str(out, options->fixtures);
        return holds_cases(out) ? 0 : err_set(err, ERR_NOT_FOUND, 0, "--fixtures: no folder \"cases\" in %s",
                                              options->fixtures);
    }
    if (own_folder(out, err) != 0)
        return -1;
    buf_str(out, "/../share/standbox");
    if (holds_cases(out))
        return 0;
    buf_clear(out);
    buf_str(out, STANDBOX_SOURCE_FIXTURES);
    return holds_cases(out) ? 0 : err_set(err, ERR_NOT_FOUND, 0, "the cases: neither beside this program nor in %s "
                                                                 "(say with --fixtures where they are)",
                                          STANDBOX_SOURCE_FIXTURES);
}

static void quote_word(const char *word, struct buf *out)
{
    if (*word != '\0' && strspn(word, BARE) == strlen(word)) {
        buf_str(out, word);
        return;
    }
    buf_char(out, '\'');
    for (const char *p = word; *p != '\0'; p++) {
        if (*p == '\'')
            buf_str(out, "'\\''");
        else
            buf_char(out, *p);
    }
    buf_char(out, '\'');
}

void place_quote(const char *const *argv, struct buf *out)
{
    for (size_t i = 0; argv[i] != NULL; i++) {
        if (i > 0)
            buf_char(out, ' ');
        quote_word(argv[i], out);
    }
}
