/*
 * What protobuf-c does not look at when it reads a message: UTF-8, field numbers beyond 32 bits, parts that come twice
 * (it joins two wrongly, or takes the later alone), and what a message of many small fields costs.
 */
#include <string.h>

#include "cwc_wire.h"

#define MAX_FIELDS    200000 /* of one message with all that is in it; a byte of a packed list counts as one */
#define MAX_TAG_BYTES 5

struct scan {
    const uint8_t *at, *end;
    size_t *budget; /* of fields */
};

static bool scan_message(struct scan scan, const ProtobufCMessageDescriptor *type);

static bool take_varint(struct scan *scan, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && scan->at < scan->end; shift += 7) {
        uint8_t byte = *scan->at++;
        value |= shift < 64 ? (uint64_t) (byte & 0x7f) << shift : 0;
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool skip(struct scan *scan, uint64_t count)
{
    if (count > (uint64_t) (scan->end - scan->at))
        return false;
    scan->at += count;
    return true;
}

static bool spend(const struct scan *scan, size_t count)
{
    bool is_enough = count <= *scan->budget;
    *scan->budget -= is_enough ? count : *scan->budget;
    return is_enough;
}

static bool is_text(const struct scan *part)
{
    size_t size = (size_t) (part->end - part->at);
    return size == 0 || (sbc_utf8_is_valid((const char *) part->at, size) && memchr(part->at, '\0', size) == NULL);
}

/* Of a field that is known, and has bytes. */
static bool scan_part(struct scan part, const ProtobufCFieldDescriptor *field)
{
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return is_text(&part);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return scan_message(part, field->descriptor); /* no schema of ours is recursive: it ends */
    return field->type == PROTOBUF_C_TYPE_BYTES || spend(&part, (size_t) (part.end - part.at));
}

static bool scan_value(struct scan *scan, const ProtobufCFieldDescriptor *field, unsigned wire_type)
{
    uint64_t value;
    struct scan part = *scan;
    switch (wire_type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT: return take_varint(scan, &value);
    case PROTOBUF_C_WIRE_TYPE_64BIT: return skip(scan, 8);
    case PROTOBUF_C_WIRE_TYPE_32BIT: return skip(scan, 4);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED: break;
    default: return false; /* groups, and what is none */
    }
    if (!take_varint(scan, &value))
        return false;
    part.at = scan->at;
    if (!skip(scan, value))
        return false;
    part.end = scan->at;
    return field == NULL || scan_part(part, field);
}

/* Whether the field is a part that was there before; `seen` has a bit for each field. */
static bool is_second(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field, uint64_t *seen)
{
    size_t index = (size_t) (field - type->fields);
    if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->label == PROTOBUF_C_LABEL_REPEATED || index >= 64)
        return false;
    uint64_t bit = UINT64_C(1) << index, before = *seen;
    *seen |= bit;
    return (before & bit) != 0;
}

static bool scan_message(struct scan scan, const ProtobufCMessageDescriptor *type)
{
    uint64_t tag, seen = 0;
    while (scan.at < scan.end) {
        const uint8_t *begin = scan.at;
        if (!spend(&scan, 1) || !take_varint(&scan, &tag) || tag >> 3 == 0 || tag > UINT32_MAX ||
            scan.at - begin > MAX_TAG_BYTES)
            return false;
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(type, (unsigned) (tag >> 3));
        if (field != NULL && is_second(type, field, &seen))
            return false;
        if (!scan_value(&scan, field, (unsigned) (tag & 7)))
            return false;
    }
    return true;
}

bool cwc_wire_is_sound(const ProtobufCMessageDescriptor *type, const struct sbc_buf *bytes)
{
    static const uint8_t nothing[1];
    size_t budget = MAX_FIELDS;
    const uint8_t *at = bytes->size == 0 ? nothing : (const uint8_t *) bytes->data;
    return scan_message((struct scan){ at, at + bytes->size, &budget }, type);
}
