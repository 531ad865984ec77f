#include "base/clock.h"

#include "base/err.h"

#define NS_PER_MS 1000000LL

static int64_t read_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t) ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int64_t mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

void clock_init(struct clock *c, double scale)
{
    CHECK(scale > 0);
    c->scale = scale;
    c->base_mono_ns = mono_ns();
    c->base_wall_ms = read_ns(CLOCK_REALTIME) / NS_PER_MS;
}

int64_t clock_now_ms(const struct clock *c)
{
    return (int64_t) ((double) (mono_ns() - c->base_mono_ns) * c->scale) / NS_PER_MS;
}

int64_t clock_wall_ms(const struct clock *c)
{
    return c->base_wall_ms + clock_now_ms(c);
}

/* Real nanoseconds from the clock's start to API time `api_ms`, one millisecond up. */
static int64_t real_ns_at(const struct clock *c, int64_t api_ms)
{
    double ns = ((double) api_ms + 1.0) / c->scale * (double) NS_PER_MS;
    double most = (double) (INT64_MAX / 4);
    return ns > most ? INT64_MAX / 4 : (int64_t) ns;
}

struct timespec clock_real_deadline(const struct clock *c, int64_t api_ms)
{
    int64_t ns = c->base_mono_ns + (api_ms == CLOCK_NEVER ? INT64_MAX / 4 : real_ns_at(c, api_ms));
    return (struct timespec) { .tv_sec = ns / 1000000000LL, .tv_nsec = ns % 1000000000LL };
}

int64_t clock_deadline(const struct clock *c, int64_t delay_ms)
{
    if (delay_ms < 0 || delay_ms > INT64_MAX / 4)
        return CLOCK_NEVER;
    return clock_now_ms(c) + delay_ms;
}
