#include "cwc_grpc.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TIMEOUT 99999999 /* eight digits */

void cwc_end_clear(struct cwc_end *end)
{
    free(end->message);
    sbc_buf_free(&end->details);
    *end = (struct cwc_end){ 0 };
}

void cwc_grpc_put_message(struct sbc_buf *out, const void *bytes, size_t size)
{
    const unsigned char prefix[CWC_PREFIX_BYTES] = {
        0, (unsigned char) (size >> 24), (unsigned char) (size >> 16), (unsigned char) (size >> 8), (unsigned char) size
    };
    sbc_buf_add(out, prefix, sizeof prefix);
    sbc_buf_add(out, bytes, size);
}

char *cwc_grpc_timeout(int64_t ms)
{
    if (ms <= MAX_TIMEOUT)
        return sbc_text_format("%lldm", (long long) ms);
    int64_t seconds = (ms + 999) / 1000;
    return sbc_text_format("%lldS", (long long) (seconds < MAX_TIMEOUT ? seconds : MAX_TIMEOUT));
}

static int hex_of(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, tolower((unsigned char) c));
    return at == NULL ? -1 : (int) (at - digits);
}

char *cwc_grpc_unescape(const char *text, size_t size)
{
    struct sbc_buf out = { 0 };
    for (size_t i = 0; i < size; i++) {
        int high = text[i] == '%' && i + 2 < size ? hex_of(text[i + 1]) : -1;
        int low = high < 0 ? -1 : hex_of(text[i + 2]);
        char c = low < 0 ? text[i] : (char) (high << 4 | low);
        sbc_buf_add(&out, &c, 1);
        i += low < 0 ? 0 : 2;
    }
    return sbc_buf_take(&out);
}

bool cwc_grpc_decode_binary(const char *text, size_t size, struct sbc_buf *out)
{
    struct sbc_buf padded = { 0 };
    sbc_buf_add(&padded, text, size);
    while (padded.size % 4 != 0)
        sbc_buf_add(&padded, "=", 1);
    bool is_good = padded.size == 0 || sbc_base64_decode(padded.data, padded.size, out);
    sbc_buf_free(&padded);
    return is_good;
}

enum cwc_status cwc_grpc_parse_status(const char *text, size_t size)
{
    int number = size == 0 || size > 2 ? CWC_STATUSES : 0;
    for (size_t i = 0; i < size && number < CWC_STATUSES; i++)
        number = text[i] < '0' || text[i] > '9' ? CWC_STATUSES : number * 10 + (text[i] - '0');
    return number < CWC_STATUSES ? (enum cwc_status) number : CWC_STATUS_UNKNOWN;
}

enum cwc_status cwc_grpc_status_of_http(int http_status)
{
    static const struct {
        int http;
        enum cwc_status status;
    } rows[] = {
        { 400, CWC_STATUS_INTERNAL },    { 401, CWC_STATUS_UNAUTHENTICATED }, { 403, CWC_STATUS_PERMISSION_DENIED },
        { 404, CWC_STATUS_UNIMPLEMENTED }, { 429, CWC_STATUS_UNAVAILABLE },   { 502, CWC_STATUS_UNAVAILABLE },
        { 503, CWC_STATUS_UNAVAILABLE }, { 504, CWC_STATUS_UNAVAILABLE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].http == http_status)
            return rows[i].status;
    return CWC_STATUS_UNKNOWN;
}

enum cwc_status cwc_grpc_status_of_reset(uint32_t code)
{
    switch (code) {
    case 0x7: return CWC_STATUS_UNAVAILABLE; /* REFUSED_STREAM */
    case 0x8: return CWC_STATUS_CANCELLED;
    case 0xb: return CWC_STATUS_RESOURCE_EXHAUSTED; /* ENHANCE_YOUR_CALM */
    case 0xc: return CWC_STATUS_PERMISSION_DENIED;  /* INADEQUATE_SECURITY */
    default: return CWC_STATUS_INTERNAL;
    }
}

/* ------------------------------------------------------------------- UTF-8 */

/* Bytes that a lead byte announces, and the range of the second one (Unicode, table 3-7). */
static size_t lead(unsigned char c, unsigned char *low, unsigned char *high)
{
    *low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80;
    *high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
    if (c < 0x80)
        return 1;
    if (c >= 0xC2 && c <= 0xDF)
        return 2;
    if (c >= 0xE0 && c <= 0xEF)
        return 3;
    return c >= 0xF0 && c <= 0xF4 ? 4 : 0;
}

/* How many bytes at `at` belong together, and whether they are a character. */
static size_t measure(const unsigned char *at, size_t size, bool *out_is_good)
{
    unsigned char low, high;
    size_t wanted = lead(at[0], &low, &high), have = 1;
    while (have < wanted && have < size && at[have] >= low && at[have] <= high) {
        low = 0x80;
        high = 0xBF;
        have++;
    }
    *out_is_good = wanted > 0 && have == wanted;
    return have;
}

void cwc_text_clean(struct sbc_buf *out, const char *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        bool is_good;
        size_t n = measure((const unsigned char *) data + at, size - at, &is_good);
        sbc_buf_add(out, is_good ? data + at : "\xEF\xBF\xBD", is_good ? n : 3);
        at += n;
    }
}
