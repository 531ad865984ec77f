/*
 * Kinds of faults: their parameters and where they may strike, as one table.
 *
 * The table is data for the reader, for the schema test and for docs.  What a kind does on the wire
 * is the transports' business; the words here say what is meant.  Everything is const.
 * Thread: any.
 */
#ifndef STANDBOX_SCENARIO_FAULT_H
#define STANDBOX_SCENARIO_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scenario/vocab.h"

enum fault_kind {
    FAULT_REPLY,                    /* answer this instead, do nothing */
    FAULT_DELAY,                    /* wait, then begin to act */
    FAULT_FIRST_BYTE_DELAY,         /* act at once, wait with the first byte of the answer */
    FAULT_STALL,                    /* silence in mid-answer, connection open */
    FAULT_SLOW,                     /* bytes per second */
    FAULT_DRIBBLE,                  /* a few bytes every few milliseconds */
    FAULT_SPLIT,                    /* the same bytes in pieces of this size, each on the wire by itself */
    FAULT_CUT,                      /* the answer ends here, with or without its proper end */
    FAULT_EMPTY_RESPONSE,           /* close without a byte */
    FAULT_CONNECTION_RESET_BY_PEER, /* a real RST */
    FAULT_MALFORMED_RESPONSE_CHUNK, /* broken chunk framing, then close */
    FAULT_RANDOM_DATA_THEN_CLOSE,
    FAULT_GOAWAY,
    FAULT_RST_STREAM,
    FAULT_LOST_REPLY,               /* done, but not told */
    FAULT_DUPLICATE_EVENT,          /* the next event comes again */
    FAULT_REORDER,                  /* the next events come in the opposite order */
    FAULT_DROP_TERMINAL_EVENT,      /* the stream ends properly, without saying how the process ended */
    FAULT_FABRICATE_TERMINAL_EVENT, /* says that the process exited, whatever is true */
    FAULT_EXPIRE_TOKEN,             /* from here on the request's token is an expired one */
    FAULT_DROP_EVENT,               /* the next events do not come */
    FAULT_INSERT_EVENT,             /* an event that nobody has asked for comes before the next */
    FAULT_ERROR_EVENT,              /* the stream ends here with an error of the vendor's, within the stream */
    FAULT_LARGE_TRAILERS,           /* so many bytes of metadata more with the end */
    FAULT_SHOW_STATE,               /* the sandbox is shown in this state, whatever is true */
    FAULT_ERROR_ANSWER,             /* nothing is done, and a good answer says so in a word of its own */
    FAULT_KINDS
};

enum lost_how { LOST_CLOSE, LOST_RESET, LOST_STALL };

enum odd_event {
    ODD_EMPTY,           /* a message that says nothing at all */
    ODD_UNKNOWN_STREAM,  /* output of a stream that there is not */
    ODD_OUTPUT           /* output that the process has not written */
};

/* States of a sandbox, in the words that the vendors have for them. */
enum shown_state {
    SHOWN_UNSPECIFIED, SHOWN_PENDING, SHOWN_PREPARING, SHOWN_CREATING, SHOWN_RUNNING, SHOWN_PAUSED, SHOWN_TERMINATING,
    SHOWN_COMPLETED, SHOWN_FAILED, SHOWN_TERMINATED, SHOWN_STATES
};

struct reply_header {
    char *name, *value;
};

struct reply {
    bool pretend_success; /* then nothing else is given */
    bool says_grpc;       /* which of the two the scenario gave; the other is derived */
    int http_status, grpc_status;
    int64_t retry_after_ms; /* -1: none */
    char *message, *code;   /* NULL: the dialect's own for that status */
    char *details;          /* JSON text, or NULL */
    char *body;             /* raw body instead of the dialect's error, or NULL; may hold NUL */
    size_t body_len;
    char *content_type; /* of body */
    size_t *pieces;     /* sizes: the body goes out in these, each read by the client before the next */
    size_t piece_count; /* behind the last of them comes the rest */
    struct reply_header *headers;
    size_t header_count;
};

struct fault {
    enum fault_kind kind;
    int64_t ms;          /* delay, first_byte_delay: how long; stall: how long, 0 = until the client goes */
    int64_t jitter_ms;   /* delay, first_byte_delay: up to so much more, by the seed */
    int64_t bytes_per_s; /* slow */
    int64_t bytes;       /* dribble, split: per piece; RANDOM_DATA_THEN_CLOSE, insert_event, large_trailers: how many */
    int64_t every_ms;    /* dribble */
    int64_t terminator;  /* cut: 1 = with the proper end of the body (final chunk, trailers) */
    int64_t code;        /* GOAWAY, RST_STREAM: HTTP/2 error code */
    int64_t how;         /* lost_reply: enum lost_how */
    int64_t copies;      /* duplicate_event: how many more */
    int64_t span;        /* reorder: how many events are turned round */
    int64_t exit;        /* fabricate_terminal_event: exit code */
    int64_t count;       /* drop_event: how many */
    int64_t what;        /* insert_event: enum odd_event */
    int64_t state;       /* show_state: enum shown_state */
    int64_t without_exit_code; /* show_state: 1 = the state alone */
    char *error_code, *error_message; /* error_event; the message also error_answer */
    struct reply *reply; /* FAULT_REPLY */
};

/* Triggers of "at" that make sense with a kind. */
enum fault_trigger { TRIGGER_BYTES, TRIGGER_EVENTS, TRIGGER_FACT, TRIGGER_PROBABILITY, TRIGGERS };
#define TRIGGER_BIT(t) (1u << (t))

const char *fault_trigger_name(enum fault_trigger trigger); /* "after_bytes" ... */

enum param_type { PARAM_INT, PARAM_BOOL, PARAM_WORD /* of `words` */, PARAM_TEXT };

struct fault_param {
    const char *name;
    enum param_type type;
    bool required;
    size_t offset;    /* of the int64_t in struct fault; PARAM_TEXT: of the char *, "" when absent */
    int64_t min, max; /* PARAM_INT */
    int64_t when_absent;
    const struct words *words; /* PARAM_WORD */
};

#define FAULT_MAX_PARAMS 2

struct fault_info {
    const char *name;  /* as in "fault" or its "kind"; FAULT_REPLY: "reply" */
    unsigned triggers; /* TRIGGER_BIT */
    bool is_immediate; /* decided when the request comes: a fact must have been seen by then */
    bool wants_events; /* only answers that are events */
    unsigned dialects; /* DIALECT_BIT: where it can be done */
    const char *needs; /* "chunked HTTP", for messages; NULL when all dialects do it */
    struct fault_param params[FAULT_MAX_PARAMS]; /* to the first without a name */
};

const struct fault_info *fault_info_of(enum fault_kind kind);
/* The kind of a name, exact case; false for unknown ones and for "reply". */
bool fault_find_kind(const char *name, enum fault_kind *out_kind);
/* The kind's name nearest to a wrong one, or NULL. */
const char *fault_nearest_kind(const char *name);

#endif
