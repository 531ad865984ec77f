/* The words of the protocol as tables: what fixtures/schema/adapter.schema.json says, too. */
#include "link/protocol.h"

#include <string.h>

#define SEQ_MAX 9007199254740991

#define MEMBERS(list) (list), sizeof(list) / sizeof((list)[0])

static const char *const error_kinds[] = {
    "invalid", "unauthenticated", "forbidden", "not_found",    "timeout",      "conflict",  "gone",
    "too_large", "rate_limited",  "unavailable", "server",     "connection",   "malformed", "incomplete",
    "output_limit", "check_failed", "cancelled", "unsupported", "other",       NULL,
};

static const char *const grpc_statuses[] = {
    "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED", NULL,
};

static const char *const event_types[] = { "stdout", "stderr", "system", "exit", NULL };

/* ---- values ---------------------------------------------------------------------------- */

#define STRING(member)  { .name = (member), .kinds = KIND_STRING }
#define OUTPUT(member)  { .name = (member), .kinds = KIND_OUTPUT }
#define INTEGER(member) { .name = (member), .kinds = KIND_INTEGER }
#define BOOLEAN(member) { .name = (member), .kinds = KIND_BOOLEAN }
#define TIME(member)    { .name = (member), .kinds = KIND_STRING | KIND_NUMBER }
#define TEXTS(member)   { .name = (member), .kinds = KIND_ARRAY, .each = KIND_STRING }
#define COMMAND         { .name = "command", .kinds = KIND_STRING | KIND_ARRAY, .each = KIND_STRING }
#define DATA            { .name = "data", .kinds = KIND_OUTPUT | KIND_ARRAY, .each = KIND_OUTPUT, .required = true }

static const struct member sandbox_members[] = { STRING("id"), STRING("status"), INTEGER("exit_code") };
static const struct word sandbox = { "Sandbox", MEMBERS(sandbox_members) };

#define PROCESS_MEMBERS \
    STRING("id"), STRING("status"), INTEGER("exit_code"), INTEGER("pid"), COMMAND, STRING("cwd"), \
        OUTPUT("stdout"), OUTPUT("stderr")
#define RESULT_ONLY \
    TIME("started_at"), TIME("completed_at"), { .name = "error", .kinds = KIND_STRING | KIND_OBJECT }, \
        BOOLEAN("output_truncated"), OUTPUT("stdout_bytes"), OUTPUT("stderr_bytes")

static const struct member process_members[] = { PROCESS_MEMBERS, BOOLEAN("stdin") };
static const struct word process = { "Process", MEMBERS(process_members) };

static const struct member result_members[] = { STRING("id"),     STRING("status"), INTEGER("exit_code"),
                                                OUTPUT("stdout"), OUTPUT("stderr"), COMMAND,
                                                RESULT_ONLY };
static const struct word result = { "Result", MEMBERS(result_members) };

static const struct member ended_members[] = { PROCESS_MEMBERS, RESULT_ONLY };
static const struct word result_or_process = { "ResultOrProcess", MEMBERS(ended_members) };

static const struct member event_members[] = {
    { .name = "type", .kinds = KIND_STRING, .required = true, .names = event_types },
    OUTPUT("data"),
    INTEGER("seq"),
    TIME("timestamp"),
    { .name = "result", .kinds = KIND_OBJECT, .word = &result },
};
static const struct word event = { "Event", MEMBERS(event_members) };

static const struct member events_members[] = {
    { .name = "events", .kinds = KIND_ARRAY, .required = true, .word = &event },
    BOOLEAN("ended"),
};
static const struct word events = { "Events", MEMBERS(events_members) };

static const struct member chunk_members[] = { DATA, BOOLEAN("ended") };
static const struct word chunk = { "Data", MEMBERS(chunk_members) };

static const struct member logs_members[] = { OUTPUT("stdout"), OUTPUT("stderr") };
static const struct word logs = { "Logs", MEMBERS(logs_members) };

static const struct member line_members[] = { OUTPUT("line") };
static const struct word line = { "Line", MEMBERS(line_members) };

static const struct member exit_members[] = { INTEGER("exit_code") };
static const struct word exit_code = { "ExitCode", MEMBERS(exit_members) };

static const struct member sandboxes_members[] = {
    { .name = "items", .kinds = KIND_ARRAY, .required = true, .word = &sandbox },
};
static const struct word sandboxes = { "Sandboxes", MEMBERS(sandboxes_members) };

#define CURSOR { .name = "cursor", .kinds = KIND_STRING | KIND_NUMBER }

static const struct member processes_members[] = {
    { .name = "items", .kinds = KIND_ARRAY, .required = true, .word = &process },
    CURSOR,
};
static const struct word processes = { "Processes", MEMBERS(processes_members) };

static const struct member cancelled_members[] = { BOOLEAN("cancelled") };
static const struct word cancelled = { "Cancelled", MEMBERS(cancelled_members) };

static const struct member waited_members[] = { TEXTS("done"), TEXTS("pending") };
static const struct word waited = { "Waited", MEMBERS(waited_members) };

static const struct word nothing = { "Nothing", NULL, 0 };

/* A value whose operation is not known: every member of every word. */
static const struct member value_members[] = {
    PROCESS_MEMBERS,
    RESULT_ONLY,
    { .name = "events", .kinds = KIND_ARRAY, .word = &event },
    BOOLEAN("ended"),
    { .name = "data", .kinds = KIND_OUTPUT | KIND_ARRAY, .each = KIND_OUTPUT },
    OUTPUT("line"),
    { .name = "items", .kinds = KIND_ARRAY, .word = &process },
    CURSOR,
    BOOLEAN("cancelled"),
    BOOLEAN("stdin"),
    TEXTS("done"),
    TEXTS("pending"),
};
static const struct word value = { "Value", MEMBERS(value_members) };

/* ---- lines ----------------------------------------------------------------------------- */

static const struct member error_members[] = {
    { .name = "kind", .kinds = KIND_STRING, .required = true, .names = error_kinds },
    STRING("class"),
    STRING("message"),
    { .name = "status", .kinds = KIND_STRING | KIND_INTEGER, .names = grpc_statuses, .min = 100, .max = 599 },
    { .name = "code", .kinds = KIND_STRING | KIND_NUMBER },
    STRING("service"),
    BOOLEAN("retryable"),
    STRING("request_id"),
    BOOLEAN("definite"),
    { .name = "details", .kinds = KIND_ANY },
};
static const struct word error = { "Error", MEMBERS(error_members) };

static const struct member outcome_members[] = {
    { .name = "step", .kinds = KIND_STRING, .required = true },
    { .name = "value", .kinds = KIND_OBJECT, .word = &value },
    { .name = "error", .kinds = KIND_OBJECT, .word = &error },
    STRING("skipped"),
};
static const struct word outcome = { "Outcome", MEMBERS(outcome_members) };

#define SEQ { .name = "seq", .kinds = KIND_INTEGER, .required = true, .min = 0, .max = SEQ_MAX }

static const struct member hello_members[] = {
    { .name = "version", .kinds = KIND_INTEGER, .required = true, .min = 1, .max = 1 },
    { .name = "name", .kinds = KIND_STRING, .required = true },
    STRING("language"),
    STRING("client_version"),
    STRING("issues"),
    { .name = "vendors", .kinds = KIND_ARRAY, .required = true, .each = KIND_STRING },
    { .name = "capabilities", .kinds = KIND_ARRAY, .required = true, .each = KIND_STRING },
    { .name = "max_in_flight", .kinds = KIND_INTEGER, .min = 1, .max = SEQ_MAX },
};
static const struct word hello_line = { "hello", MEMBERS(hello_members) };

static const struct member at_members[] = { SEQ, { .name = "step", .kinds = KIND_STRING, .required = true } };
static const struct word at_line = { "at", MEMBERS(at_members) };

static const struct member answer_members[] = {
    SEQ,
    { .name = "outcomes", .kinds = KIND_ARRAY, .required = true, .word = &outcome },
};
static const struct word result_line = { "result", MEMBERS(answer_members) };

static const struct member skipped_members[] = {
    SEQ,
    { .name = "message", .kinds = KIND_STRING, .required = true },
    STRING("issue_url"),
};
static const struct word skipped_line = { "skipped", MEMBERS(skipped_members) };

static const struct member errored_members[] = {
    SEQ,
    { .name = "message", .kinds = KIND_STRING, .required = true },
    STRING("traceback"),
};
static const struct word errored_line = { "errored", MEMBERS(errored_members) };

const struct word *const protocol_lines[PROTOCOL_TYPES] = {
    [PROTOCOL_HELLO] = &hello_line,     [PROTOCOL_AT] = &at_line,           [PROTOCOL_RESULT] = &result_line,
    [PROTOCOL_SKIPPED] = &skipped_line, [PROTOCOL_ERRORED] = &errored_line,
};

const struct word *const protocol_words[] = {
    &hello_line, &at_line, &result_line, &skipped_line, &errored_line, &outcome,   &error,     &value,
    &sandbox,    &process, &result,      &event,        &events,       &chunk,     &logs,      &line,
    &exit_code,  &nothing, &sandboxes,   &processes,    &result_or_process,         &cancelled, &waited,
};
const size_t protocol_word_count = sizeof protocol_words / sizeof protocol_words[0];

/* ---- operations and capabilities ------------------------------------------------------- */

const struct protocol_op protocol_ops[] = {
    { "sandbox.create", &sandbox, false },
    { "sandbox.connect", &sandbox, false },
    { "sandbox.refresh", &sandbox, false },
    { "sandbox.status", &sandbox, false },
    { "sandbox.list", &sandboxes, false },
    { "sandbox.stop", &nothing, false },
    { "sandbox.delete", &nothing, false },
    { "sandbox.wait", &sandbox, false },
    { "sandbox.wait_complete", &sandbox, false },
    { "sandbox.leave", &nothing, false },
    { "sandbox.logs", &chunk, true },
    { "exec", &result, false },
    { "start", &process, false },
    { "get", &process, false },
    { "list", &processes, false },
    { "status", &process, false },
    { "poll", &process, false },
    { "wait", &result, false },
    { "result", &result, false },
    { "kill", &result_or_process, false },
    { "cancel", &cancelled, false },
    { "signal", &process, false },
    { "write", &nothing, false },
    { "write_line", &nothing, false },
    { "close_stdin", &nothing, false },
    { "stream", &events, true },
    { "read", &chunk, true },
    { "logs", &logs, false },
    { "wait_log", &line, false },
    { "wait_port", &nothing, false },
    { "wait_exit", &exit_code, false },
    { "disconnect", &nothing, false },
    { "resize", &nothing, false },
    { "wait_many", &waited, false },
    { "file.write", &nothing, false },
    { "file.read", &chunk, false },
    { "join", NULL, true },
};
const size_t protocol_op_count = sizeof protocol_ops / sizeof protocol_ops[0];

const struct protocol_op *protocol_op_find(const char *name)
{
    for (size_t i = 0; i < protocol_op_count; i++) {
        if (strcmp(protocol_ops[i].name, name) == 0)
            return &protocol_ops[i];
    }
    return NULL;
}

#define RUN_ARGUMENTS(op) \
    op ".cwd", op ".env", op ".timeout_ms", op ".timeout_s", op ".user", op ".args", op ".max_output_bytes", op ".check"

const char *const protocol_fine_capabilities[] = {
    RUN_ARGUMENTS("exec"), RUN_ARGUMENTS("start"), "start.stdin", "start.tty",
    "sandbox.create.command", "sandbox.create.args", "sandbox.create.tags", "sandbox.create.max_lifetime_s",
    "sandbox.list.tags", "sandbox.list.include_stopped", "sandbox.stop.grace_s", "sandbox.stop.missing_ok",
    "wait.timeout_ms", "wait.timeout_s", "result.timeout_s", "kill.timeout_ms", "write.bytes", "write.eof", "stream.from_seq",
    "list.status", "list.limit", "list.cursor",
    "client.timeout_ms", "client.runtime_proxy", "background",
    "protocol-a", "protocol-b", "v1beta2", "v1", "sync", "async",
    NULL,
};
