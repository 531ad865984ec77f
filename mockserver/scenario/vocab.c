#include "scenario/vocab.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define WORDS(what, list) \
    { \
        what, list, COUNT(list) \
    }

/* ---- operations ----------------------------------------------------------------------- */

static const struct word ops[] = {
    { "sandbox.create", OP_SANDBOX_CREATE },
    { "sandbox.get", OP_SANDBOX_GET },
    { "sandbox.list", OP_SANDBOX_LIST },
    { "sandbox.stop", OP_SANDBOX_STOP },
    { "process.exec", OP_PROCESS_EXEC },
    { "process.start", OP_PROCESS_START },
    { "process.get", OP_PROCESS_GET },
    { "process.list", OP_PROCESS_LIST },
    { "process.wait", OP_PROCESS_WAIT },
    { "process.signal", OP_PROCESS_SIGNAL },
    { "process.kill", OP_PROCESS_KILL },
    { "process.stdin", OP_PROCESS_STDIN },
    { "process.stream", OP_PROCESS_STREAM },
    { "process.logs", OP_PROCESS_LOGS },
    { "process.waitport", OP_PROCESS_WAITPORT },
    { "process.poll", OP_PROCESS_POLL },
    { "process.resize", OP_PROCESS_RESIZE },
    { "file.read", OP_FILE_READ },
    { "file.write", OP_FILE_WRITE },
    { "file.list", OP_FILE_LIST },
    { "file.stat", OP_FILE_STAT },
    { "file.exists", OP_FILE_EXISTS },
    { "file.mkdir", OP_FILE_MKDIR },
    { "file.delete", OP_FILE_DELETE },
    { "file.rename", OP_FILE_RENAME },
    { "file.copy", OP_FILE_COPY },
    { "file.chmod", OP_FILE_CHMOD },
    { "file.chown", OP_FILE_CHOWN },
    { "file.watch", OP_FILE_WATCH },
};

const uint64_t vocab_ops_starting = OP_BIT(OP_PROCESS_EXEC) | OP_BIT(OP_PROCESS_START);

const uint64_t vocab_ops_launching = OP_BIT(OP_PROCESS_EXEC) | OP_BIT(OP_PROCESS_START) | OP_BIT(OP_SANDBOX_CREATE);

const uint64_t vocab_ops_of_process = OP_BIT(OP_PROCESS_EXEC) | OP_BIT(OP_PROCESS_START) | OP_BIT(OP_PROCESS_GET) |
                                      OP_BIT(OP_PROCESS_WAIT) | OP_BIT(OP_PROCESS_SIGNAL) | OP_BIT(OP_PROCESS_KILL) |
                                      OP_BIT(OP_PROCESS_STDIN) | OP_BIT(OP_PROCESS_STREAM) | OP_BIT(OP_PROCESS_LOGS) |
                                      OP_BIT(OP_PROCESS_WAITPORT) | OP_BIT(OP_PROCESS_POLL) | OP_BIT(OP_PROCESS_RESIZE);

const uint64_t vocab_ops_streaming = OP_BIT(OP_PROCESS_EXEC) | OP_BIT(OP_PROCESS_START) | OP_BIT(OP_PROCESS_WAIT) |
                                     OP_BIT(OP_PROCESS_STREAM) | OP_BIT(OP_PROCESS_LOGS) | OP_BIT(OP_PROCESS_STDIN) |
                                     OP_BIT(OP_PROCESS_WAITPORT) | OP_BIT(OP_FILE_READ) | OP_BIT(OP_FILE_WATCH);

const uint64_t vocab_ops_acting = OP_BIT(OP_SANDBOX_STOP) | OP_BIT(OP_PROCESS_SIGNAL) | OP_BIT(OP_PROCESS_KILL) |
                                  OP_BIT(OP_PROCESS_STDIN) | OP_BIT(OP_PROCESS_RESIZE) | OP_BIT(OP_FILE_WRITE) |
                                  OP_BIT(OP_FILE_MKDIR) | OP_BIT(OP_FILE_DELETE) | OP_BIT(OP_FILE_RENAME) |
                                  OP_BIT(OP_FILE_COPY) | OP_BIT(OP_FILE_CHMOD) | OP_BIT(OP_FILE_CHOWN);

const uint64_t vocab_ops_admitting = OP_BIT(OP_SANDBOX_STOP) | OP_BIT(OP_FILE_READ) | OP_BIT(OP_FILE_WRITE);

/* ---- dialects, facts ------------------------------------------------------------------ */

static const struct word dialects[] = {
    { "coreweave", DIALECT_COREWEAVE },
    { "hyperbrowser", DIALECT_HYPERBROWSER },
    { "cloudflare", DIALECT_CLOUDFLARE },
    { "modal", DIALECT_MODAL },
};

const unsigned vocab_dialects_http = DIALECT_BIT(DIALECT_HYPERBROWSER) | DIALECT_BIT(DIALECT_CLOUDFLARE);
const unsigned vocab_dialects_grpc = DIALECT_BIT(DIALECT_COREWEAVE) | DIALECT_BIT(DIALECT_MODAL);

static const struct word facts[] = {
    { "queued", SEEN_QUEUED },
    { "started", SEEN_STARTED },
    { "out", SEEN_OUT },
    { "err", SEEN_ERR },
    { "stdin", SEEN_STDIN },
    { "stdin-eof", SEEN_STDIN_EOF },
    { "signalled", SEEN_SIGNALLED },
    { "timed-out", SEEN_TIMED_OUT },
    { "exited", SEEN_EXITED },
    { "died", SEEN_DIED },
    { "start-failed", SEEN_START_FAILED },
    { "output-eof", SEEN_OUTPUT_EOF },
    { "ended", SEEN_ENDED },
};

/* ---- codes ---------------------------------------------------------------------------- */

/* What execve, chdir and fork can say. */
static const struct word errnos[] = {
    { "ENOENT", ENOENT }, { "EACCES", EACCES },   { "EPERM", EPERM },   { "ENOTDIR", ENOTDIR },
    { "EISDIR", EISDIR }, { "ENOEXEC", ENOEXEC }, { "ELOOP", ELOOP },   { "ENAMETOOLONG", ENAMETOOLONG },
    { "E2BIG", E2BIG },   { "ETXTBSY", ETXTBSY }, { "EAGAIN", EAGAIN }, { "ENOMEM", ENOMEM },
    { "EMFILE", EMFILE }, { "ENFILE", ENFILE },   { "ENOSPC", ENOSPC }, { "EIO", EIO },
    { "EINVAL", EINVAL }, { "ELIBBAD", ELIBBAD },
};

static const struct word grpc_codes[] = {
    { "OK", 0 },
    { "CANCELLED", 1 },
    { "UNKNOWN", 2 },
    { "INVALID_ARGUMENT", 3 },
    { "DEADLINE_EXCEEDED", 4 },
    { "NOT_FOUND", 5 },
    { "ALREADY_EXISTS", 6 },
    { "PERMISSION_DENIED", 7 },
    { "RESOURCE_EXHAUSTED", 8 },
    { "FAILED_PRECONDITION", 9 },
    { "ABORTED", 10 },
    { "OUT_OF_RANGE", 11 },
    { "UNIMPLEMENTED", 12 },
    { "INTERNAL", 13 },
    { "UNAVAILABLE", 14 },
    { "DATA_LOSS", 15 },
    { "UNAUTHENTICATED", 16 },
};

/* RFC 9113 §7 */
static const struct word http2_codes[] = {
    { "NO_ERROR", 0 },
    { "PROTOCOL_ERROR", 1 },
    { "INTERNAL_ERROR", 2 },
    { "FLOW_CONTROL_ERROR", 3 },
    { "SETTINGS_TIMEOUT", 4 },
    { "STREAM_CLOSED", 5 },
    { "FRAME_SIZE_ERROR", 6 },
    { "REFUSED_STREAM", 7 },
    { "CANCEL", 8 },
    { "COMPRESSION_ERROR", 9 },
    { "CONNECT_ERROR", 10 },
    { "ENHANCE_YOUR_CALM", 11 },
    { "INADEQUATE_SECURITY", 12 },
    { "HTTP_1_1_REQUIRED", 13 },
};

const struct words vocab_ops = WORDS("operation", ops);
const struct words vocab_dialects = WORDS("dialect", dialects);
const struct words vocab_facts = WORDS("fact", facts);
const struct words vocab_errnos = WORDS("errno name", errnos);
const struct words vocab_grpc = WORDS("gRPC status", grpc_codes);
const struct words vocab_http2 = WORDS("HTTP/2 error code", http2_codes);

/* From the status's own row of google.rpc.Code. */
static const short http_by_grpc[] = { 200, 499, 500, 400, 504, 404, 409, 403, 429,
                                      400, 409, 400, 501, 500, 503, 500, 401 };

static const struct {
    short http, grpc;
} grpc_by_http[] = {
    { 400, 3 }, { 401, 16 }, { 403, 7 },  { 404, 5 },  { 408, 4 },  { 409, 10 }, { 412, 9 }, { 416, 11 },
    { 429, 8 }, { 499, 1 },  { 500, 13 }, { 501, 12 }, { 502, 14 }, { 503, 14 }, { 504, 4 },
};

int vocab_grpc_of_http(int http_status)
{
    if (http_status < 300)
        return 0;
    for (size_t i = 0; i < COUNT(grpc_by_http); i++) {
        if (grpc_by_http[i].http == http_status)
            return grpc_by_http[i].grpc;
    }
    return 2;
}

int vocab_http_of_grpc(int grpc_status)
{
    return grpc_status >= 0 && (size_t) grpc_status < COUNT(http_by_grpc) ? http_by_grpc[grpc_status] : 500;
}

/* ---- looking up ----------------------------------------------------------------------- */

bool vocab_find(const struct words *words, const char *name, int *out_value)
{
    for (size_t i = 0; i < words->count; i++) {
        if (strcmp(words->list[i].name, name) == 0) {
            *out_value = words->list[i].value;
            return true;
        }
    }
    return false;
}

const char *vocab_name(const struct words *words, int value)
{
    for (size_t i = 0; i < words->count; i++) {
        if (words->list[i].value == value)
            return words->list[i].name;
    }
    return NULL;
}

void vocab_list(const struct words *words, struct buf *out)
{
    for (size_t i = 0; i < words->count; i++)
        buf_printf(out, "%s%s", i == 0 ? "" : ", ", words->list[i].name);
}

/* ---- the nearest name ----------------------------------------------------------------- */

#define NEAR_MAX 40 /* longer names are near to nothing */

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

/* Edits (insert, delete, change, swap of neighbours) between two short names. */
static unsigned distance(const char *a, size_t la, const char *b, size_t lb)
{
    unsigned rows[3][NEAR_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= lb; j++)
        last[j] = (unsigned) j;
    memset(before, 0, sizeof rows[0]);
    for (size_t i = 1; i <= la; i++) {
        now[0] = (unsigned) i;
        for (size_t j = 1; j <= lb; j++) {
            int x = tolower((unsigned char) a[i - 1]), y = tolower((unsigned char) b[j - 1]);
            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
            bool swapped =
                i > 1 && j > 1 && x == tolower((unsigned char) b[j - 2]) && y == tolower((unsigned char) a[i - 2]);
            if (swapped && before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        unsigned *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[lb];
}

const char *vocab_nearest(const char *name, const void *rows, size_t count, size_t stride)
{
    size_t len = strlen(name);
    unsigned best = len < 6 ? 1 : len < 10 ? 2 : 3;
    const char *nearest = NULL;
    for (size_t i = 0; i < count && len > 0 && len <= NEAR_MAX; i++) {
        const char *known;
        memcpy(&known, (const char *) rows + i * stride, sizeof known);
        size_t known_len = strlen(known);
        if (known_len > NEAR_MAX)
            continue;
        /* "CONNECTION_RESET" is many edits from the word that is meant. */
        bool begins = len >= 4 && known_len > len && strncasecmp(name, known, len) == 0;
        unsigned d = begins ? 1 : distance(name, len, known, known_len);
        if (d < best + (nearest == NULL)) {
            best = d;
            nearest = known;
        }
    }
    return nearest;
}
