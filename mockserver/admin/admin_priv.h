/*
 * The admin API's own parts, for files of this folder.
 *
 *   admin.c      who may, which route
 *   routes.c     the table of all there is            shapes.c   bodies and answers, as tables
 *   openapi.c, docs.c   the table for programs and for people
 *   call.c       one call: its query and lanes, checked before the handler runs; answers
 *   body.c       its body, the same
 *   journal.c    counting and listing entries of ledgers; wait.c, journal_wait.c: until something happens
 *   state.c lanes.c clock.c barriers.c scenarios.c faults.c requests.c pattern.c facts.c processes.c
 *   process_wait.c ledger.c verdict.c   the routes
 */
#ifndef STANDBOX_ADMIN_ADMIN_PRIV_H
#define STANDBOX_ADMIN_ADMIN_PRIV_H

#include "admin/admin.h"
#include "base/jsonw.h"
#include "lanes/lane.h"
#include "lanes/ledger.h"
#include "base/jsonc.h"
#include "scenario/vocab.h"

#define ADMIN_PREFIX "/__admin"
#define ADMIN_JSON "application/json"

struct cJSON;
struct census_entry;
struct proc;

struct admin {
    struct admin_config config;
    int64_t started_ns;
};

/* ---- shapes of bodies and answers (shapes.c) -------------------------------------------- */

enum field_type {
    FIELD_TEXT,
    FIELD_GLOB,      /* text in which * and ? stand for others */
    FIELD_WORD,      /* one of `words` */
    FIELD_INT,       /* from min to max */
    FIELD_NUMBER,    /* from min to max, above 0 when min is 0 */
    FIELD_BOOL,
    FIELD_TIME,      /* "2026-11-21T06:39:23.123Z" */
    FIELD_GLOBS,     /* object: name to glob */
    FIELD_TEXTS,     /* list */
    FIELD_INTS,
    FIELD_OBJECT,    /* of `of` */
    FIELD_LIST,
    FIELD_ENTRY,     /* an entry of a ledger (lanes/ledger.h) */
    FIELD_ENTRIES,
    FIELD_TYPES
};

#define FIELD_REQUIRED 1u   /* in bodies: must be there */
#define FIELD_SPARE 2u      /* in answers: may be missing */
#define FIELD_NULL 4u       /* in answers: may be null */

struct field {
    const char *name;       /* first: for vocab_nearest */
    enum field_type type;
    unsigned flags;
    int64_t min, max;
    const struct words *words;
    const struct shape *of;
    const char *what;
};

struct shape {
    const char *name;       /* as a schema: "ProcessWait" */
    const char *what;
    const struct field *fields;
    size_t count;
    bool is_body;
};

extern const struct shape
    body_clock_advance, body_clock_run, body_lane, body_barrier_open, body_barrier_wait, body_request_pattern,
    body_request_wait, body_process_wait, body_fact_wait;
extern const struct shape
    shape_error, shape_status, shape_health, shape_version, shape_routes, shape_processes, shape_facts, shape_clocks,
    shape_lanes, shape_lane, shape_barriers, shape_barrier_opened, shape_barrier_waited, shape_scenarios,
    shape_scenario, shape_faults, shape_fault, shape_near_misses, shape_requests, shape_request, shape_count,
    shape_process, shape_waited, shape_processes_waited, shape_facts_waited, shape_ledger_stats, shape_verdict;
extern const struct words admin_sandbox_states, admin_stop_reasons, admin_proc_states, admin_entry_types;

/* ---- routes (routes.c) ------------------------------------------------------------------- */

struct call;
typedef void call_fn(struct call *call);

/* Parameters of queries. */
enum param {
    PARAM_LANE, PARAM_SANDBOX, PARAM_FROM, PARAM_FACT_LIMIT, PARAM_LIMIT, PARAM_SINCE, PARAM_ENTRY_FROM, PARAM_TYPE,
    PARAM_REPLACE, PARAM_FILE, PARAMS
};
#define TAKES(param) (1u << (param))
extern const struct field admin_params[PARAMS];
/* What ":id" and so on in a path mean; NULL: unknown. */
const char *admin_path_param(const char *name);

enum lane_use {
    LANE_READ,      /* a lane that is not there is an error */
    LANE_MADE       /* comes into being */
};

enum body_kind { BODY_NONE, BODY_SHAPE, BODY_SCENARIO };

struct admin_route {
    struct route route;          /* its fn is not used */
    call_fn *fn;
    const char *id, *group;      /* operationId; heading */
    const char *what;            /* one line; NULL: the same as the row before, not listed */
    const char *more;            /* for the docs, or NULL */
    unsigned params;
    enum lane_use lanes;         /* with PARAM_LANE */
    enum body_kind body;
    const struct shape *takes;   /* BODY_SHAPE */
    int status;                  /* when all is well; 0: 200 */
    const struct shape *gives;   /* NULL: `type` */
    const char *type;
    unsigned errors;             /* ERROR_... beside 400, 401 and 503, which all have */
};

#define ERROR_404 1u
#define ERROR_408 2u
#define ERROR_409 4u
#define ERROR_413 8u
#define ERROR_422 16u
#define ERROR_BITS 5
/* Status and meaning of bit `i`. */
int admin_error_status(unsigned i, const char **out_what);

extern const struct admin_route admin_routes[];
extern const size_t admin_route_count;

call_fn admin_get_routes, admin_get_openapi, admin_get_docs;

/* ---- one call (call.c) ------------------------------------------------------------------- */

/* What the handler gets: all that the table says is checked.  Its answer is due when it returns. */
struct call {
    struct admin *admin;
    struct exchange *x;
    const struct admin_route *row;
    struct route_params params;
    const char *text;              /* the body */
    size_t len;
    struct jsonc doc;              /* BODY_SHAPE */
    const struct cJSON *body;      /* an object that fits `takes`; NULL: no body was sent */
    /* With PARAM_LANE: which lanes this is about.  `only` NULL: all, of which `lanes` are those that there are now. */
    struct lane *only;
    struct lane **lanes;
    size_t lane_count;
};

/* Check query, body and lanes, in that order; false: it is refused and answered. */
bool call_open(struct call *call);
void call_close(struct call *call);
/* The lanes that the call is about as they are now, when all are meant. */
void call_look_again(struct call *call);

/* For call_open: read and check the body. */
bool call_read_body(struct call *call);
/* Members of the body; `absent` when they are not given. */
const char *call_text(const struct call *call, const char *name, const char *absent);
int64_t call_int(const struct call *call, const char *name, int64_t absent);
double call_number(const struct call *call, const char *name, double absent);
bool call_bool(const struct call *call, const char *name, bool absent);
int call_word(const struct call *call, const char *name, const struct words *words, int absent);
/* Refuse a member with 400, naming its place; returns false. */
bool call_refuse(struct call *call, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Parameters of the query; false when absent. */
bool call_query(const struct call *call, enum param param, struct buf *out);
uint64_t call_query_int(const struct call *call, enum param param, uint64_t absent);

void call_fail(struct call *call, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* By its code. */
void call_fail_err(struct call *call, const struct err *err);
void call_reply_status(struct call *call, const char *status);
/* Is nobody there any more who waits for the answer?  An interrupt: `arg` is the call. */
bool call_is_over(void *arg);

/* ---- answers that may be long ------------------------------------------------------------- */

/* An object that is sent in pieces when it grows, so that memory stays bounded. */
struct answer {
    struct call *call;
    struct buf buf;
    struct jsonw w;
    int status;
    const char *type;
    bool streams, broken;          /* broken: the client has gone, or is told so by the end of the connection */
};

#define ANSWER_PIECE ((size_t) 64 * 1024)

/* Begins with an object. */
void answer_begin(struct answer *a, struct call *call);
/* Begins with nothing: lines of `type`. */
void answer_begin_lines(struct answer *a, struct call *call, const char *type);
/* Between two members.  False: stop, nobody listens. */
bool answer_flush(struct answer *a);
void answer_end(struct answer *a);
void answer_end_lines(struct answer *a);

void put_time(struct jsonw *w, const char *name, int64_t epoch_ms);   /* 0: null */
void put_number(struct jsonw *w, const char *name, double value);     /* finite */
void put_clock(struct jsonw *w, const char *name, struct lane *lane);

/* ---- ledgers (journal.c, wait.c, pattern.c) ------------------------------------------------ */

/* Does this entry count?  The ledger's lock is held. */
typedef bool entry_fn(const void *arg, const struct ledger_entry *entry);

struct journal_query {
    entry_fn *holds;
    const void *arg;
    uint64_t after;        /* entries with higher numbers only */
    int64_t since_ms;      /* that came at or after this */
};

struct journal_hit { size_t lane; uint64_t number; int64_t at_ms; };

/* The newest `limit` in all lanes of the call, newest first; free *out_hits.  -1: no memory. */
int journal_find(const struct call *call, const struct journal_query *query, size_t limit,
                 struct journal_hit **out_hits, size_t *out_count, uint64_t *out_total);
/* An array of them as member `name`: whole entries, or what they are in short. */
void journal_put(struct answer *a, const char *name, const struct journal_hit *hits, size_t count, bool in_short);
bool journal_is_request(const void *arg, const struct ledger_entry *entry);

/* Counts what holds, again and again, without looking at what is settled already. */
struct tally_lane { struct lane *lane; uint64_t from, settled; };
struct tally { struct tally_lane *lanes; size_t count; };
int tally_count(struct tally *tally, const struct call *call, const struct journal_query *query, uint64_t *out_count);
void tally_fini(struct tally *tally);

#define WAIT_MAX_MS 600000
#define WAIT_DEFAULT_MS 5000

/* Waiting is by the machine's time, whatever the lanes' clocks do. */
struct wait {
    struct call *call;
    int64_t begun_ns, until_ns;
    uint64_t change;
};
void wait_begin(struct wait *wait, struct call *call);
/* Sleep until something may have happened in the call's lanes.  False: time is up, or the client has gone. */
bool wait_next(struct wait *wait);
int64_t wait_taken_ms(const struct wait *wait);
/* What all answers say whose time was up; makes the status 408. */
void wait_put_failure(struct answer *a, const struct wait *wait, const char *what);

/* Answer when the body's "count" entries are there that hold, as member `name`; or that there were not, with the newest
   of this `kind`. */
void journal_wait(struct call *call, const struct journal_query *query, entry_fn *kind, const char *name,
                  const char *what);

struct request_pattern;
/* From the call's body.  False: refused and answered.  Borrows from the call. */
bool pattern_read(struct request_pattern **out_pattern, struct call *call);
void pattern_free(struct request_pattern *pattern);
entry_fn pattern_takes;            /* arg: the pattern */

/* ---- processes ----------------------------------------------------------------------------- */

/* The sandboxes of the call's lanes; free with sandbox_list_free. */
struct sandbox **call_sandboxes(const struct call *call, size_t *out_count);
/* A process as it is shown, with what the kernel says of it. */
void put_proc(struct jsonw *w, const char *name, struct proc *proc, const struct census_entry *census, size_t count);

/* ---- scenarios ----------------------------------------------------------------------------- */

void put_counts(struct jsonw *w, struct match *match, enum match_list list, size_t index);
void put_count_members(struct jsonw *w, const struct match_counts *counts);
void put_rule_id(struct jsonw *w, const struct scenario *scenario, enum match_list list, size_t index);
/* 404: no such scenario. */
void call_fail_scenario(struct call *call, const char *name);

/* ---- routes -------------------------------------------------------------------------------- */

call_fn admin_get_health, admin_get_version, admin_reset, admin_shutdown;
call_fn admin_list_processes, admin_list_facts, admin_wait_processes, admin_wait_facts;
call_fn admin_get_clock, admin_freeze_clock, admin_advance_clock, admin_run_clock, admin_reset_clock;
call_fn admin_list_lanes, admin_make_lane, admin_get_lane, admin_delete_lane, admin_reset_lane;
call_fn admin_list_barriers, admin_open_barrier, admin_wait_barrier;
call_fn admin_list_scenarios, admin_add_scenario, admin_get_scenario, admin_delete_scenario, admin_delete_scenarios,
    admin_reset_scenarios;
call_fn admin_list_faults, admin_get_fault, admin_list_near_misses;
call_fn admin_list_requests, admin_get_request, admin_find_requests, admin_count_requests, admin_wait_requests,
    admin_list_unmatched, admin_clear_ledger;
call_fn admin_export_ledger, admin_get_ledger_stats, admin_get_verdict;

#endif
