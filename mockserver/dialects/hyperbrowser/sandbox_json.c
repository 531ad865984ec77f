/* What the control plane shows of a sandbox (wire page §2 "Sandbox object"). */
#include "dialects/hyperbrowser/hb_priv.h"

#include <string.h>

#include "base/text.h"

static const char *const status_names[SANDBOX_STATES] = {
    [SANDBOX_ACTIVE] = "active",
    [SANDBOX_STOPPING] = "closed",
    [SANDBOX_CLOSED] = "closed",
    [SANDBOX_BROKEN] = "error",
};

/* The SDKs take any text here. */
static const char *const reason_names[STOP_REASONS] = {
    [STOP_REQUEST] = "stopped",
    [STOP_EXPIRED] = "timeout",
    [STOP_KEEPER_DIED] = "failed",
    [STOP_SHUTDOWN] = "shutdown",
    [STOP_MAIN_ENDED] = "stopped", /* no sandbox of this vendor has a main process */
};

const char *hb_sandbox_status(struct sandbox *sandbox)
{
    return status_names[sandbox_get_state(sandbox)];
}

/* "http://127.0.0.1:8700" -> scheme, host, and port with its colon (or nothing). */
struct parts {
    int scheme, host;
    const char *host_at, *port;
};

static struct parts split_url(const char *url)
{
    const char *at = strstr(url, "://");
    struct parts parts = { .host_at = at == NULL ? url : at + 3 };
    parts.scheme = (int) (parts.host_at - url);
    const char *close = strchr(parts.host_at, ']'); /* [::1] has colons of its own */
    const char *colon = strchr(close == NULL ? parts.host_at : close, ':');
    parts.host = (int) (colon == NULL ? strlen(parts.host_at) : (size_t) (colon - parts.host_at));
    parts.port = colon == NULL ? "" : colon;
    return parts;
}

static void write_runtime(struct jsonw *w, const struct hb *hb, const char *id, const char *base_url)
{
    BUF_AUTO url = BUF_INIT;
    BUF_AUTO host = BUF_INIT;
    struct parts parts = split_url(base_url);
    if (hb_now(hb)->host_suffix[0] != '\0') {
        buf_printf(&host, "%s%s", id, hb_now(hb)->host_suffix);
        buf_printf(&url, "%.*s%s%s", parts.scheme, base_url, buf_cstr(&host), parts.port);
    } else {
        buf_printf(&host, "%.*s", parts.host, parts.host_at);
        buf_printf(&url, "%s/sandbox/%s", base_url, id);
    }
    if (hb_now(hb)->runtime_slash != 0)
        buf_char(&url, '/');
    jsonw_object(w, "runtime");
    jsonw_str(w, "transport", "regional_proxy");
    jsonw_str(w, "host", buf_cstr(&host));
    jsonw_str(w, "baseUrl", buf_cstr(&url));
    jsonw_end_object(w);
}

void hb_write_port(struct jsonw *w, const struct hb *hb, const char *id, const char *base_url,
                   const struct hb_port *port)
{
    /* Must be what the SDKs compute by themselves: <port>-<id>.<host of the runtime base>. */
    BUF_AUTO url = BUF_INIT;
    struct parts parts = split_url(base_url);
    buf_printf(&url, "%.*s%d-%s", parts.scheme, base_url, port->port, id);
    if (hb_now(hb)->host_suffix[0] != '\0')
        buf_str(&url, hb_now(hb)->host_suffix);
    else
        buf_printf(&url, ".%.*s", parts.host, parts.host_at);
    buf_printf(&url, "%s/", parts.port);
    jsonw_object(w, NULL);
    jsonw_int(w, "port", port->port);
    jsonw_bool(w, "auth", port->auth);
    jsonw_str(w, "url", buf_cstr(&url));
    jsonw_null(w, "browserUrl");
    jsonw_null(w, "browserUrlExpiresAt");
    jsonw_end_object(w);
}

static void write_int_or_null(struct jsonw *w, const char *name, int64_t value)
{
    if (value == 0)
        jsonw_null(w, name);
    else
        jsonw_int(w, name, value);
}

static void write_iso(struct jsonw *w, const char *name, int64_t epoch_ms)
{
    char text[32];
    iso_time(text, epoch_ms);
    jsonw_str(w, name, text);
}

static void write_times(struct jsonw *w, const struct hb *hb, struct sandbox *sandbox, struct hb_record *record)
{
    int64_t created = sandbox_created_ms(sandbox), ended = sandbox_ended_ms(sandbox);
    int64_t updated = hb_record_updated_ms(record);
    if (ended > updated)
        updated = ended;
    write_iso(w, "createdAt", created);
    write_iso(w, "updatedAt", updated > created ? updated : created);
    jsonw_int(w, "startTime", created);
    write_int_or_null(w, "endTime", ended);
    jsonw_int(w, "duration", (ended == 0 ? clock_wall_ms(hb->clock) : ended) - created);
    jsonw_str(w, "closeReason", reason_names[sandbox_get_stop_reason(sandbox)]);
}

static void write_sizes(struct jsonw *w, const struct hb_record *record)
{
    write_int_or_null(w, "vcpus", record->vcpus);
    write_int_or_null(w, "memMiB", record->mem_mib);
    write_int_or_null(w, "diskSizeMiB", record->disk_mib);
    write_int_or_null(w, "timeoutMinutes", record->timeout_minutes);
}

/* Nothing is metered here. */
static void write_usage(struct jsonw *w)
{
    static const char *const names[] = { "dataConsumed", "proxyDataConsumed", "usageType",     "jobId",
                                         "launchState",  "creditsUsed",       "proxyBytesUsed" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        jsonw_null(w, names[i]);
    jsonw_bool(w, "containsSecrets", false);
}

static void write_ports(struct jsonw *w, const struct hb *hb, const char *id, const char *base_url,
                        struct hb_record *record)
{
    struct hb_port ports[HB_PORTS];
    size_t n = hb_record_ports(record, ports);
    jsonw_array(w, "exposedPorts");
    for (size_t i = 0; i < n; i++)
        hb_write_port(w, hb, id, base_url, &ports[i]);
    jsonw_end_array(w);
}

static void write_expiry(struct jsonw *w, const char *form, int64_t epoch_ms)
{
    if (strcmp(form, "iso") == 0)
        write_iso(w, "tokenExpiresAt", epoch_ms);
    else if (strcmp(form, "epoch_ms") == 0)
        jsonw_int(w, "tokenExpiresAt", epoch_ms);
    else
        jsonw_null(w, "tokenExpiresAt");
}

static void write_token(struct jsonw *w, const struct hb *hb, struct sandbox *sandbox, struct hb_record *record)
{
    struct hb_token token;
    const struct hb_settings *settings = hb_now(hb);
    if (strcmp(settings->token_form, "absent") == 0)
        return;
    if (sandbox_get_state(sandbox) != SANDBOX_ACTIVE || strcmp(settings->token_form, "null") == 0) {
        jsonw_null(w, "token");
        jsonw_null(w, "tokenExpiresAt");
        return;
    }
    hb_record_issue_token(record, settings, hb->clock, &token);
    jsonw_str(w, "token", token.text);
    write_expiry(w, settings->token_expiry, token.expires_wall_ms);
}

void hb_write_sandbox(struct jsonw *w, struct hb *hb, struct sandbox *sandbox, const char *base_url, bool with_token)
{
    struct hb_record *record = sandbox_record(sandbox);
    const char *id = sandbox_id(sandbox);
    BUF_AUTO session_url = BUF_INIT;
    buf_printf(&session_url, "%s/sandbox/%s", base_url, id);
    jsonw_object(w, NULL);
    jsonw_str(w, "id", id);
    jsonw_str(w, "teamId", hb_now(hb)->team_id);
    jsonw_str(w, "status", hb_sandbox_status(sandbox));
    jsonw_str(w, "region", record->region);
    jsonw_str(w, "sessionUrl", buf_cstr(&session_url));
    write_times(w, hb, sandbox, record);
    write_sizes(w, record);
    write_usage(w);
    write_runtime(w, hb, id, base_url);
    write_ports(w, hb, id, base_url, record);
    hb_record_write_network(record, w);
    if (with_token)
        write_token(w, hb, sandbox, record);
    jsonw_end_object(w);
}
