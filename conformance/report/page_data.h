/*
 * A document as the HTML report's script takes it: strings with one letter for each verdict, and details of as many
 * results as a page of a few MB can hold, those that need a look first.
 *
 * Thread: any.
 */
#ifndef STANDBOX_REPORT_PAGE_DATA_H
#define STANDBOX_REPORT_PAGE_DATA_H

#include "base/buf.h"
#include "base/err.h"

struct cJSON;

/*
 * Append the JSON, with nothing in it that could end a <script>.  ERR_NOMEM.
 *
 *   {"suite","vendor","started_at","duration_ms","load_factor","seed","shard","notes","parts",
 *    "ending":0 (report_exit_code), "totals":"45 pass, ...",
 *    "clients":[...], "cases":[...]         as they are, without mutants
 *    "verdicts":["ppf-", ...]               one text a client, one letter a case (as in page/10-base.js); "-": none
 *    "standings":[".u.l", ...]              "." fine, "l" listed, "s" stale, "u" unexpected
 *    "durations":[[12,3,...], ...]          ms
 *    "details":[{"c":client,"r":case, "cut":"ledger"?, ... what a result holds}], "left_out":0,
 *    "kills":{"mutants":[...],"marks":["KN.", ...],"findings":[{"kind","subject","text"}],"details":[...]}}
 */
int page_data_put(const struct cJSON *results, struct buf *out, struct err *err);

#endif
