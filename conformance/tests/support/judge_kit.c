#include "tests/support/judge_kit.h"

#include <cjson/cJSON.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void kit_free_json(struct cJSON **json)
{
    json_free(*json);
}

void kit_free_list(struct case_list **list)
{
    case_list_free(*list);
}

char *kit_quotes(const char *text)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    for (char *p = copy; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    return copy;
}

struct cJSON *kit_json(const char *text)
{
    struct err err = ERR_INIT;
    char *copy = kit_quotes(text);
    struct cJSON *json = json_parse(copy, strlen(copy), &err);
    if (json == NULL)
        fail_msg("%s: %s", copy, err.text);
    free(copy);
    return json;
}

void kit_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in: %s", part, text);
}

void kit_has_not(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("\"%s\" is in: %s", part, text);
}

const char *kit_text(const struct cJSON *object, const char *name)
{
    const struct cJSON *node = json_get(object, name);
    if (!cJSON_IsString(node))
        fail_msg("\"%s\" is no text", name);
    return node->valuestring;
}

/* ---- folders of cases ---------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void) st, (void) type, (void) ftw;
    return remove(path);
}

int kit_folder_new(void **state)
{
    struct kit_folder *folder = calloc(1, sizeof *folder);
    char path[120];
    assert_non_null(folder);
    snprintf(folder->path, sizeof folder->path, "/tmp/standbox-cases-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    const char *const below[] = { "cases", "cases/acme", "scenarios", "scenarios/start" };
    for (size_t i = 0; i < COUNT(below); i++) {
        snprintf(path, sizeof path, "%s/%s", folder->path, below[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    *state = folder;
    return 0;
}

int kit_folder_free(void **state)
{
    struct kit_folder *folder = *state;
    int result = nftw(folder->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(folder);
    return result;
}

void kit_write(const struct kit_folder *folder, const char *name, const char *text, size_t len)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

void kit_write_cases(const struct kit_folder *folder, const char *cases)
{
    BUF_AUTO text = BUF_INIT;
    char *quoted = kit_quotes(cases);
    buf_printf(&text, "{\"standbox_cases\": 1, \"vendor\": \"acme\", \"area\": \"exec\", \"cases\": [\n%s\n]}", quoted);
    free(quoted);
    kit_write(folder, "cases/acme/exec.json", text.data, text.len);
}

struct case_list *kit_load(const struct kit_folder *folder, const char *cases)
{
    struct err err = ERR_INIT;
    kit_write_cases(folder, cases);
    struct case_list *list = case_list_load(folder->path, "acme", &err);
    if (list == NULL)
        fail_msg("%s", err.text);
    return list;
}

void kit_refused(const struct kit_folder *folder, const char *cases, const char *complaint)
{
    struct err err = ERR_INIT;
    kit_write_cases(folder, cases);
    struct case_list *list = case_list_load(folder->path, "acme", &err);
    if (list != NULL) {
        case_list_free(list);
        fail_msg("taken: %s", cases);
    }
    kit_has(err.text, complaint);
}
