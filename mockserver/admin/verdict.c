/* GET verdict: what the journals say about the client. */
#include "lanes/verdict.h"

#include <stdlib.h>

#include "admin/admin_priv.h"

#define LEVEL 0       /* nobody told what the client was meant to do */

static int judge(struct lane *lane, struct verdict_report *report, struct err *err)
{
    size_t count = 0;
    struct match **matches = lane_matches(lane, &count);
    int rc = verdict_judge(lane_ledger(lane), matches, count, report, err);
    lane_matches_free(matches, count);
    return rc;
}

static void put_check(struct jsonw *w, enum verdict_id id, const struct verdict_check *check)
{
    jsonw_object(w, NULL);
    jsonw_str(w, "id", verdict_check_name(id));
    jsonw_str(w, "verdict", verdict_name(check->word));
    jsonw_str(w, "what", buf_cstr(&check->what));
    jsonw_array(w, "evidence");
    for (size_t i = 0; i < check->evidence_count; i++)
        jsonw_int(w, NULL, (int64_t) check->evidence[i]);
    jsonw_end_array(w);
    jsonw_end_object(w);
}

static void put_lane(struct jsonw *w, const char *lane, const struct verdict_report *report)
{
    jsonw_object(w, NULL);
    jsonw_str(w, "lane", lane);
    jsonw_str(w, "verdict", verdict_name(report->word));
    jsonw_int(w, "requests", (int64_t) report->requests);
    jsonw_array(w, "checks");
    for (int i = 0; i < VERDICT_CHECKS; i++)
        put_check(w, (enum verdict_id) i, &report->checks[i]);
    jsonw_end_array(w);
    jsonw_end_object(w);
}

/* The word for all comes last: it is known when every lane was judged. */
void admin_get_verdict(struct call *call)
{
    struct answer a;
    struct err err = ERR_INIT;
    enum verdict_word word = VERDICT_NOT_EXERCISED;
    struct verdict_report *report = malloc(sizeof *report);
    answer_begin(&a, call);
    jsonw_int(&a.w, "level", LEVEL);
    jsonw_array(&a.w, "lanes");
    for (size_t i = 0; i < call->lane_count && report != NULL && answer_flush(&a); i++) {
        if (judge(call->lanes[i], report, &err) != 0)
            break;
        put_lane(&a.w, lane_name(call->lanes[i]), report);
        word = verdict_worse(word, report->word);
        verdict_fini(report);
    }
    a.buf.failed = a.buf.failed || report == NULL || err.code != ERR_NONE;
    jsonw_end_array(&a.w);
    jsonw_str(&a.w, "verdict", verdict_name(word));
    answer_end(&a);
    free(report);
}
