/* merge: result documents of shards and of several clients become one. */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "commands/commands.h"
#include "commands/stage.h"
#include "report/merge.h"

static int finish(const struct options *options, const struct cJSON *merged)
{
    struct report_totals totals;
    BUF_AUTO line = BUF_INIT;
    report_summary(merged, NULL, &totals);
    report_totals_line(&totals, &line);
    fprintf(stderr, "%s\n", buf_cstr(&line));
    int code = reports_write(options, merged);
    return code != 0 ? code : report_exit_code(&totals);
}

static int merge(const struct options *options, struct merge_input *inputs, size_t *count)
{
    struct err err = ERR_INIT;
    for (size_t i = 0; i < options->files.count; i++, ++*count) {
        inputs[i] = (struct merge_input) { options->files.words[i], results_read(options->files.words[i], &err) };
        if (inputs[i].doc == NULL) {
            complain("%s", err.text);
            return EXIT_WRONG_USE;
        }
    }
    struct merge_options how = { .allow_flaky = options->allow_flaky, .allow_missing = options->allow_missing };
    struct cJSON *merged = results_merge(inputs, *count, &how, &err);
    if (merged == NULL) {
        complain("merge: %s", err.text);
        return EXIT_WRONG_USE;
    }
    int code = finish(options, merged);
    json_free(merged);
    return code;
}

int command_merge(struct options *options)
{
    size_t count = 0;
    struct merge_input *inputs = calloc(options->files.count, sizeof *inputs);
    if (inputs == NULL) {
        complain("no memory");
        return EXIT_HARNESS;
    }
    int code = merge(options, inputs, &count);
    for (size_t i = 0; i < count; i++)
        json_free((struct cJSON *) inputs[i].doc);
    free(inputs);
    return code;
}
