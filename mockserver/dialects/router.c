#include <string.h>

#include "dialects/dialect.h"

static bool take_param(struct route_params *params, const char *text, size_t len)
{
    if (params->count == ROUTE_MAX_PARAMS || len >= sizeof params->value[0])
        return false;
    memcpy(params->value[params->count], text, len);
    params->value[params->count++][len] = '\0';
    return true;
}

/* One segment against one pattern segment (":name" takes any that is not empty). */
static bool fits_segment(const char *pattern, size_t pattern_len, const char *text, size_t len,
                         struct route_params *params)
{
    if (pattern_len > 0 && pattern[0] == ':')
        return len > 0 && take_param(params, text, len);
    return pattern_len == len && memcmp(pattern, text, len) == 0;
}

static bool fits(const char *pattern, const char *path, struct route_params *params)
{
    params->count = 0;
    while (*pattern == '/' && *path == '/') {
        pattern++;
        path++;
        if (strcmp(pattern, "*") == 0)
            return take_param(params, path, strlen(path));
        size_t pattern_len = strcspn(pattern, "/"), len = strcspn(path, "/");
        if (!fits_segment(pattern, pattern_len, path, len, params))
            return false;
        pattern += pattern_len;
        path += len;
    }
    return *pattern == '\0' && *path == '\0';
}

enum route_result route_find(const struct route *routes, size_t count, const char *method, const char *path,
                             const struct route **out_route, struct route_params *out_params)
{
    enum route_result result = ROUTE_NO_PATH;
    struct route_params params;
    for (size_t i = 0; i < count; i++) {
        if (!fits(routes[i].pattern, path, &params))
            continue;
        if (routes[i].method == NULL || strcmp(routes[i].method, method) == 0) {
            *out_route = &routes[i];
            *out_params = params;
            return ROUTE_FOUND;
        }
        result = ROUTE_NO_METHOD;
    }
    return result;
}
