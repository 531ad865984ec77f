/* standbox-refclient: the adapter program. */
#include "refclient.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "standbox_client.h"

#define LINE_BYTES ((size_t) 64 << 20)

struct settings {
    int level;
    const struct vendor *vendor;
    const char *wanted;  /* protocol by name; NULL: the vendor's first */
    const char *mutant;  /* or NULL */
    bool lists_mutants;
    unsigned protocol;
    bool says_hello; /* level 1: asked for its hello */
    const char *url; /* level 1: the last argument */
};

static const char usage[] =
    "usage: standbox-refclient [options]            level 2: JSON lines on stdin and stdout\n"
    "       standbox-refclient --level 1 [options] URL    one run line on stdin (or in $STANDBOX_CONTEXT)\n"
    "The adapter of standbox's reference clients; sdk-shim/PROTOCOL.md describes its lines.\n"
    "\n"
    "  --vendor NAME    hyperbrowser or coreweave (hyperbrowser)\n"
    "  --protocol NAME  Hyperbrowser's process protocol, a or b (b); CoreWeave's wire, v1beta2 or v1 (v1beta2)\n"
    "  --level 1|2      (2)\n"
    "  --hello          level 1: print the hello line and exit\n"
#ifdef SBC_MUTANTS
    "  --mutant NAME    be wrong in this way\n"
    "  --list-mutants   print the vendor's as JSON lines and exit\n"
#endif
    "  --version        print the version and exit\n"
    "  --help           print this text and exit\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 wrong use.\n";

/* ------------------------------------------------------------------ output */

static void say(cJSON *line)
{
    char *text = sbc_json_print(line);
    fputs(text, stdout);
    fputc('\n', stdout);
    fflush(stdout);
    free(text);
    cJSON_Delete(line);
}

static void say_errored(const char *message)
{
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "type", "errored");
    cJSON_AddNullToObject(line, "seq");
    cJSON_AddStringToObject(line, "message", message);
    say(line);
}

static void say_at(double seq, const char *step)
{
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "type", "at");
    cJSON_AddNumberToObject(line, "seq", seq);
    cJSON_AddStringToObject(line, "step", step);
    say(line);
}

/* "cwd env" with prefix "exec." gives exec.cwd, exec.env. */
static void add_words(cJSON *capabilities, const char *prefix, const char *dot, const char *words)
{
    for (const char *at = words; *at != '\0';) {
        size_t len = strcspn(at, " ");
        char *name = sbc_text_format("%s%s%.*s", prefix, dot, (int) len, at);
        cJSON_AddItemToArray(capabilities, cJSON_CreateString(name));
        free(name);
        at += len + strspn(at + len, " ");
    }
}

static void say_hello(const struct settings *settings)
{
    const struct vendor *vendor = settings->vendor;
    const struct protocol *protocol = &vendor->protocols[settings->protocol];
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "type", "hello");
    cJSON_AddNumberToObject(line, "version", 1);
    cJSON_AddStringToObject(line, "name", protocol->hello_name);
    cJSON_AddStringToObject(line, "language", "c");
    cJSON_AddStringToObject(line, "client_version", SBC_VERSION);
    cJSON_AddItemToArray(cJSON_AddArrayToObject(line, "vendors"), cJSON_CreateString(vendor->name));
    cJSON *capabilities = cJSON_AddArrayToObject(line, "capabilities");
    for (size_t i = 0; i < vendor->op_count; i++) {
        const struct op *op = &vendor->ops[i];
        if (op_find(vendor, op->name, settings->protocol) != op)
            continue;
        cJSON_AddItemToArray(capabilities, cJSON_CreateString(op->name));
        add_words(capabilities, op->name, ".", op->fine);
    }
    add_words(capabilities, "", "", protocol->facts);
    cJSON_AddNumberToObject(line, "max_in_flight", 1);
    say(line);
}

/* ------------------------------------------------------------------- lines */

static void answer_line(const char *text, size_t size, const struct settings *settings)
{
    cJSON *line = size > LINE_BYTES ? NULL : sbc_json_parse(text, size);
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(line, "type");
    if (size > LINE_BYTES)
        say_errored("the line has more than 64 MiB");
    else if (!cJSON_IsObject(line))
        say_errored("the line is no JSON object");
    else if (!cJSON_IsString(type))
        say_errored("type must be a text");
    else if (strcmp(type->valuestring, "hello") == 0)
        say_hello(settings);
    else if (strcmp(type->valuestring, "run") == 0)
        say(run_line(line, settings->vendor, settings->protocol, settings->level == 2 ? say_at : NULL));
    else
        say_errored("type must be hello or run");
    cJSON_Delete(line);
}

static bool is_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (strchr(" \t\r\n", text[i]) == NULL || text[i] == '\0')
            return false;
    return true;
}

/* Lines until stdin ends, or the first one; how many there were. */
static int answer_lines(const struct settings *settings)
{
    char *text = NULL;
    size_t room = 0;
    int count = 0;
    for (ssize_t size; (size = getline(&text, &room, stdin)) > 0;) {
        if (is_blank(text, (size_t) size))
            continue;
        answer_line(text, (size_t) size, settings);
        count++;
        if (settings->level == 1)
            break;
    }
    free(text);
    return count;
}

static int run_once(const struct settings *settings)
{
    const char *context = getenv("STANDBOX_CONTEXT");
    if (settings->says_hello) {
        say_hello(settings);
        return 0;
    }
    if (answer_lines(settings) > 0)
        return 0;
    if (context == NULL) {
        fputs("standbox-refclient: no run line on stdin or in STANDBOX_CONTEXT\n", stderr);
        return 1;
    }
    answer_line(context, strlen(context), settings);
    return 0;
}

/* --------------------------------------------------------------- arguments */

static int complain(const char *what, const char *argument)
{
    fprintf(stderr, "standbox-refclient: %s: %s; --help shows what there is\n", argument, what);
    return 2;
}

static int set_vendor(struct settings *settings, const char *value)
{
    static const struct vendor *const vendors[] = { &vendor_hyperbrowser, &vendor_coreweave };
    for (size_t i = 0; i < sizeof vendors / sizeof vendors[0]; i++) {
        if (strcmp(vendors[i]->name, value) == 0) {
            settings->vendor = vendors[i];
            return 0;
        }
    }
    return complain("must be hyperbrowser or coreweave", "--vendor");
}

static int set_protocol(struct settings *settings, const char *value)
{
    settings->wanted = value;
    return 0;
}

static int set_level(struct settings *settings, const char *value)
{
    settings->level = strcmp(value, "1") == 0 ? 1 : 2;
    return settings->level == 1 || strcmp(value, "2") == 0 ? 0 : complain("must be 1 or 2", "--level");
}

#ifdef SBC_MUTANTS
static int set_mutant(struct settings *settings, const char *value)
{
    settings->mutant = value;
    return 0;
}
#endif

/* What depends on the vendor, which may stand behind it on the command line. */
static int settle(struct settings *settings)
{
    const struct vendor *vendor = settings->vendor;
    while (settings->wanted != NULL && settings->protocol < vendor->protocol_count &&
           strcmp(vendor->protocols[settings->protocol].name, settings->wanted) != 0)
        settings->protocol++;
    if (settings->protocol == vendor->protocol_count)
        return complain("is no protocol of this vendor", settings->wanted);
#ifdef SBC_MUTANTS
    if (settings->lists_mutants) {
        vendor->mutant_list(stdout);
        return 1;
    }
    if (settings->mutant != NULL && vendor->mutant_choose(settings->mutant) < 0)
        return complain("there is no such mutant; --list-mutants", settings->mutant);
#endif
    return 0;
}

static int take_value(struct settings *settings, const char *option, const char *value)
{
    static const struct {
        const char *name;
        int (*set)(struct settings *, const char *);
    } options[] = {
        { "--vendor", set_vendor },
        { "--protocol", set_protocol },
        { "--level", set_level },
#ifdef SBC_MUTANTS
        { "--mutant", set_mutant },
#endif
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strcmp(option, options[i].name) == 0)
            return value == NULL ? complain("needs a value", option) : options[i].set(settings, value);
    return complain("is not known", option);
}

/* 0: go on, 1: all is said, 2: wrong use. */
static int read_arguments(int argc, char **argv, struct settings *settings)
{
    int failed = 0;
    for (int i = 1; i < argc && failed == 0; i++) {
        if (strcmp(argv[i], "--help") == 0)
            return fputs(usage, stdout) < 0 ? 2 : 1;
        if (strcmp(argv[i], "--version") == 0)
            return printf("standbox-refclient %s\n", SBC_VERSION) < 0 ? 2 : 1;
#ifdef SBC_MUTANTS
        if (strcmp(argv[i], "--list-mutants") == 0) {
            settings->lists_mutants = true;
            continue;
        }
#endif
        if (strcmp(argv[i], "--hello") == 0) {
            settings->says_hello = true;
        } else if (argv[i][0] == '-') {
            failed = take_value(settings, argv[i], argv[i + 1]);
            i++;
        } else {
            settings->url = argv[i];
        }
    }
    return failed != 0 ? failed : settle(settings);
}

static void exit_now(int number)
{
    _exit(128 + number);
}

int main(int argc, char **argv)
{
    struct settings settings = { .level = 2, .vendor = &vendor_hyperbrowser };
    int done = read_arguments(argc, argv, &settings);
    if (done != 0)
        return done == 1 ? 0 : done;
    signal(SIGTERM, exit_now);
    signal(SIGPIPE, SIG_IGN);
    if (settings.level == 1)
        return run_once(&settings);
    if (settings.url != NULL)
        return complain("is for --level 1 only", settings.url);
    answer_lines(&settings);
    return 0;
}
