#include "scenario/fault.h"

#include <stddef.h>
#include <string.h>

#define FACT   TRIGGER_BIT(TRIGGER_FACT)
#define PROB   TRIGGER_BIT(TRIGGER_PROBABILITY)
#define EVENTS TRIGGER_BIT(TRIGGER_EVENTS)
#define BYTES  TRIGGER_BIT(TRIGGER_BYTES)

#define EVERYWHERE (BYTES | EVENTS | FACT | PROB) /* at any place of an answer */
#define AT_ONCE    (FACT | PROB)                  /* instead of, or before, an answer */

#define ALL_DIALECTS (DIALECT_BIT(DIALECT_COUNT) - 1)
#define HTTP_ONLY    (DIALECT_BIT(DIALECT_HYPERBROWSER) | DIALECT_BIT(DIALECT_CLOUDFLARE))
#define GRPC_ONLY    (DIALECT_BIT(DIALECT_COREWEAVE) | DIALECT_BIT(DIALECT_MODAL))

#define COREWEAVE    DIALECT_BIT(DIALECT_COREWEAVE)

#define DAY_MS ((int64_t) 24 * 60 * 60 * 1000)
#define GIB    ((int64_t) 1 << 30)

#define INT(name, field, required, min, max, absent) \
    { \
        name, PARAM_INT, required, offsetof(struct fault, field), min, max, absent, NULL \
    }
#define BOOL(name, field) \
    { \
        name, PARAM_BOOL, false, offsetof(struct fault, field), 0, 1, 0, NULL \
    }
#define WORD(name, field, required, words, absent) \
    { \
        name, PARAM_WORD, required, offsetof(struct fault, field), 0, 0, absent, words \
    }

static const struct word lost_ways[] = { { "close", LOST_CLOSE }, { "reset", LOST_RESET }, { "stall", LOST_STALL } };
static const struct words lost_words = { "way to lose a reply", lost_ways, 3 };

#define TEXT(name, field, required) \
    { \
        name, PARAM_TEXT, required, offsetof(struct fault, field), 0, 0, 0, NULL \
    }

static const struct word odd_list[] = {
    { "empty", ODD_EMPTY }, { "unknown_stream", ODD_UNKNOWN_STREAM }, { "output", ODD_OUTPUT }
};
static const struct words odd_words = { "odd event", odd_list, 3 };

static const struct word state_list[SHOWN_STATES] = {
    { "unspecified", SHOWN_UNSPECIFIED }, { "pending", SHOWN_PENDING },         { "preparing", SHOWN_PREPARING },
    { "creating", SHOWN_CREATING },       { "running", SHOWN_RUNNING },         { "paused", SHOWN_PAUSED },
    { "terminating", SHOWN_TERMINATING }, { "completed", SHOWN_COMPLETED },     { "failed", SHOWN_FAILED },
    { "terminated", SHOWN_TERMINATED },
};
static const struct words state_words = { "state of a sandbox", state_list, SHOWN_STATES };

static const struct fault_info infos[FAULT_KINDS] = {
    [FAULT_REPLY] = { "reply", AT_ONCE, true, false, ALL_DIALECTS, NULL, { { 0 } } },
    [FAULT_DELAY] = { "delay",
                      AT_ONCE,
                      true,
                      false,
                      ALL_DIALECTS,
                      NULL,
                      { INT("ms", ms, true, 1, DAY_MS, 0), INT("jitter_ms", jitter_ms, false, 0, DAY_MS, 0) } },
    [FAULT_FIRST_BYTE_DELAY] = { "first_byte_delay",
                                 AT_ONCE,
                                 true,
                                 false,
                                 ALL_DIALECTS,
                                 NULL,
                                 { INT("ms", ms, true, 1, DAY_MS, 0),
                                   INT("jitter_ms", jitter_ms, false, 0, DAY_MS, 0) } },
    [FAULT_STALL] = { "stall", EVERYWHERE, false, false, ALL_DIALECTS, NULL, { INT("ms", ms, false, 1, DAY_MS, 0) } },
    [FAULT_SLOW] = { "slow",
                     EVERYWHERE,
                     false,
                     false,
                     ALL_DIALECTS,
                     NULL,
                     { INT("bytes_per_s", bytes_per_s, true, 1, GIB, 0) } },
    [FAULT_DRIBBLE] = { "dribble",
                        EVERYWHERE,
                        false,
                        false,
                        ALL_DIALECTS,
                        NULL,
                        { INT("every_ms", every_ms, true, 1, DAY_MS, 0), INT("bytes", bytes, false, 1, GIB, 1) } },
    [FAULT_SPLIT] = { "split",
                      EVERYWHERE,
                      false,
                      false,
                      ALL_DIALECTS,
                      NULL,
                      { INT("bytes", bytes, false, 1, GIB, 1) } },
    [FAULT_CUT] = { "cut", EVERYWHERE, false, false, ALL_DIALECTS, NULL, { BOOL("terminator", terminator) } },
    [FAULT_EMPTY_RESPONSE] = { "EMPTY_RESPONSE", AT_ONCE, true, false, ALL_DIALECTS, NULL, { { 0 } } },
    [FAULT_CONNECTION_RESET_BY_PEER] = { "CONNECTION_RESET_BY_PEER",
                                         EVERYWHERE,
                                         false,
                                         false,
                                         ALL_DIALECTS,
                                         NULL,
                                         { { 0 } } },
    [FAULT_MALFORMED_RESPONSE_CHUNK] = { "MALFORMED_RESPONSE_CHUNK",
                                         EVERYWHERE,
                                         false,
                                         false,
                                         HTTP_ONLY,
                                         "HTTP/1.1",
                                         { { 0 } } },
    [FAULT_RANDOM_DATA_THEN_CLOSE] = { "RANDOM_DATA_THEN_CLOSE",
                                       EVERYWHERE,
                                       false,
                                       false,
                                       ALL_DIALECTS,
                                       NULL,
                                       { INT("bytes", bytes, false, 1, 1 << 20, 256) } },
    [FAULT_GOAWAY] = { "GOAWAY",
                       EVERYWHERE,
                       false,
                       false,
                       GRPC_ONLY,
                       "gRPC",
                       { WORD("code", code, false, &vocab_http2, 0) } },
    [FAULT_RST_STREAM] = { "RST_STREAM",
                           EVERYWHERE,
                           false,
                           false,
                           GRPC_ONLY,
                           "gRPC",
                           { WORD("code", code, true, &vocab_http2, 0) } },
    [FAULT_LOST_REPLY] = { "lost_reply",
                           AT_ONCE,
                           true,
                           false,
                           ALL_DIALECTS,
                           NULL,
                           { WORD("how", how, false, &lost_words, LOST_CLOSE) } },
    [FAULT_DUPLICATE_EVENT] = { "duplicate_event",
                                EVENTS | FACT | PROB,
                                false,
                                true,
                                ALL_DIALECTS,
                                NULL,
                                { INT("copies", copies, false, 1, 1000, 1) } },
    [FAULT_REORDER] = { "reorder",
                        EVENTS | FACT | PROB,
                        false,
                        true,
                        ALL_DIALECTS,
                        NULL,
                        { INT("span", span, false, 2, 1000, 2) } },
    [FAULT_DROP_TERMINAL_EVENT] = { "drop_terminal_event", PROB, false, true, ALL_DIALECTS, NULL, { { 0 } } },
    [FAULT_FABRICATE_TERMINAL_EVENT] = { "fabricate_terminal_event",
                                         EVENTS | FACT | PROB,
                                         false,
                                         true,
                                         ALL_DIALECTS,
                                         NULL,
                                         { INT("exit", exit, false, INT32_MIN, INT32_MAX, 0) } },
    [FAULT_EXPIRE_TOKEN] = { "expire_token", EVERYWHERE, false, false, ALL_DIALECTS, NULL, { { 0 } } },
    [FAULT_DROP_EVENT] = { "drop_event",
                           EVENTS | FACT | PROB,
                           false,
                           true,
                           ALL_DIALECTS,
                           NULL,
                           { INT("count", count, false, 1, 1000, 1) } },
    [FAULT_INSERT_EVENT] = { "insert_event",
                             EVENTS | FACT | PROB,
                             false,
                             true,
                             COREWEAVE,
                             "coreweave",
                             { WORD("what", what, true, &odd_words, 0), INT("bytes", bytes, false, 0, 1 << 27, 1) } },
    [FAULT_ERROR_EVENT] = { "error_event",
                            EVENTS | FACT | PROB,
                            false,
                            true,
                            COREWEAVE,
                            "coreweave",
                            { TEXT("code", error_code, false), TEXT("message", error_message, false) } },
    [FAULT_LARGE_TRAILERS] = { "large_trailers",
                               PROB,
                               false,
                               false,
                               GRPC_ONLY,
                               "gRPC",
                               { INT("bytes", bytes, true, 1, 60000, 0) } },
    [FAULT_SHOW_STATE] = { "show_state",
                           PROB,
                           true,
                           false,
                           COREWEAVE,
                           "coreweave",
                           { WORD("state", state, true, &state_words, 0),
                             BOOL("without_exit_code", without_exit_code) } },
    [FAULT_ERROR_ANSWER] = { "error_answer",
                             PROB,
                             true,
                             false,
                             COREWEAVE,
                             "coreweave",
                             { TEXT("message", error_message, false) } },
};

static const char *const trigger_names[TRIGGERS] = {
    [TRIGGER_BYTES] = "after_bytes",
    [TRIGGER_EVENTS] = "after_events",
    [TRIGGER_FACT] = "after_fact",
    [TRIGGER_PROBABILITY] = "probability",
};

const char *fault_trigger_name(enum fault_trigger trigger)
{
    return trigger_names[trigger];
}

const struct fault_info *fault_info_of(enum fault_kind kind)
{
    return &infos[kind];
}

bool fault_find_kind(const char *name, enum fault_kind *out_kind)
{
    for (size_t kind = FAULT_REPLY + 1; kind < FAULT_KINDS; kind++) {
        if (strcmp(infos[kind].name, name) == 0) {
            *out_kind = (enum fault_kind) kind;
            return true;
        }
    }
    return false;
}

const char *fault_nearest_kind(const char *name)
{
    return vocab_nearest(name, &infos[FAULT_REPLY + 1], FAULT_KINDS - 1 - FAULT_REPLY, sizeof infos[0]);
}
