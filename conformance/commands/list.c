/* --list and --explain. */
#include <stdio.h>

#include "commands/commands.h"
#include "commands/place.h"
#include "commands/stage.h"

int command_list(struct options *options)
{
    struct stage stage;
    int code = stage_cases(&stage, options);
    for (size_t i = 0; code == 0 && i < stage.chosen.count; i++) {
        const struct case_def *def = stage.chosen.cases[i];
        printf("%-60s  %-6s  %-10s  %s\n", def->id, def->severity == CASE_MUST ? "MUST" : "SHOULD", def->tag,
               def->requirement);
    }
    stage_fini(&stage);
    return code;
}

int command_explain(struct options *options)
{
    struct err err = ERR_INIT;
    BUF_AUTO fixtures = BUF_INIT;
    struct case_list *list = NULL;
    if (place_fixtures(options, &fixtures, &err) == 0)
        list = case_list_load(buf_cstr(&fixtures), options->vendor, &err);
    if (list == NULL) {
        complain("%s", err.text);
        return EXIT_WRONG_USE;
    }
    const struct case_def *def = case_list_find(list, options->explain);
    if (def != NULL)
        case_explain(def, stdout);
    else
        complain("--explain: %s has no case \"%s\" (--list lists them)", options->vendor, options->explain);
    case_list_free(list);
    return def != NULL ? 0 : EXIT_WRONG_USE;
}
