#include "transports/host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

static bool is_loopback_address(const char *name)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, name, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, name, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text), end_len = strlen(end);
    return text_len >= end_len && strcasecmp(text + text_len - end_len, end) == 0;
}

bool host_split(const char *host, char out_name[HOST_NAME_BYTES])
{
    bool bracketed = host[0] == '[';
    const char *start = host + bracketed;
    size_t len = strcspn(start, bracketed ? "]" : ":");
    const char *rest = start + len;
    if (len == 0 || len >= HOST_NAME_BYTES || (bracketed && *rest++ != ']'))
        return false;
    if (*rest == ':')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (rest[strspn(rest, " \t")] != '\0')
        return false;
    memcpy(out_name, start, len);
    out_name[len] = '\0';
    return strcspn(out_name, " \t/?#@\\\"'<>") == len;
}

static bool is_known_name(const char *name, const char *const *suffixes)
{
    if (strcasecmp(name, "localhost") == 0 || ends_with(name, ".localhost") || is_loopback_address(name))
        return true;
    for (; suffixes != NULL && *suffixes != NULL; suffixes++) {
        if (ends_with(name, *suffixes))
            return true;
    }
    return false;
}

bool host_is_known(const char *host, const char *const *suffixes)
{
    char name[HOST_NAME_BYTES];
    return host_split(host, name) && is_known_name(name, suffixes);
}
