#include "proto/proto.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define MAX_TAG_BYTES 5

/* ---- what protobuf-c does not look at ------------------------------------------------------ */

/* Of the whole message. */
struct survey {
    size_t fields;
    bool is_named;           /* the error names a field already */
    struct err err;
};

struct scan {
    const uint8_t *at, *end;
    unsigned depth;
    struct survey *survey;
};

static int scan_message(struct scan *scan, const ProtobufCMessageDescriptor *type);

static int refuse(const struct scan *scan, const char *why)
{
    return err_set(&scan->survey->err, ERR_INVALID, 0, "%s", why);
}

static int take_varint(struct scan *scan, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (scan->at == scan->end)
            return refuse(scan, "the message ends inside a number");
        uint8_t byte = *scan->at++;
        value |= shift < 64 ? (uint64_t) (byte & 0x7f) << shift : 0;
        if (byte < 0x80) {
            *out = value;
            return 0;
        }
    }
    return refuse(scan, "a number of more than 10 bytes");
}

static int skip_bytes(struct scan *scan, uint64_t count)
{
    if (count > (uint64_t) (scan->end - scan->at))
        return refuse(scan, "the message ends inside a field");
    scan->at += count;
    return 0;
}

static int take_length(struct scan *scan, struct scan *out_part)
{
    uint64_t len;
    if (take_varint(scan, &len) < 0)
        return -1;
    *out_part = *scan;
    if (skip_bytes(scan, len) < 0)
        return -1;
    out_part->end = out_part->at + len;
    return 0;
}

static int count_field(struct scan *scan)
{
    if (++scan->survey->fields <= PROTO_MAX_FIELDS)
        return 0;
    return err_set(&scan->survey->err, ERR_LIMIT, 0, "more than %d fields in one message", PROTO_MAX_FIELDS);
}

static int scan_text(const struct scan *part)
{
    size_t len = (size_t) (part->end - part->at);
    if (!utf8_is_valid((const char *) part->at, len))
        return refuse(part, "not UTF-8");
    return len > 0 && memchr(part->at, '\0', len) != NULL ? refuse(part, "a NUL in a string") : 0;
}

/* What a scalar's elements look like when they stand one behind the other. */
static ProtobufCWireType wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT: return PROTOBUF_C_WIRE_TYPE_32BIT;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return PROTOBUF_C_WIRE_TYPE_64BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE: return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM: break;
    }
    return PROTOBUF_C_WIRE_TYPE_VARINT;
}

static int skip_scalar(struct scan *scan, ProtobufCWireType wire_type)
{
    uint64_t ignored;
    if (wire_type == PROTOBUF_C_WIRE_TYPE_VARINT)
        return take_varint(scan, &ignored);
    return skip_bytes(scan, wire_type == PROTOBUF_C_WIRE_TYPE_64BIT ? 8 : 4);
}

static int scan_packed(struct scan *part, ProtobufCWireType wire_type)
{
    while (part->at < part->end) {
        if (count_field(part) < 0 || skip_scalar(part, wire_type) < 0)
            return -1;
    }
    return 0;
}

static int scan_prefixed(struct scan *scan, const ProtobufCFieldDescriptor *field)
{
    struct scan part;
    if (take_length(scan, &part) < 0)
        return -1;
    if (field == NULL || field->type == PROTOBUF_C_TYPE_BYTES)
        return 0;
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return scan_text(&part);
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return scan_packed(&part, wire_type_of(field->type));
    part.depth++;
    return scan_message(&part, field->descriptor);
}

static bool fits(const ProtobufCFieldDescriptor *field, ProtobufCWireType wire_type)
{
    ProtobufCWireType wanted = wire_type_of(field->type);
    bool is_packed = wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED && field->label == PROTOBUF_C_LABEL_REPEATED;
    return wire_type == wanted || is_packed;
}

static int scan_value(struct scan *scan, const ProtobufCFieldDescriptor *field, ProtobufCWireType wire_type)
{
    if (field != NULL && !fits(field, wire_type))
        return refuse(scan, "another wire type than the field has");
    switch (wire_type) {
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED: return scan_prefixed(scan, field);
    case PROTOBUF_C_WIRE_TYPE_VARINT:
    case PROTOBUF_C_WIRE_TYPE_64BIT:
    case PROTOBUF_C_WIRE_TYPE_32BIT: return skip_scalar(scan, wire_type);
    }
    return refuse(scan, "a wire type that proto3 does not have");
}

/* "init.command: not UTF-8": each level puts its own name in front. */
static int name_place(struct scan *scan, const char *name)
{
    struct survey *survey = scan->survey;
    char inner[ERR_TEXT_BYTES];
    snprintf(inner, sizeof inner, "%s", survey->err.text);
    snprintf(survey->err.text, sizeof survey->err.text, "%.60s%s%.400s", name, survey->is_named ? "." : ": ", inner);
    survey->is_named = true;
    return -1;
}

/* protobuf-c 1.4.1 cannot join two of them when one has a oneof that is not set. */
static int note_part(struct scan *scan, const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field,
                     uint64_t *seen)
{
    if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->label == PROTOBUF_C_LABEL_REPEATED)
        return 0;
    ptrdiff_t index = field - type->fields;
    CHECK(index < 64);
    bool is_second = (*seen >> index & 1) != 0;
    *seen |= UINT64_C(1) << index;
    return is_second ? refuse(scan, "comes twice") : 0;
}

static int scan_field(struct scan *scan, const ProtobufCMessageDescriptor *type, uint64_t *seen)
{
    uint64_t tag;
    const uint8_t *at = scan->at;
    if (count_field(scan) < 0 || take_varint(scan, &tag) < 0)
        return -1;
    if (tag >> 3 == 0 || tag > UINT32_MAX || scan->at - at > MAX_TAG_BYTES)
        return refuse(scan, "a field number that cannot be");
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(type, (unsigned) (tag >> 3));
    if (field == NULL)
        return scan_value(scan, NULL, (ProtobufCWireType) (tag & 7));
    if (note_part(scan, type, field, seen) == 0 && scan_value(scan, field, (ProtobufCWireType) (tag & 7)) == 0)
        return 0;
    return name_place(scan, field->name);
}

static int scan_message(struct scan *scan, const ProtobufCMessageDescriptor *type)
{
    if (scan->depth > PROTO_MAX_DEPTH)
        return err_set(&scan->survey->err, ERR_LIMIT, 0, "messages more than %d deep", PROTO_MAX_DEPTH);
    uint64_t seen = 0;
    while (scan->at < scan->end) {
        if (scan_field(scan, type, &seen) < 0)
            return -1;
    }
    return 0;
}

/* ---- reading and writing ---------------------------------------------------------------------- */

int proto_decode(const ProtobufCMessageDescriptor *type, const void *bytes, size_t len, ProtobufCMessage **out_message,
                 struct err *err)
{
    static const uint8_t nothing[1];
    const uint8_t *at = len == 0 ? nothing : bytes;
    struct survey survey = { .err = ERR_INIT };
    struct scan scan = { .at = at, .end = at + len, .survey = &survey };
    if (scan_message(&scan, type) < 0)
        return err_set(err, survey.err.code, 0, "%s", survey.err.text);
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, len, at);
    if (message == NULL)
        return err_set(err, ERR_NOMEM, 0, "%s: the message could not be read", type->short_name);
    *out_message = message;
    return 0;
}

void proto_free(void *message)
{
    if (message != NULL)
        protobuf_c_message_free_unpacked(message, NULL);
}

void proto_encode(const void *message, struct buf *out)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    char *room = len == 0 ? NULL : buf_reserve(out, len);
    if (room == NULL)
        return;
    protobuf_c_message_pack(message, (uint8_t *) room);
    out->len += len;
    out->data[out->len] = '\0';
}
