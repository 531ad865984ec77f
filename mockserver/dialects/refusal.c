#include "base/jsonw.h"
#include "dialects/dialect.h"

void refusal_write(struct buf *out, const char *code, const char *message)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "message", message);
    jsonw_str(&w, "error", message);
    jsonw_str(&w, "code", code);
    jsonw_end_object(&w);
}
