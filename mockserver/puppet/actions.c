/* One function per action: from its JSON to its step. */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/jsonw.h"
#include "base/text.h"
#include "puppet/steps_priv.h"
#include "puppet/words.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define REPEAT_MAX  1000000000
#define RATE_MAX    1000000000
#define CHUNK_MAX   (1 << 20)
#define READ_MAX    1000000000
#define TIMES_MAX   1000000000
#define ROUTES_MAX  256
#define COMM_MAX    15 /* the kernel cuts longer ones (TASK_COMM_LEN) */
#define BARRIER_MAX 200
#define SHOWN_BYTES 60

static const char *const stream_names[] = {
    [STDIN_FILENO] = "stdin", [STDOUT_FILENO] = "stdout", [STDERR_FILENO] = "stderr"
};

int action_number(const struct node *step, const struct node *value, struct step *out, struct err *err)
{
    int64_t min = 0, max = 0;
    (void) step;
    steps_number_range(out->kind, &min, &max);
    return node_int(value, min, max, &out->number, err);
}

int action_flag(const struct node *step, const struct node *value, struct step *out, struct err *err)
{
    (void) step, (void) out;
    return node_true(value, err);
}

int action_text(const struct node *step, const struct node *value, struct step *out, struct err *err)
{
    (void) step;
    return node_text(value, &out->text, err);
}

/* Short enough to go into the control socket in one piece. */
int action_barrier(const struct node *step, const struct node *value, struct step *out, struct err *err)
{
    if (action_text(step, value, out, err) < 0)
        return -1;
    if (out->text.len > BARRIER_MAX)
        return node_bad(value, err, "must be at most %d bytes", BARRIER_MAX);
    return 0;
}

int action_title(const struct node *step, const struct node *value, struct step *out, struct err *err)
{
    if (action_text(step, value, out, err) < 0)
        return -1;
    if (out->text.len > COMM_MAX)
        return node_bad(value, err, "must be at most %d bytes", COMM_MAX);
    return 0;
}

int action_expect(const struct node *step, const struct node *value, struct step *out, struct err *err)
{
    (void) step;
    if (node_bytes(value, &out->text, err) < 0)
        return -1;
    return out->text.len > 0 ? 0 : node_bad(value, err, "must not be empty");
}

int action_close(const struct node *step, const struct node *value, struct step *out, struct err *err)
{
    size_t fd = 0;
    (void) step;
    if (node_choice(value, stream_names, COUNT(stream_names), &fd, err) < 0)
        return -1;
    out->number = (int64_t) fd;
    return 0;
}

/* ---- output ------------------------------------------------------------------------- */

static int read_base64(const struct node *n, struct buf *out, struct err *err)
{
    struct err why = ERR_INIT;
    if (!cJSON_IsString(n->json))
        return node_bad(n, err, "must be a string");
    if (base64_decode(out, n->json->valuestring, strlen(n->json->valuestring), &why) < 0)
        return node_bad(n, err, "not base64");
    return out->failed ? err_set(err, ERR_NOMEM, 0, "script") : 0;
}

static int read_content(const struct node *n, struct buf *out, struct err *err)
{
    struct node text = node_member(n, "text"), base64 = node_member(n, "base64");
    if (text.json != NULL && base64.json != NULL)
        return node_bad(&base64, err, "either \"text\" or \"base64\", not both");
    if (text.json == NULL && base64.json == NULL)
        return node_bad(n, err, "needs \"text\" or \"base64\"");
    return text.json != NULL ? node_bytes(&text, out, err) : read_base64(&base64, out, err);
}

static int parse_out(int fd, const struct node *value, struct step *step, struct err *err)
{
    static const char *const keys[] = { "text", "base64", "repeat", "rate", "chunk", NULL };
    struct step_out *out = &step->as.out;
    *out = (struct step_out){ .fd = fd, .repeat = 1 };
    if (cJSON_IsString(value->json))
        return node_bytes(value, &step->text, err);
    if (!cJSON_IsObject(value->json))
        return node_bad(value, err, "must be a string or an object");
    if (node_check_keys(value, keys, err) < 0 || read_content(value, &step->text, err) < 0 ||
        node_opt_int(value, "repeat", 1, REPEAT_MAX, &out->repeat, err) < 0 ||
        node_opt_int(value, "rate", 1, RATE_MAX, &out->rate, err) < 0)
        return -1;
    return node_opt_int(value, "chunk", 1, CHUNK_MAX, &out->chunk, err);
}

int action_out(const struct node *step, const struct node *value, struct step *out, struct err *err)
{
    (void) step;
    return parse_out(STDOUT_FILENO, value, out, err);
}

int action_err(const struct node *step, const struct node *value, struct step *out, struct err *err)
{
    (void) step;
    return parse_out(STDERR_FILENO, value, out, err);
}

/* ---- input -------------------------------------------------------------------------- */

int action_read(const struct node *step, const struct node *value, struct step *out, struct err *err)
{
    static const char *const ways[] = { [READ_LINE] = "line", [READ_EOF] = "eof" };
    static const char *const keys[] = { "bytes", NULL };
    size_t way = READ_BYTES;
    if (cJSON_IsObject(value->json)) {
        struct node bytes = node_member(value, "bytes");
        if (node_check_keys(value, keys, err) < 0 || node_int(&bytes, 1, READ_MAX, &out->number, err) < 0)
            return -1;
    } else if (!cJSON_IsString(value->json)) {
        return node_bad(value, err, "must be \"line\", \"eof\" or {\"bytes\": N}");
    } else if (node_choice(value, ways, COUNT(ways), &way, err) < 0) {
        return -1;
    }
    out->as.read.how = (enum read_how) way;
    return node_opt_bool(step, "echo", &out->as.read.echo, err);
}

/* ---- signals ------------------------------------------------------------------------ */

int action_raise(const struct node *step, const struct node *value, struct step *out, struct err *err)
{
    BUF_AUTO name = BUF_INIT, shown = BUF_INIT;
    (void) step;
    if (node_text(value, &name, err) < 0)
        return -1;
    out->number = words_signal(name.data);
    if (out->number > 0)
        return 0;
    const char *near = words_nearest_signal(name.data);
    json_escape(&shown, name.data, name.len < SHOWN_BYTES ? name.len : SHOWN_BYTES);
    if (near == NULL)
        return node_bad(value, err, "unknown signal \"%s\"", buf_cstr(&shown));
    return node_bad(value, err, "unknown signal \"%s\"; did you mean \"%s\"?", buf_cstr(&shown), near);
}

int action_on(const struct node *step, const struct node *value, struct step *out, struct err *err)
{
    static const char *const ways[] = { "ignore", "default" };
    struct node what = node_member(step, "do");
    size_t way = 0;
    if (action_raise(step, value, out, err) < 0)
        return -1;
    if (out->number == SIGKILL || out->number == SIGSTOP)
        return node_bad(value, err, "nobody can catch or ignore %s", out->number == SIGKILL ? "KILL" : "STOP");
    if (what.json == NULL)
        return node_bad(step, err, "\"on\" needs \"do\"");
    if (cJSON_IsArray(what.json))
        return steps_parse_list(&what, &out->body, err);
    if (!cJSON_IsString(what.json))
        return node_bad(&what, err, "must be an array of steps, \"ignore\" or \"default\"");
    if (node_choice(&what, ways, COUNT(ways), &way, err) < 0)
        return -1;
    out->as.on.how = way == 0 ? ON_IGNORE : ON_DEFAULT;
    return 0;
}

/* ---- listening ---------------------------------------------------------------------- */

static int check_status(const struct node *n, const struct route *route, struct err *err)
{
    bool has_no_body = route->status < 200 || route->status == 204 || route->status == 304;
    return has_no_body && route->body.len > 0 ? node_bad(n, err, "status %d has no body", route->status) : 0;
}

/* Header values go out as they are, so nothing in them may end the line. */
static int read_type(const struct node *n, struct buf *out, struct err *err)
{
    if (node_text(n, out, err) < 0)
        return -1;
    for (size_t i = 0; i < out->len; i++) {
        if (out->data[i] < ' ' || out->data[i] > '~')
            return node_bad(n, err, "must be printable ASCII");
    }
    return 0;
}

static int parse_route(const struct node *n, struct route *out, struct err *err)
{
    static const char *const keys[] = { "status", "body", "type", NULL };
    int64_t status = 200;
    if (n->key[0] != '/')
        return node_bad(n, err, "a path begins with \"/\"");
    out->path = strdup(n->key);
    if (out->path == NULL)
        return err_set(err, ERR_NOMEM, 0, "script");
    if (cJSON_IsNumber(n->json)) {
        if (node_int(n, 200, 599, &status, err) < 0)
            return -1;
    } else if (!cJSON_IsObject(n->json)) {
        return node_bad(n, err, "must be a status or an object");
    } else {
        struct node body = node_member(n, "body"), type = node_member(n, "type");
        if (node_check_keys(n, keys, err) < 0 || node_opt_int(n, "status", 200, 599, &status, err) < 0 ||
            (body.json != NULL && node_bytes(&body, &out->body, err) < 0) ||
            (type.json != NULL && read_type(&type, &out->type, err) < 0))
            return -1;
    }
    out->status = (int) status;
    return check_status(n, out, err);
}

static int parse_routes(const struct node *http, struct step_listen *out, struct err *err)
{
    if (!cJSON_IsObject(http->json))
        return node_bad(http, err, "must be an object");
    int count = cJSON_GetArraySize(http->json);
    if (count > ROUTES_MAX)
        return node_bad(http, err, "more than %d paths", ROUTES_MAX);
    out->http = true;
    out->routes = calloc((size_t) count + 1, sizeof *out->routes);
    if (out->routes == NULL)
        return err_set(err, ERR_NOMEM, 0, "script");
    const cJSON *member;
    cJSON_ArrayForEach(member, http->json)
    {
        struct node at = { .up = http, .key = member->string, .json = member };
        for (size_t i = 0; i < out->route_count; i++) {
            if (strcmp(out->routes[i].path, member->string) == 0)
                return node_bad(&at, err, "is there twice");
        }
        if (parse_route(&at, &out->routes[out->route_count++], err) < 0)
            return -1;
    }
    return 0;
}

static int parse_host(const struct node *host, in_addr_t *out, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    struct in_addr address = { htonl(INADDR_LOOPBACK) };
    if (host->json != NULL) {
        if (node_text(host, &text, err) < 0)
            return -1;
        if (inet_pton(AF_INET, text.data, &address) != 1)
            return node_bad(host, err, "must be an IPv4 address such as 127.0.0.1");
    }
    *out = address.s_addr;
    return 0;
}

int action_listen(const struct node *step, const struct node *value, struct step *out, struct err *err)
{
    struct step_listen *listen = &out->as.listen;
    struct node http = node_member(step, "http"), host = node_member(step, "host"), echo = node_member(step, "echo");
    if (action_number(step, value, out, err) < 0 || parse_host(&host, &listen->host, err) < 0 ||
        (http.json != NULL && parse_routes(&http, listen, err) < 0) ||
        node_opt_bool(step, "echo", &listen->echo, err) < 0 || node_opt_bool(step, "print", &listen->print, err) < 0)
        return -1;
    return listen->http && listen->echo ? node_bad(&echo, err, "either \"http\" or \"echo\", not both") : 0;
}

/* ---- steps inside steps ------------------------------------------------------------- */

static int parse_keeps(const struct node *n, bool keeps[3], struct err *err)
{
    size_t i = 0;
    const cJSON *item;
    if (!cJSON_IsArray(n->json))
        return node_bad(n, err, "must be an array of \"stdin\", \"stdout\", \"stderr\"");
    memset(keeps, 0, 3 * sizeof *keeps);
    cJSON_ArrayForEach(item, n->json)
    {
        struct node at = node_item(n, i++, item);
        size_t fd = 0;
        if (node_choice(&at, stream_names, COUNT(stream_names), &fd, err) < 0)
            return -1;
        if (keeps[fd])
            return node_bad(&at, err, "is there twice");
        keeps[fd] = true;
    }
    return 0;
}

int action_fork(const struct node *step, const struct node *value, struct step *out, struct err *err)
{
    struct node keeps = node_member(step, "keeps");
    memset(out->as.fork.keeps, true, sizeof out->as.fork.keeps);
    if ((keeps.json != NULL && parse_keeps(&keeps, out->as.fork.keeps, err) < 0) ||
        node_opt_bool(step, "setsid", &out->as.fork.setsid, err) < 0 ||
        node_opt_bool(step, "double", &out->as.fork.twice, err) < 0)
        return -1;
    return steps_parse_list(value, &out->body, err);
}

int action_loop(const struct node *step, const struct node *value, struct step *out, struct err *err)
{
    static const char *const keys[] = { "times", "do", NULL };
    static const char *const ways[] = { "forever", "eof" };
    size_t way = 0;
    (void) step;
    if (node_check_keys(value, keys, err) < 0)
        return -1;
    struct node times = node_member(value, "times"), what = node_member(value, "do");
    if (cJSON_IsString(times.json)) {
        if (node_choice(&times, ways, COUNT(ways), &way, err) < 0)
            return -1;
        out->number = way == 0 ? LOOP_FOREVER : LOOP_UNTIL_EOF;
    } else if (!cJSON_IsNumber(times.json)) {
        return node_bad(&times, err, "must be a whole number, \"forever\" or \"eof\"");
    } else if (node_int(&times, 1, TIMES_MAX, &out->number, err) < 0) {
        return -1;
    }
    if (steps_parse_list(&what, &out->body, err) < 0)
        return -1;
    if (out->number == LOOP_UNTIL_EOF && steps_find(&out->body, STEP_READ) == NULL)
        return node_bad(&times, err, "nothing in the loop reads");
    return 0;
}
