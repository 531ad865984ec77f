/* What a result document looks like.  For others: fixtures/schema/results.schema.json; a test compares the two. */
#include "report/shapes.h"

static const char *const verdict_words[] = { "pass",    "fail",          "non-strict",    "not-exercised",
                                             "skipped", "adapter-error", "harness-error", NULL };
static const char *const listed_words[] = { "known-failing", "known-flaky", NULL };
static const char *const tag_words[] = { "documented", "observed", "inferred", NULL };
static const char *const severity_words[] = { "MUST", "SHOULD", NULL };
static const char *const line_words[] = { "request", "fact", NULL };
static const char *const encoding_words[] = { "utf-8", "base64", NULL };

static const struct member client_members[] = {
    { .name = "key", .shape = SHAPE_NAME, .is_needed = true },
    { .name = "name", .shape = SHAPE_TEXT },
    { .name = "language", .shape = SHAPE_TEXT },
    { .name = "version", .shape = SHAPE_TEXT },
    { .name = "issues", .shape = SHAPE_TEXT },
    { .name = "command", .shape = SHAPE_TEXTS },
    { .name = "capabilities", .shape = SHAPE_TEXTS },
    { .name = "level", .shape = SHAPE_NUMBER },
    { .name = "mutant", .shape = SHAPE_FLAG },
    { .name = "reference", .shape = SHAPE_FLAG },
    { .name = "imitates", .shape = SHAPE_TEXT },
    { .name = "bug", .shape = SHAPE_TEXTS },
    { .name = NULL },
};

static const struct member case_members[] = {
    { .name = "id", .shape = SHAPE_NAME, .is_needed = true },
    { .name = "requirement", .shape = SHAPE_TEXT, .is_needed = true },
    { .name = "source", .shape = SHAPE_TEXTS, .is_needed = true },
    { .name = "tag", .shape = SHAPE_TEXT, .is_needed = true, .words = tag_words },
    { .name = "severity", .shape = SHAPE_TEXT, .is_needed = true, .words = severity_words },
    { .name = "bug", .shape = SHAPE_TEXTS },
    { .name = "kills_none", .shape = SHAPE_TEXT },
    { .name = NULL },
};

static const struct member problem_members[] = {
    { .name = "at", .shape = SHAPE_TEXT, .is_needed = true },
    { .name = "expected", .shape = SHAPE_TEXT },
    { .name = "seen", .shape = SHAPE_TEXT },
    { .name = NULL },
};

/* "input", "expect" and "outcome" are what the case says and what the adapter said: any JSON. */
static const struct member step_members[] = {
    { .name = "step", .shape = SHAPE_TEXT, .is_needed = true },
    { .name = "op", .shape = SHAPE_TEXT },
    { .name = "problems", .shape = SHAPE_OBJECTS, .of = problem_members },
    { .name = NULL },
};

static const struct member look_members[] = {
    { .name = "what", .shape = SHAPE_TEXT, .is_needed = true },
    { .name = "ok", .shape = SHAPE_FLAG, .is_needed = true },
    { .name = "expected", .shape = SHAPE_TEXT },
    { .name = "seen", .shape = SHAPE_TEXT },
    { .name = "entries", .shape = SHAPE_NUMBERS },
    { .name = NULL },
};

static const struct member journal_members[] = {
    { .name = "id", .shape = SHAPE_TEXT, .is_needed = true },
    { .name = "verdict", .shape = SHAPE_TEXT, .is_needed = true },
    { .name = "what", .shape = SHAPE_TEXT },
    { .name = NULL },
};

static const struct member fault_members[] = {
    { .name = "scenario", .shape = SHAPE_TEXT },
    { .name = "kind", .shape = SHAPE_TEXT },
    { .name = "planned", .shape = SHAPE_NUMBER },
    { .name = "fired", .shape = SHAPE_NUMBER },
    { .name = NULL },
};

static const struct member bytes_members[] = {
    { .name = "bytes", .shape = SHAPE_NUMBER, .is_needed = true },
    { .name = "data", .shape = SHAPE_TEXT, .is_needed = true },
    { .name = "encoding", .shape = SHAPE_TEXT, .is_needed = true, .words = encoding_words },
    { .name = "cut", .shape = SHAPE_FLAG },
    { .name = NULL },
};

static const struct member header_members[] = {
    { .name = "name", .shape = SHAPE_TEXT, .is_needed = true },
    { .name = "value", .shape = SHAPE_TEXT, .is_needed = true },
    { .name = NULL },
};

static const struct member line_fault_members[] = {
    { .name = "scenario", .shape = SHAPE_TEXT },
    { .name = "kind", .shape = SHAPE_TEXT },
    { .name = "fired", .shape = SHAPE_FLAG },
    { .name = NULL },
};

static const struct member answer_members[] = {
    { .name = "status", .shape = SHAPE_NUMBER },
    { .name = "content_type", .shape = SHAPE_TEXT },
    { .name = "body", .shape = SHAPE_OBJECT, .of = bytes_members },
    { .name = NULL },
};

static const struct member line_members[] = {
    { .name = "type", .shape = SHAPE_TEXT, .is_needed = true, .words = line_words },
    { .name = "number", .shape = SHAPE_NUMBER, .is_needed = true },
    { .name = "time_ms", .shape = SHAPE_NUMBER, .is_needed = true },
    { .name = "end_ms", .shape = SHAPE_NUMBER },
    { .name = "request_id", .shape = SHAPE_TEXT },
    { .name = "method", .shape = SHAPE_TEXT },
    { .name = "path", .shape = SHAPE_TEXT },
    { .name = "raw_path", .shape = SHAPE_TEXT },
    { .name = "query", .shape = SHAPE_TEXT },
    { .name = "headers", .shape = SHAPE_OBJECTS, .of = header_members },
    { .name = "body", .shape = SHAPE_OBJECT, .of = bytes_members },
    { .name = "dialect", .shape = SHAPE_TEXT },
    { .name = "op", .shape = SHAPE_TEXT },
    { .name = "sandbox", .shape = SHAPE_TEXT },
    { .name = "process", .shape = SHAPE_TEXT },
    { .name = "command", .shape = SHAPE_TEXT },
    { .name = "fault", .shape = SHAPE_OBJECT, .of = line_fault_members },
    { .name = "answer", .shape = SHAPE_OBJECT, .of = answer_members },
    { .name = "end", .shape = SHAPE_TEXT },
    { .name = "fact", .shape = SHAPE_TEXT },
    { .name = "output", .shape = SHAPE_OBJECT, .of = bytes_members },
    { .name = "input", .shape = SHAPE_OBJECT, .of = bytes_members },
    { .name = NULL },
};

static const struct member adapter_members[] = {
    { .name = "end", .shape = SHAPE_TEXT },
    { .name = "line", .shape = SHAPE_TEXT },
    { .name = "stderr", .shape = SHAPE_TEXT },
    { .name = NULL },
};

static const struct member result_members[] = {
    { .name = "case", .shape = SHAPE_NAME, .is_needed = true },
    { .name = "client", .shape = SHAPE_NAME, .is_needed = true },
    { .name = "verdict", .shape = SHAPE_TEXT, .is_needed = true, .words = verdict_words },
    { .name = "listed", .shape = SHAPE_TEXT, .words = listed_words },
    { .name = "listed_reason", .shape = SHAPE_TEXT },
    { .name = "stale", .shape = SHAPE_FLAG },
    { .name = "summary", .shape = SHAPE_TEXT },
    { .name = "message_hash", .shape = SHAPE_TEXT },
    { .name = "duration_ms", .shape = SHAPE_NUMBER },
    { .name = "skip_reason", .shape = SHAPE_TEXT },
    { .name = "issue_url", .shape = SHAPE_TEXT },
    { .name = "steps", .shape = SHAPE_OBJECTS, .of = step_members },
    { .name = "wire", .shape = SHAPE_OBJECTS, .of = look_members },
    { .name = "witness", .shape = SHAPE_OBJECTS, .of = look_members },
    { .name = "journal", .shape = SHAPE_OBJECTS, .of = journal_members },
    { .name = "faults", .shape = SHAPE_OBJECTS, .of = fault_members },
    { .name = "ledger", .shape = SHAPE_OBJECTS, .of = line_members },
    { .name = "adapter", .shape = SHAPE_OBJECT, .of = adapter_members },
    { .name = "rerun", .shape = SHAPE_TEXT },
    { .name = "notes", .shape = SHAPE_NOTES },
    { .name = NULL },
};

static const struct member part_members[] = {
    { .name = "name", .shape = SHAPE_TEXT },
    { .name = "suite", .shape = SHAPE_TEXT },
    { .name = "shard", .shape = SHAPE_TEXT },
    { .name = "started_at", .shape = SHAPE_TEXT },
    { .name = "duration_ms", .shape = SHAPE_NUMBER },
    { .name = "load_factor", .shape = SHAPE_NUMBER },
    { .name = "seed", .shape = SHAPE_NUMBER },
    { .name = "clients", .shape = SHAPE_TEXTS },
    { .name = NULL },
};

const struct member shapes_document[] = {
    { .name = "suite", .shape = SHAPE_NAME, .is_needed = true },
    { .name = "vendor", .shape = SHAPE_NAME, .is_needed = true },
    { .name = "started_at", .shape = SHAPE_TEXT, .is_needed = true },
    { .name = "duration_ms", .shape = SHAPE_NUMBER, .is_needed = true },
    { .name = "load_factor", .shape = SHAPE_NUMBER },
    { .name = "seed", .shape = SHAPE_NUMBER },
    { .name = "shard", .shape = SHAPE_NAME, .is_needed = true },
    { .name = "notes", .shape = SHAPE_NOTES },
    { .name = "parts", .shape = SHAPE_OBJECTS, .of = part_members },
    { .name = "clients", .shape = SHAPE_OBJECTS, .is_needed = true, .of = client_members },
    { .name = "cases", .shape = SHAPE_OBJECTS, .is_needed = true, .of = case_members },
    { .name = "results", .shape = SHAPE_OBJECTS, .is_needed = true, .of = result_members },
    { .name = NULL },
};
