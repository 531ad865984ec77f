#include "tests/support/messages.h"

#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "proto/coreweave_v1.pb-c.h"
#include "proto/coreweave_v1beta2.pb-c.h"
#include "proto/rpc.pb-c.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- types ------------------------------------------------------------------------------ */

static bool is_entry(const ProtobufCMessageDescriptor *type)
{
    size_t len = strlen(type->short_name);
    return len > 5 && strcmp(type->short_name + len - 5, "Entry") == 0 && type->n_fields == 2 &&
           strcmp(type->fields[0].name, "key") == 0;
}

static void add(struct messages *list, const ProtobufCMessageDescriptor *type)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->types[i] == type)
            return;
    }
    if (!is_entry(type)) {
        CHECK(list->count < MESSAGES_MAX);
        list->types[list->count++] = type;
    }
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            add(list, type->fields[i].descriptor);
    }
}

static void add_service(struct messages *list, const ProtobufCServiceDescriptor *service)
{
    for (unsigned i = 0; i < service->n_methods; i++) {
        add(list, service->methods[i].input);
        add(list, service->methods[i].output);
    }
}

void messages_of(const char *package, struct messages *out)
{
    static const ProtobufCServiceDescriptor *const services[] = {
        &cw1__sandbox_service__descriptor,           &cw1__discovery_service__descriptor,
        &cwb2__gateway_service__descriptor,          &cwb2__discovery_service__descriptor,
        &cwb2__gateway_streaming_service__descriptor,
    };
    static const ProtobufCMessageDescriptor *const details[] = {
        &rpc__status__descriptor,      &rpc__any__descriptor,         &rpc__error_info__descriptor,
        &rpc__retry_info__descriptor,  &rpc__bad_request__descriptor, &rpc__timestamp__descriptor,
    };
    out->count = 0;
    for (size_t i = 0; i < COUNT(services); i++) {
        if (strcmp(services[i]->package, package) == 0)
            add_service(out, services[i]);
    }
    for (size_t i = 0; i < COUNT(details) && strcmp(package, "rpc") == 0; i++)
        add(out, details[i]);
}

const ProtobufCMessageDescriptor *messages_find(const struct messages *list, const char *short_name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->types[i]->short_name, short_name) == 0)
            return list->types[i];
    }
    return NULL;
}

/* ---- telling ----------------------------------------------------------------------------- */

static void tell_fields(const ProtobufCMessage *message, const char *prefix, struct buf *out);

static void tell_bytes(const void *value, struct buf *out)
{
    const ProtobufCBinaryData *bytes = value;
    for (size_t i = 0; i < bytes->len; i++)
        buf_printf(out, "%02x", bytes->data[i]);
}

static void tell_string(const void *value, struct buf *out)
{
    buf_str(out, *(char *const *) value);
}

static void tell_bool(const void *value, struct buf *out)
{
    buf_str(out, *(const protobuf_c_boolean *) value ? "true" : "false");
}

static void tell_int32(const void *value, struct buf *out)
{
    buf_printf(out, "%" PRId32, *(const int32_t *) value);
}

static void tell_uint32(const void *value, struct buf *out)
{
    buf_printf(out, "%" PRIu32, *(const uint32_t *) value);
}

static void tell_int64(const void *value, struct buf *out)
{
    buf_printf(out, "%" PRId64, *(const int64_t *) value);
}

static void tell_uint64(const void *value, struct buf *out)
{
    buf_printf(out, "%" PRIu64, *(const uint64_t *) value);
}

/* The types that our files use. */
static const struct {
    size_t size;
    void (*tell)(const void *value, struct buf *out);
} kinds[] = {
    [PROTOBUF_C_TYPE_INT32] = { sizeof(int32_t), tell_int32 },
    [PROTOBUF_C_TYPE_ENUM] = { sizeof(int32_t), tell_int32 },
    [PROTOBUF_C_TYPE_UINT32] = { sizeof(uint32_t), tell_uint32 },
    [PROTOBUF_C_TYPE_INT64] = { sizeof(int64_t), tell_int64 },
    [PROTOBUF_C_TYPE_UINT64] = { sizeof(uint64_t), tell_uint64 },
    [PROTOBUF_C_TYPE_BOOL] = { sizeof(protobuf_c_boolean), tell_bool },
    [PROTOBUF_C_TYPE_STRING] = { sizeof(char *), tell_string },
    [PROTOBUF_C_TYPE_BYTES] = { sizeof(ProtobufCBinaryData), tell_bytes },
    [PROTOBUF_C_TYPE_MESSAGE] = { sizeof(ProtobufCMessage *), NULL },
};

static void tell_one(const ProtobufCFieldDescriptor *field, const void *value, const char *name, struct buf *out)
{
    buf_printf(out, "%s=", name);
    if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
        kinds[field->type].tell(value, out);
        buf_char(out, '\n');
        return;
    }
    BUF_AUTO prefix = BUF_INIT;
    buf_printf(&prefix, "%s.", name);
    buf_str(out, "{}\n");
    tell_fields(*(ProtobufCMessage *const *) value, buf_cstr(&prefix), out);
}

static bool is_default(const ProtobufCFieldDescriptor *field, const void *value)
{
    static const char zeros[sizeof(int64_t)];
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return **(char *const *) value == '\0';
    if (field->type == PROTOBUF_C_TYPE_BYTES)
        return ((const ProtobufCBinaryData *) value)->len == 0;
    return memcmp(value, zeros, kinds[field->type].size) == 0;
}

static bool is_there(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *) message;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        return *(const uint32_t *) (base + field->quantifier_offset) == field->id;
    return !is_default(field, base + field->offset);
}

static void tell_list(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const char *name,
                      struct buf *out)
{
    const char *base = (const char *) message;
    size_t count = *(const size_t *) (base + field->quantifier_offset);
    const char *items = *(char *const *) (base + field->offset);
    for (size_t i = 0; i < count; i++) {
        BUF_AUTO item = BUF_INIT;
        buf_printf(&item, "%s.%zu", name, i);
        tell_one(field, items + i * kinds[field->type].size, buf_cstr(&item), out);
    }
}

static void tell_fields(const ProtobufCMessage *message, const char *prefix, struct buf *out)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        BUF_AUTO name = BUF_INIT;
        buf_printf(&name, "%s%s", prefix, field->name);
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            tell_list(message, field, buf_cstr(&name), out);
        else if (is_there(message, field))
            tell_one(field, (const char *) message + field->offset, buf_cstr(&name), out);
    }
}

void message_tell(const ProtobufCMessage *message, struct buf *out)
{
    tell_fields(message, "", out);
}

/* ---- what is not known -------------------------------------------------------------------- */

static bool list_has_unknown(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const char *base = (const char *) message;
    size_t count = *(const size_t *) (base + field->quantifier_offset);
    ProtobufCMessage *const *items = *(ProtobufCMessage **const *) (base + field->offset);
    for (size_t i = 0; i < count; i++) {
        if (message_has_unknown(items[i]))
            return true;
    }
    return false;
}

bool message_has_unknown(const ProtobufCMessage *message)
{
    if (message->n_unknown_fields > 0)
        return true;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED ? list_has_unknown(message, field)
                                                      : is_there(message, field) &&
                message_has_unknown(*(ProtobufCMessage *const *) ((const char *) message + field->offset)))
            return true;
    }
    return false;
}
