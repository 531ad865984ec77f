#include "transports/grpc_text.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

#define MAX_TIMEOUT_DIGITS 8
#define ESCAPE_BYTES       3

bool grpc_text_parse_timeout(const char *text, int64_t *out_ns)
{
    static const struct { char unit; int64_t ns; } units[] = {
        { 'H', INT64_C(3600000000000) }, { 'M', INT64_C(60000000000) }, { 'S', 1000000000 },
        { 'm', 1000000 },                { 'u', 1000 },                 { 'n', 1 },
    };
    size_t digits = strspn(text, "0123456789");
    int64_t number = 0;
    if (digits == 0 || digits > MAX_TIMEOUT_DIGITS || text[digits] == '\0' || text[digits + 1] != '\0')
        return false;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (text[i] - '0');
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].unit != text[digits])
            continue;
        *out_ns = number > INT64_MAX / units[i].ns ? INT64_MAX : number * units[i].ns;
        return true;
    }
    return false;
}

bool grpc_text_is_grpc(const char *content_type)
{
    static const char plain[] = "application/grpc", proto[] = "+proto";
    if (content_type == NULL || strncasecmp(content_type, plain, sizeof plain - 1) != 0)
        return false;
    const char *rest = content_type + sizeof plain - 1;
    if (strncasecmp(rest, proto, sizeof proto - 1) == 0)
        rest += sizeof proto - 1;
    rest += strspn(rest, " \t");
    return *rest == '\0' || *rest == ';';
}

static bool goes_as_it_is(char c)
{
    return c >= 0x20 && c <= 0x7E && c != '%';
}

static size_t size_of_piece(const char *text, size_t len)
{
    size_t size = 0;
    for (size_t i = 0; i < len; i++)
        size += goes_as_it_is(text[i]) ? 1 : ESCAPE_BYTES;
    return size;
}

void grpc_text_put_message(struct buf *out, const char *text, size_t len, size_t max)
{
    uint32_t ignored;
    for (size_t at = 0; at < len;) {
        size_t n = utf8_next(text + at, len - at, &ignored);
        size_t size = size_of_piece(text + at, n);
        if (size > max)
            return;
        max -= size;
        for (; n > 0; n--, at++) {
            if (goes_as_it_is(text[at]))
                buf_char(out, text[at]);
            else
                buf_printf(out, "%%%02X", (unsigned char) text[at]);
        }
    }
}

void grpc_text_put_binary(struct buf *out, const void *data, size_t len)
{
    base64_encode(out, data, len);
    while (len > 0 && !out->failed && out->data[out->len - 1] == '=')
        out->data[--out->len] = '\0';
}

bool grpc_text_is_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.");
    return len > 0 && name[len] == '\0';
}

bool grpc_text_is_value(const char *value)
{
    size_t len = strlen(value);
    for (size_t i = 0; i < len; i++) {
        if (value[i] < 0x20 || value[i] > 0x7E)
            return false;
    }
    return len == 0 || (value[0] != ' ' && value[len - 1] != ' ');
}
