#include "dialects/hyperbrowser/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* ---- texts --------------------------------------------------------------------------- */

int hb_texts_add(struct hb_texts *texts, const char *text, struct err *err)
{
    char *copy = strdup(text);
    char **items = copy == NULL ? NULL : realloc(texts->items, (texts->count + 1) * sizeof *items);
    if (items == NULL) {
        free(copy);
        return err_set(err, ERR_NOMEM, 0, "list of texts");
    }
    items[texts->count++] = copy;
    texts->items = items;
    return 0;
}

void hb_texts_fini(struct hb_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
    *texts = (struct hb_texts){ NULL, 0 };
}

void hb_network_fini(struct hb_network *network)
{
    hb_texts_fini(&network->allow);
    hb_texts_fini(&network->deny);
}

/* ---- the record ---------------------------------------------------------------------- */

int hb_record_new(struct hb_record **out_record, struct err *err)
{
    struct hb_record *record = calloc(1, sizeof *record);
    if (record == NULL)
        return err_set(err, ERR_NOMEM, 0, "sandbox record");
    pthread_mutex_init(&record->lock, NULL);
    *out_record = record;
    return 0;
}

void hb_record_free(void *arg)
{
    struct hb_record *record = arg;
    if (record == NULL)
        return;
    pthread_mutex_destroy(&record->lock);
    hb_network_fini(&record->network);
    free(record->image_name);
    free(record->snapshot_name);
    free(record);
}

/* ---- tokens -------------------------------------------------------------------------- */

static struct hb_token *issue(struct hb_record *record, int64_t lifetime_ms, const struct clock *clock)
{
    struct hb_token *token = &record->tokens[record->issued++ % HB_TOKENS];
    memcpy(token->text, "hbrt_", 5);
    random_hex(token->text + 5, 48);
    token->expires_ms = clock_deadline(clock, lifetime_ms);
    token->expires_wall_ms = clock_wall_ms(clock) + lifetime_ms;
    return token;
}

void hb_record_issue_token(struct hb_record *record, const struct hb_settings *settings, const struct clock *clock,
                           struct hb_token *out_token)
{
    pthread_mutex_lock(&record->lock);
    struct hb_token *token = record->issued == 0 ? NULL : &record->tokens[(record->issued - 1) % HB_TOKENS];
    if (token == NULL || token->expires_ms - clock_now_ms(clock) < settings->token_renew_below_ms)
        token = issue(record, settings->token_lifetime_ms, clock);
    *out_token = *token;
    pthread_mutex_unlock(&record->lock);
}

bool hb_record_knows_token(struct hb_record *record, const char *token, int64_t now_ms)
{
    bool good = false;
    pthread_mutex_lock(&record->lock);
    size_t n = record->issued < HB_TOKENS ? (size_t) record->issued : HB_TOKENS;
    for (size_t i = 0; i < n; i++)
        good |= same_secret(record->tokens[i].text, token) && record->tokens[i].expires_ms > now_ms;
    pthread_mutex_unlock(&record->lock);
    return good;
}

void hb_record_expire_token(struct hb_record *record, const char *token, int64_t now_ms)
{
    pthread_mutex_lock(&record->lock);
    size_t n = record->issued < HB_TOKENS ? (size_t) record->issued : HB_TOKENS;
    for (size_t i = 0; i < n; i++) {
        if (same_secret(record->tokens[i].text, token) && record->tokens[i].expires_ms > now_ms)
            record->tokens[i].expires_ms = now_ms;
    }
    pthread_mutex_unlock(&record->lock);
}

/* ---- ports --------------------------------------------------------------------------- */

/* Where `port` is, or would go. */
static size_t find_port(const struct hb_record *record, int port)
{
    size_t i = 0;
    while (i < record->port_count && record->ports[i].port < port)
        i++;
    return i;
}

static bool has_port_at(const struct hb_record *record, size_t i, int port)
{
    return i < record->port_count && record->ports[i].port == port;
}

int hb_record_expose(struct hb_record *record, struct hb_port port, int64_t now_ms, struct err *err)
{
    int rc = 0;
    pthread_mutex_lock(&record->lock);
    size_t i = find_port(record, port.port);
    if (!has_port_at(record, i, port.port)) {
        if (record->port_count == HB_PORTS) {
            rc = err_set(err, ERR_INVALID, 0, "no more than %d ports can be exposed", HB_PORTS);
            goto unlock;
        }
        memmove(&record->ports[i + 1], &record->ports[i], (record->port_count - i) * sizeof port);
        record->port_count++;
    }
    record->ports[i] = port;
    record->updated_ms = now_ms;
unlock:
    pthread_mutex_unlock(&record->lock);
    return rc;
}

void hb_record_unexpose(struct hb_record *record, int port, int64_t now_ms)
{
    pthread_mutex_lock(&record->lock);
    size_t i = find_port(record, port);
    if (has_port_at(record, i, port)) {
        record->port_count--;
        memmove(&record->ports[i], &record->ports[i + 1], (record->port_count - i) * sizeof *record->ports);
        record->updated_ms = now_ms;
    }
    pthread_mutex_unlock(&record->lock);
}

bool hb_record_exposes(struct hb_record *record, int port)
{
    pthread_mutex_lock(&record->lock);
    bool found = has_port_at(record, find_port(record, port), port);
    pthread_mutex_unlock(&record->lock);
    return found;
}

size_t hb_record_ports(struct hb_record *record, struct hb_port out[HB_PORTS])
{
    pthread_mutex_lock(&record->lock);
    size_t n = record->port_count;
    memcpy(out, record->ports, n * sizeof *out);
    pthread_mutex_unlock(&record->lock);
    return n;
}

/* ---- network ------------------------------------------------------------------------- */

static void replace_texts(struct hb_texts *old, struct hb_texts *by)
{
    hb_texts_fini(old);
    *old = *by;
    *by = (struct hb_texts){ NULL, 0 };
}

void hb_record_change_network(struct hb_record *record, struct hb_network *change, int64_t now_ms)
{
    struct hb_network *network = &record->network;
    pthread_mutex_lock(&record->lock);
    if (change->has_internet) {
        network->has_internet = true;
        network->internet = change->internet;
    }
    if (change->has_allow)
        replace_texts(&network->allow, &change->allow);
    if (change->has_deny)
        replace_texts(&network->deny, &change->deny);
    network->has_allow |= change->has_allow;
    network->has_deny |= change->has_deny;
    record->updated_ms = now_ms;
    pthread_mutex_unlock(&record->lock);
}

static void write_texts(struct jsonw *w, const char *name, const struct hb_texts *texts)
{
    jsonw_array(w, name);
    for (size_t i = 0; i < texts->count; i++)
        jsonw_str(w, NULL, texts->items[i]);
    jsonw_end_array(w);
}

void hb_record_write_network(struct hb_record *record, struct jsonw *w)
{
    const struct hb_network *network = &record->network;
    pthread_mutex_lock(&record->lock);
    if (network->has_internet || network->has_allow || network->has_deny) {
        jsonw_object(w, "network");
        jsonw_bool(w, "allowInternetAccess", !network->has_internet || network->internet);
        write_texts(w, "allowOut", &network->allow);
        write_texts(w, "denyOut", &network->deny);
        jsonw_end_object(w);
    } else {
        jsonw_null(w, "network");
    }
    pthread_mutex_unlock(&record->lock);
}

int64_t hb_record_updated_ms(struct hb_record *record)
{
    pthread_mutex_lock(&record->lock);
    int64_t ms = record->updated_ms;
    pthread_mutex_unlock(&record->lock);
    return ms;
}
