#include "base/secret.h"

#include <ctype.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Every header and member of every request is looked at, so lengths are not counted again each time. */
struct text {
    const char *data;
    size_t len;
};
#define T(literal) { literal, sizeof(literal) - 1 }

/* Anywhere in a name: lower case, without "-" and "_". */
static const struct text parts[] = {
    T("token"),     T("secret"),     T("apikey"),     T("password"), T("passwd"),
    T("accesskey"), T("privatekey"), T("credential"), T("cookie"),   T("authorization"),
};

static const bool begins_part[256] = { ['a'] = true, ['c'] = true, ['p'] = true, ['s'] = true, ['t'] = true };

/* As a word of a name ("X-Auth-Key", "dbPass"): too short to be looked for inside others. */
static const struct text words[] = {
    T("auth"), T("bearer"), T("jwt"), T("pass"), T("passphrase"), T("pat"), T("pwd"), T("sig"), T("signature"),
};

/* As the whole name only. */
static const struct text names[] = { T("sid"), T("session"), T("sessionid") };

/* When a secret ends is none. */
static const struct text harmless_ends[] = { T("expires"), T("expiresat"), T("expiry") };

static bool is_in(const struct text *list, size_t count, const char *text, size_t len)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].len == len && memcmp(list[i].data, text, len) == 0)
            return true;
    }
    return false;
}

/* Does the text begin with one of `list`? */
static bool begins_with(const struct text *list, size_t count, const char *text, size_t len)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].len <= len && memcmp(text, list[i].data, list[i].len) == 0)
            return true;
    }
    return false;
}

static bool has_secret_part(const char *plain, size_t len)
{
    for (size_t at = 0; at < len; at++) {
        if (begins_part[(unsigned char) plain[at]] && begins_with(parts, COUNT(parts), plain + at, len - at))
            return true;
    }
    return false;
}

static bool ends_harmlessly(const char *plain, size_t len)
{
    for (size_t i = 0; i < COUNT(harmless_ends); i++) {
        size_t end = harmless_ends[i].len;
        if (len > end && memcmp(plain + len - end, harmless_ends[i].data, end) == 0)
            return true;
    }
    return false;
}

/* A word begins behind anything that is no letter, and where a capital follows a small one. */
static bool begins_word(const char *name, size_t i)
{
    bool follows_small = i > 0 && islower((unsigned char) name[i - 1]) && isupper((unsigned char) name[i]);
    return isalpha((unsigned char) name[i]) && (i == 0 || !isalpha((unsigned char) name[i - 1]) || follows_small);
}

static bool has_secret_word(const char *name, size_t len)
{
    char word[SECRET_NAME_BYTES];
    for (size_t i = 0; i < len; i++) {
        size_t n = 0;
        if (!begins_word(name, i))
            continue;
        do
            word[n] = (char) tolower((unsigned char) name[i + n]);
        while (++n < len - i && isalpha((unsigned char) name[i + n]) && !begins_word(name, i + n));
        if (is_in(words, COUNT(words), word, n))
            return true;
    }
    return false;
}

bool secret_is_name(const char *name, size_t len)
{
    char plain[SECRET_NAME_BYTES];
    size_t n = 0;
    if (len > SECRET_NAME_BYTES)
        return true;
    for (size_t i = 0; i < len; i++) {
        if (name[i] != '-' && name[i] != '_')
            plain[n++] = (char) tolower((unsigned char) name[i]);
    }
    if (ends_harmlessly(plain, n))
        return false;
    return has_secret_part(plain, n) || is_in(names, COUNT(names), plain, n) || has_secret_word(name, len);
}
