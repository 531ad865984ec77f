/* The server's folder for its sandboxes, and the removal of those that dead servers left. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/isolate.h"

#define LOCK_NAME ".lock"
#define UNBORN_NAME ".lock.new"

void remove_tree(const char *path)
{
    char *roots[] = { (char *) (uintptr_t) path, NULL };
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    if (fts == NULL)
        return;
    for (FTSENT *e; (e = fts_read(fts)) != NULL;) {
        if (e->fts_info == FTS_D || e->fts_info == FTS_DNR) {
            /* A folder that its owner may not enter: open it up, and look again once. */
            if ((e->fts_statp->st_mode & 0700) != 0700 && chmod(e->fts_accpath, 0700) == 0 && e->fts_number++ == 0)
                fts_set(fts, e, FTS_AGAIN);
            else if (e->fts_info == FTS_DNR)
                rmdir(e->fts_accpath);
        } else if (e->fts_info == FTS_DP) {
            rmdir(e->fts_accpath);
        } else {
            unlink(e->fts_accpath);
        }
    }
    fts_close(fts);
}

static int open_in(const char *folder, const char *name, int flags)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
}

/* Only a folder of ours whose lock nobody holds belongs to a dead server. */
static void remove_if_stale(const char *folder)
{
    struct stat st;
    if (lstat(folder, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return;
    int fd = open_in(folder, LOCK_NAME, 0);
    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        remove_tree(folder);
    close(fd);
}

static void remove_stale(const char *root, const char *prefix)
{
    DIR *dir = opendir(root);
    if (dir == NULL)
        return;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strncmp(e->d_name, prefix, strlen(prefix)) != 0)
            continue;
        char path[PATH_MAX];
        int n = snprintf(path, sizeof path, "%s/%s", root, e->d_name);
        if (n > 0 && (size_t) n < sizeof path)
            remove_if_stale(path);
    }
    closedir(dir);
}

/* Servers that start at the same time look for stale folders: the lock must be held before it has its name. */
static int lock_new(const char *folder)
{
    char from[PATH_MAX + 32], to[PATH_MAX + 32];
    snprintf(from, sizeof from, "%s/" UNBORN_NAME, folder);
    snprintf(to, sizeof to, "%s/" LOCK_NAME, folder);
    int fd = open_in(folder, UNBORN_NAME, O_CREAT | O_EXCL);
    if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) != 0 || rename(from, to) != 0)) {
        int errnum = errno;
        close(fd);
        errno = errnum;
        return -1;
    }
    return fd;
}

/* The lock's descriptor stays open as long as the process lives. */
static int make_and_lock(struct buf *path, const char *root, const char *prefix, struct err *err)
{
    buf_printf(path, "%s/%sXXXXXX", root, prefix);
    if (path->failed)
        return err_set(err, ERR_NOMEM, 0, "state folder");
    if (mkdtemp(path->data) == NULL)
        return err_set(err, ERR_IO, errno, "make a state folder in %s", root);
    if (lock_new(path->data) >= 0)
        return 0;
    err_set(err, ERR_IO, errno, "lock the state folder %s", path->data);
    remove_tree(path->data);
    return -1;
}

int engine_make_state_dir(struct buf *out, const char *root, struct err *err)
{
    char real[PATH_MAX], prefix[64];
    if (realpath(root, real) == NULL)
        return err_set(err, ERR_IO, errno, "state folder %s", root);
    snprintf(prefix, sizeof prefix, "standbox-%u-", (unsigned) geteuid());
    remove_stale(real, prefix);
    BUF_AUTO path = BUF_INIT;
    if (make_and_lock(&path, real, prefix, err) != 0)
        return -1;
    /* Others may not list it, but namespaces and runAs users must be able to pass through. */
    if (chmod(path.data, 0711) != 0)
        return err_set(err, ERR_IO, errno, "open the state folder %s to its sandboxes", path.data);
    buf_clear(out);
    buf_add(out, path.data, path.len);
    return 0;
}

void engine_remove_state_dir(const char *path)
{
    remove_tree(path);
}
