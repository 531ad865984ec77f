#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "puppet/steps.h"
#include "scenario/jsonc.h"

#define FILE_MAX_BYTES (10u * 1024u * 1024u)
#define FILES_MAX      10000

/* ---- puppets' steps ----------------------------------------------------------------------- */

/* As the puppet will get them: NUL characters and all. */
static int check_steps(const struct cJSON *list, struct err *err)
{
    struct steps steps;
    BUF_AUTO text = BUF_INIT;
    jsonc_print(list, &text);
    if (text.failed)
        return err_set(err, ERR_NOMEM, 0, "steps");
    if (steps_parse(buf_cstr(&text), text.len, &steps, err) < 0)
        return -1;
    steps_fini(&steps);
    return 0;
}

const struct scenario_hooks load_hooks = { .check_steps = check_steps };

/* ---- one file ------------------------------------------------------------------------------- */

static int read_all(int fd, const char *path, struct buf *out, struct err *err)
{
    for (;;) {
        char *at = buf_reserve(out, 65536);
        if (at == NULL)
            return err_set(err, ERR_NOMEM, 0, "%s", path);
        ssize_t n = read(fd, at, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, ERR_IO, errno, "%s: %s", path, strerror(errno));
        if (n == 0)
            return 0;
        out->len += (size_t) n;
        if (out->len > FILE_MAX_BYTES)
            return err_set(err, ERR_LIMIT, 0, "%s: larger than %u MB", path, FILE_MAX_BYTES / 1024 / 1024);
    }
}

static int load_file(struct scenario **out, const char *path, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    /* A pipe that nobody writes to must not hold the start up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set(err, ERR_IO, errno, "%s: %s", path, strerror(errno));
    int rc = read_all(fd, path, &text, err);
    close(fd);
    return rc < 0 ? -1 : scenario_parse_with(out, &load_hooks, path, buf_cstr(&text), text.len, err);
}

static int add_file(struct load_list *list, const char *path, struct err *err)
{
    struct scenario *scenario;
    if (list->count >= FILES_MAX)
        return err_set(err, ERR_LIMIT, 0, "%s: more than %d scenario files", path, FILES_MAX);
    if (load_file(&scenario, path, err) < 0)
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

static bool is_scenario_file(const FTSENT *entry)
{
    static const char tail[] = ".json";
    size_t len = strlen(entry->fts_name);
    return entry->fts_info == FTS_F && len > sizeof tail - 1 &&
           strcmp(entry->fts_name + len - (sizeof tail - 1), tail) == 0;
}

static int add_entry(struct load_list *list, const FTSENT *entry, struct err *err)
{
    if (entry->fts_info == FTS_ERR || entry->fts_info == FTS_DNR)
        return err_set(err, ERR_IO, entry->fts_errno, "%s: %s", entry->fts_path, strerror(entry->fts_errno));
    return is_scenario_file(entry) ? add_file(list, entry->fts_path, err) : 0;
}

static int add_folder(struct load_list *list, const char *path, struct err *err)
{
    char *copy = strdup(path);
    char *const roots[] = { copy, NULL };
    FTS *walk = copy == NULL ? NULL : fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    size_t before = list->count;
    int rc = 0;
    if (walk == NULL)
        rc = err_set(err, ERR_IO, errno, "%s: %s", path, strerror(errno));
    FTSENT *entry;
    while (rc == 0 && (entry = fts_read(walk)) != NULL)
        rc = add_entry(list, entry, err);
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
        return err_set(err, ERR_IO, errno, "%s: %s", path, strerror(errno));
    return S_ISDIR(st.st_mode) ? add_folder(list, path, err) : add_file(list, path, err);
}

void load_list_fini(struct load_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        scenario_unref(list->items[i]);
    free(list->items);
    *list = (struct load_list) { NULL, 0 };
}
