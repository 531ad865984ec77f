/* Very many commands on one connection, with one client that reads nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/support/call_site.h"

#define STREAMS 300
#define BYTES   30000u     /* there and back, on each */
#define FLOOD   3000000u   /* for who does not read: much more than all queues and pipes hold */
#define FEW_THREADS 20     /* all of this program's: none is a command's own */

/* Each stream has bytes of its own, NUL and others that are no text among them. */
static void fill(unsigned char *out, size_t len, size_t stream)
{
    uint32_t state = (uint32_t) stream * 2654435761u + 1;
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525u + 1013904223u;
        out[i] = (unsigned char) (state >> 24);
    }
}

static struct h2_stream *streams[STREAMS];

static bool are_closed(void *arg)
{
    size_t from = *(const size_t *) arg;
    for (size_t i = from; i < STREAMS; i++) {
        if (!streams[i]->is_closed)
            return false;
    }
    return true;
}

static void assert_echoed(struct call_site *site, size_t i)
{
    static unsigned char expected[BYTES];
    CALL_STORY story;
    fill(expected, BYTES, i);
    call_tell(site, streams[i], &story);
    if (h2_status(streams[i]) != 0 || story.exits != 1 || story.exit_code != 0 || story.out.len != BYTES ||
        memcmp(story.out.data, expected, BYTES) != 0)
        fail_msg("stream %zu: status %d, exit %d, %zu bytes", i, h2_status(streams[i]), story.exit_code, story.out.len);
}

/* "VmRSS" and "Threads" of this program, which is the server, too. */
static long of_status(const char *name)
{
    char line[200];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        size_t len = strlen(name);
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            value = strtol(line + len + 1, NULL, 10);
    }
    fclose(file);
    return value;
}

static bool are_all_ready(void *arg)
{
    (void) arg;
    for (size_t i = 0; i < STREAMS; i++) {
        if (h2_messages(streams[i]) == 0)
            return false;
    }
    return true;
}

static void three_hundred_commands_share_a_connection_with_a_slow_reader(void **state)
{
    struct call_site *site = *state;
    static unsigned char bytes[BYTES];
    size_t first = 1, all = 0;
    long rss = of_status("VmRSS");
    int64_t begun = mono_ns();
    streams[0] = call_exec(site, "head -c 3000000 /dev/zero", true);
    streams[0]->reads_nothing = true;
    for (size_t i = 1; i < STREAMS; i++)
        streams[i] = call_exec(site, "exec cat", false);
    assert_true(h2_run(&site->client, are_all_ready, NULL, 4 * H2_LIMIT_MS));
    long threads = of_status("Threads"), more = of_status("VmRSS") - rss;
    int64_t ready_ms = (mono_ns() - begun) / 1000000;
    for (size_t i = 1; i < STREAMS; i++) {
        fill(bytes, BYTES, i);
        call_stdin(site, streams[i], bytes, BYTES / 2);
        call_stdin(site, streams[i], bytes + BYTES / 2, BYTES - BYTES / 2);
        h2_send(streams[i], "", 0, true);
    }
    assert_true(h2_run(&site->client, are_closed, &first, 4 * H2_LIMIT_MS));
    print_message("%d commands run at once after %d ms, all are over after %d ms; %ld threads, %ld kB more\n", STREAMS,
                  (int) ready_ms, (int) ((mono_ns() - begun) / 1000000), threads, more);
    assert_in_range(threads, 1, FEW_THREADS);
    for (size_t i = 1; i < STREAMS; i++)
        assert_echoed(site, i);
    /* Who has read nothing has lost nothing. */
    assert_false(streams[0]->is_closed);
    h2_read_again(streams[0]);
    assert_true(h2_run(&site->client, are_closed, &all, 4 * H2_LIMIT_MS));
    CALL_STORY story;
    call_tell(site, streams[0], &story);
    assert_int_equal(story.out.len, FLOOD);
    assert_int_equal(story.exits, 1);
    assert_int_equal(story.errors, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(three_hundred_commands_share_a_connection_with_a_slow_reader, call_site_setup,
                                        call_site_teardown),
    };
    return call_site_run("many calls", tests, sizeof tests / sizeof *tests);
}
