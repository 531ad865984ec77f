#include "tests/support/one_fault.h"

#include "base/buf.h"
#include "scenario/scenario.h"

static int make_match(const char *at, const char *fault, struct match **out_match, struct err *err)
{
    BUF_AUTO text = BUF_INIT;
    struct scenario *scenario;
    buf_str(&text, "{\"standbox\": 1, \"name\": \"t\", \"why\": \"a test\", \"faults\": [ "
                   "{ \"when\": { \"op\": \"process.stream\" }, ");
    if (at != NULL)
        buf_printf(&text, "\"at\": %s, ", at);
    buf_printf(&text, "%s } ] }", fault);
    if (scenario_parse(&scenario, "t.json", buf_cstr(&text), text.len, err) < 0)
        return -1;
    int rc = match_new(out_match, scenario, 1, err);
    scenario_unref(scenario);
    return rc;
}

int one_fault_new(const char *at, const char *fault, struct match **out_match, struct clock **out_clock, struct err *err)
{
    if (make_match(at, fault, out_match, err) < 0)
        return -1;
    if (clock_new(out_clock, 1.0, err) < 0) {
        match_unref(*out_match);
        return -1;
    }
    clock_freeze(*out_clock);
    return 0;
}
