/* A scenario of one fault, for servers of tests that ask no lane. */
#ifndef STANDBOX_TESTS_ONE_FAULT_H
#define STANDBOX_TESTS_ONE_FAULT_H

#include "base/clock.h"
#include "scenario/match.h"

/* A match whose one rule is about process.stream: `fault` its members as JSON text, `at` the value of its "at" (NULL: none);
   and a clock that stands still.  Both are the caller's. */
int one_fault_new(const char *at, const char *fault, struct match **out_match, struct clock **out_clock, struct err *err);

#endif
