#include "report/report.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "report/forms.h"
#include "report/tree.h"

static int render_json(const cJSON *results, struct buf *out, struct err *err)
{
    (void) err;
    tree_write_document(out, results);
    return 0;
}

static const struct {
    const char *name;
    int (*render)(const cJSON *results, struct buf *out, struct err *err);
    bool takes_broken;
} forms[REPORT_FORMATS] = {
    [REPORT_JUNIT] = { "junit", junit_render, false }, [REPORT_TAP] = { "tap", tap_render, false },
    [REPORT_JSON] = { "json", render_json, true },     [REPORT_MARKDOWN] = { "md", markdown_render, false },
    [REPORT_HTML] = { "html", html_render, false },
};

const char *report_format_name(enum report_format format)
{
    CHECK(format < REPORT_FORMATS);
    return forms[format].name;
}

int report_render(const struct cJSON *results, enum report_format format, struct buf *out, struct err *err)
{
    CHECK(format < REPORT_FORMATS);
    if (!forms[format].takes_broken && results_check(results, err) < 0)
        return err_wrap(err, "%s report: broken result document", forms[format].name);
    if (forms[format].render(results, out, err) < 0)
        return err_wrap(err, "%s report", forms[format].name);
    if (out->failed)
        return err_set(err, ERR_NOMEM, 0, "%s report of more than %zu bytes", forms[format].name, out->len);
    return 0;
}

/* ---- files --------------------------------------------------------------------------------- */

static int write_all(int fd, const struct buf *text)
{
    const char *p = buf_cstr(text), *end = p + text->len;
    while (p < end) {
        ssize_t done = write(fd, p, (size_t) (end - p));
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        p += done;
    }
    return 0;
}

static int write_in_place(const char *path, const struct buf *text, struct err *err)
{
    bool is_stdout = strcmp(path, "-") == 0;
    int fd = is_stdout ? STDOUT_FILENO : open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_set(err, ERR_IO, errno, "open %s", path);
    int rc = write_all(fd, text);
    int errnum = errno;
    if (!is_stdout && close(fd) < 0 && rc == 0) {
        rc = -1;
        errnum = errno;
    }
    return rc < 0 ? err_set(err, ERR_IO, errnum, "write %s", is_stdout ? "standard output" : path) : 0;
}

/* Write and close `fd`, then rename `temporary` to `path`. */
static int finish(int fd, const char *temporary, const char *path, const struct buf *text, struct err *err)
{
    if (write_all(fd, text) < 0) {
        err_set(err, ERR_IO, errno, "write %s", path);
        close(fd);
        return -1;
    }
    if (close(fd) < 0)
        return err_set(err, ERR_IO, errno, "write %s", path);
    if (rename(temporary, path) < 0)
        return err_set(err, ERR_IO, errno, "rename %s to %s", temporary, path);
    return 0;
}

static int write_and_rename(const char *path, const struct buf *text, struct err *err)
{
    BUF_AUTO temporary = BUF_INIT;
    char random[17];
    random_hex(random, 16);
    buf_printf(&temporary, "%s.%s.tmp", path, random);
    if (temporary.failed)
        return err_set(err, ERR_NOMEM, 0, "%s", path);
    int fd = open(temporary.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_set(err, ERR_IO, errno, "create %s", temporary.data);
    if (finish(fd, temporary.data, path, text, err) < 0) {
        unlink(temporary.data);
        return -1;
    }
    return 0;
}

/* The file that `path` leads to, through links: renaming would put a file in the place of the link. */
static int write_file(const char *path, const struct buf *text, struct err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return write_and_rename(path, text, err);
    if (S_ISDIR(st.st_mode))
        return err_set(err, ERR_IO, EISDIR, "write %s", path);
    if (!S_ISREG(st.st_mode))
        return write_in_place(path, text, err);
    char *real = realpath(path, NULL);
    if (real == NULL)
        return err_set(err, ERR_IO, errno, "%s", path);
    int rc = write_and_rename(real, text, err);
    free(real);
    return rc;
}

int report_write(const struct cJSON *results, enum report_format format, const char *path, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    if (report_render(results, format, &text, err) < 0)
        return -1;
    return strcmp(path, "-") == 0 ? write_in_place(path, &text, err) : write_file(path, &text, err);
}
