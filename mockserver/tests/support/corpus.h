/* Replaying a fuzz corpus in a test.  Thread: the test's. */
#ifndef STANDBOX_TESTS_CORPUS_H
#define STANDBOX_TESTS_CORPUS_H

#include <stddef.h>

/* Give every file of fuzz/corpus/NAME to the fuzz target that the test was built with; fails the test when one is not
   survived (returns other than 0), or when there are fewer than `least`. */
void corpus_replay(const char *name, size_t least);

#endif
