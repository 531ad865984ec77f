/* Frames and messages, written by hand: what is wrong in them is wrong on purpose. */
#include <string.h>

#include "peer.h"

/* ------------------------------------------------------------------- frames */

static void put_32(struct sbc_buf *out, uint32_t value)
{
    const unsigned char bytes[] = { (unsigned char) (value >> 24), (unsigned char) (value >> 16),
                                    (unsigned char) (value >> 8), (unsigned char) value };
    sbc_buf_add(out, bytes, sizeof bytes);
}

void put_frame(struct sbc_buf *out, unsigned type, unsigned flags, uint32_t stream, const void *payload, size_t size)
{
    const unsigned char head[] = { (unsigned char) (size >> 16), (unsigned char) (size >> 8), (unsigned char) size,
                                   (unsigned char) type, (unsigned char) flags };
    sbc_buf_add(out, head, sizeof head);
    put_32(out, stream);
    sbc_buf_add(out, payload, size);
}

void put_setting(struct sbc_buf *out, unsigned id, uint32_t value)
{
    const unsigned char number[] = { (unsigned char) (id >> 8), (unsigned char) id };
    struct sbc_buf payload = { 0 };
    sbc_buf_add(&payload, number, sizeof number);
    put_32(&payload, value);
    put_frame(out, PEER_SETTINGS, 0, 0, payload.data, payload.size);
    sbc_buf_free(&payload);
}

static void put_words(struct sbc_buf *out, unsigned type, uint32_t stream, const uint32_t *words, size_t count)
{
    struct sbc_buf payload = { 0 };
    for (size_t i = 0; i < count; i++)
        put_32(&payload, words[i]);
    put_frame(out, type, 0, stream, payload.data, payload.size);
    sbc_buf_free(&payload);
}

void put_rst(struct sbc_buf *out, uint32_t code)
{
    put_words(out, PEER_RST, PEER_THIS, &code, 1);
}

void put_goaway(struct sbc_buf *out, uint32_t last_stream, uint32_t code)
{
    const uint32_t words[] = { last_stream, code };
    put_words(out, PEER_GOAWAY, 0, words, 2);
}

void put_window(struct sbc_buf *out, uint32_t stream, uint32_t bytes)
{
    put_words(out, PEER_WINDOW, stream, &bytes, 1);
}

/* A string of a header block, not Huffman-coded: its length, in seven bits or more, and itself. */
static void put_string(struct sbc_buf *out, const char *text, size_t size)
{
    unsigned char byte = size < 127 ? (unsigned char) size : 127;
    sbc_buf_add(out, &byte, 1);
    for (size_t rest = size - 127; size >= 127; rest >>= 7) {
        byte = (unsigned char) ((rest & 127) | (rest > 127 ? 128 : 0));
        sbc_buf_add(out, &byte, 1);
        if (rest <= 127)
            break;
    }
    sbc_buf_add(out, text, size);
}

void put_block(struct sbc_buf *out, const char *lines)
{
    while (*lines != '\0') {
        const char *colon = strchr(lines + 1, ':'), *end = strchr(lines, '\n');
        sbc_buf_add(out, "\0", 1); /* a literal that is not indexed */
        put_string(out, lines, (size_t) (colon - lines));
        put_string(out, colon + 2, (size_t) (end - colon - 2));
        lines = end + 1;
    }
}

void put_headers(struct sbc_buf *out, const char *lines, bool is_end)
{
    struct sbc_buf block = { 0 };
    put_block(&block, lines);
    put_frame(out, PEER_HEADERS, PEER_END_HEADERS | (is_end ? PEER_END_STREAM : 0), PEER_THIS, block.data, block.size);
    sbc_buf_free(&block);
}

void put_head(struct sbc_buf *out)
{
    put_headers(out, ":status: 200\ncontent-type: application/grpc\n", false);
}

void put_trailers(struct sbc_buf *out, const char *lines)
{
    put_headers(out, lines, true);
}

void put_data(struct sbc_buf *out, const void *data, size_t size, bool is_end)
{
    size_t at = 0;
    do {
        size_t n = size - at < 16384 ? size - at : 16384;
        put_frame(out, PEER_DATA, is_end && at + n == size ? PEER_END_STREAM : 0, PEER_THIS,
                  (const char *) data + at, n);
        at += n;
    } while (at < size);
}

void put_message(struct sbc_buf *out, const struct sbc_buf *message)
{
    struct sbc_buf bytes = { 0 };
    sbc_buf_add(&bytes, "\0", 1);
    put_32(&bytes, (uint32_t) message->size);
    if (message->size > 0)
        sbc_buf_add(&bytes, message->data, message->size);
    put_data(out, bytes.data, bytes.size, false);
    sbc_buf_free(&bytes);
}

/* ----------------------------------------------------------------- messages */

static void put_varint(struct sbc_buf *out, uint64_t value)
{
    unsigned char byte;
    do {
        byte = (unsigned char) ((value & 127) | (value > 127 ? 128 : 0));
        sbc_buf_add(out, &byte, 1);
    } while ((value >>= 7) != 0);
}

void pb_number(struct sbc_buf *out, unsigned field, uint64_t value)
{
    put_varint(out, field << 3);
    put_varint(out, value);
}

void pb_bytes(struct sbc_buf *out, unsigned field, const void *data, size_t size)
{
    put_varint(out, field << 3 | 2);
    put_varint(out, size);
    if (size > 0)
        sbc_buf_add(out, data, size);
}

void pb_text(struct sbc_buf *out, unsigned field, const char *text)
{
    if (text != NULL && text[0] != '\0')
        pb_bytes(out, field, text, strlen(text));
}

void pb_part(struct sbc_buf *out, unsigned field, struct sbc_buf *part)
{
    pb_bytes(out, field, part->data, part->size);
    sbc_buf_free(part);
}

/* A message that is one part of another. */
static void put_event(struct sbc_buf *out, unsigned field, struct sbc_buf *part)
{
    struct sbc_buf message = { 0 };
    pb_part(&message, field, part);
    put_message(out, &message);
    sbc_buf_free(&message);
}

void put_created(struct sbc_buf *out, enum cwc_version version)
{
    struct sbc_buf message = { 0 };
    (void) version; /* the id is the first field of both */
    pb_text(&message, 1, "box");
    put_message(out, &message);
    sbc_buf_free(&message);
}

/* The library's numbers are v1's. */
void put_state(struct sbc_buf *out, enum cwc_version version, enum cwc_state state)
{
    static const unsigned old[CWC_STATES] = { 0, 1, 2, 3, 4, 9, 5, 6, 7, 0 };
    struct sbc_buf message = { 0 }, status = { 0 };
    pb_text(&message, 1, "box");
    pb_number(&status, 1, state);
    if (version == CWC_V1)
        pb_bytes(&message, 3, status.data, status.size);
    else
        pb_number(&message, 3, old[state]);
    put_message(out, &message);
    sbc_buf_free(&status);
    sbc_buf_free(&message);
}

void put_ready(struct sbc_buf *out, enum cwc_version version)
{
    struct sbc_buf part = { 0 };
    put_event(out, version == CWC_V1 ? 1 : 4, &part);
}

void put_output(struct sbc_buf *out, enum cwc_version version, enum cwc_stream stream, const char *text)
{
    struct sbc_buf part = { 0 };
    pb_number(&part, 1, stream == CWC_STDOUT ? 1 : 2);
    pb_text(&part, 2, text);
    put_event(out, version == CWC_V1 ? 2 : 1, &part);
}

void put_exit(struct sbc_buf *out, enum cwc_version version, int code)
{
    struct sbc_buf part = { 0 };
    pb_number(&part, 1, (uint64_t) (int64_t) code);
    put_event(out, version == CWC_V1 ? 3 : 2, &part);
}

void put_error(struct sbc_buf *out, enum cwc_version version, const char *message, const char *code)
{
    struct sbc_buf part = { 0 };
    pb_text(&part, 1, message);
    pb_text(&part, 2, code);
    put_event(out, version == CWC_V1 ? 4 : 3, &part);
}

void put_log(struct sbc_buf *out, const char *text, const char *session, uint64_t offset)
{
    struct sbc_buf message = { 0 };
    pb_text(&message, 1, text);
    pb_text(&message, 3, session);
    if (offset != 0)
        pb_number(&message, 4, offset);
    put_message(out, &message);
    sbc_buf_free(&message);
}

void put_log_error(struct sbc_buf *out, const char *code)
{
    struct sbc_buf part = { 0 };
    pb_text(&part, 1, "why");
    pb_text(&part, 2, code);
    put_event(out, 5, &part);
}
