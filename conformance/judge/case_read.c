/* One case of a file, checked and made ready. */
#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "judge/case_priv.h"
#include "judge/show.h"

static char *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *text_of(const char *fmt, ...)
{
    char *text;
    va_list ap;
    va_start(ap, fmt);
    CHECK(vasprintf(&text, fmt, ap) >= 0);
    va_end(ap);
    return text;
}

static const char *member_text(const cJSON *object, const char *name)
{
    const cJSON *node = json_get(object, name);
    return cJSON_IsString(node) ? node->valuestring : NULL;
}

/* ---- id, client, needs --------------------------------------------------------------------- */

static bool is_full_id(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-/";
    size_t len = strlen(text), slashes = 0;
    for (size_t i = 0; i < len; i++)
        slashes += text[i] == '/';
    return slashes == 2 && strspn(text, letters) == len && text[0] != '/' && text[len - 1] != '/' &&
           strstr(text, "//") == NULL;
}

static int read_names(struct case_full *f, const struct reader *r, const char *suffix, struct err *err)
{
    const cJSON *id = json_get(f->json, "id"), *alias;
    if (!shape_is_lower_name(id->valuestring))
        return shape_complain(r, id, err, "an id is of a-z, 0-9 and single hyphens between them");
    f->id = text_of("%s/%s/%s%s", f->vendor, f->area, id->valuestring, suffix);
    cJSON_ArrayForEach(alias, json_get(f->json, "aliases"))
    {
        if (shape_is_lower_name(alias->valuestring))
            names_add(&f->aliases, "%s/%s/%s%s", f->vendor, f->area, alias->valuestring, suffix);
        else if (is_full_id(alias->valuestring))
            names_add(&f->aliases, "%s%s", alias->valuestring, suffix);
        else
            return shape_complain(r, alias, err, "an alias is an id of this area, or VENDOR/AREA/ID");
    }
    return 0;
}

static int read_client(struct case_full *f, const struct reader *r, struct err *err)
{
    const cJSON *client = json_get(f->json, "client"), *member;
    if (client == NULL)
        return 0;
    if (shape_check(r, &case_shape_client, client, err) < 0)
        return -1;
    cJSON_ArrayForEach(member, client)
    {
        if (strcmp(member->string, "url") != 0)   /* every client has one */
            names_add(&f->steps.needs, "client.%s", member->string);
    }
    return 0;
}

static int read_needs(struct case_full *f, const struct reader *r, struct err *err)
{
    const cJSON *need;
    cJSON_ArrayForEach(need, json_get(f->json, "needs"))
    {
        if (!steps_is_capability(need->valuestring))
            return shape_complain(r, need, err, "there is no capability \"%.60s\" (sdk-shim/PROTOCOL.md lists them)",
                                  need->valuestring);
        names_add(&f->steps.needs, "%s", need->valuestring);
    }
    names_sort(&f->steps.needs);
    return 0;
}

/* ---- scenario ------------------------------------------------------------------------------ */

/* A name and a reason are needed there; the case has both. */
static void read_inline(struct case_full *f, const cJSON *scenario)
{
    BUF_AUTO text = BUF_INIT;
    cJSON *copy = cJSON_Duplicate(scenario, 1);
    CHECK(copy != NULL);
    if (json_get(copy, "name") == NULL)
        CHECK(cJSON_AddStringToObject(copy, "name", member_text(f->json, "id")) != NULL);
    if (json_get(copy, "why") == NULL)
        CHECK(cJSON_AddStringToObject(copy, "why", member_text(f->json, "requirement")) != NULL);
    json_print(&text, copy);
    cJSON_Delete(copy);
    CHECK(!text.failed);
    f->scenario = text_of("%s", buf_cstr(&text));
    f->scenario_name = text_of("%s", f->id);
}

static int read_scenario_file(struct case_full *f, const struct reader *r, const char *folder, const cJSON *name,
                              struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    struct doc doc;
    struct err why = ERR_INIT;
    if (name->valuestring[0] == '/' || strstr(name->valuestring, "..") != NULL)
        return shape_complain(r, name, err, "a path below the folder of scenarios");
    char *path = text_of("%s/%s", folder, name->valuestring);
    int failed = file_read(&text, path, JSONC_MAX_BYTES, &why);
    if (failed == 0)
        failed = doc_open(&doc, path, buf_cstr(&text), text.len, &why);
    free(path);
    if (failed < 0)
        return shape_complain(r, name, err, "%s", why.text);
    doc_close(&doc);
    f->scenario = text_of("%s", buf_cstr(&text));
    f->scenario_name = text_of("%s", name->valuestring);
    return 0;
}

static int read_scenario(struct case_full *f, const struct reader *r, const char *folder, struct err *err)
{
    const cJSON *scenario = json_get(f->json, "scenario"), *file = json_get(f->json, "scenario_file");
    if (scenario != NULL && file != NULL)
        return shape_complain(r, file, err, "a case has a scenario or a scenario_file, not both");
    if (scenario != NULL)
        read_inline(f, scenario);
    return file == NULL ? 0 : read_scenario_file(f, r, folder, file, err);
}

/* ---- what does not go together ------------------------------------------------------------- */

/* A server that is not ours has no scenarios, no actions, no clock that can be moved. */
static int check_portable(const struct case_full *f, const struct reader *r, struct err *err)
{
    static const char *const ours[] = { "scenario", "scenario_file", "before", "meanwhile" };
    const cJSON *portable = json_get(f->json, "portable");
    if (!cJSON_IsTrue(portable))
        return 0;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (json_get(f->json, ours[i]) != NULL)
            return shape_complain(r, portable, err, "a case with \"%s\" needs our own server: it is not portable",
                                  ours[i]);
    }
    if (json_get(json_get(f->json, "client"), "runtime_proxy") != NULL)
        return shape_complain(r, portable, err,
                              "a case with client.runtime_proxy needs our own server: it is not "
                              "portable");
    return 0;
}

static int check_deadline(const struct case_full *f, const struct reader *r, struct err *err)
{
    const cJSON *deadline = json_get(f->json, "deadline_ms");
    if (deadline == NULL || deadline->valuedouble <= CASE_DEADLINE_MAX_MS)
        return 0;
    return shape_complain(r, deadline, err, "from 1 to %d", CASE_DEADLINE_MAX_MS);
}

static int check_rest(const struct case_full *f, const struct reader *r, struct err *err)
{
    const struct cJSON *json = f->json;
    if (case_check_actions(r, json_get(json, "before"), err) < 0 ||
        case_check_actions(r, json_get(json, "meanwhile"), err) < 0)
        return -1;
    if (case_check_checks(r, json_get(json, "wire"), false, steps_same, &f->steps, err) < 0 ||
        case_check_checks(r, json_get(json, "witness"), true, steps_same, &f->steps, err) < 0)
        return -1;
    if (case_check_journal(r, json_get(json, "journal"), err) < 0 || check_deadline(f, r, err) < 0)
        return -1;
    return check_portable(f, r, err);
}

/* ---- all of it ----------------------------------------------------------------------------- */

static void fill_def(struct case_full *f, const struct reader *r)
{
    const cJSON *json = f->json, *deadline = json_get(json, "deadline_ms");
    const char *severity = member_text(json, "severity");
    f->def = (struct case_def){
        .id = f->id,
        .vendor = f->vendor,
        .area = f->area,
        .file = f->file,
        .line = doc_line(r->doc, &r->base),
        .aliases = (const char *const *) f->aliases.list,
        .alias_count = f->aliases.count,
        .requirement = member_text(json, "requirement"),
        .tag = member_text(json, "tag"),
        .kills_none = member_text(json, "kills_none"),
        .sources = json_get(json, "source"),
        .bugs = json_get(json, "bug"),
        .severity = severity != NULL && strcmp(severity, "SHOULD") == 0 ? CASE_SHOULD : CASE_MUST,
        .needs = (const char *const *) f->steps.needs.list,
        .need_count = f->steps.needs.count,
        .client = json_get(json, "client"),
        .deadline_ms = deadline == NULL ? CASE_DEADLINE_MS : (int64_t) deadline->valuedouble,
        .steps = f->steps.json,
        .step = f->steps.list,
        .step_count = f->steps.count,
        .scenario = f->scenario,
        .scenario_name = f->scenario_name,
        .before = json_get(json, "before"),
        .meanwhile = json_get(json, "meanwhile"),
        .wire = json_get(json, "wire"),
        .witness = json_get(json, "witness"),
        .journal = json_get(json, "journal"),
        .is_portable = cJSON_IsTrue(json_get(json, "portable")),
    };
}

static int read_all(struct case_full *f, const struct reader *r, const char *scenarios, const char *suffix,
                    struct err *err)
{
    bool is_bare = cJSON_IsTrue(json_get(f->json, "bare"));
    if (shape_check(r, &case_shape_case, f->json, err) < 0 || read_names(f, r, suffix, err) < 0)
        return -1;
    if (steps_read(&f->steps, r, json_get(f->json, "steps"), is_bare ? NULL : f->vendor, err) < 0)
        return -1;
    if (read_client(f, r, err) < 0 || read_needs(f, r, err) < 0 || read_scenario(f, r, scenarios, err) < 0)
        return -1;
    return check_rest(f, r, err);
}

struct case_full *case_read(const struct reader *r, const char *vendor, const char *area, const char *scenarios,
                            const char *suffix, struct cJSON *json, struct err *err)
{
    struct case_full *f = calloc(1, sizeof *f);
    CHECK(f != NULL);
    f->json = json;
    f->vendor = text_of("%s", vendor);
    f->area = text_of("%s", area);
    f->file = text_of("%s", r->doc->file);
    if (read_all(f, r, scenarios, suffix, err) < 0) {
        case_full_free(f);
        return NULL;
    }
    fill_def(f, r);
    return f;
}

void case_full_free(struct case_full *full)
{
    if (full == NULL)
        return;
    steps_fini(&full->steps);
    names_fini(&full->aliases);
    cJSON_Delete(full->json);
    free(full->id);
    free(full->vendor);
    free(full->area);
    free(full->file);
    free(full->scenario);
    free(full->scenario_name);
    free(full);
}
