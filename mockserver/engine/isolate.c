#include "engine/isolate.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/keeper_wire.h"

#define INSIDE_BIN "/opt/standbox/bin"
#define INSIDE_KEEPER "/opt/standbox/keeper"
#define SYSTEM_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define SANDBOX_UID 1000u

/* Limits of what one sandbox may use: processes (namespace only: elsewhere they count for the whole user),
   one file's size, open files. */
#define LIMIT_PROCESSES "8192"
#define LIMIT_FILE_BYTES "8589934592"
#define LIMIT_OPEN_FILES "65536"

/* ---- string lists -------------------------------------------------------------------- */

static bool list_room(struct string_list *list)
{
    if (list->count + 1 < list->cap)
        return true;
    size_t cap = list->cap == 0 ? 32 : list->cap * 2;
    char **items = realloc(list->items, cap * sizeof *items);
    if (items == NULL)
        return false;
    list->items = items;
    list->cap = cap;
    return true;
}

void string_list_add(struct string_list *list, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0 || !list_room(list)) {
        list->failed = true;
        if (n >= 0)
            free(text);
        return;
    }
    list->items[list->count++] = text;
    list->items[list->count] = NULL;
}

static void list_add_all(struct string_list *list, const char *const *texts)
{
    for (; *texts != NULL; texts++)
        string_list_add(list, "%s", *texts);
}

void string_list_fini(struct string_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct string_list) { 0 };
}

/* ---- the host ------------------------------------------------------------------------ */

/* The first executable `name` in the folders of `path`. */
static bool find_program(const char *name, const char *path, char *out, size_t room)
{
    while (path != NULL && *path != '\0') {
        size_t len = strcspn(path, ":");
        if (len > 0 && *path == '/') {
            int n = snprintf(out, room, "%.*s/%s", (int) len, path, name);
            struct stat st;
            if (n > 0 && (size_t) n < room && stat(out, &st) == 0 && S_ISREG(st.st_mode) &&
                access(out, X_OK) == 0)
                return true;
        }
        path += len + (path[len] == ':');
    }
    out[0] = '\0';
    return false;
}

/* "/home/me/.nvm/versions/node/v20/bin/node" -> "/home/me/.nvm/versions/node/v20": an installation of its own,
   not a whole home folder. */
static bool install_prefix(const char *program, char *out, size_t room)
{
    int n = snprintf(out, room, "%s", program);
    if (n < 0 || (size_t) n >= room)
        return false;
    char *bin = strstr(out, "/bin/");
    if (bin == NULL || strchr(bin + 5, '/') != NULL)
        return false;
    *bin = '\0';
    int depth = 0;
    for (const char *p = out; *p != '\0'; p++)
        depth += *p == '/';
    const char *home = getenv("HOME");
    return depth >= 2 && (home == NULL || strcmp(out, home) != 0) && strchr(out, ':') == NULL;
}

/* An interpreter that the host's user has, but not in the system's folders. */
static void find_outside_tool(struct host_tools *tools, const char *name)
{
    char found[PATH_MAX], real[PATH_MAX];
    if (find_program(name, SYSTEM_PATH, found, sizeof found) || tools->extra_count == HOST_MAX_TOOLS ||
        !find_program(name, getenv("PATH"), found, sizeof found) || realpath(found, real) == NULL)
        return;
    struct host_tool *tool = &tools->extra[tools->extra_count];
    if (strlen(real) >= sizeof tool->path || !install_prefix(real, tool->prefix, sizeof tool->prefix))
        return;
    snprintf(tool->name, sizeof tool->name, "%s", name);
    memcpy(tool->path, real, strlen(real) + 1);
    tools->extra_count++;
}

static const char *outside_tool(const struct host_tools *tools, const char *name)
{
    for (size_t i = 0; i < tools->extra_count; i++)
        if (strcmp(tools->extra[i].name, name) == 0)
            return tools->extra[i].path;
    return NULL;
}

void host_tools_find(struct host_tools *out, enum isolation isolation)
{
    *out = (struct host_tools) { 0 };
    char found[PATH_MAX];
    const char *path = getenv("PATH");
    snprintf(out->path, sizeof out->path, "%s", path != NULL && *path != '\0' ? path : SYSTEM_PATH);
    if (find_program("bwrap", SYSTEM_PATH, found, sizeof found) || find_program("bwrap", path, found, sizeof found))
        snprintf(out->bwrap, sizeof out->bwrap, "%.255s", found);
    bool isolated = isolation == ISOLATION_NAMESPACE;
    if (isolated) {
        find_outside_tool(out, "python3");
        find_outside_tool(out, "node");
    }
    const char *where = isolated ? SYSTEM_PATH : out->path;
    if (find_program("python", where, found, sizeof found))
        return;
    if (find_program("python3", where, found, sizeof found))
        snprintf(out->python3, sizeof out->python3, "%.255s", found);
    else if (outside_tool(out, "python3") != NULL)
        snprintf(out->python3, sizeof out->python3, "%.255s", outside_tool(out, "python3"));
}

/* ---- folders ------------------------------------------------------------------------- */

static const char *const folders[] = { "workspace", "tmp", "home", "app", "root", "etc", "bin", NULL };

static int make_folder(const char *parent, const char *name, struct err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", parent, name);
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return err_set(err, ERR_IO, errno, "make folder %s", path);
    return 0;
}

static int write_text(const char *folder, const char *name, const char *text, struct err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    if (f == NULL)
        return err_set(err, ERR_IO, errno, "write %s", path);
    bool ok = fputs(text, f) >= 0;
    if (fclose(f) != 0 || !ok)
        return err_set(err, ERR_IO, errno, "write %s", path);
    return 0;
}

static int write_users(const struct sandbox_home *home, struct err *err)
{
    BUF_AUTO passwd = BUF_INIT, group = BUF_INIT;
    buf_printf(&passwd,
               "root:x:0:0:root:/root:/bin/bash\n%s:x:%u:%u:%s:%s:/bin/bash\n"
               "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
               home->user, (unsigned) home->uid, (unsigned) home->gid, home->user, home->home);
    buf_printf(&group, "root:x:0:\ntty:x:5:\nsudo:x:27:%s\n%s:x:%u:\nnogroup:x:65534:\n", home->user,
               home->user, (unsigned) home->gid);
    if (write_text(home->folder, "etc/passwd", buf_cstr(&passwd), err) != 0)
        return -1;
    return write_text(home->folder, "etc/group", buf_cstr(&group), err);
}

static int link_tool(const struct sandbox_home *home, const char *name, const char *target, struct err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/bin/%s", home->folder, name);
    if (symlink(target, path) != 0 && errno != EEXIST)
        return err_set(err, ERR_IO, errno, "link %s", path);
    return 0;
}

static int fill_bin(const struct sandbox_home *home, const struct host_tools *tools, struct err *err)
{
    if (tools->python3[0] != '\0' && link_tool(home, "python", tools->python3, err) != 0)
        return -1;
    for (size_t i = 0; i < tools->extra_count; i++)
        if (link_tool(home, tools->extra[i].name, tools->extra[i].path, err) != 0)
            return -1;
    /* One mapped uid cannot run the real, setuid one. */
    return home->isolation == ISOLATION_NAMESPACE ? link_tool(home, "sudo", INSIDE_KEEPER, err) : 0;
}

static int fill_home(struct sandbox_home *home, const struct host_tools *tools, struct err *err)
{
    if (mkdir(home->folder, 0755) != 0)
        return err_set(err, ERR_IO, errno, "make folder %s", home->folder);
    for (const char *const *name = folders; *name != NULL; name++)
        if (make_folder(home->folder, *name, err) != 0)
            return -1;
    char inner[PATH_MAX];
    snprintf(inner, sizeof inner, "home/%s", home->user);
    if (home->isolation == ISOLATION_NAMESPACE &&
        (make_folder(home->folder, inner, err) != 0 || write_users(home, err) != 0))
        return -1;
    return fill_bin(home, tools, err);
}

/* Sandboxes are made on many threads at once.  Returns a copy, NULL: no memory. */
static char *own_user_name(void)
{
    struct passwd pw, *found = NULL;
    char room[4096];
    (void) getpwuid_r(geteuid(), &pw, room, sizeof room, &found);
    return strdup(found != NULL ? found->pw_name : "user");
}

int sandbox_home_new(struct sandbox_home **out_home, const struct host_tools *tools, const char *state_dir,
                     const char *id, enum isolation isolation, const char *user, struct err *err)
{
    struct sandbox_home *home = calloc(1, sizeof *home);
    if (home == NULL)
        return err_set(err, ERR_NOMEM, 0, "sandbox");
    bool isolated = isolation == ISOLATION_NAMESPACE;
    home->isolation = isolation;
    home->uid = isolated ? SANDBOX_UID : geteuid();
    home->gid = isolated ? SANDBOX_UID : getegid();
    home->user = isolated ? strdup(user) : own_user_name();
    bool made = home->user != NULL && asprintf(&home->folder, "%s/%s", state_dir, id) >= 0 &&
                (isolated ? asprintf(&home->home, "/home/%s", user)
                          : asprintf(&home->home, "%s/home", home->folder)) >= 0 &&
                (isolated ? asprintf(&home->shared_bin, "%s", INSIDE_BIN)
                          : asprintf(&home->shared_bin, "%s/bin", home->folder)) >= 0;
    if (!made || fill_home(home, tools, err) != 0) {
        if (!made)
            err_set(err, ERR_NOMEM, 0, "sandbox");
        sandbox_home_free(home);
        return -1;
    }
    *out_home = home;
    return 0;
}

void sandbox_home_remove(const struct sandbox_home *home)
{
    if (home->folder != NULL)
        remove_tree(home->folder);
}

void sandbox_home_free(struct sandbox_home *home)
{
    if (home == NULL)
        return;
    sandbox_home_remove(home);
    free(home->folder);
    free(home->user);
    free(home->home);
    free(home->shared_bin);
    free(home);
}

/* ---- users --------------------------------------------------------------------------- */

/* Being somebody else: for real where the server is root, as seen from inside a user namespace otherwise. */
static void become(const struct sandbox_home *home, struct run_as *out, uid_t uid, gid_t gid)
{
    out->uid = uid;
    out->gid = gid;
    if (uid == home->uid)
        return;
    bool real = home->isolation == ISOLATION_NONE && geteuid() == 0;
    out->flags = real ? SPAWN_SETUID : SPAWN_USERNS;
}

static void run_as_named(struct run_as *out, const char *name, const char *dir)
{
    snprintf(out->name, sizeof out->name, "%.63s", name);
    snprintf(out->home, sizeof out->home, "%.255s", dir);
}

static int run_as_number(const struct sandbox_home *home, const char *text, struct run_as *out, struct err *err)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (*end != '\0' || errno != 0 || n > 0x7ffffffe)
        return err_set(err, ERR_INVALID, 0, "\"%.60s\" is neither a user name nor a user number", text);
    if (n == home->uid)
        run_as_named(out, home->user, home->home);
    else
        run_as_named(out, n == 0 ? "root" : text, n == 0 && home->isolation == ISOLATION_NAMESPACE
                                                       ? "/root" : home->home);
    become(home, out, (uid_t) n, n == home->uid ? home->gid : (gid_t) n);
    return 0;
}

/* Without isolation the host's own users are the sandbox's. */
static int run_as_host_user(const struct sandbox_home *home, const char *name, struct run_as *out, struct err *err)
{
    struct passwd pw, *found = NULL;
    char room[4096];
    int rc = getpwnam_r(name, &pw, room, sizeof room, &found);
    if (found == NULL)
        return err_set(err, ERR_NOT_FOUND, rc, "user \"%.60s\" not found", name);
    run_as_named(out, name, home->home);
    become(home, out, pw.pw_uid, pw.pw_gid);
    return 0;
}

int sandbox_home_run_as(const struct sandbox_home *home, const char *run_as, struct run_as *out, struct err *err)
{
    *out = (struct run_as) { .uid = home->uid, .gid = home->gid };
    if (run_as == NULL || *run_as == '\0' || strcmp(run_as, home->user) == 0) {
        run_as_named(out, home->user, home->home);
        return 0;
    }
    if (*run_as >= '0' && *run_as <= '9')
        return run_as_number(home, run_as, out, err);
    if (strcmp(run_as, "root") == 0)
        return run_as_number(home, "0", out, err);
    if (home->isolation == ISOLATION_NONE)
        return run_as_host_user(home, run_as, out, err);
    if (strcmp(run_as, "nobody") == 0)
        return run_as_number(home, "65534", out, err);
    return err_set(err, ERR_NOT_FOUND, 0, "user \"%.60s\" not found", run_as);
}

/* ---- environment --------------------------------------------------------------------- */

static void add_path(const struct sandbox_home *home, const struct host_tools *tools, struct string_list *env)
{
    string_list_add(env, "PATH=%s:%s", home->shared_bin,
                    home->isolation == ISOLATION_NAMESPACE ? SYSTEM_PATH : tools->path);
}

void sandbox_home_env(const struct sandbox_home *home, const struct host_tools *tools, const struct run_as *who,
                      struct string_list *env)
{
    static const char *const inherited[] = { "LANG", "TERM", "TZ", NULL };
    static const char *const fallback[] = { "C.UTF-8", "xterm-256color", NULL };
    add_path(home, tools, env);
    for (size_t i = 0; inherited[i] != NULL; i++) {
        const char *value = getenv(inherited[i]);
        if (value != NULL || fallback[i] != NULL)
            string_list_add(env, "%s=%s", inherited[i], value != NULL ? value : fallback[i]);
    }
    string_list_add(env, "HOME=%s", who->home);
    string_list_add(env, "USER=%s", who->name);
    string_list_add(env, "LOGNAME=%s", who->name);
    string_list_add(env, "SHELL=/bin/bash");
    if (home->isolation == ISOLATION_NONE)
        string_list_add(env, "TMPDIR=%s/tmp", home->folder);
}

/* ---- bubblewrap ---------------------------------------------------------------------- */

static void bind_system_folders(struct string_list *argv)
{
    static const char *const names[] = { "bin", "sbin", "lib", "lib32", "lib64", "libx32", NULL };
    list_add_all(argv, (const char *const[]) { "--ro-bind", "/usr", "/usr", NULL });
    for (size_t i = 0; names[i] != NULL; i++) {
        char path[16], target[PATH_MAX];
        snprintf(path, sizeof path, "/%s", names[i]);
        struct stat st;
        if (lstat(path, &st) != 0)
            continue;
        ssize_t n = S_ISLNK(st.st_mode) ? readlink(path, target, sizeof target - 1) : -1;
        if (n > 0) {
            target[n] = '\0';
            list_add_all(argv, (const char *const[]) { "--symlink", target, path, NULL });
        } else if (S_ISDIR(st.st_mode)) {
            list_add_all(argv, (const char *const[]) { "--ro-bind", path, path, NULL });
        }
    }
}

/* The host's /etc, less what only the host's root may read (the server may be root). */
static void bind_etc(const struct sandbox_home *home, struct string_list *argv)
{
    static const char *const secret_files[] = { "/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-",
                                                "/etc/sudoers", "/etc/krb5.keytab", "/etc/machine-id", NULL };
    static const char *const secret_folders[] = { "/etc/ssh", "/etc/ssl/private", "/etc/sudoers.d",
                                                  "/etc/NetworkManager", "/etc/wireguard", NULL };
    list_add_all(argv, (const char *const[]) { "--ro-bind", "/etc", "/etc", NULL });
    for (size_t i = 0; secret_files[i] != NULL; i++)
        if (access(secret_files[i], F_OK) == 0)
            list_add_all(argv, (const char *const[]) { "--ro-bind", "/dev/null", secret_files[i], NULL });
    for (size_t i = 0; secret_folders[i] != NULL; i++)
        if (access(secret_folders[i], F_OK) == 0)
            list_add_all(argv, (const char *const[]) { "--tmpfs", secret_folders[i], NULL });
    static const char *const own[] = { "passwd", "group", NULL };
    for (size_t i = 0; own[i] != NULL; i++) {
        string_list_add(argv, "--ro-bind");
        string_list_add(argv, "%s/etc/%s", home->folder, own[i]);
        string_list_add(argv, "/etc/%s", own[i]);
    }
    /* Often a link into /run, which is empty inside. */
    char real[PATH_MAX];
    if (realpath("/etc/resolv.conf", real) != NULL && strncmp(real, "/etc/", 5) != 0)
        list_add_all(argv, (const char *const[]) { "--ro-bind", real, real, NULL });
}

static void bind_own_folders(const struct sandbox_home *home, struct string_list *argv)
{
    static const char *const names[] = { "workspace", "tmp", "home", "app", "root", NULL };
    for (size_t i = 0; names[i] != NULL; i++) {
        string_list_add(argv, "--bind");
        string_list_add(argv, "%s/%s", home->folder, names[i]);
        string_list_add(argv, "/%s", names[i]);
    }
    list_add_all(argv, (const char *const[]) { "--dir", "/var/log", "--symlink", "../tmp", "/var/tmp",
                                               "--symlink", "../run", "/var/run", NULL });
}

static void bind_tools(const struct sandbox_home *home, const struct host_tools *tools,
                       const struct own_programs *programs, struct string_list *argv)
{
    string_list_add(argv, "--ro-bind");
    string_list_add(argv, "%s/bin", home->folder);
    string_list_add(argv, INSIDE_BIN);
    list_add_all(argv, (const char *const[]) { "--ro-bind", programs->keeper, INSIDE_KEEPER, NULL });
    if (programs->puppet != NULL)
        list_add_all(argv, (const char *const[]) { "--ro-bind", programs->puppet, INSIDE_PUPPET, NULL });
    for (size_t i = 0; i < tools->extra_count; i++)
        list_add_all(argv, (const char *const[]) { "--ro-bind", tools->extra[i].prefix,
                                                   tools->extra[i].prefix, NULL });
}

static void add_bwrap(const struct sandbox_home *home, const struct host_tools *tools,
                      const struct own_programs *programs, const struct sandbox_spec *spec, struct string_list *argv)
{
    string_list_add(argv, "%s", tools->bwrap);
    list_add_all(argv, (const char *const[]) { "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts",
                                               "--unshare-cgroup-try", "--as-pid-1", "--die-with-parent", NULL });
    if (spec->without_network)
        string_list_add(argv, "--unshare-net");
    string_list_add(argv, "--uid");
    string_list_add(argv, "%u", (unsigned) home->uid);
    string_list_add(argv, "--gid");
    string_list_add(argv, "%u", (unsigned) home->gid);
    string_list_add(argv, "--hostname");
    string_list_add(argv, "%s", spec->hostname != NULL ? spec->hostname : "sandbox");
    /* Tools that lie below /home or /root are shown on top of the sandbox's own folders. */
    list_add_all(argv, (const char *const[]) { "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run", NULL });
    bind_system_folders(argv);
    bind_etc(home, argv);
    bind_own_folders(home, argv);
    bind_tools(home, tools, programs, argv);
    list_add_all(argv, (const char *const[]) { "--chdir", "/", "--", INSIDE_KEEPER, "--pid-namespace",
                                               "--nproc", LIMIT_PROCESSES, NULL });
}

void sandbox_home_command(const struct sandbox_home *home, const struct host_tools *tools,
                          const struct own_programs *programs, const struct sandbox_spec *spec,
                          struct string_list *argv, struct string_list *env)
{
    if (home->isolation == ISOLATION_NAMESPACE)
        add_bwrap(home, tools, programs, spec, argv);
    else
        string_list_add(argv, "%s", programs->keeper);
    list_add_all(argv, (const char *const[]) { "--socket", "3", "--nofile", LIMIT_OPEN_FILES,
                                               "--fsize", LIMIT_FILE_BYTES, NULL });
    if (programs->keeper_is_in_background)
        string_list_add(argv, "--in-background");
    add_path(home, tools, env);
}
