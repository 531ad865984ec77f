#include <string.h>

#include "dialects/dialect.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char) (c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Like a browser's form decoder: '+' is a blank, an escape that is none stays as it is. */
static void decode(struct buf *out, const char *text, size_t len)
{
    buf_clear(out);
    buf_add(out, "", 0);
    for (size_t i = 0; i < len; i++) {
        int high = text[i] == '%' && len - i > 2 ? hex_digit(text[i + 1]) : -1;
        int low = high < 0 ? -1 : hex_digit(text[i + 2]);
        if (low >= 0) {
            buf_char(out, (char) (high * 16 + low));
            i += 2;
        } else {
            buf_char(out, text[i] == '+' ? ' ' : text[i]);
        }
    }
}

bool query_get(const char *query, const char *name, struct buf *out)
{
    BUF_AUTO key = BUF_INIT;
    size_t name_len = strlen(name);
    for (const char *p = query; *p != '\0';) {
        size_t len = strcspn(p, "&");
        const char *equals = memchr(p, '=', len);
        size_t key_len = equals == NULL ? len : (size_t) (equals - p);
        decode(&key, p, key_len);
        if (key.len == name_len && memcmp(buf_cstr(&key), name, name_len) == 0 && len > 0) {
            size_t skip = key_len + (equals != NULL);
            decode(out, p + skip, len - skip);
            return true;
        }
        p += len;
        p += *p == '&';
    }
    return false;
}
