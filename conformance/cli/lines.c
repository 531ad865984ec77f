#include "cli/lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static const char blanks[] = " \t\r\n";

/* A # inside a word belongs to it: issue links have them. */
static void cut_comment(char *line)
{
    for (char *p = line; (p = strchr(p, '#')) != NULL; p++) {
        if (p == line || strchr(blanks, p[-1]) != NULL) {
            *p = '\0';
            return;
        }
    }
}

static char *trim(char *line)
{
    cut_comment(line);
    line += strspn(line, blanks);
    size_t len = strlen(line);
    while (len > 0 && strchr(blanks, line[len - 1]) != NULL)
        line[--len] = '\0';
    return line;
}

static int read_all(FILE *f, const char *path, lines_fn *take, void *arg, struct err *err)
{
    char *line = NULL;
    size_t cap = 0;
    int rc = 0;
    for (unsigned number = 1; rc == 0 && getline(&line, &cap, f) >= 0; number++) {
        BUF_AUTO place = BUF_INIT;
        buf_printf(&place, "%s:%u", path, number);
        char *text = trim(line);
        if (*text != '\0')
            rc = take(arg, text, buf_cstr(&place), err);
    }
    if (rc == 0 && ferror(f))
        rc = err_set(err, ERR_IO, errno, "%s", path);
    free(line);
    return rc;
}

int lines_read(const char *path, lines_fn *take, void *arg, struct err *err)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return err_set(err, ERR_IO, errno, "%s", path);
    int rc = read_all(f, path, take, arg, err);
    fclose(f);
    return rc;
}
