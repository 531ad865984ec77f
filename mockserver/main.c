/*
 * standbox-mockserver: wires options, engine, dialects, admin and transport together.
 * The only file that sees everything.
 *
 * Threads: this one starts everything, then only waits for a signal; handlers run on the
 * transport's workers.  Signals are blocked before the first thread exists.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/jsonw.h"
#include "base/text.h"
#include "dialects/hyperbrowser/hyperbrowser.h"
#include "engine/engine.h"
#include "options.h"
#include "transports/http.h"
#include "version.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Version of the ready line and the admin API, not of the program. */
#define CONTRACT_VERSION "1.0"
#define TOKEN_DIGITS 32

/* ---- the vendors --------------------------------------------------------------------- */

/* A new vendor is one row. */
static const struct dialect *const vendors[] = {
    &hyperbrowser_dialect,
};

/* Sandboxes' own host names, beside what the vendors' settings add: ".test" can never be somebody's. */
#define SANDBOX_HOSTS ".sbx.test"

struct server {
    const struct options *options;
    struct clock clock;
    enum isolation isolation;
    struct buf state_dir;
    char made_up_token[TOKEN_DIGITS + 1];
    const char *token;
    struct engine *engine;
    void *selves[COUNT(vendors)];
    const char *hosts[COUNT(vendors) + 2];
    struct admin *admin;
    struct http_server *http;
};

/* ---- requests ------------------------------------------------------------------------ */

static void reply_not_found(struct exchange *x)
{
    BUF_AUTO body = BUF_INIT;
    BUF_AUTO message = BUF_INIT;
    buf_printf(&message, "%s %s not found", x->method, x->path);
    refusal_write(&body, "not_found", buf_cstr(&message));
    exchange_reply(x, 404, "application/json", buf_cstr(&body), body.len);
}

static void handle(void *arg, struct exchange *x)
{
    struct server *s = arg;
    if (admin_claims(x)) {
        admin_handle(s->admin, x);
        return;
    }
    for (size_t i = 0; i < COUNT(vendors); i++) {
        if (vendors[i]->claims(s->selves[i], x)) {
            vendors[i]->handle(s->selves[i], x);
            return;
        }
    }
    reply_not_found(x);
}

static bool takes_raw_body(void *arg, const struct exchange *x)
{
    struct server *s = arg;
    for (size_t i = 0; i < COUNT(vendors); i++) {
        if (vendors[i]->claims(s->selves[i], x))
            return vendors[i]->takes_raw_body(s->selves[i], x);
    }
    return false;
}

static void reset(void *arg)
{
    struct server *s = arg;
    engine_reset(s->engine);
    for (size_t i = 0; i < COUNT(vendors); i++)
        vendors[i]->reset(s->selves[i]);
}

static void ask_to_stop(void *arg)
{
    (void) arg;
    kill(getpid(), SIGTERM);
}

/* ---- the process --------------------------------------------------------------------- */

/* A socket must never become descriptor 1 because the caller had closed it. */
static int open_standard_fds(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

static void set_limits(void)
{
#ifdef __GLIBC__
    /* A thousand mostly idle workers would otherwise spread over eight arenas a core. */
    mallopt(M_ARENA_MAX, 4);
#endif
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Signals that end the server.  One that was ignored at the start (nohup) stays so: once blocked it
   would be queued all the same. */
static void block_signals(sigset_t *out_set)
{
    static const int candidates[] = { SIGTERM, SIGINT, SIGHUP };
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(out_set);
    for (size_t i = 0; i < COUNT(candidates); i++) {
        struct sigaction now;
        bool ignored = sigaction(candidates[i], NULL, &now) == 0 && now.sa_handler == SIG_IGN;
        if (candidates[i] == SIGTERM && ignored)
            signal(SIGTERM, SIG_DFL);
        if (candidates[i] == SIGTERM || !ignored)
            sigaddset(out_set, candidates[i]);
    }
    pthread_sigmask(SIG_BLOCK, out_set, NULL);
}

struct stop_watch {
    sigset_t signals;
    unsigned from_outside;  /* how many came from somebody else than ourselves (admin shutdown) */
};

static void wait_for_signal(struct stop_watch *watch)
{
    siginfo_t info;
    while (sigwaitinfo(&watch->signals, &info) < 0)
        ;
    if (info.si_pid != getpid())
        watch->from_outside++;
}

/* Somebody who asks twice does not want to wait; the keepers die with us. */
static void *exit_when_asked_again(void *arg)
{
    struct stop_watch *watch = arg;
    while (watch->from_outside < 2)
        wait_for_signal(watch);
    _exit(EXIT_FAILURE);
}

/* ---- start and stop ------------------------------------------------------------------ */

static int choose_isolation(enum isolation *out, enum isolation_choice choice, struct err *err)
{
    if (choice == CHOOSE_NONE) {
        *out = ISOLATION_NONE;
        return 0;
    }
    if (engine_probe_namespace(err) == 0) {
        *out = ISOLATION_NAMESPACE;
        return 0;
    }
    if (choice == CHOOSE_NAMESPACE)
        return err_wrap(err, "--isolation=namespace");
    fprintf(stderr, "standbox: warning: sandboxes are not isolated from this machine: %s\n", err->text);
    *out = ISOLATION_NONE;
    return 0;
}

/* Not XDG_RUNTIME_DIR: that is a small file system in memory, and sandboxes hold what people install. */
static const char *default_state_root(void)
{
    const char *tmp = getenv("TMPDIR");
    return tmp != NULL && tmp[0] == '/' && access(tmp, W_OK | X_OK) == 0 ? tmp : "/tmp";
}

static int start_engine(struct server *s, struct err *err)
{
    const struct options *o = s->options;
    clock_init(&s->clock, o->time_scale);
    if (choose_isolation(&s->isolation, o->isolation, err) != 0)
        return -1;
    if (engine_make_state_dir(&s->state_dir, o->state_dir != NULL ? o->state_dir : default_state_root(), err) != 0)
        return -1;
    const struct engine_config config = {
        .isolation = s->isolation,
        .state_dir = buf_cstr(&s->state_dir),
        .clock = &s->clock,
    };
    return engine_new(&s->engine, &config, err);
}

/* "hyperbrowser.name=value" -> "name=value" when the vendor is `name`, else NULL. */
static const char *setting_of(const char *setting, const char *name)
{
    size_t len = strlen(name);
    return strncmp(setting, name, len) == 0 && setting[len] == '.' ? setting + len + 1 : NULL;
}

/* The vendor's own --set options, NULL-terminated; free it.  NULL: no memory. */
static const char **settings_of(const struct options *o, const char *name)
{
    const char **list = calloc(o->setting_count + 1, sizeof *list);
    size_t n = 0;
    for (size_t i = 0; list != NULL && i < o->setting_count; i++) {
        const char *setting = setting_of(o->settings[i], name);
        if (setting != NULL)
            list[n++] = setting;
    }
    return list;
}

static int check_setting_vendors(const struct options *o, struct err *err)
{
    for (size_t i = 0; i < o->setting_count; i++) {
        bool known = false;
        for (size_t v = 0; v < COUNT(vendors); v++)
            known = known || setting_of(o->settings[i], vendors[v]->name) != NULL;
        if (!known)
            return err_set(err, ERR_INVALID, 0, "--set: \"%.100s\" names no vendor that is built in", o->settings[i]);
    }
    return 0;
}

static int start_dialect(struct server *s, size_t i, struct err *err)
{
    const char **settings = settings_of(s->options, vendors[i]->name);
    if (settings == NULL)
        return err_set(err, ERR_NOMEM, 0, "settings");
    const struct dialect_env env = { .engine = s->engine, .api_keys = s->options->api_keys, .settings = settings };
    int rc = vendors[i]->create(&s->selves[i], &env, err);
    free(settings);
    return rc == 0 ? 0 : err_wrap(err, "%s", vendors[i]->name);
}

static int start_dialects(struct server *s, struct err *err)
{
    size_t hosts = 0;
    s->hosts[hosts++] = SANDBOX_HOSTS;
    if (check_setting_vendors(s->options, err) != 0)
        return -1;
    for (size_t i = 0; i < COUNT(vendors); i++) {
        if (start_dialect(s, i, err) != 0)
            return -1;
        const char *suffix = vendors[i]->host_suffix(s->selves[i]);
        if (suffix != NULL)
            s->hosts[hosts++] = suffix;
    }
    return 0;
}

static int start_admin(struct server *s, struct err *err)
{
    s->token = s->options->admin_token;
    if (s->token == NULL) {
        random_hex(s->made_up_token, TOKEN_DIGITS);
        s->token = s->made_up_token;
    }
    const struct admin_config config = {
        .engine = s->engine,
        .token = s->token,
        .reset = reset,
        .shutdown = ask_to_stop,
        .arg = s,
    };
    return admin_new(&s->admin, &config, err);
}

static int start_http(struct server *s, struct err *err)
{
    const struct http_config config = {
        .address = s->options->http_address,
        .port = s->options->http_port,
        .max_streams = s->options->max_streams,
        .allow_remote = s->options->allow_remote,
        .extra_hosts = s->hosts,
        .handle = handle,
        .takes_raw_body = takes_raw_body,
        .arg = s,
    };
    return http_server_new(&s->http, &config, err);
}

static int server_start(struct server *s, struct err *err)
{
    if (start_engine(s, err) != 0 || start_dialects(s, err) != 0 || start_admin(s, err) != 0)
        return -1;
    return start_http(s, err);
}

/* Also takes a server that was started half-way. */
static void server_stop(struct server *s)
{
    http_server_free(s->http);
    admin_free(s->admin);
    for (size_t i = 0; i < COUNT(vendors); i++)
        vendors[i]->destroy(s->selves[i]);
    engine_free(s->engine);
    if (s->state_dir.len > 0)
        engine_remove_state_dir(s->state_dir.data);
    buf_fini(&s->state_dir);
}

/* ---- what it says -------------------------------------------------------------------- */

static const char *version_text(void)
{
    return STANDBOX_COMMIT[0] != '\0' ? STANDBOX_VERSION " (" STANDBOX_COMMIT ")" : STANDBOX_VERSION;
}

static const char *isolation_name(enum isolation isolation)
{
    return isolation == ISOLATION_NAMESPACE ? "namespace" : "none";
}

static void print_welcome(const struct server *s)
{
    const char *url = http_server_url(s->http);
    BUF_AUTO text = BUF_INIT;
    buf_printf(&text, "standbox-mockserver %s on %s, isolation %s, admin at %s/__admin\n", version_text(), url,
               isolation_name(s->isolation), url);
    for (size_t i = 0; i < COUNT(vendors); i++)
        vendors[i]->describe(&text, url);
    fputs(buf_cstr(&text), stderr);
}

/* The one line on stdout.  That its reader has gone is no reason to end. */
static void print_ready_line(const struct server *s)
{
    const char *url = http_server_url(s->http);
    BUF_AUTO admin = BUF_INIT;
    BUF_AUTO line = BUF_INIT;
    struct jsonw w;
    buf_printf(&admin, "%s/__admin", url);
    jsonw_init(&w, &line);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "standbox", CONTRACT_VERSION);
    jsonw_str(&w, "http", url);
    jsonw_null(&w, "grpc");
    jsonw_str(&w, "admin", buf_cstr(&admin));
    jsonw_str(&w, "admin_token", s->token);
    jsonw_int(&w, "pid", getpid());
    jsonw_end_object(&w);
    buf_char(&line, '\n');
    fputs(buf_cstr(&line), stdout);
    fflush(stdout);
}

static int write_vendor(struct jsonw *w, const struct dialect *vendor, const struct options *o, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    const char **settings = settings_of(o, vendor->name);
    if (settings == NULL)
        return err_set(err, ERR_NOMEM, 0, "settings");
    int rc = vendor->describe_settings(&text, settings, err);
    free(settings);
    if (rc != 0)
        return err_wrap(err, "%s", vendor->name);
    jsonw_array(w, vendor->name);
    for (const char *line = buf_cstr(&text); *line != '\0';) {
        size_t len = strcspn(line, "\n");
        jsonw_bytes(w, NULL, line, len);
        line += len + (line[len] == '\n');
    }
    jsonw_end_array(w);
    return 0;
}

static int write_config(struct jsonw *w, const struct options *o, enum isolation isolation, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    jsonw_object(w, NULL);
    jsonw_str(w, "version", version_text());
    buf_printf(&text, "%s:%d", o->http_address, o->http_port);
    jsonw_str(w, "http", buf_cstr(&text));
    jsonw_null(w, "grpc");
    jsonw_str(w, "isolation", isolation_name(isolation));
    jsonw_str(w, "isolation_asked", options_isolation_name(o->isolation));
    buf_clear(&text);
    buf_printf(&text, "%.10g", o->time_scale);
    jsonw_str(w, "time_scale", buf_cstr(&text));
    jsonw_int(w, "max_streams", o->max_streams);
    jsonw_int(w, "api_keys", (int64_t) o->api_key_count);
    jsonw_str(w, "admin_token", o->admin_token != NULL ? "given" : "random");
    jsonw_bool(w, "allow_remote", o->allow_remote);
    jsonw_str(w, "state_dir", o->state_dir != NULL ? o->state_dir : default_state_root());
    jsonw_object(w, "settings");
    for (size_t i = 0; i < COUNT(vendors); i++) {
        if (write_vendor(w, vendors[i], o, err) != 0)
            return -1;
    }
    jsonw_end_object(w);
    jsonw_end_object(w);
    return 0;
}

static int print(const struct buf *text)
{
    if (text->failed || fputs(buf_cstr(text), stdout) == EOF || fflush(stdout) == EOF) {
        fprintf(stderr, "standbox: cannot write to stdout: %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

static int print_config(const struct options *o)
{
    struct err err = ERR_INIT;
    enum isolation isolation = ISOLATION_NONE;
    BUF_AUTO text = BUF_INIT;
    struct jsonw w;
    jsonw_init(&w, &text);
    if (check_setting_vendors(o, &err) != 0 || choose_isolation(&isolation, o->isolation, &err) != 0 ||
        write_config(&w, o, isolation, &err) != 0) {
        fprintf(stderr, "standbox: %s\n", err.text);
        return EXIT_FAILURE;
    }
    buf_char(&text, '\n');
    return print(&text);
}

static int print_help(void)
{
    BUF_AUTO text = BUF_INIT;
    options_describe(&text);
    return print(&text);
}

static int print_version(void)
{
    BUF_AUTO text = BUF_INIT;
    buf_printf(&text, "standbox-mockserver %s\n", version_text());
    return print(&text);
}

/* ---- main ---------------------------------------------------------------------------- */

static int serve(const struct options *options)
{
    static struct stop_watch watch;   /* its thread outlives this function */
    struct server server = { .options = options, .state_dir = BUF_INIT };
    struct err err = ERR_INIT;
    set_limits();
    block_signals(&watch.signals);
    if (server_start(&server, &err) != 0) {
        fprintf(stderr, "standbox: %s\n", err.text);
        server_stop(&server);
        return EXIT_FAILURE;
    }
    print_welcome(&server);
    print_ready_line(&server);
    /* It serves already, with a few threads. */
    if (http_server_await_workers(server.http, &err) != 0) {
        fprintf(stderr, "standbox: --max-streams %u: %s\n", options->max_streams, err.text);
        server_stop(&server);
        return EXIT_FAILURE;
    }
    wait_for_signal(&watch);
    pthread_t thread;
    if (pthread_create(&thread, NULL, exit_when_asked_again, &watch) == 0)
        pthread_detach(thread);
    server_stop(&server);
    return EXIT_SUCCESS;
}

static int act(const struct options *options)
{
    switch (options->action) {
    case ACTION_HELP: return print_help();
    case ACTION_VERSION: return print_version();
    case ACTION_PRINT_CONFIG: return print_config(options);
    case ACTION_SERVE: return serve(options);
    }
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct options options;
    struct err err = ERR_INIT;
    if (open_standard_fds() != 0)
        return EXIT_FAILURE;
    if (options_parse(&options, argc, argv, getenv("STANDBOX_ADMIN_TOKEN"), &err) != 0) {
        fprintf(stderr, "standbox: %s\n", err.text);
        return 2;
    }
    int status = act(&options);
    options_fini(&options);
    return status;
}
