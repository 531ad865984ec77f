/*
 * How long something may take on this machine as busy as it is now.
 *
 * For claims such as "the stop is not held up by a poll of two seconds": an upper bound is part of the claim, and
 * a loaded machine or a sanitizer must not break it.  Thread: any.
 */
#ifndef STANDBOX_TESTS_PATIENCE_H
#define STANDBOX_TESTS_PATIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Did `took_ms` exceed what takes less than `usual_ms` on an idle machine?  Only then the load is measured: by
   starting and ending some threads, which an idle machine does in a known time. */
bool took_too_long(int64_t took_ms, int64_t usual_ms);

/* Does `count(arg)` come down to `most` before long?  For what the kernel lets go a moment after it said so: a thread
   that was joined is still counted for an instant, and a program that has just been started still closes its files. */
bool comes_down_to(size_t (*count)(void *arg), void *arg, size_t most);

#endif
