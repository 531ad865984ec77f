/* Runners and profiles: one of each, which is this machine. */
#include "dialects/coreweave/cw_priv.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/text.h"

/* As the vendor calls it. */
static const char *architecture(const struct utsname *name)
{
    return strcmp(name->machine, "x86_64") == 0 ? "amd64" : strcmp(name->machine, "aarch64") == 0 ? "arm64" : name->machine;
}

static int count_running(const struct cw *cw)
{
    size_t count;
    int running = 0;
    struct cw_view view;
    struct sandbox **list = engine_list_sandboxes(cw->engine, cw->owner, CW_NAME, &count);
    for (size_t i = 0; i < count; i++) {
        if (sandbox_record(list[i]) == NULL)
            continue;
        cw_view_sandbox(cw, list[i], &view);
        running += view.state == CW_RUNNING;
    }
    sandbox_list_free(list, count);
    return running;
}

/* `name` gets what the runner borrows of it. */
static struct cw_runner describe(const struct cw *cw, struct utsname *name)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE), cpus = sysconf(_SC_NPROCESSORS_ONLN);
    if (uname(name) != 0)
        name->machine[0] = '\0';
    return (struct cw_runner) {
        .id = cw_now(cw)->runner_id,
        .group_id = cw_now(cw)->runner_group_id,
        .profile = cw_now(cw)->profile,
        .architecture = architecture(name),
        .connected_ms = cw->begun_ms,
        .cpu_millicores = cpus > 0 ? cpus * 1000 : 1000,
        .memory_bytes = pages > 0 && page > 0 ? (int64_t) pages * page : 0,
        .running = count_running(cw),
        .with_resources = true,
    };
}

static bool is_asked(const char *wanted, const char *own)
{
    return wanted == NULL || wanted[0] == '\0' || strcmp(wanted, own) == 0;
}

/* There are no GPUs. */
static bool fits(const struct cw_request *request, const struct cw_runner *runner)
{
    return is_asked(request->group_id, runner->group_id) && is_asked(request->runner_id, runner->id) &&
           is_asked(request->profile, runner->profile) && is_asked(request->architecture, runner->architecture) &&
           is_asked(request->gpu_type, "");
}

void cw_list_runners(struct cw_call *call)
{
    struct utsname name;
    BUF_AUTO message = BUF_INIT;
    const struct cw_runner runner = describe(call->cw, &name);
    call->wire->write_runners(&runner, fits(&call->request, &runner), &message);
    cw_reply(call, &message);
}

void cw_get_runner(struct cw_call *call)
{
    struct utsname name;
    BUF_AUTO message = BUF_INIT;
    const struct cw_runner runner = describe(call->cw, &name);
    if (strcmp(call->request.runner_id, runner.id) != 0) {
        cw_fail(call, RPC_NOT_FOUND, "CWSANDBOX_RUNNER_NOT_FOUND", "runner %.60s not found", call->request.runner_id);
        return;
    }
    call->wire->write_runner(&runner, &message);
    cw_reply(call, &message);
}

void cw_list_profiles(struct cw_call *call)
{
    struct utsname name;
    BUF_AUTO message = BUF_INIT;
    const struct cw_runner runner = describe(call->cw, &name);
    call->wire->write_profiles(&runner, fits(&call->request, &runner), &message);
    cw_reply(call, &message);
}

void cw_get_profile(struct cw_call *call)
{
    struct utsname name;
    BUF_AUTO message = BUF_INIT;
    const struct cw_runner runner = describe(call->cw, &name);
    if (strcmp(call->request.profile, runner.profile) != 0 || !is_asked(call->request.runner_id, runner.id)) {
        cw_fail(call, RPC_NOT_FOUND, "CWSANDBOX_PROFILE_NOT_FOUND", "profile %.60s not found", call->request.profile);
        return;
    }
    call->wire->write_profile(&runner, &message);
    cw_reply(call, &message);
}
