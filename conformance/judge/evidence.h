/*
 * Evidence: what the ledger of a case's lane shows (the lines of GET /__admin/ledger).
 *
 * To a line of type "request" are added, for patterns:
 *
 *   json         the request's body, when it is whole (not cut) and JSON
 *   answer_json  the answer's body likewise
 *   header       the request's headers as an object, names in lower case; of several with one name the values, ", "
 *                between them
 *   params       the query as an object of texts, decoded; of several with one name the last
 *
 *   sent, received  of a gRPC call (a line with "grpc"): the messages of the client and of the server, in their order, as
 *                the line has them
 *   half_closed  of a gRPC call: has the client ended its side
 *
 * Thread: an evidence is only read once it is parsed; any may.
 */
#ifndef STANDBOX_JUDGE_EVIDENCE_H
#define STANDBOX_JUDGE_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct cJSON;
struct evidence;

/* `text`: one JSON object a line, borrowed.  Returns an evidence (free with evidence_free), or NULL: ERR_INVALID (names
   the line) or ERR_NOMEM. */
struct evidence *evidence_parse(const char *text, size_t len, struct err *err);
void evidence_free(struct evidence *evidence); /* NULL is fine */

size_t evidence_count(const struct evidence *evidence);
/* With the members added; borrowed. */
const struct cJSON *evidence_entry(const struct evidence *evidence, size_t index);
/* Has any request come? */
bool evidence_has_request(const struct evidence *evidence);

/* ---- checks (`wire` and `witness` of a case) ----------------------------------------------- */

#define CHECK_ENTRIES_MAX 20 /* numbers of entries named by one result */

struct check_result {
    bool ok;
    struct buf expected, seen; /* one line each */
    int64_t entries[CHECK_ENTRIES_MAX];
    size_t entry_count;
};

#define CHECK_RESULT_INIT \
    { \
        false, BUF_INIT, BUF_INIT, { 0 }, 0 \
    }

/* `check`: {"what", "entry", "count"} or {"what", "order"}, checked when its case was loaded.  `outcomes`: for `$same`,
   may be NULL.  Fills *out (begin with CHECK_RESULT_INIT; free with check_result_fini). */
void evidence_check(const struct evidence *evidence, const struct cJSON *check, const struct cJSON *outcomes,
                    struct check_result *out);
void check_result_fini(struct check_result *result);

/* The lines as an array for a report (returned, cJSON_Delete frees it): without the members that were added, no text
   longer than about `max_text` bytes; bodies, output and input that are shortened say so in "cut".  NULL: no memory. */
struct cJSON *evidence_report(const struct evidence *evidence, size_t max_text);

#endif
