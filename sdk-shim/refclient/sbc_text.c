#include "sbc_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Noreturn static void die_of_memory(void)
{
    fputs("standbox_client: out of memory\n", stderr);
    abort();
}

void *sbc_alloc(size_t count, size_t size)
{
    void *made = calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    if (made == NULL)
        die_of_memory();
    return made;
}

char *sbc_text_copy_bytes(const char *data, size_t size)
{
    if (size == SIZE_MAX)
        die_of_memory();
    char *copy = sbc_alloc(size + 1, 1);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

char *sbc_text_copy(const char *text)
{
    return text == NULL ? NULL : sbc_text_copy_bytes(text, strlen(text));
}

__attribute__((format(printf, 1, 0))) static char *format_text(const char *fmt, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, fmt, args) < 0)
        die_of_memory();
    return text;
}

char *sbc_text_format(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = format_text(fmt, args);
    va_end(args);
    return text;
}

/* ------------------------------------------------------------------ buffer */

void sbc_buf_add(struct sbc_buf *buf, const void *data, size_t size)
{
    if (size >= SIZE_MAX / 2 - buf->size)
        die_of_memory();
    size_t need = buf->size + size + 1;
    if (need > buf->room) {
        size_t room = buf->room * 2 > need ? buf->room * 2 : need + 64;
        char *grown = realloc(buf->data, room);
        if (grown == NULL)
            die_of_memory();
        buf->data = grown;
        buf->room = room;
    }
    if (size > 0)
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

void sbc_buf_add_text(struct sbc_buf *buf, const char *text)
{
    sbc_buf_add(buf, text, strlen(text));
}

void sbc_buf_add_format(struct sbc_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = format_text(fmt, args);
    va_end(args);
    sbc_buf_add_text(buf, text);
    free(text);
}

void sbc_buf_add_encoded(struct sbc_buf *buf, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL)
            sbc_buf_add(buf, text, 1);
        else
            sbc_buf_add_format(buf, "%%%02X", (unsigned) (unsigned char) *text);
    }
}

void sbc_buf_drop(struct sbc_buf *buf, size_t size)
{
    if (size == 0)
        return;
    memmove(buf->data, buf->data + size, buf->size - size + 1);
    buf->size -= size;
}

char *sbc_buf_take(struct sbc_buf *buf)
{
    char *text = buf->data != NULL ? buf->data : sbc_alloc(1, 1);
    *buf = (struct sbc_buf){ 0 };
    return text;
}

void sbc_buf_free(struct sbc_buf *buf)
{
    free(buf->data);
    *buf = (struct sbc_buf){ 0 };
}

/* ------------------------------------------------------------------- UTF-8 */

/* Bytes of the character at `at`, 0 when there is none.  Table of the Unicode standard, 3-7. */
static size_t measure_character(const unsigned char *at, size_t left)
{
    static const struct {
        unsigned char first, last, low, high; /* first byte's range, second byte's range */
        size_t bytes;
    } forms[] = {
        { 0x00, 0x7F, 0x00, 0x00, 1 }, { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 },
        { 0xE1, 0xEC, 0x80, 0xBF, 3 }, { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 },
        { 0xF0, 0xF0, 0x90, 0xBF, 4 }, { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (at[0] < forms[i].first || at[0] > forms[i].last)
            continue;
        if (left < forms[i].bytes || (forms[i].bytes > 1 && (at[1] < forms[i].low || at[1] > forms[i].high)))
            return 0;
        for (size_t k = 2; k < forms[i].bytes; k++)
            if ((at[k] & 0xC0) != 0x80)
                return 0;
        return forms[i].bytes;
    }
    return 0;
}

bool sbc_utf8_is_valid(const char *data, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t bytes = measure_character((const unsigned char *) data + i, size - i);
        if (bytes == 0)
            return false;
        i += bytes;
    }
    return true;
}

char *sbc_utf8_clean(const char *data, size_t size)
{
    struct sbc_buf out = { 0 };
    for (size_t i = 0; i < size;) {
        size_t bytes = measure_character((const unsigned char *) data + i, size - i);
        sbc_buf_add(&out, bytes > 0 ? data + i : "\xEF\xBF\xBD", bytes > 0 ? bytes : 3);
        i += bytes > 0 ? bytes : 1;
    }
    return sbc_buf_take(&out);
}

/* ------------------------------------------------------------------ base64 */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *sbc_base64_encode(const char *data, size_t size)
{
    const unsigned char *in = (const unsigned char *) data;
    char *text = sbc_alloc(size / 3 + 1, 4 + 1), *out = text;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t word =
            (uint32_t) in[i] << 16 | (left > 1 ? (uint32_t) in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);
        *out++ = digits[word >> 18];
        *out++ = digits[word >> 12 & 63];
        *out++ = left > 1 ? digits[word >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[word & 63] : '=';
    }
    *out = '\0';
    return text;
}

static int digit_value(char c)
{
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int) (at - digits);
}

/* Four digits to up to three bytes: how many, or 0 when they are wrong. */
static size_t decode_four(const char *text, bool is_last, char out[3])
{
    size_t pad = !is_last || text[3] != '=' ? 0 : text[2] != '=' ? 1 : 2;
    uint32_t word = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < 4 - pad ? digit_value(text[i]) : 0;
        if (value < 0)
            return 0;
        word = word << 6 | (uint32_t) value;
    }
    if ((pad == 1 && (word & 0xFF) != 0) || (pad == 2 && (word & 0xFFFF) != 0))
        return 0;
    out[0] = (char) (word >> 16);
    out[1] = (char) (word >> 8 & 0xFF);
    out[2] = (char) (word & 0xFF);
    return 3 - pad;
}

bool sbc_base64_decode(const char *text, size_t size, struct sbc_buf *out)
{
    size_t before = out->size;
    bool is_good = size % 4 == 0;
    sbc_buf_add(out, "", 0);
    for (size_t i = 0; i < size && is_good; i += 4) {
        char bytes[3];
        size_t count = decode_four(text + i, i + 4 == size, bytes);
        sbc_buf_add(out, bytes, count);
        is_good = count > 0;
    }
    if (!is_good) {
        out->size = before;
        out->data[before] = '\0';
    }
    return is_good;
}

/* ------------------------------------------------------------------- shell */

void sbc_shell_quote(struct sbc_buf *out, const char *word)
{
    static const char bare[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
    if (*word != '\0' && word[strspn(word, bare)] == '\0') {
        sbc_buf_add_text(out, word);
        return;
    }
    sbc_buf_add_text(out, "'");
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            sbc_buf_add_text(out, "'\"'\"'");
        else
            sbc_buf_add(out, word, 1);
    }
    sbc_buf_add_text(out, "'");
}

/* -------------------------------------------------------------------- time */

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t sbc_now_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t sbc_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

/* ".448" to milliseconds; moves *at behind it. */
static int64_t read_fraction(const char **at)
{
    int64_t ms = 0, unit = 100;
    if (**at != '.')
        return 0;
    for (++*at; **at >= '0' && **at <= '9'; ++*at) {
        ms += (**at - '0') * unit;
        unit /= 10;
    }
    return ms;
}

/* "Z" or "+01:00" to minutes; false: neither. */
static bool read_zone(const char *at, int *out_minutes)
{
    int hours = 0, minutes = 0, used = 0;
    if (strcmp(at, "Z") == 0 || strcmp(at, "z") == 0) {
        *out_minutes = 0;
        return true;
    }
    if ((*at != '+' && *at != '-') || sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || at[1 + used] != '\0')
        return false;
    *out_minutes = (*at == '-' ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

int64_t sbc_time_parse(const char *text)
{
    struct tm tm = { 0 };
    const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (at == NULL)
        return -1;
    int64_t ms = read_fraction(&at);
    int minutes;
    if (!read_zone(at, &minutes))
        return -1;
    ms += ((int64_t) timegm(&tm) - (int64_t) minutes * 60) * 1000;
    return ms >= 0 ? ms : -1;
}
