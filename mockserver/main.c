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
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/jsonw.h"
#include "base/text.h"
#include "engine/background.h"
#include "engine/engine.h"
#include "lanes/lane.h"
#include "lanes/puppeteer.h"
#include "calls.h"
#include "load.h"
#include "options.h"
#include "requests.h"
#include "transports/grpc.h"
#include "transports/http.h"
#include "vendors.h"
#include "version.h"

static const struct scenario_hooks hooks = { .check_steps = load_check_steps, .settings_of = vendors_settings_of };

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Version of the ready line and the admin API, not of the program. */
#define CONTRACT_VERSION "1.0"
#define TOKEN_DIGITS 32

#define EXIT_WRONG_USE 2
#define EXIT_UNFIRED   3

struct server {
    const struct options *options;
    enum isolation isolation;
    bool in_background;
    struct buf state_dir;
    char made_up_token[TOKEN_DIGITS + 1];
    const char *token;
    uint64_t seed;
    struct clock *clock;
    struct engine *engine;
    struct puppeteer *puppeteer;
    struct ledger_file *ledger_file;
    struct vendors_env vendors_env;
    struct lanes *lanes;
    struct lane *default_lane;
    const char **hosts;
    struct admin *admin;
    struct requests requests;
    struct http_server *http;
    struct grpc_server *grpc;
    struct calls calls;
    bool has_calls;
    atomic_uint unfired;            /* rules that did not fire as planned */
};

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
    /* A thousand mostly idle workers would otherwise spread over eight arenas a core; with much fewer than these, who
       works waits for the others. */
    mallopt(M_ARENA_MAX, 16);
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

/* ---- what became of the scenarios ------------------------------------------------------ */

/* Rules that fired less often than planned, one line each. */
static unsigned report_match(const struct lane *lane, struct match *match)
{
    BUF_AUTO text = BUF_INIT;
    unsigned unfired = 0;
    const struct scenario *scenario = match_scenario(match);
    const size_t rules[MATCH_LISTS] = {
        [MATCH_PROCESSES] = scenario->process_count, [MATCH_FAULTS] = scenario->fault_count
    };
    for (enum match_list list = 0; list < MATCH_LISTS; list++) {
        for (size_t r = 0; r < rules[list]; r++) {
            struct match_counts counts;
            if (!match_get_counts(match, list, r, &counts) || counts.fired >= counts.planned)
                continue;
            unfired++;
            buf_printf(&text, "standbox: lane %s: ", lane_name(lane));
            match_explain(match, list, r, &text);
            buf_char(&text, '\n');
        }
    }
    fputs(buf_cstr(&text), stderr);
    return unfired;
}

/* A scenario that was given to this lane alone was meant for it, whether anybody came or not.  Of those that all lanes
   have it says something `with_common` only. */
static unsigned report_lane(struct lanes *lanes, struct lane *lane, bool with_common)
{
    unsigned unfired = 0;
    size_t count;
    struct match **matches = lane_matches(lane, &count);
    for (size_t i = 0; i < count; i++) {
        if (with_common || !lanes_have_in_common(lanes, match_scenario(matches[i])))
            unfired += report_match(lane, matches[i]);
    }
    lane_matches_free(matches, count);
    return unfired;
}

/* What all lanes have is judged where a client came; where none came at all, in the first lane. */
static unsigned report_all(struct lanes *lanes)
{
    unsigned unfired = 0;
    size_t count;
    struct lane **list = lanes_list(lanes, &count);
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any = any || lane_was_used(list[i]);
    for (size_t i = 0; i < count; i++)
        unfired += report_lane(lanes, list[i], lane_was_used(list[i]) || (!any && i == 0));
    lane_list_free(list, count);
    return unfired;
}

/* One that is reset or deleted: its own scenarios are over, those of all lanes go on elsewhere. */
static void report_going(struct lane *lane, void *arg)
{
    struct server *s = arg;
    unsigned unfired = lane == NULL ? report_all(s->lanes) : report_lane(s->lanes, lane, false);
    atomic_fetch_add(&s->unfired, unfired);
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
    if (clock_new(&s->clock, o->time_scale, err) != 0 || choose_isolation(&s->isolation, o->isolation, err) != 0)
        return -1;
    if (engine_make_state_dir(&s->state_dir, o->state_dir != NULL ? o->state_dir : default_state_root(), err) != 0)
        return -1;
    const struct engine_config config = {
        .isolation = s->isolation,
        .state_dir = buf_cstr(&s->state_dir),
        .clock = s->clock,
        .in_background = s->in_background,
    };
    return engine_new(&s->engine, &config, err);
}

static void choose_seed(struct server *s)
{
    char hex[17];
    random_hex(hex, 16);
    s->seed = s->options->has_seed ? s->options->seed : strtoull(hex, NULL, 16);
}

static int start_lanes(struct server *s, const struct load_list *scenarios, struct err *err)
{
    const struct options *o = s->options;
    choose_seed(s);
    if (vendors_check_settings(o, err) != 0 || puppeteer_new(&s->puppeteer, err) != 0)
        return -1;
    if (o->ledger != NULL && ledger_file_open(&s->ledger_file, o->ledger, err) != 0)
        return err_wrap(err, "--ledger");
    s->vendors_env = (struct vendors_env) { .engine = s->engine, .options = o };
    const struct lanes_config config = {
        .engine = s->engine,
        .puppeteer = s->puppeteer,
        .clock_scale = o->time_scale,
        .seed = s->seed,
        .ledger = { .file = s->ledger_file },
        .tenant = vendors_tenant(&s->vendors_env),
        .secret_keys = o->api_keys,
        .going = report_going,
        .arg = s,
    };
    if (lanes_new(&s->lanes, &config, err) != 0 ||
        lanes_set_scenarios(s->lanes, NULL, scenarios->items, scenarios->count, err) != 0)
        return -1;
    lanes_seal(s->lanes);
    if (lanes_get(s->lanes, LANE_DEFAULT, true, &s->default_lane, err) != 0)
        return -1;
    s->hosts = vendors_hosts(s->default_lane);
    return s->hosts == NULL ? err_set(err, ERR_NOMEM, 0, "host names") : 0;
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
        .lanes = s->lanes,
        .puppeteer = s->puppeteer,
        .hooks = &hooks,
        .token = s->token,
        .ledger_path = s->options->ledger,
        .shutdown = ask_to_stop,
        .arg = s,
    };
    if (admin_new(&s->admin, &config, err) != 0)
        return -1;
    s->requests = (struct requests) { .lanes = s->lanes, .admin = s->admin };
    return 0;
}

static int start_http(struct server *s, struct err *err)
{
    const struct http_config config = {
        .address = s->options->http_address,
        .port = s->options->http_port,
        .max_streams = s->options->max_streams,
        .allow_remote = s->options->allow_remote,
        .extra_hosts = s->hosts,
        .handle = requests_handle,
        .takes_raw_body = requests_take_raw_body,
        .arg = &s->requests,
    };
    return http_server_new(&s->http, &config, err);
}

static int start_grpc(struct server *s, struct err *err)
{
    if (calls_init(&s->calls, s->lanes, s->default_lane, err) < 0)
        return -1;
    s->has_calls = true;
    const struct grpc_config config = {
        .address = s->options->grpc_address,
        .port = s->options->grpc_port,
        .allow_remote = s->options->allow_remote,
        .max_streams = s->options->max_streams,
        .find = calls_find,
        .arg = &s->calls,
    };
    return grpc_server_new(&s->grpc, &config, err);
}

static void stop_grpc(struct server *s)
{
    grpc_server_free(s->grpc);
    s->grpc = NULL;
    if (s->has_calls)
        calls_fini(&s->calls);
    s->has_calls = false;
}

static int server_start(struct server *s, const struct load_list *scenarios, struct err *err)
{
    if (start_engine(s, err) != 0 || start_lanes(s, scenarios, err) != 0 || start_admin(s, err) != 0)
        return -1;
    return start_http(s, err) != 0 ? -1 : start_grpc(s, err);
}

/* Also takes a server that was started half-way. */
static void server_stop(struct server *s)
{
    stop_grpc(s);
    http_server_free(s->http);
    s->http = NULL;
    admin_free(s->admin);
    if (s->engine != NULL)
        engine_reset(s->engine, NULL);   /* their last facts go into the ledgers */
    free(s->hosts);
    lane_unref(s->default_lane);
    lanes_free(s->lanes);
    puppeteer_free(s->puppeteer);
    engine_free(s->engine);
    clock_unref(s->clock);
    uint64_t lost = ledger_file_close(s->ledger_file);
    if (lost > 0)
        fprintf(stderr, "standbox: --ledger: %llu lines could not be written\n", (unsigned long long) lost);
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
    if (s->options->scenario_count > 0)
        buf_printf(&text, "  scenarios from the command line are at work in every lane, seed %llu\n",
                   (unsigned long long) s->seed);
    vendors_describe(&text, url, grpc_server_url(s->grpc));
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
    jsonw_str(&w, "grpc", grpc_server_url(s->grpc));
    jsonw_str(&w, "admin", buf_cstr(&admin));
    jsonw_str(&w, "admin_token", s->token);
    jsonw_int(&w, "pid", getpid());
    jsonw_end_object(&w);
    buf_char(&line, '\n');
    fputs(buf_cstr(&line), stdout);
    fflush(stdout);
}

static int write_config(struct jsonw *w, const struct options *o, enum isolation isolation, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    jsonw_object(w, NULL);
    jsonw_str(w, "version", version_text());
    buf_printf(&text, "%s:%d", o->http_address, o->http_port);
    jsonw_str(w, "http", buf_cstr(&text));
    buf_clear(&text);
    buf_printf(&text, "%s:%d", o->grpc_address, o->grpc_port);
    jsonw_str(w, "grpc", buf_cstr(&text));
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
    jsonw_array(w, "scenarios");
    for (size_t i = 0; i < o->scenario_count; i++)
        jsonw_str(w, NULL, o->scenarios[i]);
    jsonw_end_array(w);
    jsonw_str(w, "ledger", o->ledger);
    jsonw_bool(w, "strict", o->strict);
    jsonw_object(w, "settings");
    if (vendors_write_settings(w, o, err) != 0)
        return -1;
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
    if (vendors_check_settings(o, &err) != 0 || choose_isolation(&isolation, o->isolation, &err) != 0 ||
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

static void watch_for_impatience(struct stop_watch *watch)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, exit_when_asked_again, watch) == 0)
        pthread_detach(thread);
}

static int run(struct server *server, const struct load_list *scenarios, struct stop_watch *watch, struct err *err)
{
    if (server_start(server, scenarios, err) != 0)
        return EXIT_FAILURE;
    print_welcome(server);
    print_ready_line(server);
    /* It serves already, with a few threads. */
    if (http_server_await_workers(server->http, err) != 0) {
        (void) err_wrap(err, "--max-streams %u", server->options->max_streams);
        return EXIT_FAILURE;
    }
    wait_for_signal(watch);
    watch_for_impatience(watch);
    stop_grpc(server);
    http_server_free(server->http);
    server->http = NULL;
    atomic_fetch_add(&server->unfired, report_all(server->lanes));
    return server->options->strict && atomic_load(&server->unfired) > 0 ? EXIT_UNFIRED : EXIT_SUCCESS;
}

static int load_all(struct load_list *list, const struct options *options, struct err *err)
{
    for (size_t i = 0; i < options->scenario_count; i++) {
        if (load_scenarios(list, options->scenarios[i], err) != 0)
            return -1;
    }
    return 0;
}

/* `list` is loaded already. */
static int serve(const struct options *options, const struct load_list *scenarios)
{
    static struct stop_watch watch;   /* its thread outlives this function */
    struct server server = { .options = options, .state_dir = BUF_INIT };
    struct err err = ERR_INIT;
    set_limits();
    server.in_background = background_enter();
    block_signals(&watch.signals);
    int status = run(&server, scenarios, &watch, &err);
    if (err.code != ERR_NONE)
        fprintf(stderr, "standbox: %s\n", err.text);
    server_stop(&server);
    return status;
}

static int check(const struct load_list *scenarios)
{
    BUF_AUTO text = BUF_INIT;
    for (size_t i = 0; i < scenarios->count; i++)
        buf_printf(&text, "%s: ok: %s, %zu rules for processes, %zu for faults\n", scenarios->items[i]->file_name,
                   scenarios->items[i]->name, scenarios->items[i]->process_count, scenarios->items[i]->fault_count);
    if (scenarios->count > 0)
        return print(&text);
    fprintf(stderr, "standbox: --check: there is nothing to check; name files with --scenario\n");
    return EXIT_WRONG_USE;
}

/* Read everything before anything starts. */
static int act_on_scenarios(const struct options *options)
{
    struct load_list scenarios = { .hooks = &hooks };
    struct err err = ERR_INIT;
    int status = EXIT_WRONG_USE;
    if (load_all(&scenarios, options, &err) != 0)
        fprintf(stderr, "standbox: --scenario: %s\n", err.text);
    else
        status = options->action == ACTION_CHECK ? check(&scenarios) : serve(options, &scenarios);
    load_list_fini(&scenarios);
    return status;
}

static int act(const struct options *options)
{
    switch (options->action) {
    case ACTION_HELP: return print_help();
    case ACTION_VERSION: return print_version();
    case ACTION_PRINT_CONFIG: return print_config(options);
    case ACTION_SERVE:
    case ACTION_CHECK: return act_on_scenarios(options);
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
        return EXIT_WRONG_USE;
    }
    int status = act(&options);
    options_fini(&options);
    return status;
}
