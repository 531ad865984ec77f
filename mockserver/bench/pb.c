#include "bench/pb.h"

#define WIRE_VARINT  0
#define WIRE_FIXED64 1
#define WIRE_BYTES   2
#define WIRE_FIXED32 5

static void put_varint(struct buf *out, uint64_t value)
{
    for (; value > 127; value >>= 7)
        buf_char(out, (char) (value | 128));
    buf_char(out, (char) value);
}

void pb_put(struct buf *out, unsigned number, const void *data, size_t len)
{
    put_varint(out, number << 3 | WIRE_BYTES);
    put_varint(out, len);
    buf_add(out, data, len);
}

/* Moves *at behind it. */
static bool take_varint(const char **at, const char *end, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        unsigned char c = (unsigned char) *(*at)++;
        value |= (uint64_t) (c & 127) << shift;
        if (c < 128) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool take_bytes(const char **at, const char *end, uint64_t len, struct pb_field *field)
{
    if (len > (uint64_t) (end - *at))
        return false;
    field->data = *at;
    field->len = (size_t) len;
    *at += len;
    return true;
}

static bool take_value(const char **at, const char *end, unsigned wire, struct pb_field *field)
{
    uint64_t len;
    switch (wire) {
    case WIRE_VARINT: return take_varint(at, end, &field->number);
    case WIRE_FIXED64: return take_bytes(at, end, 8, field);
    case WIRE_FIXED32: return take_bytes(at, end, 4, field);
    case WIRE_BYTES: return take_varint(at, end, &len) && take_bytes(at, end, len, field);
    default: return false;
    }
}

bool pb_find(const char *message, size_t len, unsigned number, struct pb_field *out)
{
    const char *at = message, *end = message + len;
    uint64_t tag;
    while (at < end && take_varint(&at, end, &tag)) {
        struct pb_field field = { .number = 0 };
        if (!take_value(&at, end, (unsigned) (tag & 7), &field))
            return false;
        if (tag >> 3 == number) {
            *out = field;
            return true;
        }
    }
    return false;
}
