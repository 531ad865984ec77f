#include "tests/support/patience.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

#define THREADS 200
#define USUAL_NS INT64_C(10000000)   /* for THREADS on an idle machine, generously */
#define MAX_FACTOR 40

static void *nothing(void *arg)
{
    return arg;
}

static int64_t time_threads(void)
{
    pthread_t threads[THREADS];
    int64_t begin = mono_ns();
    int count = 0;
    while (count < THREADS && pthread_create(&threads[count], NULL, nothing, NULL) == 0)
        count++;
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return (mono_ns() - begin + USUAL_NS - 1) / USUAL_NS;
}

/* Who waited for a processor in the last minute: the burst that made something slow may be over when one looks. */
static int64_t waiting_per_processor(void)
{
    double load = 0;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return getloadavg(&load, 1) == 1 && processors > 0 ? 1 + (int64_t) (load / (double) processors) : 1;
}

static int64_t measure_factor(void)
{
    int64_t threads = time_threads();
    int64_t waiting = waiting_per_processor();
    int64_t factor = threads > waiting ? threads : waiting;
    return factor > MAX_FACTOR ? MAX_FACTOR : factor;
}

bool took_too_long(int64_t took_ms, int64_t usual_ms)
{
    return took_ms > usual_ms && took_ms > usual_ms * measure_factor();
}

bool comes_down_to(size_t (*count)(void *arg), void *arg, size_t most)
{
    enum { GLANCE_MS = 2, GLANCES = 15000 };
    for (int i = 0; i < GLANCES; i++) {
        if (count(arg) <= most)
            return true;
        poll(NULL, 0, GLANCE_MS);
    }
    return false;
}
