/* What a test waits for at the site. */
#include <time.h>

#include "base/clock.h"
#include "tests/support/grpc_site.h"
#include "tests/support/h2_client.h"

#define LIMIT_NS (INT64_C(1000000) * H2_LIMIT_MS)

static bool await_count(struct grpc_site *site, const unsigned *count, unsigned least)
{
    int64_t end = mono_ns() + LIMIT_NS;
    struct timespec until = { end / 1000000000, end % 1000000000 };
    pthread_mutex_lock(&site->lock);
    while (*count < least && pthread_cond_timedwait(&site->changed, &site->lock, &until) == 0)
        continue;
    bool is_there = *count >= least;
    pthread_mutex_unlock(&site->lock);
    return is_there;
}

bool grpc_site_await_begun(struct grpc_site *site, unsigned count)
{
    return await_count(site, &site->seen.begun, count);
}

bool grpc_site_await_over(struct grpc_site *site, unsigned count)
{
    return await_count(site, &site->seen.over, count);
}

bool grpc_site_await_late(struct grpc_site *site, unsigned count)
{
    return await_count(site, &site->seen.late_refused, count);
}

/* Glance until it is so, or until the time is over. */
static bool await_state(struct grpc_site *site, bool (*is_so)(struct grpc_site *site, unsigned count), unsigned count)
{
    static const struct timespec glance = { 0, 1000000 };
    for (int64_t end = mono_ns() + LIMIT_NS; mono_ns() < end; nanosleep(&glance, NULL)) {
        if (is_so(site, count))
            return true;
    }
    return is_so(site, count);
}

static bool has_fired(struct grpc_site *site, unsigned count)
{
    struct match_counts counts;
    grpc_site_counts(site, &counts);
    return counts.fired >= count;
}

static bool is_idle(struct grpc_site *site, unsigned count)
{
    struct grpc_stats stats;
    (void) count;
    grpc_server_stats(site->server, &stats);
    return stats.open_calls + stats.open_connections == 0 && stats.request_bytes + stats.answer_bytes == 0;
}

bool grpc_site_await_fired(struct grpc_site *site, unsigned count)
{
    return await_state(site, has_fired, count);
}

bool grpc_site_await_idle(struct grpc_site *site)
{
    return await_state(site, is_idle, 0);
}
