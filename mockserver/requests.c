#include "requests.h"

#include <string.h>

#include "base/buf.h"
#include "dialects/op.h"
#include "vendors.h"

#define LANE_PREFIX "/lane/"

/* ---- the path ------------------------------------------------------------------------- */

/* "/lane/NAME/rest" -> the rest, and NAME in `out_name`; NULL: no such prefix. */
static const char *skip_lane(const char *path, struct buf *out_name)
{
    size_t prefix = sizeof LANE_PREFIX - 1;
    if (strncmp(path, LANE_PREFIX, prefix) != 0)
        return NULL;
    size_t len = strcspn(path + prefix, "/");
    buf_add(out_name, path + prefix, len);
    const char *rest = path + prefix + len;
    return *rest == '\0' ? "/" : rest;
}

/* ---- whose it is ------------------------------------------------------------------------ */

/* A lane by its sandbox, or by its key. */
struct claim {
    bool is_good;             /* names a sandbox that there is, or brings a good key */
    struct sandbox *sandbox;  /* a reference, or NULL */
    struct buf key;
};

static void ask_whose(struct lane *common, struct exchange *x, struct claim *out)
{
    void *self;
    const struct dialect *dialect = vendors_find(common, x, &self);
    out->is_good = dialect != NULL && dialect->whose(self, x, &out->sandbox, &out->key);
}

/* Who has neither key nor sandbox makes no lane: it is answered (refused, mostly) in the one that is always there. */
static int find_named(struct lanes *lanes, struct lane *common, const struct claim *claim, const char *name,
                      struct lane **out_lane, struct err *err)
{
    if (lanes_get(lanes, name, claim->is_good, out_lane, err) == 0)
        return 0;
    if (claim->is_good)
        return -1;
    *out_lane = lane_ref(common);
    return 0;
}

static int find_by_sdk(struct lanes *lanes, struct lane *common, const struct claim *claim, struct lane **out_lane,
                       struct err *err)
{
    if (claim->is_good && claim->sandbox == NULL)
        return lanes_get(lanes, buf_cstr(&claim->key), true, out_lane, err);
    struct lane *lane = claim->sandbox == NULL ? NULL : lane_of_owner(sandbox_owner(claim->sandbox));
    *out_lane = lane_ref(lane == NULL ? common : lane);
    return 0;
}

static int find_lane(struct lanes *lanes, struct exchange *x, const struct buf *name, struct lane **out_lane,
                     struct err *err)
{
    struct claim claim = { .key = BUF_INIT };
    struct lane *common;
    if (lanes_get(lanes, LANE_DEFAULT, true, &common, err) < 0)
        return -1;
    ask_whose(common, x, &claim);
    int rc = name->len > 0 ? find_named(lanes, common, &claim, name->data, out_lane, err)
                           : find_by_sdk(lanes, common, &claim, out_lane, err);
    sandbox_unref(claim.sandbox);
    buf_fini(&claim.key);
    lane_unref(common);
    return rc;
}

/* ---- the ledger --------------------------------------------------------------------------- */

static void note_body(struct exchange *x, const void *body, size_t len)
{
    ledger_set_request_body(lane_ledger(x->lane), x->journal, body, len);
}

static void note_answer(struct exchange *x, int status, const char *content_type)
{
    ledger_set_answer(lane_ledger(x->lane), x->journal, status, content_type);
}

static void note_bytes(struct exchange *x, const void *data, size_t len)
{
    ledger_add_answer_bytes(lane_ledger(x->lane), x->journal, data, len);
}

/* In the ledger before the client can know: whoever has an answer finds it there whole. */
static void note_end(struct exchange *x, enum exchange_end end)
{
    static const enum answer_end ends[] = {
        [EXCHANGE_COMPLETE] = ANSWER_COMPLETE, [EXCHANGE_CUT] = ANSWER_CUT,
        [EXCHANGE_RESET] = ANSWER_RESET,       [EXCHANGE_CLIENT_GONE] = ANSWER_CLIENT_GONE,
        [EXCHANGE_NO_ANSWER] = ANSWER_NONE,
    };
    if (x->journal == 0)
        return;
    op_note_fault(x);
    ledger_end_request(lane_ledger(x->lane), x->journal, ends[end]);
    x->observer = NULL;
    x->journal = 0;
}

static const struct observer journal = { note_body, note_answer, note_bytes, note_end };

static void begin_journal(struct exchange *x)
{
    const char *names[EXCHANGE_MAX_HEADERS], *values[EXCHANGE_MAX_HEADERS];
    struct wire_header headers[EXCHANGE_MAX_HEADERS];
    size_t count = x->ops->headers(x, names, values, EXCHANGE_MAX_HEADERS);
    for (size_t i = 0; i < count; i++)
        headers[i] = (struct wire_header) { names[i], values[i] };
    x->journal =
        ledger_begin_request(lane_ledger(x->lane), x->request_id, x->method, x->path, x->query, headers, count);
    if (x->raw_path != NULL && strcmp(x->raw_path, x->path) != 0)
        ledger_set_request_raw_path(lane_ledger(x->lane), x->journal, x->raw_path);
    x->observer = &journal;
}

/* ---- answering ------------------------------------------------------------------------------ */

static void refuse(struct exchange *x, int status, const char *code, const char *message)
{
    BUF_AUTO body = BUF_INIT;
    refusal_write(&body, code, message);
    exchange_reply(x, status, "application/json", buf_cstr(&body), body.len);
}

static void refuse_path(struct exchange *x)
{
    BUF_AUTO message = BUF_INIT;
    buf_printf(&message, "%s %s not found", x->method, x->path);
    refuse(x, 404, "not_found", buf_cstr(&message));
}

static void answer(struct lane *lane, struct exchange *x)
{
    void *self;
    x->lane = lane;
    begin_journal(x);
    const struct dialect *dialect = vendors_find(lane, x, &self);
    if (dialect == NULL)
        refuse_path(x);
    else
        dialect->handle(self, x);
    note_end(x, x->ops->how_ended(x));
    op_end(x);
    x->lane = NULL;
}

void requests_handle(void *arg, struct exchange *x)
{
    const struct requests *r = arg;
    struct err err = ERR_INIT;
    struct lane *lane;
    if (admin_claims(x)) {
        admin_handle(r->admin, x);
        return;
    }
    BUF_AUTO name = BUF_INIT;
    BUF_AUTO base_url = BUF_INIT;
    const char *rest = skip_lane(x->path, &name), *url = x->base_url;
    if (rest != NULL) {
        x->path = rest;
        buf_printf(&base_url, "%s%s%s", x->base_url, LANE_PREFIX, buf_cstr(&name));
        x->base_url = buf_cstr(&base_url);
    }
    if (rest != NULL && !lane_name_is_valid(buf_cstr(&name)))
        refuse(x, 404, "no_such_lane", "a lane's name has 1 to 64 of the characters A-Z a-z 0-9 . _ -");
    else if (find_lane(r->lanes, x, &name, &lane, &err) < 0)
        refuse(x, err.code == ERR_LIMIT ? 503 : 404, "no_such_lane", err.text);
    else {
        answer(lane, x);
        lane_unref(lane);
    }
    x->base_url = url;
}

bool requests_take_raw_body(void *arg, const struct exchange *x)
{
    const struct requests *r = arg;
    struct err ignored;
    struct lane *common;
    struct exchange view = *x;
    BUF_AUTO name = BUF_INIT;
    const char *rest = skip_lane(x->path, &name);
    if (rest != NULL)
        view.path = rest;
    if (lanes_get(r->lanes, LANE_DEFAULT, true, &common, &ignored) < 0)
        return false;
    void *self;
    const struct dialect *dialect = vendors_find(common, &view, &self);
    bool takes = dialect != NULL && dialect->takes_raw_body(self, &view);
    lane_unref(common);
    return takes;
}
