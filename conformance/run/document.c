#include "run/document.h"

#include <stdio.h>

#include <cjson/cJSON.h>

#include "base/text.h"
#include "version.h"

/* ---- clients ----------------------------------------------------------------------------- */

static void add_copy(cJSON *out, const char *name, const cJSON *from, const char *from_name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(from, from_name);
    if (value != NULL)
        cJSON_AddItemToObject(out, name, cJSON_Duplicate(value, true));
}

static cJSON *strings(const char *const *texts)
{
    cJSON *list = cJSON_CreateArray();
    for (; texts != NULL && *texts != NULL; texts++)
        cJSON_AddItemToArray(list, cJSON_CreateString(*texts));
    return list;
}

cJSON *document_client(const struct document_client *client)
{
    static const char *const copied[][2] = {
        { "name", "name" }, { "language", "language" }, { "version", "client_version" }, { "issues", "issues" },
        { "capabilities", "capabilities" },
    };
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "key", client->key);
    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++)
        add_copy(out, copied[i][0], client->hello, copied[i][1]);
    cJSON_AddItemToObject(out, "command", strings(client->argv));
    cJSON_AddNumberToObject(out, "level", client->level);
    if (client->is_reference)
        cJSON_AddTrueToObject(out, "reference");
    if (client->imitates != NULL) {
        cJSON_AddTrueToObject(out, "mutant");
        cJSON_AddStringToObject(out, "imitates", client->imitates);
        if (client->bug != NULL && *client->bug != '\0')
            cJSON_AddItemToObject(out, "bug", strings((const char *const[]) { client->bug, NULL }));
    }
    return out;
}

/* ---- cases ------------------------------------------------------------------------------- */

static cJSON *case_entry(const struct case_def *def)
{
    cJSON *out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "id", def->id);
    cJSON_AddStringToObject(out, "requirement", def->requirement);
    cJSON_AddItemToObject(out, "source", cJSON_Duplicate(def->sources, true));
    cJSON_AddStringToObject(out, "tag", def->tag);
    cJSON_AddStringToObject(out, "severity", def->severity == CASE_MUST ? "MUST" : "SHOULD");
    if (def->bugs != NULL)
        cJSON_AddItemToObject(out, "bug", cJSON_Duplicate(def->bugs, true));
    if (def->kills_none != NULL)
        cJSON_AddStringToObject(out, "kills_none", def->kills_none);
    return out;
}

cJSON *document_make(const struct document *doc, cJSON *clients, cJSON *results)
{
    cJSON *out = cJSON_CreateObject(), *cases = cJSON_CreateArray();
    char started[32], shard[32];
    iso_time(started, doc->started_ms);
    snprintf(shard, sizeof shard, "%u/%u", doc->shard, doc->shards);
    cJSON_AddNumberToObject(out, "standbox_results", 1);
    cJSON_AddStringToObject(out, "suite", STANDBOX_VERSION);
    cJSON_AddStringToObject(out, "vendor", doc->vendor);
    cJSON_AddStringToObject(out, "started_at", started);
    cJSON_AddNumberToObject(out, "duration_ms", (double) doc->duration_ms);
    cJSON_AddNumberToObject(out, "load_factor", doc->load_factor);
    cJSON_AddStringToObject(out, "shard", shard);
    cJSON_AddItemToObject(out, "clients", clients);
    for (size_t i = 0; i < doc->case_count; i++)
        cJSON_AddItemToArray(cases, case_entry(doc->cases[i]));
    cJSON_AddItemToObject(out, "cases", cases);
    if (out == NULL || !cJSON_AddItemToObject(out, "results", results)) {
        cJSON_Delete(out);
        return NULL;
    }
    return out;
}
