#include "sbc_sse.h"

#include <string.h>

#include "sbc_mutants.h"

static const char mark[] = "\xEF\xBB\xBF";

void sbc_sse_init(struct sbc_sse *sse, size_t limit)
{
    *sse = (struct sbc_sse){ .limit = limit };
    sbc_buf_add(&sse->name, "", 0);
    sbc_buf_add(&sse->data, "", 0);
}

void sbc_sse_free(struct sbc_sse *sse)
{
    sbc_buf_free(&sse->in);
    sbc_buf_free(&sse->name);
    sbc_buf_free(&sse->data);
}

void sbc_sse_feed(struct sbc_sse *sse, const char *bytes, size_t size)
{
    sbc_buf_drop(&sse->in, sse->read);
    sse->scanned -= sse->read;
    sse->read = 0;
    sbc_buf_add(&sse->in, bytes, size);
}

static void clear_event(struct sbc_sse *sse)
{
    sse->name.size = sse->data.size = 0;
    sse->name.data[0] = sse->data.data[0] = '\0';
    sse->has_data = false;
}

/* False while it cannot be told yet whether the stream begins with the mark. */
static bool skip_mark(struct sbc_sse *sse)
{
    size_t size = sse->in.size < 3 ? sse->in.size : 3;
    if (!sse->has_begun && size > 0 && memcmp(sse->in.data, mark, size) == 0) {
        if (size < 3)
            return false;
        sse->read = sse->scanned = 3;
    }
    sse->has_begun = size > 0 || sse->has_begun;
    return sse->has_begun;
}

/* The next whole line, without its end, in *out_line; false: there is none yet. */
static bool cut_line(struct sbc_sse *sse, const char **out_line, size_t *out_size)
{
    char *data = sse->in.data;
    if (sse->was_cr && sse->scanned == sse->read && sse->read < sse->in.size) {
        sse->read += data[sse->read] == '\n';
        sse->scanned = sse->read;
        sse->was_cr = false;
    }
    const char *ends = SBC_MUTANT(crlf_not_understood) ? "\n" : "\r\n";
    for (; sse->scanned < sse->in.size; sse->scanned++) {
        char c = data[sse->scanned];
        if (c == '\0' || strchr(ends, c) == NULL)
            continue;
        *out_line = data + sse->read;
        *out_size = sse->scanned - sse->read;
        sse->was_cr = c == '\r';
        sse->read = ++sse->scanned;
        return true;
    }
    return false;
}

static void take_field(struct sbc_sse *sse, const char *line, size_t size)
{
    const char *colon = memchr(line, ':', size);
    size_t name = colon == NULL ? size : (size_t) (colon - line);
    size_t from = colon == NULL ? size : name + 1;
    from += from < size && line[from] == ' ';
    bool is_data = name == 4 && memcmp(line, "data", 4) == 0;
    if (SBC_MUTANT(comments_break_parser) && name == 0) {
        sbc_buf_add_text(&sse->name, "output");
        is_data = true;
    }
    if (is_data) {
        if (sse->has_data && !SBC_MUTANT(multi_line_data_not_joined))
            sbc_buf_add_text(&sse->data, "\n");
        if (SBC_MUTANT(multi_line_data_not_joined))
            sse->data.size = 0; /* the last line wins */
        sbc_buf_add(&sse->data, line + from, size - from);
        sse->has_data = true;
    } else if (name == 5 && memcmp(line, "event", 5) == 0) {
        sse->name.size = 0;
        sbc_buf_add(&sse->name, line + from, size - from);
    }
}

int sbc_sse_next(struct sbc_sse *sse, struct sbc_sse_event *out_event)
{
    const char *line;
    size_t size;
    if (sse->is_given)
        clear_event(sse);
    sse->is_given = false;
    if (!skip_mark(sse))
        return 0;
    while (cut_line(sse, &line, &size)) {
        if (size > 0)
            take_field(sse, line, size);
        if (sse->data.size + sse->name.size > sse->limit)
            return -1;
        if (size > 0)
            continue;
        if (sse->has_data) {
            *out_event = (struct sbc_sse_event){ sse->name.size > 0 ? sse->name.data : "message", sse->data.data,
                                                 sse->data.size };
            sse->is_given = true;
            return 1;
        }
        clear_event(sse);
    }
    return sse->in.size - sse->read + sse->data.size > sse->limit ? -1 : 0;
}
