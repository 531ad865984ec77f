#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "engine/keeper/keeper.h"

static int write_file(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    ssize_t n = write(fd, text, len);
    int result = n == (ssize_t) len ? 0 : n < 0 ? errno : EIO;
    close(fd);
    return result;
}

/* Decimal digits by hand: this runs between vfork and exec, where stdio may not. */
static char *put_number(char *at, unsigned long value)
{
    char digits[24];
    size_t n = 0;
    do
        digits[n++] = (char) ('0' + value % 10);
    while ((value /= 10) != 0);
    while (n > 0)
        *at++ = digits[--n];
    *at++ = ' ';
    return at;
}

static int write_map(const char *path, unsigned long inside, unsigned long outside)
{
    char text[80];
    char *end = put_number(put_number(put_number(text, inside), outside), 1);
    return write_file(path, text, (size_t) (end - text));
}

int userns_enter(uid_t uid, gid_t gid)
{
    uid_t outer_uid = geteuid();
    gid_t outer_gid = getegid();
    if (unshare(CLONE_NEWUSER) != 0)
        return errno;
    /* The kernel wants setgroups off before an unprivileged gid map. */
    int rc = write_file("/proc/self/setgroups", "deny", 4);
    if (rc != 0 && rc != ENOENT)
        return rc;
    rc = write_map("/proc/self/uid_map", uid, outer_uid);
    if (rc == 0)
        rc = write_map("/proc/self/gid_map", gid, outer_gid);
    return rc;
}
