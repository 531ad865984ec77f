/* --validate-adapter: does it keep to the protocol? */
#include <stdio.h>

#include "commands/commands.h"
#include "commands/place.h"
#include "commands/stage.h"
#include "link/validate.h"

#define LIMIT_MS 10000

static void print_indented(const char *title, const char *text)
{
    if (text != NULL && *text != '\0')
        printf("       %s%s\n", title, text);
}

static int print_report(const struct validate_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const struct validate_finding *f = &report->list[i];
        printf("%s %s\n", f->ok ? "ok    " : "BROKEN", f->rule);
        print_indented("", f->text);
        if (!f->ok) {
            print_indented("line:   ", f->line);
            print_indented("stderr: ", f->log);
        }
    }
    printf("%zu of %zu rules kept\n", report->count - report->broken, report->count);
    return report->broken == 0 ? EXIT_CONFORMANT : EXIT_INCONCLUSIVE;
}

int command_validate(struct options *options)
{
    struct stage stage = { 0 };
    struct err err = ERR_INIT;
    struct validate_report report = { 0 };
    int code = stage_tools(&stage, options);
    if (code == 0) {
        struct adapter_options adapter = { .argv = (const char *const *) options->client.words,
                                           .level = options->level, .warden = buf_cstr(&stage.warden),
                                           .hello_ms = (int64_t) (LIMIT_MS * stage.server.patience) };
        if (adapter_validate(&adapter, options->vendor, adapter.hello_ms, &report, &err) == 0) {
            code = print_report(&report);
        } else {
            complain("%s", err.text);
            code = EXIT_HARNESS;
        }
    }
    validate_report_fini(&report);
    stage_fini(&stage);
    return code;
}
