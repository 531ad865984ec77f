/*
 * The ledger of a lane: what really happened (facts) and what was said on the wire (requests and
 * their answers), in one order, bounded, with a count of what had to be dropped.
 *
 * Entries carry a number (1, 2, 3 ... in the lane, no gaps while nothing is dropped) and the epoch
 * time in ms.  Secrets are redacted when they come in: values of headers that carry credentials, and of
 * JSON members that do (token, apiKey, secret ...), are stored as "[redacted]"; of queries likewise.
 * Bodies and output are kept up to a limit each, with their true length beside them; so are other texts.
 *
 * The oldest entries go first when a bound is reached; a request that is still open stays findable, and
 * counts as one of the time of its end once it has ended.
 * With a file, every entry is also written there as one JSON line when it is complete (requests: at
 * their end); the file is shared by all lanes.
 *
 * Thread: any; one lock inside, a leaf.
 */
#ifndef STANDBOX_LANES_LEDGER_H
#define STANDBOX_LANES_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/jsonw.h"
#include "engine/fact.h"

struct ledger;
struct ledger_file;

struct ledger_config {
    size_t max_entries;           /* 0: 20,000 */
    size_t max_bytes;             /* 0: 16 MiB */
    size_t max_body_bytes;        /* kept of one body or output; 0: 8 KiB */
    struct ledger_file *file;     /* NULL: none; borrowed till free */
};

/* Append to `path` ("-": standard error).  Writing never blocks the caller for a full disk or pipe: lines that cannot
   be written are counted, and said at the end. */
int ledger_file_open(struct ledger_file **out_file, const char *path, struct err *err);   /* SIGPIPE must be ignored */
uint64_t ledger_file_close(struct ledger_file *file);   /* how many lines were lost; NULL is fine */

int ledger_new(struct ledger **out_ledger, const char *lane, struct clock *clock, const struct ledger_config *config,
               struct err *err);
void ledger_free(struct ledger *ledger);                /* NULL is fine */
/* Open requests stay open and come in again at their end, as new entries with new numbers. */
void ledger_clear(struct ledger *ledger);

/* ---- writing -------------------------------------------------------------------------- */

/* Texts are copied.  `bytes` as in struct owner. */
void ledger_add_fact(struct ledger *ledger, const char *sandbox, const char *process, const char *command,
                     const struct fact *fact, const void *bytes);

struct wire_header { const char *name, *value; };

/* A request has come in.  Its number, for the calls below; texts are copied, headers redacted.  0, which those calls
   take and ignore: no memory. */
uint64_t ledger_begin_request(struct ledger *ledger, const char *request_id, const char *method, const char *path,
                              const char *query, const struct wire_header *headers, size_t header_count);
/* The path as it stood on the wire (percent-encoded, slashes as they came, with the lane's prefix, without the query);
   until it is said, the same as `path`. */
void ledger_set_request_raw_path(struct ledger *ledger, uint64_t number, const char *raw_path);
void ledger_set_request_body(struct ledger *ledger, uint64_t number, const void *body, size_t len);
/* What it means, once the dialect knows; NULL: unknown or none. */
void ledger_set_request_op(struct ledger *ledger, uint64_t number, const char *dialect, const char *op,
                           const char *sandbox, const char *process, const char *command);
/* A fault of a scenario was armed for it / has struck. */
void ledger_set_request_fault(struct ledger *ledger, uint64_t number, const char *scenario, size_t rule,
                              const char *kind, bool fired);
void ledger_set_answer(struct ledger *ledger, uint64_t number, int status, const char *content_type);
/* A piece of the answer's body, framing aside. */
void ledger_add_answer_bytes(struct ledger *ledger, uint64_t number, const void *bytes, size_t len);

/* ---- of a gRPC call ------------------------------------------------------------------- */

/* The request is a gRPC call: of its answer's bytes only the number is kept from now on, since what they mean is told by
   the functions below.  `timeout_ms`: what the client gives it, -1 when it says nothing. */
void ledger_begin_call(struct ledger *ledger, uint64_t number, int64_t timeout_ms);
/* A message that has come, or is about to go: `json`, one JSON value (NULL: it is not to be shown, or could not be read), for
   a message of `size` bytes of which something is missing there if `cut`.  Secrets are redacted by name.  Of many messages
   the first stay, as far as there is room for them, and the newest; the others are counted.  False: there is no more room,
   so that only a newest one is worth its words. */
bool ledger_add_message(struct ledger *ledger, uint64_t number, bool from_client, const char *json, size_t len,
                        uint64_t size, bool cut);
/* The client has no more messages. */
void ledger_add_half_close(struct ledger *ledger, uint64_t number);
/* How it ended: a status by name (NULL: none was said), its text, the reason in its details ("": none). */
void ledger_set_call_end(struct ledger *ledger, uint64_t number, const char *status, const char *message,
                         const char *reason);
/* The client reset the stream with this HTTP/2 code before it had an end. */
void ledger_set_call_reset(struct ledger *ledger, uint64_t number, uint32_t code);
/* How many bytes of a body are kept: a good measure for what to show of messages, too. */
size_t ledger_body_limit(const struct ledger *ledger);

/* ---- its end -------------------------------------------------------------------------- */

/* How the answer ended, as the server knows it. */
enum answer_end { ANSWER_COMPLETE, ANSWER_CUT, ANSWER_RESET, ANSWER_CLIENT_GONE, ANSWER_NONE, ANSWER_ENDS };
void ledger_end_request(struct ledger *ledger, uint64_t number, enum answer_end end);
const char *answer_end_name(enum answer_end end);       /* "complete", "cut" ... */

/* ---- reading -------------------------------------------------------------------------- */

struct ledger_stats { uint64_t next_number, entries, bytes, dropped, open_requests; };
void ledger_get_stats(struct ledger *ledger, struct ledger_stats *out);

/* What a gRPC call has beside. */
struct ledger_call {
    const char *status, *message, *reason;              /* "" when not said */
    int64_t timeout_ms, reset_code;                     /* -1: none */
    const char *messages;                               /* JSON objects with commas between them; NULL: none */
    size_t messages_len;
    uint64_t left_out;
};

/* A request as it stands.  Everything is borrowed during the callback that gets it. */
struct ledger_request {
    uint64_t number;
    int64_t begin_ms, end_ms;                           /* epoch, by the lane's clock; end 0: still open */
    int64_t begin_ns, end_ns;                           /* the machine's (mono_ns), whatever that clock does */
    const char *request_id, *method, *path, *raw_path, *query;
    const struct wire_header *headers;
    size_t header_count;
    const char *body;
    size_t body_len, body_kept;                         /* on the wire; here, redacted */
    bool body_cut;                                      /* its end is not here */
    const char *dialect, *op, *sandbox, *process, *command;   /* "" when unknown */
    const char *fault, *fault_scenario;                 /* kind, "" when none was armed */
    size_t fault_rule;
    bool fault_fired;
    int status;                                         /* 0: none yet */
    const char *content_type, *answer;
    uint64_t answer_len;
    size_t answer_kept;
    bool answer_cut;
    enum answer_end end;                                /* when end_ms > 0 */
    const struct ledger_call *call;                     /* NULL: no gRPC call */
};

struct ledger_fact {
    uint64_t number;
    const char *sandbox, *process, *command;
    struct fact fact;
    int64_t at_ns;                                      /* the machine's (mono_ns) */
    const char *bytes;
    size_t kept;
};

struct ledger_entry {
    bool is_request;
    struct ledger_request request;
    struct ledger_fact fact;
};

/* Visit entries with number >= from, oldest first, until `visit` says false.  The ledger's lock is held: quick, and
   no call back into it. */
typedef bool ledger_visit_fn(void *arg, const struct ledger_entry *entry);
void ledger_visit(struct ledger *ledger, uint64_t from, ledger_visit_fn *visit, void *arg);

/* Wait until something was added or changed since `change` (0 at first; updated), or the machine's time `until_ns`
   (mono_ns), or `interrupt` says so (asked about five times a second).  Was there a change? */
bool ledger_await_change(struct ledger *ledger, uint64_t *change, int64_t until_ns, bool (*interrupt)(void *arg),
                         void *arg);

/*
 * One entry as a JSON object named `name` (NULL: bare): the line of the file, and of the admin API.
 *
 *   {"type":"request","lane":"default","number":7,"time_ms":1700000000000,"end_ms":1700000000012,
 *    "request_id":"...","method":"POST","path":"/x","raw_path":"//x","query":"a=1","headers":[{"name":"host","value":"..."}],
 *    "body":BYTES,"dialect":"hyperbrowser","op":"process.exec","sandbox":"...","process":"...","command":"ls",
 *    "fault":{"scenario":"...","rule":0,"kind":"cut","fired":true},
 *    "answer":{"status":200,"content_type":"application/json","body":BYTES},"end":"complete"}
 *
 * "end_ms" and "end" are null while it is open, "dialect" to "command" when unknown, "fault" when none was armed,
 * "answer" while there is none.
 *
 * A gRPC call has, behind "end", one member more:
 *
 *   "grpc":{"status":"NOT_FOUND","message":"...","reason":"...","http_status":503,"timeout_ms":15000,"reset_by_client":8,
 *     "messages":[{"from":"client","message":{...},"size":12},{"from":"client","end":true}],"messages_left_out":0}
 *
 * "status" is null when none was said, "reason" there when the details had one, "http_status" when the answer was none
 * of gRPC; "timeout_ms" and "reset_by_client" may be null.  Its "body" is its first message as JSON, and of its
 * answer's body only the bytes are counted.  A message that is cut says so, one that is not shown is null.  What was left
 * out stood before the last one.
 *
 *   {"type":"fact","lane":"default","number":8,"time_ms":1700000000001,"sandbox":"...","process":"...",
 *    "command":"ls","seq":3,"fact":"out", ...}
 *
 * and more by its kind: started "pid"; out and err "out_seq" and "output":BYTES; stdin "input":BYTES; signalled
 * "signal" (a name), "signal_number", "by"; timed-out "limit_ms"; exited "exit_code"; died "signal", "signal_number",
 * "core_dumped"; start-failed "errno", "error" (text), "stage"; output-eof "held_by_survivor".
 *
 * BYTES is {"bytes":12,"data":"...","encoding":"utf-8","cut":false}: how many there were; what is kept of them, as text
 * when it is valid UTF-8, else "base64"; whether something is missing at the end.
 */
void ledger_write_entry(struct jsonw *w, const char *name, const char *lane, const struct ledger_entry *entry);

#endif
