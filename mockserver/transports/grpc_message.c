#include "transports/grpc_message.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t announced(const struct grpc_gather *g)
{
    const unsigned char *p = g->prefix;
    return (size_t) p[1] << 24 | (size_t) p[2] << 16 | (size_t) p[3] << 8 | p[4];
}

static enum grpc_gathered check_prefix(const struct grpc_gather *g)
{
    if (g->prefix[0] > 1)
        return GATHERED_BAD_FLAG;
    if (g->prefix[0] == 1)
        return GATHERED_COMPRESSED;
    return announced(g) > g->max ? GATHERED_TOO_LARGE : GATHERED_PART;
}

static void take_prefix(struct grpc_gather *g, const unsigned char **data, size_t *len)
{
    size_t n = least(*len, sizeof g->prefix - g->prefix_len);
    memcpy(g->prefix + g->prefix_len, *data, n);
    g->prefix_len += n;
    *data += n;
    *len -= n;
}

static void take_body(struct grpc_gather *g, const unsigned char **data, size_t *len)
{
    size_t n = least(*len, announced(g) - g->body.len);
    buf_add(&g->body, *data, n);
    *data += n;
    *len -= n;
}

enum grpc_gathered grpc_gather_feed(struct grpc_gather *g, const unsigned char **data, size_t *len,
                                    struct buf *out_message)
{
    take_prefix(g, data, len);
    if (g->prefix_len < sizeof g->prefix)
        return GATHERED_PART;
    enum grpc_gathered why = check_prefix(g);
    if (why != GATHERED_PART)
        return why;
    take_body(g, data, len);
    if (g->body.failed)
        return GATHERED_NO_MEMORY;
    if (g->body.len < announced(g))
        return GATHERED_PART;
    *out_message = g->body;
    g->body = (struct buf) BUF_INIT;
    g->prefix_len = 0;
    return GATHERED_MESSAGE;
}

bool grpc_gather_is_inside(const struct grpc_gather *g)
{
    return g->prefix_len > 0;
}

size_t grpc_gather_held(const struct grpc_gather *g)
{
    return g->body.len;
}

void grpc_gather_fini(struct grpc_gather *g)
{
    buf_fini(&g->body);
    g->prefix_len = 0;
}

void grpc_message_put_prefix(unsigned char out[GRPC_PREFIX_BYTES], uint32_t len)
{
    out[0] = 0;
    out[1] = (unsigned char) (len >> 24);
    out[2] = (unsigned char) (len >> 16);
    out[3] = (unsigned char) (len >> 8);
    out[4] = (unsigned char) len;
}
