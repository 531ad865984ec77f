/* "settings": what a scenario changes about a vendor, by the table that the vendor brings. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "scenario/scenario_priv.h"

#define MAX_NUMBER (INT64_C(1) << 53)

static const struct setting *find(const struct setting_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->list[i].name, name) == 0)
            return &table->list[i];
    }
    return NULL;
}

static int refuse_unknown(struct reader *r, const struct cJSON *member, const struct setting_table *table,
                          const char *vendor)
{
    BUF_AUTO shown = BUF_INIT, name = BUF_INIT;
    const char *nearest = vocab_nearest(member->string, table->list, table->count, sizeof table->list[0]);
    json_name_bytes(member, &name);
    jsonc_quote(&shown, buf_cstr(&name), name.len, 40);
    if (nearest != NULL)
        return reader_refuse_key(r, member, "%s has no setting %s: did you mean \"%s\"?", vendor, buf_cstr(&shown),
                                 nearest);
    return reader_refuse_key(r, member, "%s has no setting %s (--print-config lists them)", vendor, buf_cstr(&shown));
}

/* By the vendor's table, when there is one. */
static int check(struct reader *r, const struct cJSON *member, const struct setting_table *table, const char *vendor,
                 const char *assignment)
{
    struct err why = ERR_INIT;
    const struct setting *setting = find(table, member->string);
    if (setting == NULL)
        return refuse_unknown(r, member, table, vendor);
    if (!setting->is_for_lanes)
        return reader_refuse_key(r, member, "%s looks at this setting when the server starts: say --set %s.%s=...",
                                 vendor, vendor, setting->name);
    if (setting->type == SETTING_NUMBER && !cJSON_IsNumber(member))
        return reader_wants(r, member, "a whole number");
    if (setting->type == SETTING_TEXT && !cJSON_IsString(member))
        return reader_wants(r, member, "a string");
    return table->check(assignment, &why) == 0 ? 0 : reader_refuse(r, member, "%s", why.text);
}

static int put_value(struct reader *r, const struct cJSON *member, struct buf *out)
{
    char *text = NULL;
    int64_t number = 0;
    int rc = -1;
    if (cJSON_IsNumber(member)) {
        rc = reader_int(r, member, -MAX_NUMBER, MAX_NUMBER, &number);
        buf_printf(out, "%" PRId64, number);
    } else if (cJSON_IsString(member)) {
        rc = reader_text(r, member, 0, &text);
        buf_str(out, text == NULL ? "" : text);
    } else {
        return reader_wants(r, member, "a whole number or a string");
    }
    free(text);
    return rc;
}

static int read_one(struct reader *r, const struct cJSON *member, const struct setting_table *table,
                    struct setting_group *group)
{
    BUF_AUTO text = BUF_INIT;
    buf_printf(&text, "%s=", member->string);
    if (*member->string == '\0' || strchr(member->string, '=') != NULL)
        return reader_refuse_key(r, member, "not the name of a setting");
    if (put_value(r, member, &text) < 0)
        return -1;
    if (text.failed)
        return err_set(r->err, ERR_NOMEM, 0, "%s", r->doc.file_name);
    if (table != NULL && check(r, member, table, vocab_name(&vocab_dialects, (int) group->dialect), text.data) < 0)
        return -1;
    group->assignments[group->count++] = text.data;
    text = (struct buf) BUF_INIT;
    return 0;
}

static int read_group(struct reader *r, const struct cJSON *value, struct setting_group *group)
{
    const cJSON *member;
    const char *vendor = vocab_name(&vocab_dialects, (int) group->dialect);
    setting_table_fn *settings_of = r->hooks->settings_of;
    const struct setting_table *table = settings_of == NULL ? NULL : settings_of(group->dialect);
    if (!cJSON_IsObject(value))
        return reader_wants(r, value, "an object of settings");
    if (settings_of != NULL && table == NULL)
        return reader_refuse_key(r, value, "%s is not built into this server, so nothing of it can be set", vendor);
    group->assignments = reader_alloc(r, (size_t) cJSON_GetArraySize(value), sizeof *group->assignments);
    if (group->assignments == NULL)
        return -1;
    cJSON_ArrayForEach(member, value)
    {
        if (read_one(r, member, table, group) < 0)
            return -1;
    }
    return 0;
}

/* The name of a member is a vendor's. */
static int read_vendor(struct reader *r, const struct cJSON *member, enum scenario_dialect *out)
{
    int value = 0;
    BUF_AUTO known = BUF_INIT, shown = BUF_INIT, name = BUF_INIT;
    if (vocab_find(&vocab_dialects, member->string, &value)) {
        *out = (enum scenario_dialect) value;
        return 0;
    }
    const char *nearest = vocab_nearest(member->string, vocab_dialects.list, vocab_dialects.count,
                                        sizeof vocab_dialects.list[0]);
    json_name_bytes(member, &name);
    jsonc_quote(&shown, buf_cstr(&name), name.len, 40);
    if (nearest != NULL)
        return reader_refuse_key(r, member, "unknown vendor %s: did you mean \"%s\"?", buf_cstr(&shown), nearest);
    vocab_list(&vocab_dialects, &known);
    return reader_refuse_key(r, member, "unknown vendor %s: known are %s", buf_cstr(&shown), buf_cstr(&known));
}

int settings_read(struct reader *r, const struct cJSON *value, void *out)
{
    struct scenario *scenario = out;
    const cJSON *member;
    if (!cJSON_IsObject(value))
        return reader_wants(r, value, "an object of vendors");
    scenario->settings = reader_alloc(r, (size_t) cJSON_GetArraySize(value), sizeof *scenario->settings);
    if (scenario->settings == NULL)
        return -1;
    cJSON_ArrayForEach(member, value)
    {
        struct setting_group *group = &scenario->settings[scenario->setting_count];
        if (read_vendor(r, member, &group->dialect) < 0)
            return -1;
        scenario->setting_count++;
        if (read_group(r, member, group) < 0)
            return -1;
    }
    return 0;
}

void settings_fini(struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->setting_count; i++) {
        for (size_t k = 0; k < scenario->settings[i].count; k++)
            free(scenario->settings[i].assignments[k]);
        free(scenario->settings[i].assignments);
    }
    free(scenario->settings);
}
