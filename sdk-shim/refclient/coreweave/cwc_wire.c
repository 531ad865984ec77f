#include "cwc_wire.h"

#include <stdlib.h>
#include <string.h>

/* What the SDK runs when nothing is asked for: it ends at once when it is told to. */
const char cwc_default_image[] = "python:3.11", cwc_default_command[] = "/bin/sh";
const char *const cwc_default_args[] = { "-c", "trap 'exit 0' TERM INT; sleep infinity & wait" };
const size_t cwc_default_arg_count = sizeof cwc_default_args / sizeof cwc_default_args[0];

void cwc_wire_put(const void *message, struct sbc_buf *out)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = sbc_alloc(size + 1, 1);
    protobuf_c_message_pack(message, bytes);
    sbc_buf_add(out, bytes, size);
    free(bytes);
}

void *cwc_wire_take(const ProtobufCMessageDescriptor *type, const struct sbc_buf *bytes)
{
    static const uint8_t nothing[1];
    if (!cwc_wire_is_sound(type, bytes))
        return NULL;
    return protobuf_c_message_unpack(type, NULL, bytes->size,
                                     bytes->size == 0 ? nothing : (const uint8_t *) bytes->data);
}

struct cwc_bytes cwc_wire_bytes(ProtobufCBinaryData data)
{
    struct cwc_bytes bytes = { sbc_alloc(data.len + 1, 1), data.len };
    if (data.len > 0)
        memcpy(bytes.data, data.data, data.len);
    return bytes;
}

ProtobufCBinaryData cwc_wire_data(const void *data, size_t size)
{
    return (ProtobufCBinaryData){ size, (uint8_t *) (uintptr_t) data };
}

char **cwc_wire_texts(const char *const *texts)
{
    return (char **) (uintptr_t) texts;
}

char *cwc_wire_text(const char *text)
{
    return (char *) (uintptr_t) (text != NULL ? text : "");
}

struct cwc_sandbox_info *cwc_wire_add(struct cwc_list *list)
{
    if ((list->count & (list->count - 1)) == 0) { /* 0 or a power of two: there is no room */
        struct cwc_sandbox_info *longer = sbc_alloc(2 * list->count + 1, sizeof *longer);
        if (list->count > 0)
            memcpy(longer, list->items, list->count * sizeof *longer);
        free(list->items);
        list->items = longer;
    }
    return &list->items[list->count++];
}

void cwc_event_clear(struct cwc_event *event)
{
    free(event->data.data);
    free(event->message);
    free(event->code);
    *event = (struct cwc_event){ 0 };
}

void cwc_log_event_clear(struct cwc_log_event *event)
{
    free(event->data.data);
    free(event->message);
    free(event->code);
    free(event->session);
    *event = (struct cwc_log_event){ 0 };
}
