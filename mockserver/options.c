#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define MAX_STREAMS_LIMIT 10000
#define TIME_SCALE_MIN 0.001
#define TIME_SCALE_MAX 1000000.0
#define SECRET_MAX 4096
/* A name further away than this is no typing error. */
#define SUGGEST_DISTANCE 3
#define NAME_BYTES 32

typedef int apply_fn(struct options *o, const char *value, struct err *err);

struct option {
    const char *name;   /* without the dashes */
    const char *value;  /* what stands in the help for its value; NULL: takes none */
    apply_fn *apply;    /* NULL: a later version has it */
    const char *help;
};

/* ---- values ------------------------------------------------------------------------- */

static int parse_whole(const char *text, unsigned long min, unsigned long max, unsigned long *out)
{
    /* strtoul takes signs and blanks, which nobody means. */
    if (text[0] < '0' || text[0] > '9')
        return -1;
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || errno != 0 || value < min || value > max)
        return -1;
    *out = value;
    return 0;
}

/* An option's ADDR:PORT. */
struct place {
    const char *option;
    char *address;                /* OPTIONS_ADDRESS_BYTES */
    bool *is_loopback;
    int *port;
};

static int bad_address(const struct place *place, const char *value, const char *why, struct err *err)
{
    return err_set(err, ERR_INVALID, 0, "%s: %s in \"%s\" (expected ADDR:PORT, e.g. 127.0.0.1:8700 or [::1]:8700)",
                   place->option, why, value);
}

/* Writes the address as the transports want it, names resolved to numbers without asking anybody. */
static int take_host(const struct place *place, const char *host, const char *value, struct err *err)
{
    size_t len = strlen(host);
    struct in_addr v4;
    struct in6_addr v6;
    if (strcmp(host, "localhost") == 0)
        return take_host(place, "127.0.0.1", value, err);
    if (inet_pton(AF_INET, host, &v4) == 1) {
        *place->is_loopback = (ntohl(v4.s_addr) >> 24) == 127;
    } else if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        char inner[OPTIONS_ADDRESS_BYTES] = "";
        if (len - 2 >= sizeof inner)
            return bad_address(place, value, "no such address", err);
        memcpy(inner, host + 1, len - 2);
        if (inet_pton(AF_INET6, inner, &v6) != 1)
            return bad_address(place, value, "no such IPv6 address", err);
        *place->is_loopback = IN6_IS_ADDR_LOOPBACK(&v6);
    } else {
        return bad_address(place, value,
                           strchr(host, ':') != NULL ? "an IPv6 address without brackets" : "no such address", err);
    }
    memcpy(place->address, host, len + 1);
    return 0;
}

static int take_place(const struct place *place, const char *value, struct err *err)
{
    const char *colon = strrchr(value, ':');
    if (colon == NULL || strchr(colon, ']') != NULL)
        return bad_address(place, value, "no port", err);
    unsigned long port;
    if (parse_whole(colon + 1, 0, 65535, &port) != 0)
        return bad_address(place, value, "a port that is not 0 to 65535", err);
    char host[OPTIONS_ADDRESS_BYTES] = "";
    size_t len = (size_t) (colon - value);
    if (len == 0 || len >= sizeof host)
        return bad_address(place, value, "no such address", err);
    memcpy(host, value, len);
    if (take_host(place, host, value, err) != 0)
        return -1;
    *place->port = (int) port;
    return 0;
}

static int apply_http(struct options *o, const char *value, struct err *err)
{
    const struct place place = { "--http", o->http_address, &o->http_is_loopback, &o->http_port };
    return take_place(&place, value, err);
}

static int apply_grpc(struct options *o, const char *value, struct err *err)
{
    const struct place place = { "--grpc", o->grpc_address, &o->grpc_is_loopback, &o->grpc_port };
    o->has_grpc = true;
    return take_place(&place, value, err);
}

/* So that servers on ports of their own do not meet on one: any free port beside any free port. */
static void default_grpc(struct options *o)
{
    if (o->has_grpc)
        return;
    memcpy(o->grpc_address, o->http_address, sizeof o->grpc_address);
    o->grpc_is_loopback = o->http_is_loopback;
    o->grpc_port = o->http_port == 0 || o->http_port == 65535 ? 0 : o->http_port + 1;
}

static const char *const isolation_names[ISOLATION_CHOICES] = {
    [CHOOSE_AUTO] = "auto",
    [CHOOSE_NAMESPACE] = "namespace",
    [CHOOSE_NONE] = "none",
};

const char *options_isolation_name(enum isolation_choice choice)
{
    return isolation_names[choice];
}

static int apply_isolation(struct options *o, const char *value, struct err *err)
{
    for (size_t i = 0; i < ISOLATION_CHOICES; i++) {
        if (strcmp(value, isolation_names[i]) == 0) {
            o->isolation = (enum isolation_choice) i;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, 0, "--isolation: \"%s\" is not auto, namespace or none", value);
}

static int apply_time_scale(struct options *o, const char *value, struct err *err)
{
    char *end;
    double scale = strtod(value, &end);
    if (end == value || *end != '\0' || !isfinite(scale) || scale < TIME_SCALE_MIN || scale > TIME_SCALE_MAX)
        return err_set(err, ERR_INVALID, 0, "--time-scale: \"%s\" is not a number from %g to %.0f", value,
                       TIME_SCALE_MIN, TIME_SCALE_MAX);
    o->time_scale = scale;
    return 0;
}

static int apply_max_streams(struct options *o, const char *value, struct err *err)
{
    unsigned long count;
    if (parse_whole(value, 1, MAX_STREAMS_LIMIT, &count) != 0)
        return err_set(err, ERR_INVALID, 0, "--max-streams: \"%s\" is not a whole number from 1 to %d", value,
                       MAX_STREAMS_LIMIT);
    o->max_streams = (unsigned) count;
    return 0;
}

/* Keys and tokens travel in headers: visible ASCII only.  The value is not repeated in the message. */
static int check_secret(const char *name, const char *value, struct err *err)
{
    size_t len = strlen(value);
    if (len == 0 || len > SECRET_MAX)
        return err_set(err, ERR_INVALID, 0, "%s: must be 1 to %d characters, not %zu", name, SECRET_MAX, len);
    for (const char *p = value; *p != '\0'; p++) {
        if (*p <= ' ' || *p > '~')
            return err_set(err, ERR_INVALID, 0, "%s: character %zu is not visible ASCII, a header cannot carry it",
                           name, (size_t) (p - value) + 1);
    }
    return 0;
}

static int add_to_list(const char ***list, size_t *count, const char *value, struct err *err)
{
    const char **grown = realloc(*list, (*count + 2) * sizeof *grown);
    if (grown == NULL)
        return err_set(err, ERR_NOMEM, 0, "options");
    *list = grown;
    grown[(*count)++] = value;
    grown[*count] = NULL;
    return 0;
}

static int apply_api_key(struct options *o, const char *value, struct err *err)
{
    if (check_secret("--api-key", value, err) != 0)
        return -1;
    return add_to_list(&o->api_keys, &o->api_key_count, value, err);
}

/* Which vendors and settings there are, the vendors know. */
static int apply_set(struct options *o, const char *value, struct err *err)
{
    size_t vendor = strcspn(value, ".=");
    if (vendor == 0 || value[vendor] != '.' || strchr(value + vendor, '=') == NULL)
        return err_set(err, ERR_INVALID, 0, "--set: \"%.100s\" is not VENDOR.NAME=VALUE", value);
    return add_to_list(&o->settings, &o->setting_count, value, err);
}

static int apply_admin_token(struct options *o, const char *value, struct err *err)
{
    if (check_secret("--admin-token", value, err) != 0)
        return -1;
    o->admin_token = value;
    return 0;
}

static int apply_state_dir(struct options *o, const char *value, struct err *err)
{
    if (*value == '\0')
        return err_set(err, ERR_INVALID, 0, "--state-dir: \"\" is no folder");
    o->state_dir = value;
    return 0;
}

static int apply_scenario(struct options *o, const char *value, struct err *err)
{
    if (*value == '\0')
        return err_set(err, ERR_INVALID, 0, "--scenario: \"\" is no file");
    return add_to_list(&o->scenarios, &o->scenario_count, value, err);
}

static int apply_ledger(struct options *o, const char *value, struct err *err)
{
    if (*value == '\0')
        return err_set(err, ERR_INVALID, 0, "--ledger: \"\" is no file");
    o->ledger = value;
    return 0;
}

static int apply_seed(struct options *o, const char *value, struct err *err)
{
    unsigned long seed;
    if (parse_whole(value, 0, ULONG_MAX, &seed) != 0)
        return err_set(err, ERR_INVALID, 0, "--seed: \"%.60s\" is not a whole number from 0 to %lu", value, ULONG_MAX);
    o->has_seed = true;
    o->seed = seed;
    return 0;
}

static int apply_strict(struct options *o, const char *value, struct err *err)
{
    (void) value, (void) err;
    o->strict = true;
    return 0;
}

static int apply_check(struct options *o, const char *value, struct err *err)
{
    (void) value, (void) err;
    o->action = ACTION_CHECK;
    return 0;
}

static int apply_allow_remote(struct options *o, const char *value, struct err *err)
{
    (void) value, (void) err;
    o->allow_remote = true;
    return 0;
}

static int apply_print_config(struct options *o, const char *value, struct err *err)
{
    (void) value, (void) err;
    o->action = ACTION_PRINT_CONFIG;
    return 0;
}

static int apply_version(struct options *o, const char *value, struct err *err)
{
    (void) value, (void) err;
    o->action = ACTION_VERSION;
    return 0;
}

static int apply_help(struct options *o, const char *value, struct err *err)
{
    (void) value, (void) err;
    o->action = ACTION_HELP;
    return 0;
}

/* ---- the table ---------------------------------------------------------------------- */

static const struct option table[] = {
    { "http", "ADDR:PORT", apply_http, "where to listen; port 0: any free one (127.0.0.1:8700)" },
    { "grpc", "ADDR:PORT", apply_grpc, "the same for vendors that speak gRPC (that address, the next port)" },
    { "isolation", "MODE", apply_isolation,
      "auto, namespace or none (auto: namespace where this machine can do it)" },
    { "time-scale", "N", apply_time_scale, "API time runs N times as fast as the machine's (1)" },
    { "max-streams", "N", apply_max_streams, "connections served at once (1000)" },
    { "api-key", "KEY", apply_api_key, "take only this key; may be repeated (any non-empty key is taken)" },
    { "admin-token", "T", apply_admin_token,
      "token for /__admin; $STANDBOX_ADMIN_TOKEN does the same, unseen by ps (random)" },
    { "allow-remote", NULL, apply_allow_remote,
      "listen beyond loopback; needs --api-key and an admin token" },
    { "state-dir", "DIR", apply_state_dir, "make the sandboxes' folders in DIR ($TMPDIR or /tmp)" },
    { "set", "V.NAME=VALUE", apply_set,
      "change a vendor's setting, such as hyperbrowser.keepalive_ms=500; --print-config lists them" },
    { "scenario", "FILE|DIR", apply_scenario,
      "do what this scenario file says, in every lane; may be repeated; DIR: all *.json below it" },
    { "seed", "N", apply_seed, "for the dice of scenarios that name no seed (random, and said on stderr)" },
    { "strict", NULL, apply_strict, "exit with 3 when a rule of a scenario did not fire as planned" },
    { "check", NULL, apply_check, "only check the scenario files" },
    { "ledger", "FILE", apply_ledger, "append what happens to FILE as JSON lines; -: stderr" },
    { "print-config", NULL, apply_print_config, "print what these options come to, as JSON, and exit" },
    { "version", NULL, apply_version, "print the version and exit" },
    { "help", NULL, apply_help, "print this text and exit" },
};

void options_describe(struct buf *out)
{
    buf_str(out, "usage: standbox-mockserver [options]\n"
                 "A mock of sandbox vendors' process APIs that runs real processes on this machine.\n\n");
    for (size_t i = 0; i < COUNT(table); i++) {
        if (table[i].apply == NULL)
            continue;
        char left[2 * NAME_BYTES];
        snprintf(left, sizeof left, "--%s %s", table[i].name, table[i].value != NULL ? table[i].value : "");
        buf_printf(out, "  %-20s  %s\n", left, table[i].help);
    }
    buf_str(out, "\nWhen ready it prints one JSON line on stdout; everything else goes to stderr.\n"
                 "SIGTERM ends it and all that it started. Exit codes: 0 ended as asked, 1 failed,\n"
                 "2 wrong use or a wrong scenario, 3 with --strict.\n");
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Edit distance; names longer than the row are too far from any of ours anyway. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_BYTES + 1], len = strlen(b);
    if (strlen(a) > NAME_BYTES || len > NAME_BYTES)
        return SIZE_MAX;
    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= len; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = min3(change, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[len];
}

static const struct option *find_nearest(const char *name)
{
    const struct option *best = NULL;
    size_t best_distance = SUGGEST_DISTANCE + 1;
    for (size_t i = 0; i < COUNT(table); i++) {
        size_t len = strlen(name);
        size_t d = distance(name, table[i].name);
        /* An abbreviation ("--iso") is near, however much is missing. */
        if (len >= 2 && strncmp(name, table[i].name, len) == 0)
            d = 1;
        if (d < best_distance && d < strlen(table[i].name)) {
            best = &table[i];
            best_distance = d;
        }
    }
    return best;
}

static int unknown_option(const char *name, struct err *err)
{
    const struct option *near = find_nearest(name);
    if (near == NULL)
        return err_set(err, ERR_INVALID, 0, "unknown option --%.100s (--help lists them)", name);
    return err_set(err, ERR_INVALID, 0, "unknown option --%.100s; did you mean --%s?", name, near->name);
}

static const struct option *find_option(const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT(table); i++) {
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
            return &table[i];
    }
    return NULL;
}

/* ---- parsing ------------------------------------------------------------------------ */

/* Take the option at argv[*at] and move past it and its value. */
static int take_option(struct options *o, int argc, char *const *argv, int *at, struct err *err)
{
    const char *name = argv[*at] + 2;
    size_t len = strcspn(name, "=");
    const char *value = name[len] == '=' ? name + len + 1 : NULL;
    const struct option *option = find_option(name, len);
    if (option == NULL) {
        char cut[128];
        snprintf(cut, sizeof cut, "%.*s", (int) (len < 100 ? len : 100), name);
        return unknown_option(cut, err);
    }
    if (option->apply == NULL)
        return err_set(err, ERR_UNSUPPORTED, 0, "--%s: this version does not have it yet; a later one will",
                       option->name);
    *at += 1;
    if (option->value == NULL && value != NULL)
        return err_set(err, ERR_INVALID, 0, "--%s: takes no value, but got \"%.100s\"", option->name, value);
    if (option->value != NULL && value == NULL) {
        if (*at >= argc)
            return err_set(err, ERR_INVALID, 0, "--%s: needs a value (--%s %s)", option->name, option->name,
                           option->value);
        value = argv[(*at)++];
    }
    return option->apply(o, value, err);
}

static int take_argument(struct options *o, int argc, char *const *argv, int *at, struct err *err)
{
    if (strcmp(argv[*at], "-h") == 0) {
        *at += 1;
        return apply_help(o, NULL, err);
    }
    if (strncmp(argv[*at], "--", 2) != 0 || argv[*at][2] == '\0')
        return err_set(err, ERR_INVALID, 0, "unexpected argument \"%.100s\" (--help lists the options)", argv[*at]);
    return take_option(o, argc, argv, at, err);
}

/* A server that executes commands must not be open to the network by accident. */
static int check_remote(const struct options *o, struct err *err)
{
    if (!o->allow_remote) {
        if (o->http_is_loopback && o->grpc_is_loopback)
            return 0;
        return err_set(err, ERR_INVALID, 0,
                       "--%s: %s is not a loopback address, and whoever reaches it can run commands here; "
                       "add --allow-remote, --api-key and --admin-token if you mean it",
                       o->http_is_loopback ? "grpc" : "http",
                       o->http_is_loopback ? o->grpc_address : o->http_address);
    }
    if (o->api_key_count == 0)
        return err_set(err, ERR_INVALID, 0, "--allow-remote: needs --api-key too");
    if (o->admin_token == NULL)
        return err_set(err, ERR_INVALID, 0, "--allow-remote: needs --admin-token (or STANDBOX_ADMIN_TOKEN) too");
    return 0;
}

static int parse(struct options *o, int argc, char *const *argv, const char *env_token, struct err *err)
{
    if (env_token != NULL && *env_token != '\0') {
        if (check_secret("STANDBOX_ADMIN_TOKEN", env_token, err) != 0)
            return -1;
        o->admin_token = env_token;
    }
    for (int at = 1; at < argc;) {
        if (take_argument(o, argc, argv, &at, err) != 0)
            return -1;
        /* Like every other program, --help and --version answer whatever follows. */
        if (o->action == ACTION_HELP || o->action == ACTION_VERSION)
            return 0;
    }
    default_grpc(o);
    return check_remote(o, err);
}

int options_parse(struct options *out, int argc, char *const *argv, const char *env_token, struct err *err)
{
    struct options o = {
        .action = ACTION_SERVE,
        .http_address = "127.0.0.1",
        .http_is_loopback = true,
        .http_port = 8700,
        .isolation = CHOOSE_AUTO,
        .time_scale = 1.0,
        .max_streams = 1000,
        .api_keys = calloc(1, sizeof *o.api_keys),
        .settings = calloc(1, sizeof *o.settings),
        .scenarios = calloc(1, sizeof *o.scenarios),
    };
    if (o.api_keys == NULL || o.settings == NULL || o.scenarios == NULL) {
        options_fini(&o);
        return err_set(err, ERR_NOMEM, 0, "options");
    }
    if (parse(&o, argc, argv, env_token, err) != 0) {
        options_fini(&o);
        return -1;
    }
    *out = o;
    return 0;
}

void options_fini(struct options *options)
{
    free(options->api_keys);
    free(options->settings);
    free(options->scenarios);
    options->api_keys = options->settings = options->scenarios = NULL;
    options->api_key_count = options->setting_count = options->scenario_count = 0;
}
