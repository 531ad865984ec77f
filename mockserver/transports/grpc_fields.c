#include "transports/grpc_fields.h"

#include <string.h>

void grpc_fields_fini(struct grpc_fields *fields)
{
    buf_fini(&fields->text);
    *fields = (struct grpc_fields) { .text = BUF_INIT };
}

static void add_text(struct buf *out, const char *text, size_t len)
{
    buf_add(out, text, strnlen(text, len));
    buf_char(out, '\0');
}

int grpc_fields_add(struct grpc_fields *fields, const char *name, size_t name_len, const char *value,
                    size_t value_len)
{
    if (buf_reserve(&fields->text, name_len + value_len + 2) == NULL)
        return -1;
    add_text(&fields->text, name, name_len);
    add_text(&fields->text, value, value_len);
    fields->count++;
    fields->size += name_len + value_len + GRPC_FIELD_OVERHEAD;
    return 0;
}

bool grpc_fields_next(const struct grpc_fields *fields, const char **at, const char **out_name,
                      const char **out_value)
{
    const char *p = *at == NULL ? fields->text.data : *at;
    if (p == NULL || p == fields->text.data + fields->text.len)
        return false;
    *out_name = p;
    *out_value = p + strlen(p) + 1;
    *at = *out_value + strlen(*out_value) + 1;
    return true;
}

const char *grpc_fields_find(const struct grpc_fields *fields, const char *name)
{
    const char *at = NULL, *found, *value;
    while (grpc_fields_next(fields, &at, &found, &value)) {
        if (strcmp(found, name) == 0)
            return value;
    }
    return NULL;
}
