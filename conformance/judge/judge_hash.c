/* The hash that tells one failure from another, the same in every run. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "judge/judge_priv.h"

/* Exit codes, counts and statuses are short numbers that stand alone; they do not vary. */
static bool is_short_number(const char *text)
{
    const char *digits = text + (*text == '-');
    size_t len = strlen(digits);
    return len > 0 && len < 4 && strspn(digits, "0123456789") == len;
}

static bool is_word(char c)
{
    return isalnum((unsigned char) c) != 0;
}

/* Length of an id at `text`, where a word begins: hexadecimal digits (and hyphens), eight and more, a digit among
   them.  0: there is none. */
static size_t id_length(const char *text)
{
    size_t len = strspn(text, "0123456789abcdefABCDEF-");
    bool has_digit = strcspn(text, "0123456789") < len;
    return len >= 8 && has_digit && !is_word(text[len]) ? len : 0;
}

void hash_put_stable(struct buf *out, const char *text)
{
    bool in_word = false;
    if (is_short_number(text)) {
        buf_str(out, text);
        return;
    }
    while (*text != '\0') {
        size_t varies = in_word ? 0 : id_length(text);
        if (varies == 0)
            varies = strspn(text, "0123456789");
        if (varies > 0)
            buf_char(out, '#');
        else
            buf_char(out, *text);
        in_word = varies > 0 || is_word(*text);
        text += varies > 0 ? varies : 1;
    }
}

void hash_text_hex(const struct buf *text, char out[9])
{
    uint64_t hash = hash_bytes(HASH_BEGIN, buf_cstr(text), text->len);
    snprintf(out, 9, "%08x", (unsigned) (hash ^ hash >> 32));
}
