#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "puppet/steps.h"

#define FILE_MAX_BYTES (10u * 1024u * 1024u)
#define FILES_MAX      10000
#define PATIENCE_S     5   /* with a pipe, in all */

/* ---- puppets' steps ----------------------------------------------------------------------- */

/* As the puppet will get them: NUL characters and all. */
int load_check_steps(const struct cJSON *list, struct err *err)
{
    struct steps steps;
    BUF_AUTO text = BUF_INIT;
    json_print(&text, list);
    if (text.failed)
        return err_set(err, ERR_NOMEM, 0, "steps");
    if (steps_parse(buf_cstr(&text), text.len, &steps, err) < 0)
        return -1;
    steps_fini(&steps);
    return 0;
}

/* ---- one file ------------------------------------------------------------------------------- */

/* Wait for bytes, or for the end of them.  Were there any? */
static int await_bytes(int fd, const char *path, bool began, int64_t until_ns, bool *out_more, struct err *err)
{
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int64_t left_ns = until_ns - mono_ns();
        int n = left_ns <= 0 ? 0 : poll(&p, 1, (int) (left_ns / 1000000 + 1));
        if (n > 0) {
            *out_more = (p.revents & POLLIN) != 0;
            return 0;
        }
        if (n == 0)
            return err_set(err, ERR_TIMEOUT, 0, "%s: %s came within %d s", path, began ? "no end" : "nothing",
                           PATIENCE_S);
        if (errno != EINTR)
            return err_set(err, ERR_IO, errno, "%s", path);
    }
}

static int read_all(int fd, const char *path, struct buf *out, struct err *err)
{
    struct stat st;
    bool is_pipe = fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode), more = true;
    int64_t until_ns = mono_ns() + PATIENCE_S * INT64_C(1000000000);
    while (more) {
        char *at = buf_reserve(out, 65536);
        if (at == NULL)
            return err_set(err, ERR_NOMEM, 0, "%s", path);
        ssize_t n = read(fd, at, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return err_set(err, ERR_IO, errno, "%s", path);
        out->len += n > 0 ? (size_t) n : 0;
        if (out->len > FILE_MAX_BYTES)
            return err_set(err, ERR_LIMIT, 0, "%s: larger than %u MB", path, FILE_MAX_BYTES / 1024 / 1024);
        /* A pipe also seems to be at its end as long as nobody has opened it for writing. */
        more = n > 0;
        if ((n < 0 || (n == 0 && is_pipe && out->len == 0)) &&
            await_bytes(fd, path, out->len > 0, until_ns, &more, err) < 0)
            return -1;
    }
    return 0;
}

static int load_file(struct scenario **out, const char *path, const struct scenario_hooks *hooks, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    /* A pipe that nobody writes to must not hold the start up for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set(err, ERR_IO, errno, "%s", path);
    int rc = read_all(fd, path, &text, err);
    close(fd);
    return rc < 0 ? -1 : scenario_parse_with(out, hooks, path, buf_cstr(&text), text.len, err);
}

static int add_file(struct load_list *list, const char *path, struct err *err)
{
    struct scenario *scenario;
    if (list->count >= FILES_MAX)
        return err_set(err, ERR_LIMIT, 0, "%s: more than %d scenario files", path, FILES_MAX);
    if (load_file(&scenario, path, list->hooks, err) < 0)
        return -1;
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i]->name, scenario->name) == 0) {
            err_set(err, ERR_INVALID, 0, "%s: /name: \"%.60s\" is also the name of %s", path, scenario->name,
                    list->items[i]->file_name);
            scenario_unref(scenario);
            return -1;
        }
    }
    struct scenario **items = realloc(list->items, (list->count + 1) * sizeof *items);
    if (items == NULL) {
        scenario_unref(scenario);
        return err_set(err, ERR_NOMEM, 0, "%s", path);
    }
    list->items = items;
    items[list->count++] = scenario;
    return 0;
}

/* ---- a folder ------------------------------------------------------------------------------- */

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* A folder of this name is only a folder; what else it may be, reading it says. */
static bool is_scenario_file(const FTSENT *entry)
{
    static const char tail[] = ".json";
    size_t len = entry->fts_namelen;
    bool is_folder = entry->fts_info == FTS_D || entry->fts_info == FTS_DP;
    return !is_folder && len > sizeof tail - 1 && strcmp(entry->fts_name + len - (sizeof tail - 1), tail) == 0;
}

static bool is_hidden(const FTSENT *entry)
{
    return entry->fts_level > FTS_ROOTLEVEL && entry->fts_name[0] == '.';
}

static int add_entry(struct load_list *list, FTS *walk, FTSENT *entry, struct err *err)
{
    if (is_hidden(entry)) {
        /* Editors' locks, and the folders behind the links of mounted configuration. */
        fts_set(walk, entry, FTS_SKIP);
        return 0;
    }
    if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR || entry->fts_info == FTS_NS)
        return err_set(err, ERR_IO, entry->fts_errno, "%s", entry->fts_path);
    if (entry->fts_info == FTS_DC)
        return err_set(err, ERR_INVALID, 0, "%s: this link leads back to a folder that it is in", entry->fts_path);
    return is_scenario_file(entry) ? add_file(list, entry->fts_path, err) : 0;
}

static int add_folder(struct load_list *list, const char *path, struct err *err)
{
    char *copy = strdup(path);
    char *const roots[] = { copy, NULL };
    FTS *walk = copy == NULL ? NULL : fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    size_t before = list->count;
    int rc = 0;
    if (walk == NULL)
        rc = err_set(err, ERR_IO, errno, "%s", path);
    FTSENT *entry;
    while (rc == 0 && (entry = fts_read(walk)) != NULL)
        rc = add_entry(list, walk, entry, err);
    if (rc == 0 && list->count == before)
        rc = err_set(err, ERR_NOT_FOUND, 0, "%s: no scenario files (*.json) in this folder", path);
    if (walk != NULL)
        fts_close(walk);
    free(copy);
    return rc;
}

int load_scenarios(struct load_list *list, const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return err_set(err, ERR_IO, errno, "%s", path);
    return S_ISDIR(st.st_mode) ? add_folder(list, path, err) : add_file(list, path, err);
}

void load_list_fini(struct load_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        scenario_unref(list->items[i]);
    free(list->items);
    list->items = NULL;
    list->count = 0;
}
