#include "proto/tell.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/jsonw.h"
#include "base/text.h"
#include "proto/proto.h"
#include "proto/rpc.pb-c.h"

#define ELEMENT_COST 8
#define DEEPEST      26   /* the writer goes to 31, and a field opens three levels at most */

struct teller {
    struct jsonw w;
    size_t *room;
    bool is_cut;
};

static void tell_fields(struct teller *t, const ProtobufCMessage *message);

/* How many of `want` bytes may be shown. */
static size_t take(struct teller *t, size_t want)
{
    size_t n = want < *t->room ? want : *t->room;
    t->is_cut = t->is_cut || n < want;
    *t->room -= n;
    return n;
}

/* ---- one value --------------------------------------------------------------------------------- */

static void tell_text(struct teller *t, const char *name, const char *text)
{
    size_t len = text == NULL ? 0 : strlen(text), n = take(t, len);
    jsonw_bytes(&t->w, name, text, n < len ? utf8_complete_prefix(text, n) : n);
}

static void tell_bytes(struct teller *t, const char *name, const ProtobufCBinaryData *bytes)
{
    size_t n = take(t, bytes->len);
    jsonw_object(&t->w, name);
    jsonw_base64(&t->w, "base64", bytes->data, n);
    jsonw_end_object(&t->w);
}

static void tell_enum(struct teller *t, const char *name, const ProtobufCEnumDescriptor *type, int value)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(type, value);
    if (known != NULL)
        jsonw_str(&t->w, name, known->name);
    else
        jsonw_int(&t->w, name, value);
}

static void tell_unsigned(struct teller *t, const char *name, uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    if (value > INT64_MAX)
        jsonw_str(&t->w, name, digits);
    else
        jsonw_int(&t->w, name, (int64_t) value);
}

static void tell_part(struct teller *t, const char *name, const ProtobufCMessage *part)
{
    jsonw_object(&t->w, name);
    if (t->w.depth >= DEEPEST)
        t->is_cut = true;
    else if (part != NULL)   /* a map's entry may lack its value */
        tell_fields(t, part);
    jsonw_end_object(&t->w);
}

/* No .proto here has floats: they are shown as nothing. */
static void tell_value(struct teller *t, const char *name, const ProtobufCFieldDescriptor *field, const void *value)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32: jsonw_int(&t->w, name, *(const int32_t *) value); break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32: jsonw_int(&t->w, name, *(const uint32_t *) value); break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64: jsonw_int(&t->w, name, *(const int64_t *) value); break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64: tell_unsigned(t, name, *(const uint64_t *) value); break;
    case PROTOBUF_C_TYPE_BOOL: jsonw_bool(&t->w, name, *(const protobuf_c_boolean *) value != 0); break;
    case PROTOBUF_C_TYPE_ENUM: tell_enum(t, name, field->descriptor, *(const int *) value); break;
    case PROTOBUF_C_TYPE_STRING: tell_text(t, name, *(char *const *) value); break;
    case PROTOBUF_C_TYPE_BYTES: tell_bytes(t, name, value); break;
    case PROTOBUF_C_TYPE_MESSAGE: tell_part(t, name, *(ProtobufCMessage *const *) value); break;
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE: jsonw_null(&t->w, name); break;
    }
}

/* ---- lists and maps -------------------------------------------------------------------------------- */

static size_t size_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT: return sizeof(int32_t);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return sizeof(int64_t);
    case PROTOBUF_C_TYPE_BOOL: return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_ENUM: return sizeof(int);
    case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE: break;
    }
    return sizeof(void *);
}

/* "FooEntry {key, value}" is what a map is on the wire. */
static bool is_map(const ProtobufCFieldDescriptor *field)
{
    const ProtobufCMessageDescriptor *type = field->descriptor;
    if (field->type != PROTOBUF_C_TYPE_MESSAGE || type->n_fields != 2)
        return false;
    size_t len = strlen(type->short_name);
    return len > 5 && strcmp(type->short_name + len - 5, "Entry") == 0 && strcmp(type->fields[0].name, "key") == 0 &&
           type->fields[0].type == PROTOBUF_C_TYPE_STRING && strcmp(type->fields[1].name, "value") == 0;
}

/* A name that is cut could be that of a secret, uncut: so a map's keys are shown whole or not at all. */
static bool tell_entry(struct teller *t, const ProtobufCMessage *entry)
{
    const ProtobufCFieldDescriptor *fields = entry->descriptor->fields;
    const char *key = *(char *const *) ((const char *) entry + fields[0].offset);
    size_t len = key == NULL ? 0 : strlen(key);
    if (len > *t->room)
        return false;
    *t->room -= len;
    tell_value(t, key == NULL ? "" : key, &fields[1], (const char *) entry + fields[1].offset);
    return true;
}

static bool tell_element(struct teller *t, const ProtobufCFieldDescriptor *field, bool is_entry, const char *value)
{
    if (*t->room < ELEMENT_COST)
        return false;
    *t->room -= ELEMENT_COST;
    if (is_entry)
        return tell_entry(t, *(ProtobufCMessage *const *) (const void *) value);
    tell_value(t, NULL, field, value);
    return true;
}

static void tell_list(struct teller *t, const ProtobufCFieldDescriptor *field, const void *elements, size_t count)
{
    bool shows_map = is_map(field);
    if (shows_map)
        jsonw_object(&t->w, field->name);
    else
        jsonw_array(&t->w, field->name);
    for (size_t i = 0; i < count && !t->is_cut; i++) {
        if (!tell_element(t, field, shows_map, (const char *) elements + i * size_of(field->type)))
            t->is_cut = true;
    }
    if (shows_map)
        jsonw_end_object(&t->w);
    else
        jsonw_end_array(&t->w);
}

/* ---- messages ------------------------------------------------------------------------------------------ */

static bool is_default(const ProtobufCFieldDescriptor *field, const void *value)
{
    static const char zeros[sizeof(int64_t)];
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(void *const *) value == NULL;
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return *(char *const *) value == NULL || **(char *const *) value == '\0';
    if (field->type == PROTOBUF_C_TYPE_BYTES)
        return ((const ProtobufCBinaryData *) value)->len == 0;
    return memcmp(value, zeros, size_of(field->type)) == 0;
}

static bool is_there(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *) message;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        return *(const uint32_t *) (const void *) (base + field->quantifier_offset) == field->id;
    return !is_default(field, base + field->offset);
}

static void tell_field(struct teller *t, const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *) message;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = *(const size_t *) (const void *) (base + field->quantifier_offset);
        if (count > 0)
            tell_list(t, field, *(void *const *) (const void *) (base + field->offset), count);
    } else if (is_there(message, field)) {
        tell_value(t, field->name, field, base + field->offset);
    }
}

static void tell_fields(struct teller *t, const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++)
        tell_field(t, message, &message->descriptor->fields[i]);
}

int proto_tell(const ProtobufCMessageDescriptor *type, const void *bytes, size_t len, size_t *room, bool *out_cut,
               struct buf *out, struct err *err)
{
    ProtobufCMessage *message;
    struct teller t = { .room = room };
    if (proto_decode(type, bytes, len, &message, err) < 0)
        return -1;
    jsonw_init(&t.w, out);
    jsonw_object(&t.w, NULL);
    tell_fields(&t, message);
    jsonw_end_object(&t.w);
    proto_free(message);
    *out_cut = t.is_cut;
    return 0;
}

/* ---- methods --------------------------------------------------------------------------------------------- */

/* "/any.package.Service/Method": where the two names begin. */
static bool split(const char *path, const char **out_service, size_t *out_len, const char **out_method)
{
    const char *slash = path[0] == '/' ? strchr(path + 1, '/') : NULL;
    if (slash == NULL)
        return false;
    const char *service = slash;
    while (service[-1] != '.' && service[-1] != '/')
        service--;
    *out_service = service;
    *out_len = (size_t) (slash - service);
    *out_method = slash + 1;
    return true;
}

const ProtobufCMethodDescriptor *proto_find_method(const ProtobufCServiceDescriptor *const *services, size_t count,
                                                   const char *path)
{
    const char *service, *method;
    size_t len;
    if (!split(path, &service, &len, &method))
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (strlen(services[i]->short_name) == len && memcmp(services[i]->short_name, service, len) == 0)
            return protobuf_c_service_descriptor_get_method_by_name(services[i], method);
    }
    return NULL;
}

/* ---- details ------------------------------------------------------------------------------------------------ */

static bool tell_info(const Rpc__Any *any, struct buf *out)
{
    struct err ignored;
    ProtobufCMessage *info;
    if (strcmp(any->type_url, "type.googleapis.com/google.rpc.ErrorInfo") != 0 ||
        proto_decode(&rpc__error_info__descriptor, any->value.data, any->value.len, &info, &ignored) < 0)
        return false;
    buf_str(out, ((const Rpc__ErrorInfo *) info)->reason);
    proto_free(info);
    return true;
}

bool proto_tell_reason(const void *status, size_t len, struct buf *out)
{
    struct err ignored;
    ProtobufCMessage *message;
    bool found = false;
    if (len == 0 || proto_decode(&rpc__status__descriptor, status, len, &message, &ignored) < 0)
        return false;
    const Rpc__Status *read = (const Rpc__Status *) message;
    for (size_t i = 0; i < read->n_details && !found; i++)
        found = tell_info(read->details[i], out);
    proto_free(message);
    return found;
}
