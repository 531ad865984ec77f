/* Names of lanes, and keys that name them. */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "lanes/lane.h"

bool lane_name_is_valid(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(name);
    bool is_dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    return len > 0 && len < LANE_NAME_BYTES && strspn(name, allowed) == len && !is_dots;
}

/*
 * FNV-1a.  The digest keeps real keys out of logs and lists and tells two of them apart; that somebody computes a key
 * for a given digest is no danger, since lanes isolate tests, not people, and a real key is too long and too random to
 * be found from 64 bits.  Of a short text it would be no secret at all, but short ones are made up for tests, and are
 * shown as they are.
 */
static uint64_t digest(const char *key)
{
    return hash_bytes(HASH_BEGIN, key, strlen(key));
}

void lane_name_hidden(const char *key, char out[LANE_NAME_BYTES])
{
    snprintf(out, LANE_NAME_BYTES, "key-%016llx", (unsigned long long) digest(key));
}

void lane_name_of_key(const char *key, char out[LANE_NAME_BYTES])
{
    if (lane_name_is_valid(key) && strlen(key) <= LANE_KEY_PLAIN)
        snprintf(out, LANE_NAME_BYTES, "%s", key);
    else
        lane_name_hidden(key, out);
}
