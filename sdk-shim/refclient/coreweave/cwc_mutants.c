/* The list of the mutants; what they do wrong stands where it belongs. */
#include "cwc_mutants.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "sbc_json.h"

enum cwc_mutant cwc_mutants_chosen = CWC_MUTANT_none;

enum versions { BETA = 1, V1 = 2, BOTH = 3 };

static const struct row {
    const char *name, *what, *imitates;
    enum versions versions;
} rows[] = {
    [CWC_MUTANT_none] = { "none", "nothing", "", BOTH },
#define CWC_MUTANT_ROW(name_, versions_, what_, imitates_) \
    [CWC_MUTANT_##name_] = { .name = #name_, .what = what_, .imitates = imitates_, .versions = versions_ },
#include "cwc_mutants.def"
#undef CWC_MUTANT_ROW
};

static char *spell(const char *name)
{
    char *spelt = sbc_text_copy(name);
    for (char *at = spelt; *at != '\0'; at++)
        *at = *at == '_' ? '-' : *at;
    return spelt;
}

int cwc_mutants_choose(const char *name)
{
    for (size_t i = 1; i < CWC_MUTANTS_COUNT; i++) {
        char *spelt = spell(rows[i].name);
        if (strcmp(spelt, name) == 0)
            cwc_mutants_chosen = (enum cwc_mutant) i;
        free(spelt);
    }
    return cwc_mutants_chosen == CWC_MUTANT_none ? -1 : 0;
}

void cwc_mutants_list(FILE *out)
{
    for (size_t i = 1; i < CWC_MUTANTS_COUNT; i++) {
        char *name = spell(rows[i].name);
        cJSON *line = cJSON_CreateObject();
        cJSON_AddStringToObject(line, "name", name);
        cJSON *protocols = cJSON_AddArrayToObject(line, "protocols");
        if ((rows[i].versions & BETA) != 0)
            cJSON_AddItemToArray(protocols, cJSON_CreateString("v1beta2"));
        if ((rows[i].versions & V1) != 0)
            cJSON_AddItemToArray(protocols, cJSON_CreateString("v1"));
        cJSON_AddStringToObject(line, "what", rows[i].what);
        cJSON_AddStringToObject(line, "imitates", rows[i].imitates);
        char *text = sbc_json_print(line);
        fprintf(out, "%s\n", text);
        free(text);
        free(name);
        cJSON_Delete(line);
    }
}
