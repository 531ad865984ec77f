/* Replays the fuzz corpus of messages: what once was found stays found, with any compiler. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/corpus.h"

static void every_file_of_the_corpus_is_survived(void **state)
{
    (void) state;
    corpus_replay("proto", 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_file_of_the_corpus_is_survived) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
