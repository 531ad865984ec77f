#include "run/where.h"

#include <string.h>

#include <cjson/cJSON.h>

static const struct {
    const char *vendor;
    enum where_carrier carrier;
} carriers[] = { { "coreweave", WHERE_GRPC }, { "modal", WHERE_GRPC } };

enum where_carrier where_carrier_of(const char *vendor)
{
    for (size_t i = 0; i < sizeof carriers / sizeof carriers[0]; i++) {
        if (strcmp(carriers[i].vendor, vendor) == 0)
            return carriers[i].carrier;
    }
    return WHERE_HTTP;
}

static const char url_word[] = "${url}", host_word[] = "${host}";

void where_host(const char *url, struct buf *out)
{
    const char *begin = strstr(url, "://");
    begin = begin != NULL ? begin + 3 : url;
    buf_add(out, begin, strcspn(begin, "/"));
}

static bool skip_word(const char **at, const char *word)
{
    size_t len = strlen(word);
    bool is_it = strncmp(*at, word, len) == 0;
    *at += is_it ? len : 0;
    return is_it;
}

void where_fill(const char *url, const char *text, struct buf *out)
{
    for (const char *at = text; *at != '\0';) {
        size_t plain = strcspn(at, "$");
        buf_add(out, at, plain);
        at += plain;
        if (skip_word(&at, url_word))
            buf_str(out, url);
        else if (skip_word(&at, host_word))
            where_host(url, out);
        else if (*at == '$')
            buf_char(out, *at++);
    }
}

int where_fill_json(const char *url, struct cJSON *value)
{
    cJSON *child;
    if (cJSON_IsString(value)) {
        BUF_AUTO text = BUF_INIT;
        where_fill(url, value->valuestring, &text);
        return text.failed || cJSON_SetValuestring(value, buf_cstr(&text)) == NULL ? -1 : 0;
    }
    cJSON_ArrayForEach(child, value) {
        if (where_fill_json(url, child) < 0)
            return -1;
    }
    return 0;
}
