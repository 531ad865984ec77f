#include "judge/verdict.h"

#include <string.h>

#include "base/err.h"

static const char *const names[VERDICTS] = {
    [VERDICT_PASS] = "pass",
    [VERDICT_FAIL] = "fail",
    [VERDICT_NON_STRICT] = "non-strict",
    [VERDICT_NOT_EXERCISED] = "not-exercised",
    [VERDICT_SKIPPED] = "skipped",
    [VERDICT_ADAPTER_ERROR] = "adapter-error",
    [VERDICT_HARNESS_ERROR] = "harness-error",
};

const char *verdict_name(enum verdict verdict)
{
    CHECK((unsigned) verdict < VERDICTS);
    return names[verdict];
}

bool verdict_from_name(const char *name, enum verdict *out)
{
    for (unsigned i = 0; i < VERDICTS; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum verdict) i;
            return true;
        }
    }
    return false;
}
