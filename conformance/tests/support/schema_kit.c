#include "tests/support/schema_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

#define MAX_BYTES ((size_t) 4 << 20)

struct cJSON *schema_read(const char *file)
{
    const char *fixtures = getenv("STANDBOX_FIXTURES");
    BUF_AUTO path = BUF_INIT;
    BUF_AUTO text = BUF_INIT;
    struct err err = ERR_INIT;
    buf_printf(&path, "%s/schema/%s", fixtures != NULL ? fixtures : ".", file);
    struct cJSON *schema = NULL;
    if (file_read(&text, buf_cstr(&path), MAX_BYTES, &err) == 0 &&
        (schema = json_parse(buf_cstr(&text), text.len, &err)) == NULL)
        err_wrap(&err, "%s", buf_cstr(&path));
    if (schema == NULL)
        print_error("%s%s\n", err.text, fixtures != NULL ? "" : " (STANDBOX_FIXTURES is not set)");
    return schema;
}

const struct cJSON *schema_definition(const struct cJSON *schema, const char *name)
{
    const struct cJSON *found = json_get(json_get(schema, "$defs"), name);
    if (found == NULL)
        fail_msg("the schema has no $defs/%s", name);
    return found;
}

bool schema_lists(const struct cJSON *list, const char *text)
{
    const struct cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item) && strcmp(item->valuestring, text) == 0)
            return true;
    }
    return false;
}
