/* Snapshots of file systems: there are none, and whoever asks is told so. */
#include "dialects/coreweave/cw_priv.h"

void cw_create_snapshot(struct cw_call *call)
{
    cw_fail(call, RPC_UNIMPLEMENTED, "CWSANDBOX_FSS_NOT_SUPPORTED", "snapshots are not served here");
}

static void fail_missing(struct cw_call *call)
{
    cw_fail(call, RPC_NOT_FOUND, "CWSANDBOX_FSS_NOT_FOUND", "snapshot %.60s not found", call->request.snapshot_id);
}

void cw_get_snapshot(struct cw_call *call)
{
    fail_missing(call);
}

/* The answer is the snapshot that was deleted: there is none to show, also when it may be missing. */
void cw_delete_snapshot(struct cw_call *call)
{
    fail_missing(call);
}

void cw_list_snapshots(struct cw_call *call)
{
    BUF_AUTO message = BUF_INIT;
    call->wire->write_no_snapshots(&message);
    cw_reply(call, &message);
}
