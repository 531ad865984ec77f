#include "dialects/coreweave/cw_priv.h"

#include <stdlib.h>
#include <string.h>

void cw_request_fini(struct cw_request *request)
{
    for (char **entry = request->env; entry != NULL && *entry != NULL; entry++)
        free(*entry);
    free(request->env);
    free(request->files);
    proto_free(request->message);
    *request = (struct cw_request) { 0 };
}

/* What protoc-c makes of every map<string, string>. */
struct entry {
    ProtobufCMessage base;
    char *key, *value;
};

int cw_make_env(char ***out_env, ProtobufCMessage *const *entries, size_t count, struct err *err)
{
    *out_env = NULL;
    if (count == 0)
        return 0;
    char **env = calloc(count + 1, sizeof *env);
    size_t n = 0;
    for (size_t i = 0; env != NULL && i < count; i++) {
        const struct entry *entry = (const struct entry *) entries[i];
        BUF_AUTO text = BUF_INIT;
        buf_printf(&text, "%s=%s", entry->key, entry->value);
        env[n] = text.failed ? NULL : strdup(buf_cstr(&text));
        n += env[n] != NULL;
    }
    if (n == count) {
        *out_env = env;
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        free(env[i]);
    free(env);
    return err_set(err, ERR_NOMEM, 0, "environment");
}

int cw_record_new(struct cw_record **out_record, struct cw_request *request, const struct cw_wire *wire,
                  struct err *err)
{
    struct cw_record *record = calloc(1, sizeof *record);
    if (record == NULL)
        return err_set(err, ERR_NOMEM, 0, "sandbox");
    record->made_from = *request;
    *request = (struct cw_request) { 0 };
    record->made_by = wire;
    pthread_mutex_init(&record->lock, NULL);
    *out_record = record;
    return 0;
}

void cw_record_free(void *arg)
{
    struct cw_record *record = arg;
    if (record == NULL)
        return;
    cw_request_fini(&record->made_from);
    free(record->sessions);
    pthread_mutex_destroy(&record->lock);
    free(record);
}

/* ---- log sessions -------------------------------------------------------------------------- */

/* With the lock held: room for one more. */
static struct cw_log_session *make_room(struct cw_record *record, size_t max)
{
    if (max > 0 && record->session_count >= max) {
        memmove(record->sessions, record->sessions + 1, (--record->session_count) * sizeof *record->sessions);
        return &record->sessions[record->session_count++];
    }
    struct cw_log_session *list = realloc(record->sessions, (record->session_count + 1) * sizeof *list);
    if (list == NULL)
        return NULL;
    record->sessions = list;
    return &list[record->session_count++];
}

int cw_record_add_session(struct cw_record *record, const struct cw_log_session *session, size_t max, struct err *err)
{
    if (max == 0)
        return 0;   /* none can be resumed */
    pthread_mutex_lock(&record->lock);
    struct cw_log_session *place = make_room(record, max);
    if (place != NULL)
        *place = *session;
    pthread_mutex_unlock(&record->lock);
    return place != NULL ? 0 : err_set(err, ERR_NOMEM, 0, "log session");
}

bool cw_record_find_session(struct cw_record *record, const char *id, struct cw_log_session *out_session)
{
    bool found = false;
    pthread_mutex_lock(&record->lock);
    for (size_t i = 0; i < record->session_count && !found; i++) {
        found = strcmp(record->sessions[i].id, id) == 0;
        if (found)
            *out_session = record->sessions[i];
    }
    pthread_mutex_unlock(&record->lock);
    return found;
}
