#include "transports/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool parse_v6(struct address *out, const char *text)
{
    char bare[sizeof out->text] = "";
    size_t len = strlen(text);
    if (text[0] != '[' || len <= 2 || len >= sizeof bare || text[len - 1] != ']')
        return false;
    memcpy(bare, text + 1, len - 2);
    return inet_pton(AF_INET6, bare, &out->v6) == 1;
}

static bool is_loopback(const struct address *address)
{
    return address->is_v4 ? ntohl(address->v4.s_addr) >> 24 == 127 : IN6_IS_ADDR_LOOPBACK(&address->v6);
}

int address_parse(struct address *out, const char *text, int port, bool allow_remote, struct err *err)
{
    struct address address = { .is_v4 = false };
    address.is_v4 = inet_pton(AF_INET, text, &address.v4) == 1;
    if (!address.is_v4 && !parse_v6(&address, text))
        return err_set(err, ERR_INVALID, 0, "%s is not an address such as 127.0.0.1", text);
    if (port < 0 || port > 65535)
        return err_set(err, ERR_INVALID, 0, "%d is not a port", port);
    if (!is_loopback(&address) && !allow_remote)
        return err_set(err, ERR_INVALID, 0, "%s can be reached from outside: that needs --allow-remote", text);
    address.is_wildcard = address.is_v4 ? address.v4.s_addr == 0 : IN6_IS_ADDR_UNSPECIFIED(&address.v6);
    snprintf(address.text, sizeof address.text, "%s", text);
    *out = address;
    return 0;
}

void address_write_url(const struct address *address, int port, char *out, size_t size)
{
    const char *text = address->text;
    if (address->is_wildcard)
        text = address->is_v4 ? "127.0.0.1" : "[::1]";
    snprintf(out, size, "http://%s:%d", text, port);
}
