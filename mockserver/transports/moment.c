#include "transports/moment.h"

#include "lanes/strike.h"

/* Kinds that need more than the connection. */
static const struct {
    enum moment from;
    bool is_before_all;              /* also where the answer is not about to begin yet */
} kinds[FAULT_KINDS] = {
    [FAULT_FIRST_BYTE_DELAY] = { MOMENT_HEAD, false },
    [FAULT_LOST_REPLY] = { MOMENT_HEAD, false },
    [FAULT_CUT] = { MOMENT_BODY, false },   /* there must be something to cut */
    [FAULT_EMPTY_RESPONSE] = { MOMENT_POKE, true },
};

static const enum moment earliest[] = {
    [AT_START] = MOMENT_HEAD,
    [AT_BYTES] = MOMENT_BODY,
    [AT_EVENTS] = MOMENT_BODY,
    [AT_FACT] = MOMENT_POKE,
};

bool moment_is_right(const struct strike *strike, enum moment moment)
{
    if (strike == NULL || !strike_is_due(strike))
        return false;
    enum fault_kind kind = strike->fault->kind;
    if (moment < kinds[kind].from)
        return false;
    return kinds[kind].is_before_all || moment >= earliest[strike->rule->at.place];
}
