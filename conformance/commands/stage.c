#include "commands/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "commands/commands.h"
#include "commands/place.h"
#include "link/jobs.h"
#include "run/where.h"

#define READY_MS 20000
#define JOBS_USUAL_MAX 4
#define STREAMS_OF_A_JOB 64   /* a case has a handful, and the connections that its client keeps */
#define NS_PER_MS INT64_C(1000000)

static void mark_begin(struct stage *stage)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    stage->started_ms = (int64_t) now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS;
    stage->begin_ns = mono_ns();
    gmtime_r(&now.tv_sec, &utc);
    strftime(stage->today, sizeof stage->today, "%Y-%m-%d", &utc);
}

static int load_cases(struct stage *stage, struct err *err)
{
    struct options *o = stage->options;
    if (place_fixtures(o, &stage->fixtures, err) != 0)
        return -1;
    stage->list = case_list_load(buf_cstr(&stage->fixtures), o->vendor, err);
    if (stage->list == NULL)
        return -1;
    return select_cases(o, stage->list, &stage->chosen, err) != 0 ? -1 : select_check_known(o, stage->list, err);
}

int stage_cases(struct stage *stage, struct options *options)
{
    struct err err = ERR_INIT;
    *stage = (struct stage) { .options = options, .warden = BUF_INIT, .fixtures = BUF_INIT };
    mark_begin(stage);
    if (load_cases(stage, &err) != 0) {
        complain("%s", err.text);
        return EXIT_WRONG_USE;
    }
    if (stage->chosen.count == 0) {
        complain("no case is left by --run, --skip, --truth and --shard%s",
                 options->server_only != NULL ? " of those that need no server of ours" : "");
        return EXIT_NOTHING_SELECTED;
    }
    return 0;
}

/* ---- the server -------------------------------------------------------------------------- */

static int start_host(struct stage *stage, struct err *err)
{
    struct options *o = stage->options;
    BUF_AUTO server = BUF_INIT;
    if (o->server != NULL)
        return host_attach(&stage->host, o->server, o->server_grpc, o->admin_token, err);
    char streams[16];
    snprintf(streams, sizeof streams, "%u", STREAMS_OF_A_JOB * (stage->jobs + 1));
    const char *args[] = { "--isolation", o->isolation, "--max-streams", streams, NULL };
    if (place_program(o, "standbox-mockserver", &server, err) != 0)
        return -1;
    struct host_options options = { .server = buf_cstr(&server), .args = args, .warden = buf_cstr(&stage->warden),
                                    .ready_ms = (int64_t) (READY_MS * stage->server.patience) };
    return host_start(&stage->host, &options, err);
}

int stage_tools(struct stage *stage, struct options *options)
{
    struct err err = ERR_INIT;
    stage->options = options;
    stage->load_factor = jobs_load_factor();
    stage->server.patience = options->patience > 0 ? options->patience : stage->load_factor;
    int processors = jobs_processors();
    stage->jobs = options->jobs > 0 ? options->jobs
                                    : (unsigned) (processors < JOBS_USUAL_MAX ? processors : JOBS_USUAL_MAX);
    if (place_program(options, "standbox-warden", &stage->warden, &err) == 0)
        return 0;
    complain("%s", err.text);
    return EXIT_HARNESS;
}

int stage_server(struct stage *stage)
{
    struct options *o = stage->options;
    struct err err = ERR_INIT;
    int code = stage_tools(stage, o);
    if (code != 0)
        return code;
    if (o->server_only != NULL) {
        stage->server.url = o->server_only;
        stage->server.api_key = o->api_key;
        return 0;
    }
    if (start_host(stage, &err) != 0) {
        complain("%s", err.text);
        return o->server != NULL ? EXIT_WRONG_USE : EXIT_HARNESS;
    }
    bool is_grpc = where_carrier_of(o->vendor) == WHERE_GRPC;
    stage->server.host = stage->host;
    stage->server.url = is_grpc ? host_grpc(stage->host) : host_url(stage->host);
    if (stage->server.url != NULL)
        return 0;
    complain("%s speaks gRPC: say with --server-grpc URL where the server does", o->vendor);
    return EXIT_WRONG_USE;
}

void stage_fini(struct stage *stage)
{
    host_stop(stage->host, NULL);
    selection_fini(&stage->chosen);
    case_list_free(stage->list);
    buf_fini(&stage->warden);
    buf_fini(&stage->fixtures);
}

/* ---- what is said afterwards ------------------------------------------------------------- */

/* script/conformance says how it was called itself. */
static const char *own_name(void)
{
    const char *name = getenv("STANDBOX_PROGRAM");
    return name != NULL && *name != '\0' ? name : "standbox-conformance";
}

void stage_rerun(const struct stage *stage, const char *const *client, struct buf *out)
{
    const struct options *o = stage->options;
    BUF_AUTO command = BUF_INIT;
    place_quote(client, &command);
    const char *whole[] = { buf_cstr(&command), NULL };
    buf_printf(out, "%s --client ", own_name());
    place_quote(whole, out);
    buf_printf(out, " --vendor %s", o->vendor);
    if (o->level != 2)
        buf_printf(out, " --level %d", o->level);
    if (o->server_only != NULL)
        buf_printf(out, " --server-only %s --api-key \"$STANDBOX_API_KEY\"", o->server_only);
    buf_str(out, " --run");
}

int reports_write(const struct options *options, const struct cJSON *document)
{
    struct err err = ERR_INIT;
    int code = 0;
    for (int i = 0; i < REPORT_FORMATS; i++) {
        if (options->reports[i] != NULL &&
            report_write(document, (enum report_format) i, options->reports[i], &err) != 0) {
            complain("--%s: %s", report_format_name((enum report_format) i), err.text);
            code = EXIT_HARNESS;
        }
    }
    return code;
}

