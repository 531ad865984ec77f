#include "puppet/words.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Longer words are never compared letter by letter. */
#define WORD_BYTES 32
/* A word further away than this is no typing error. */
#define NEAR_DISTANCE 2

/* The last one of the classic signals; real-time ones have no fixed names. */
#define LAST_NAMED 31

static int realtime_signal(const char *name)
{
    if (strncasecmp(name, "RTMIN", 5) != 0 && strncasecmp(name, "RTMAX", 5) != 0)
        return 0;
    char sign = (name[2] | 0x20) == 'm' && (name[3] | 0x20) == 'i' ? '+' : '-';
    int from = sign == '+' ? SIGRTMIN : SIGRTMAX;
    if (name[5] == '\0')
        return from;
    if (name[5] != sign || name[6] < '0' || name[6] > '9')
        return 0;
    char *end;
    long offset = strtol(name + 6, &end, 10);
    if (*end != '\0' || offset > SIGRTMAX - SIGRTMIN)
        return 0;
    return sign == '+' ? from + (int) offset : from - (int) offset;
}

int words_signal(const char *name)
{
    if (strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    for (int signo = 1; signo <= LAST_NAMED; signo++) {
        const char *known = sigabbrev_np(signo);
        if (known != NULL && strcasecmp(name, known) == 0)
            return signo;
    }
    /* The C library calls it POLL, everybody's tables call it IO. */
    return strcasecmp(name, "IO") == 0 ? SIGIO : realtime_signal(name);
}

static unsigned min2(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edit distance where two letters that changed places count as one slip ("TREM"). */
static unsigned distance(const char *a, const char *b)
{
    unsigned char d[WORD_BYTES + 1][WORD_BYTES + 1];
    size_t rows = strlen(a), columns = strlen(b);
    if (rows > WORD_BYTES || columns > WORD_BYTES)
        return strcmp(a, b) == 0 ? 0 : UINT_MAX;
    for (size_t i = 0; i <= rows; i++) {
        for (size_t j = 0; j <= columns; j++) {
            unsigned best = (unsigned) (i == 0 ? j : i);
            if (i > 0 && j > 0) {
                best = min2(d[i - 1][j] + 1U, d[i][j - 1] + 1U);
                best = min2(best, d[i - 1][j - 1] + (a[i - 1] != b[j - 1] ? 1U : 0U));
            }
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = min2(best, d[i - 2][j - 2] + 1U);
            d[i][j] = (unsigned char) best;
        }
    }
    return d[rows][columns];
}

const char *words_nearest(const char *name, const char *const *words, size_t count)
{
    const char *best = NULL;
    unsigned best_distance = NEAR_DISTANCE + 1;
    for (size_t i = 0; i < count; i++) {
        unsigned d = distance(name, words[i]);
        if (d < best_distance && d < strlen(words[i])) {
            best = words[i];
            best_distance = d;
        }
    }
    return best;
}

const char *words_nearest_signal(const char *name)
{
    const char *known[LAST_NAMED];
    size_t count = 0;
    if (strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    for (int signo = 1; signo <= LAST_NAMED; signo++) {
        const char *abbrev = sigabbrev_np(signo);
        if (abbrev != NULL)
            known[count++] = abbrev;
    }
    return words_nearest(name, known, count);
}
