/*
 * libFuzzer target: reading messages.  The first byte says which type (of both CoreWeave versions, and the details of
 * errors), the rest is the message.
 *
 *     cmake -B build/fuzz -DCMAKE_C_COMPILER=clang -DSTANDBOX_FUZZ=ON && cmake --build build/fuzz
 *     build/fuzz/bin/fuzz_proto -max_total_time=60 fuzz/corpus/proto
 *
 * mockserver/tests/test_proto_corpus.c replays the corpus with any compiler.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "proto/proto.h"
#include "proto/tell.h"
#include "tests/support/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *pick_type(unsigned char byte)
{
    static const char *const packages[] = { "cw1", "cwb2", "rpc" };
    static const ProtobufCMessageDescriptor *types[3 * MESSAGES_MAX];
    static size_t count;
    for (size_t i = 0, had = count; i < 3 && had == 0; i++) {
        struct messages list;
        messages_of(packages[i], &list);
        memcpy(types + count, list.types, list.count * sizeof *types);
        count += list.count;
    }
    return types[byte % count];
}

/* What was read once is written so that it is read again as the same. */
static void check_again(const ProtobufCMessage *message)
{
    struct err err = ERR_INIT;
    ProtobufCMessage *copy;
    BUF_AUTO bytes = BUF_INIT;
    BUF_AUTO first = BUF_INIT;
    BUF_AUTO second = BUF_INIT;
    proto_encode(message, &bytes);
    if (proto_decode(message->descriptor, buf_cstr(&bytes), bytes.len, &copy, &err) < 0)
        abort();
    message_tell(message, &first);
    message_tell(copy, &second);
    if (strcmp(buf_cstr(&first), buf_cstr(&second)) != 0 ||
        message_has_unknown(message) != message_has_unknown(copy))
        abort();
    proto_free(copy);
}

/* What can be read can be told, as JSON, however little room there is. */
static void check_told(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    bool is_cut = false;
    BUF_AUTO json = BUF_INIT;
    size_t room = size == 0 ? 0 : data[size - 1] * 8u;
    if (proto_tell(type, data, size, &room, &is_cut, &json, &err) < 0)
        abort();
    struct cJSON *tree = json_parse(buf_cstr(&json), json.len, &err);
    if (tree == NULL)
        abort();
    json_free(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    ProtobufCMessage *message = NULL;
    if (size == 0)
        return 0;
    if (proto_decode(pick_type(data[0]), data + 1, size - 1, &message, &err) < 0) {
        /* A refusal says why, and that it was the message's fault. */
        if (message != NULL || err.text[0] == '\0' || (err.code != ERR_INVALID && err.code != ERR_LIMIT))
            abort();
        return 0;
    }
    check_again(message);
    check_told(message->descriptor, data + 1, size - 1);
    proto_free(message);
    return 0;
}
