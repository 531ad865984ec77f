#include "base/text.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* ---- UTF-8 -------------------------------------------------------------------------- */

/* Range of the second byte and number of bytes for each lead byte (Unicode table 3-7). */
struct lead {
    uint8_t bytes, low, high;
};

static struct lead lead_of(uint8_t c)
{
    if (c >= 0xC2 && c <= 0xDF)
        return (struct lead){ 2, 0x80, 0xBF };
    if (c == 0xE0)
        return (struct lead){ 3, 0xA0, 0xBF };
    if (c == 0xED)
        return (struct lead){ 3, 0x80, 0x9F };
    if (c >= 0xE1 && c <= 0xEF)
        return (struct lead){ 3, 0x80, 0xBF };
    if (c == 0xF0)
        return (struct lead){ 4, 0x90, 0xBF };
    if (c >= 0xF1 && c <= 0xF3)
        return (struct lead){ 4, 0x80, 0xBF };
    if (c == 0xF4)
        return (struct lead){ 4, 0x80, 0x8F };
    return (struct lead){ 0, 0, 0 };
}

size_t utf8_next(const char *data, size_t len, uint32_t *out_point)
{
    const uint8_t *p = (const uint8_t *) data;
    if (p[0] < 0x80) {
        *out_point = p[0];
        return 1;
    }
    struct lead lead = lead_of(p[0]);
    *out_point = UTF8_BAD;
    if (lead.bytes == 0)
        return 1;
    uint32_t point = p[0] & (0x7Fu >> lead.bytes);
    for (size_t i = 1; i < lead.bytes; i++) {
        if (i == len) {
            *out_point = UTF8_CUT;
            return i;
        }
        uint8_t low = i == 1 ? lead.low : 0x80, high = i == 1 ? lead.high : 0xBF;
        if (p[i] < low || p[i] > high)
            return i;
        point = point << 6 | (p[i] & 0x3Fu);
    }
    *out_point = point;
    return lead.bytes;
}

size_t utf8_complete_prefix(const char *data, size_t len)
{
    size_t back = len < 3 ? len : 3;
    for (size_t i = len; i-- > len - back;) {
        uint8_t c = (uint8_t) data[i];
        if (c < 0x80)
            return len;
        if (c < 0xC0)
            continue;
        uint32_t point;
        utf8_next(data + i, len - i, &point);
        return point == UTF8_CUT ? i : len;
    }
    return len;
}

size_t utf8_valid_prefix(const char *data, size_t len)
{
    size_t i = 0;
    while (i < len) {
        uint64_t word;
        if (len - i >= sizeof word) {
            memcpy(&word, data + i, sizeof word);
            if ((word & 0x8080808080808080u) == 0) {
                i += sizeof word;
                continue;
            }
        }
        uint32_t point;
        size_t n = utf8_next(data + i, len - i, &point);
        if (point == UTF8_BAD || point == UTF8_CUT)
            return i;
        i += n;
    }
    return len;
}

bool utf8_is_valid(const char *data, size_t len)
{
    return utf8_valid_prefix(data, len) == len;
}

/* ---- base64 ------------------------------------------------------------------------- */

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define NOT_A_DIGIT 0xFF

static char base64_pairs[4096][2]; /* two digits for every 12 bits: half the look-ups */
static uint8_t base64_values[256];
static pthread_once_t base64_once = PTHREAD_ONCE_INIT;

static void base64_fill_tables(void)
{
    for (size_t i = 0; i < 4096; i++) {
        base64_pairs[i][0] = base64_digits[i >> 6];
        base64_pairs[i][1] = base64_digits[i & 63];
    }
    memset(base64_values, NOT_A_DIGIT, sizeof base64_values);
    for (uint8_t i = 0; i < 64; i++)
        base64_values[(uint8_t) base64_digits[i]] = i;
}

static char *base64_encode_tail(char *to, const uint8_t *p, size_t len)
{
    if (len == 1) {
        memcpy(to, base64_pairs[p[0] << 4], 2);
        memcpy(to + 2, "==", 2);
        return to + 4;
    }
    if (len == 2) {
        memcpy(to, base64_pairs[p[0] << 4 | p[1] >> 4], 2);
        to[2] = base64_digits[(p[1] & 15) << 2];
        to[3] = '=';
        return to + 4;
    }
    return to;
}

void base64_encode(struct buf *out, const void *data, size_t len)
{
    pthread_once(&base64_once, base64_fill_tables);
    char *to = buf_reserve(out, (len + 2) / 3 * 4);
    if (to == NULL)
        return;
    const uint8_t *p = data;
    for (; len >= 3; len -= 3, p += 3, to += 4) {
        memcpy(to, base64_pairs[p[0] << 4 | p[1] >> 4], 2);
        memcpy(to + 2, base64_pairs[(p[1] & 15) << 8 | p[2]], 2);
    }
    to = base64_encode_tail(to, p, len);
    *to = '\0';
    out->len = (size_t) (to - out->data);
}

/* Value of the four digits at `p`, or -1; the first `digits` must be real, the rest "=". */
static long base64_quad(const uint8_t *p, size_t digits)
{
    long value = 0;
    for (size_t i = 0; i < 4; i++) {
        uint8_t v = i < digits ? base64_values[p[i]] : 0;
        if (v == NOT_A_DIGIT || (i >= digits && p[i] != '='))
            return -1;
        value = value << 6 | v;
    }
    return value;
}

int base64_decode(struct buf *out, const char *text, size_t len, struct err *err)
{
    pthread_once(&base64_once, base64_fill_tables);
    if (len % 4 != 0)
        return err_set(err, ERR_INVALID, 0, "base64 of %zu characters, not a multiple of 4", len);
    const uint8_t *p = (const uint8_t *) text;
    uint8_t *to = (uint8_t *) buf_reserve(out, len / 4 * 3);
    if (to == NULL)
        return err_set(err, ERR_NOMEM, 0, "base64");
    size_t pad = len == 0 || p[len - 1] != '=' ? 0 : p[len - 2] != '=' ? 1 : 2;
    for (size_t i = 0; i < len; i += 4) {
        long v = base64_quad(p + i, i + 4 == len ? 4 - pad : 4);
        if (v < 0) {
            out->data[out->len] = '\0';
            return err_set(err, ERR_INVALID, 0, "not base64 near character %zu", i + 1);
        }
        *to++ = (uint8_t) (v >> 16);
        *to++ = (uint8_t) (v >> 8 & 0xFF);
        *to++ = (uint8_t) (v & 0xFF);
    }
    out->len += len / 4 * 3 - pad;
    out->data[out->len] = '\0';
    return 0;
}

/* ---- random, secrets, time ---------------------------------------------------------- */

static void random_bytes(uint8_t *out, size_t len)
{
    while (len > 0) {
        ssize_t n = getrandom(out, len, 0);
        CHECK(n > 0 || errno == EINTR);
        if (n > 0) {
            out += n;
            len -= (size_t) n;
        }
    }
}

void random_hex(char *out, size_t digits)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t some[32];
    for (size_t i = 0; i < digits; i++) {
        if (i % sizeof some == 0)
            random_bytes(some, sizeof some);
        out[i] = hex[some[i % sizeof some] & 15];
    }
    out[digits] = '\0';
}

void random_uuid(char out[37])
{
    char hex[33];
    random_hex(hex, 32);
    hex[12] = '4';
    hex[16] = "89ab"[(hex[16] <= '9' ? hex[16] - '0' : hex[16] - 'a' + 10) & 3];
    snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

bool same_secret(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    unsigned differ = la != lb;
    for (size_t i = 0; i < la; i++)
        differ |= (unsigned) (a[i] ^ b[lb == 0 ? 0 : i % lb]);
    return differ == 0;
}

void iso_time(char out[32], long long epoch_ms)
{
    long long ms = (epoch_ms % 1000 + 1000) % 1000;
    time_t seconds = (time_t) ((epoch_ms - ms) / 1000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL)
        memset(&tm, 0, sizeof tm);
    size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 32 - n, ".%03dZ", (int) ms);
}
