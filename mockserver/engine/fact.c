#include "engine/fact.h"

#include <stddef.h>

static const char *const kind_names[FACT_KINDS] = {
    [FACT_QUEUED] = "queued",         [FACT_STARTED] = "started",     [FACT_OUT] = "out",
    [FACT_ERR] = "err",               [FACT_STDIN] = "stdin",         [FACT_STDIN_EOF] = "stdin-eof",
    [FACT_SIGNALLED] = "signalled",   [FACT_TIMED_OUT] = "timed-out", [FACT_EXITED] = "exited",
    [FACT_DIED] = "died",             [FACT_START_FAILED] = "start-failed",
    [FACT_OUTPUT_EOF] = "output-eof",
};

static const char *const who_names[WHO_COUNT] = {
    [WHO_NOBODY] = "nobody",   [WHO_CLIENT] = "client", [WHO_TIMEOUT] = "timeout",
    [WHO_SANDBOX_STOP] = "sandbox-stop", [WHO_ADMIN] = "admin",
};

const char *fact_kind_name(enum fact_kind kind)
{
    return (size_t) kind < FACT_KINDS ? kind_names[kind] : "unknown";
}

const char *fact_who_name(enum fact_who who)
{
    return (size_t) who < WHO_COUNT ? who_names[who] : "unknown";
}
