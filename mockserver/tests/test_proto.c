/* Messages as the SDKs' own classes make them, both ways; and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "proto/coreweave_v1.pb-c.h"
#include "proto/coreweave_v1beta2.pb-c.h"
#include "proto/proto.h"
#include "proto/rpc.pb-c.h"
#include "proto/tell.h"
#include "tests/support/messages.h"

/* ---- what the SDKs make -------------------------------------------------------------------- */

/* Which types of a package have had a sample. */
struct book {
    struct messages own, rpc;
    bool own_seen[MESSAGES_MAX], rpc_seen[MESSAGES_MAX];
    const char *place;       /* for complaints */
};

static const ProtobufCMessageDescriptor *find_type(struct book *book, const char *name)
{
    bool is_rpc = strncmp(name, "rpc.", 4) == 0;
    struct messages *list = is_rpc ? &book->rpc : &book->own;
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->types[i]->short_name, is_rpc ? name + 4 : name) == 0) {
            (is_rpc ? book->rpc_seen : book->own_seen)[i] = true;
            return list->types[i];
        }
    }
    fail_msg("%s: no service needs %s: it has no business in the .proto", book->place, name);
    return NULL;
}

static void tell_wanted(const cJSON *fields, struct buf *out)
{
    const cJSON *field;
    cJSON_ArrayForEach(field, fields)
        buf_printf(out, "%s=%s\n", cJSON_GetArrayItem(field, 0)->valuestring,
                   cJSON_GetArrayItem(field, 1)->valuestring);
}

static void check_sample(struct book *book, const cJSON *line)
{
    struct err err = ERR_INIT;
    ProtobufCMessage *message;
    BUF_AUTO bytes = BUF_INIT;
    BUF_AUTO wanted = BUF_INIT;
    BUF_AUTO seen = BUF_INIT;
    BUF_AUTO again = BUF_INIT;
    const char *name = cJSON_GetObjectItem(line, "message")->valuestring;
    const char *text = cJSON_GetObjectItem(line, "bytes")->valuestring;
    const ProtobufCMessageDescriptor *type = find_type(book, name);
    assert_int_equal(base64_decode(&bytes, text, strlen(text), &err), 0);
    if (proto_decode(type, buf_cstr(&bytes), bytes.len, &message, &err) < 0)
        fail_msg("%s: %s: %s", book->place, name, err.text);
    tell_wanted(cJSON_GetObjectItem(line, "fields"), &wanted);
    message_tell(message, &seen);
    if (strcmp(buf_cstr(&wanted), buf_cstr(&seen)) != 0)
        fail_msg("%s: %s has\n%s, not\n%s", book->place, name, buf_cstr(&seen), buf_cstr(&wanted));
    assert_false(message_has_unknown(message));
    proto_encode(message, &again);
    proto_free(message);
    if (again.len != bytes.len || (bytes.len > 0 && memcmp(again.data, bytes.data, bytes.len) != 0))
        fail_msg("%s: %s is written as other bytes than it was read from", book->place, name);
}

static void check_all_seen(const struct messages *list, const bool *seen, const char *package)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!seen[i] && strcmp(list->types[i]->package_name, package) == 0)
            fail_msg("no sample of %s: run sdk-shim/tests/coreweave/make_samples.py", list->types[i]->short_name);
    }
}

static void check_file(const char *version, const char *package)
{
    struct book book = { .place = NULL };
    char path[1000], place[1200], *line = NULL;
    size_t room = 0, number = 0;
    messages_of(package, &book.own);
    messages_of("rpc", &book.rpc);
    snprintf(path, sizeof path, "%s/wire/coreweave/%s.jsonl", getenv("STANDBOX_FIXTURES"), version);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (getline(&line, &room, file) > 0) {
        cJSON *json = cJSON_Parse(line);
        assert_non_null(json);
        snprintf(place, sizeof place, "%s:%zu", path, ++number);
        book.place = place;
        check_sample(&book, json);
        cJSON_Delete(json);
    }
    free(line);
    fclose(file);
    check_all_seen(&book.own, book.own_seen, package);
    if (strcmp(version, "v1") == 0)
        check_all_seen(&book.rpc, book.rpc_seen, "rpc");
}

static void every_message_of_0_22_is_read_and_written_as_the_sdk_does(void **state)
{
    (void) state;
    check_file("v1beta2", "cwb2");
}

static void every_message_of_1_22_is_read_and_written_as_the_sdk_does(void **state)
{
    (void) state;
    check_file("v1", "cw1");
}

/* ---- what is skipped, what is refused --------------------------------------------------------- */

#define BYTES(literal) (literal), sizeof(literal) - 1

static void fields_of_later_sdks_are_skipped_and_kept(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    ProtobufCMessage *message;
    BUF_AUTO again = BUF_INIT;
    /* sandbox_id "x", then 1000: a number, 1001: bytes, 1002: eight bytes, 1003: four. */
    static const char bytes[] = "\x0a\x01x\xc0\x3e\x07\xca\x3e\x02hi\xd1\x3e"
                                "12345678\xdd\x3e"
                                "1234";
    assert_int_equal(proto_decode(&cw1__get_sandbox_request__descriptor, BYTES(bytes), &message, &err), 0);
    const Cw1__GetSandboxRequest *request = (const Cw1__GetSandboxRequest *) message;
    assert_string_equal(request->sandbox_id, "x");
    assert_int_equal(message->n_unknown_fields, 4);
    proto_encode(message, &again);
    assert_int_equal(again.len, sizeof bytes - 1);
    assert_memory_equal(again.data, bytes, sizeof bytes - 1);
    proto_free(message);
}

static void a_number_of_an_enum_that_has_no_name_is_kept(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    ProtobufCMessage *message;
    assert_int_equal(proto_decode(&cw1__sandbox_status__descriptor, BYTES("\x08\x63"), &message, &err), 0);
    assert_int_equal((int) ((Cw1__SandboxStatus *) message)->state, 99);
    proto_free(message);
}

static void the_last_member_of_a_oneof_is_the_one_that_counts(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    ProtobufCMessage *message;
    static const char bytes[] = "\x12\x02hi\x22\x00";   /* stdin "hi", then close */
    assert_int_equal(proto_decode(&cw1__exec_stream_request__descriptor, BYTES(bytes), &message, &err), 0);
    assert_int_equal((int) ((Cw1__ExecStreamRequest *) message)->message_case, CW1__EXEC_STREAM_REQUEST__MESSAGE_CLOSE);
    proto_free(message);
}

static void what_is_no_message_is_refused_with_its_place(void **state)
{
    (void) state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *says;
    } rows[] = {
        { BYTES("\x0a"), "sandbox_id: the message ends inside a number" },
        { BYTES("\x0a\x05x"), "sandbox_id: the message ends inside a field" },
        { BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x"), "sandbox_id: the message ends inside a field" },
        { BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "sandbox_id: a number of more than 10 bytes" },
        { BYTES("\x00\x01"), "a field number that cannot be" },
        { BYTES("\x80\x80\x80\x80\x80\x01\x01"), "a field number that cannot be" },
        { BYTES("\x80\x80\xc1\xef\x80\x00\x0d"), "a field number that cannot be" },   /* in more bytes than it needs */
        { BYTES("\x0a\x02\xc3\x28"), "sandbox_id: not UTF-8" },
        { BYTES("\x0a\x03\xed\xa0\x80"), "sandbox_id: not UTF-8" },
        { BYTES("\x0a\x03x\0y"), "sandbox_id: a NUL in a string" },
        { BYTES("\x12\x02\xff\x41"), "command: not UTF-8" },
        { BYTES("\x1a\x05\x0a\x03\x61\xff\x62"), "env.key: not UTF-8" },
        { BYTES("\x08\x01"), "sandbox_id: another wire type than the field has" },
        { BYTES("\xc3\x3e\xc4\x3e"), "a wire type that proto3 does not have" },
        { BYTES("\xc6\x3e"), "a wire type that proto3 does not have" },
        { BYTES("\x21\x01\x02\x03\x04\x05\x06\x07\x08"), "max_output_bytes: another wire type than the field has" },
        { BYTES("\x1a\x06\x0a\x01k\x12\x05v"), "env.value: the message ends inside a field" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = ERR_INIT;
        ProtobufCMessage *message = NULL;
        assert_int_equal(proto_decode(&cw1__exec_request__descriptor, rows[i].bytes, rows[i].len, &message, &err), -1);
        assert_null(message);
        assert_int_equal(err.code, ERR_INVALID);
        assert_string_equal(err.text, rows[i].says);
    }
}

static void a_part_that_comes_twice_is_refused(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    ProtobufCMessage *message;
    static const char bytes[] = "\x1a\x02\x08\x02\x1a\x04\x12\x02ok";   /* status, and status again */
    assert_int_equal(proto_decode(&cw1__sandbox__descriptor, BYTES(bytes), &message, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
    assert_string_equal(err.text, "status: comes twice");
}

/* Each row as the SDK's protobuf (6.33, upb) reads it. */
static void numbers_are_read_as_protobuf_does(void **state)
{
    (void) state;
    static const struct {
        const char *bytes;
        size_t len;
        int32_t code;
    } rows[] = {
        { BYTES("\x08\xf7\xff\xff\xff\xff\xff\xff\xff\xff\x01"), -9 },
        { BYTES("\x08\xf7\xff\xff\xff\x0f"), -9 },
        { BYTES("\x08\x80\x80\x80\x80\xf8\xff\xff\xff\xff\x01"), INT32_MIN },
        { BYTES("\x08\x87\x80\x80\x80\x10"), 7 },   /* more bits than it has */
        { BYTES("\x08\x87\x80\x80\x80\x00"), 7 },   /* more bytes than it needs */
        { BYTES("\x88\x80\x00\x07"), 7 },            /* the tag, too */
        { BYTES("\x08\x05\x08\x07"), 7 },            /* the later counts */
        { BYTES(""), 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = ERR_INIT;
        ProtobufCMessage *message;
        if (proto_decode(&cw1__exec_stream_exit__descriptor, rows[i].bytes, rows[i].len, &message, &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        assert_int_equal(((Cw1__ExecStreamExit *) message)->exit_code, rows[i].code);
        proto_free(message);
    }
}

static void an_enum_may_be_negative_and_a_bool_any_number(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    ProtobufCMessage *message;
    assert_int_equal(proto_decode(&cw1__exec_stream_output__descriptor,
                                  BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), &message, &err), 0);
    assert_int_equal((int) ((Cw1__ExecStreamOutput *) message)->stream, -1);
    proto_free(message);
    assert_int_equal(
        proto_decode(&cw1__exec_stream_init__descriptor, BYTES("\x18\x80\x80\x80\x80\x80\x20"), &message, &err), 0);
    assert_true(((Cw1__ExecStreamInit *) message)->tty);
    proto_free(message);
}

/* A member that comes again, and members of each kind in turn: the last counts, and nothing leaks. */
static void members_of_a_oneof_replace_each_other(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    ProtobufCMessage *message;
    static const char bytes[] = "\x0a\x03\x0a\x01x\x12\x02hi\x1a\x02\x08\x05\x12\x03two\x12\x05three";
    assert_int_equal(proto_decode(&cw1__exec_stream_request__descriptor, BYTES(bytes), &message, &err), 0);
    const Cw1__ExecStreamRequest *request = (const Cw1__ExecStreamRequest *) message;
    assert_int_equal((int) request->message_case, CW1__EXEC_STREAM_REQUEST__MESSAGE_STDIN);
    assert_int_equal(request->stdin.len, 5);
    assert_memory_equal(request->stdin.data, "three", 5);
    proto_free(message);
}

/* Bytes that nobody knows cost what they weigh, however deep they would be. */
static void unknown_bytes_are_not_looked_into(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    ProtobufCMessage *message;
    BUF_AUTO bytes = BUF_INIT;
    buf_add(&bytes, BYTES("\xca\x3e\xd0\x0f"));   /* field 1001: 2000 bytes, each the tag of a part that is missing */
    for (int i = 0; i < 2000; i++)
        buf_add(&bytes, "\x0a", 1);
    buf_add(&bytes, BYTES("\x08\x07"));
    assert_int_equal(proto_decode(&cw1__exec_stream_exit__descriptor, bytes.data, bytes.len, &message, &err), 0);
    assert_int_equal(((Cw1__ExecStreamExit *) message)->exit_code, 7);
    assert_int_equal(message->n_unknown_fields, 1);
    proto_free(message);
}

static void bytes_need_not_be_utf8(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    ProtobufCMessage *message;
    assert_int_equal(
        proto_decode(&cw1__exec_stream_request__descriptor, BYTES("\x12\x03\xff\x00\xfe"), &message, &err), 0);
    const ProtobufCBinaryData *stdin_bytes = &((Cw1__ExecStreamRequest *) message)->stdin;
    assert_int_equal(stdin_bytes->len, 3);
    assert_memory_equal(stdin_bytes->data, "\xff\x00\xfe", 3);
    proto_free(message);
}

/* What costs two bytes to send must not cost forty of memory without end. */
static void a_message_of_too_many_fields_is_refused(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    ProtobufCMessage *message;
    BUF_AUTO bytes = BUF_INIT;
    for (size_t i = 0; i <= PROTO_MAX_FIELDS; i++)
        buf_add(&bytes, "\x12", 2);   /* an empty string of a list */
    assert_int_equal(proto_decode(&cw1__exec_request__descriptor, bytes.data, bytes.len, &message, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(proto_decode(&cw1__exec_request__descriptor, bytes.data, bytes.len - 2, &message, &err), 0);
    assert_int_equal(((Cw1__ExecRequest *) message)->n_command, PROTO_MAX_FIELDS);
    proto_free(message);
}

static void elements_of_a_packed_list_count_as_fields(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    ProtobufCMessage *message;
    BUF_AUTO bytes = BUF_INIT;
    buf_add(&bytes, BYTES("\x12\xc1\x9a\x0c"));   /* exposed_ports: 200,001 elements of one byte */
    for (size_t i = 0; i <= PROTO_MAX_FIELDS; i++)
        buf_add(&bytes, "\x01", 1);
    assert_int_equal(proto_decode(&cwb2__network_options__descriptor, bytes.data, bytes.len, &message, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
}

static void a_list_of_numbers_is_read_packed_or_not(void **state)
{
    (void) state;
    static const char *const forms[] = { "\x12\x02\x50\x51", "\x10\x50\x10\x51" };
    for (size_t i = 0; i < 2; i++) {
        struct err err = ERR_INIT;
        ProtobufCMessage *message;
        assert_int_equal(
            proto_decode(&cwb2__network_options__descriptor, forms[i], strlen(forms[i]), &message, &err), 0);
        const Cwb2__NetworkOptions *options = (const Cwb2__NetworkOptions *) message;
        assert_int_equal(options->n_exposed_ports, 2);
        assert_int_equal(options->exposed_ports[1], 81);
        proto_free(message);
    }
}

/* No SDK sends it so: the keys of a map's entries are left out only where they are "". */
static void an_entry_of_a_map_may_have_neither_key_nor_value(void **state)
{
    (void) state;
    struct err err = ERR_INIT;
    ProtobufCMessage *message;
    assert_int_equal(proto_decode(&cw1__exec_request__descriptor, BYTES("\x1a\x00"), &message, &err), 0);
    const Cw1__ExecRequest *request = (const Cw1__ExecRequest *) message;
    assert_int_equal(request->n_env, 1);
    assert_string_equal(request->env[0]->key, "");
    assert_string_equal(request->env[0]->value, "");
    proto_free(message);
}

/* ---- as JSON --------------------------------------------------------------------------------- */

static void assert_told(const ProtobufCMessageDescriptor *type, const void *message, size_t room, const char *expected,
                        bool is_cut)
{
    struct err err = ERR_INIT;
    bool was_cut = false;
    BUF_AUTO bytes = BUF_INIT;
    BUF_AUTO out = BUF_INIT;
    proto_encode(message, &bytes);
    if (proto_tell(type, buf_cstr(&bytes), bytes.len, &room, &was_cut, &out, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(buf_cstr(&out), expected);
    assert_int_equal(was_cut, is_cut);
}

static void messages_are_told_by_the_names_of_the_proto(void **state)
{
    (void) state;
    Cwb2__StartSandboxRequest start = CWB2__START_SANDBOX_REQUEST__INIT;
    Cwb2__StartSandboxRequest__EnvironmentVariablesEntry entry =
        CWB2__START_SANDBOX_REQUEST__ENVIRONMENT_VARIABLES_ENTRY__INIT, *env[] = { &entry };
    char *args[] = { proto_text("-c"), proto_text("\xc3\xa4\"") };
    entry.key = proto_text("TOKEN");
    entry.value = proto_text("x");
    start.environment_variables = env;
    start.n_environment_variables = 1;
    start.args = args;
    start.n_args = 2;
    start.max_lifetime_seconds = -5;
    assert_told(&cwb2__start_sandbox_request__descriptor, &start, 1000,
                "{\"args\":[\"-c\",\"\\u00e4\\\"\"],\"environment_variables\":{\"TOKEN\":\"x\"},"
                "\"max_lifetime_seconds\":-5}", false);
}

static void what_is_set_is_told_and_what_has_no_name_is_a_number(void **state)
{
    (void) state;
    Cw1__SandboxStatus status = CW1__SANDBOX_STATUS__INIT;
    status.state = CW1__STATE__STATE_RUNNING;
    status.exit_code_given_case = CW1__SANDBOX_STATUS__EXIT_CODE_GIVEN_EXIT_CODE;   /* 0, and said */
    assert_told(&cw1__sandbox_status__descriptor, &status, 100, "{\"state\":\"STATE_RUNNING\",\"exit_code\":0}", false);
    status.state = (Cw1__State) 77;
    status.exit_code_given_case = CW1__SANDBOX_STATUS__EXIT_CODE_GIVEN__NOT_SET;
    assert_told(&cw1__sandbox_status__descriptor, &status, 100, "{\"state\":77}", false);
    Cw1__ExecStreamResponse nothing = CW1__EXEC_STREAM_RESPONSE__INIT;
    assert_told(&cw1__exec_stream_response__descriptor, &nothing, 0, "{}", false);
    Cw1__LogEntry log = CW1__LOG_ENTRY__INIT;
    log.next_log_offset = UINT64_MAX;
    assert_told(&cw1__log_entry__descriptor, &log, 0, "{\"next_log_offset\":\"18446744073709551615\"}", false);
}

static void what_does_not_fit_is_cut_and_said_so(void **state)
{
    (void) state;
    char *command[] = { proto_text("a\xc3\xa4"), proto_text("b"), proto_text("c") };
    Cw1__ExecRequest exec = CW1__EXEC_REQUEST__INIT;
    exec.command = command;
    exec.n_command = 3;
    assert_told(&cw1__exec_request__descriptor, &exec, 10, "{\"command\":[\"a\"]}", true);
    assert_told(&cw1__exec_request__descriptor, &exec, 18, "{\"command\":[\"a\\u00e4\"]}", true);
    Cw1__ReadFileResponse file = CW1__READ_FILE_RESPONSE__INIT;
    file.content = (ProtobufCBinaryData) { 6, (uint8_t *) proto_text("abcdef") };
    assert_told(&cw1__read_file_response__descriptor, &file, 3, "{\"content\":{\"base64\":\"YWJj\"}}", true);
}

static void methods_are_found_by_their_path(void **state)
{
    (void) state;
    static const ProtobufCServiceDescriptor *const services[] = { &cw1__sandbox_service__descriptor,
                                                                  &cw1__discovery_service__descriptor };
    const ProtobufCMethodDescriptor *found = proto_find_method(services, 2, "/coreweave.sandbox.v1.SandboxService/StreamExec");
    assert_non_null(found);
    assert_ptr_equal(found->output, &cw1__exec_stream_response__descriptor);
    assert_null(proto_find_method(services, 2, "/coreweave.sandbox.v1.SandboxService/No"));
    assert_null(proto_find_method(services, 2, "/coreweave.sandbox.v1.NoService/StreamExec"));
    assert_null(proto_find_method(services, 2, "/"));
    assert_null(proto_find_method(services, 2, ""));
}

static void the_reason_of_a_refusal_is_found(void **state)
{
    (void) state;
    Rpc__Status status = RPC__STATUS__INIT;
    Rpc__Any other = RPC__ANY__INIT, any = RPC__ANY__INIT, *details[] = { &other, &any };
    Rpc__ErrorInfo info = RPC__ERROR_INFO__INIT;
    BUF_AUTO inner = BUF_INIT;
    BUF_AUTO bytes = BUF_INIT;
    BUF_AUTO reason = BUF_INIT;
    info.reason = proto_text("WHY");
    proto_encode(&info, &inner);
    other.type_url = proto_text("type.googleapis.com/google.rpc.RetryInfo");
    any.type_url = proto_text("type.googleapis.com/google.rpc.ErrorInfo");
    any.value = PROTO_BYTES(inner);
    status.details = details;
    status.n_details = 2;
    proto_encode(&status, &bytes);
    assert_true(proto_tell_reason(bytes.data, bytes.len, &reason));
    assert_string_equal(buf_cstr(&reason), "WHY");
    assert_false(proto_tell_reason("\xff", 1, &reason));
    assert_false(proto_tell_reason("", 0, &reason));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_of_0_22_is_read_and_written_as_the_sdk_does),
        cmocka_unit_test(every_message_of_1_22_is_read_and_written_as_the_sdk_does),
        cmocka_unit_test(fields_of_later_sdks_are_skipped_and_kept),
        cmocka_unit_test(a_number_of_an_enum_that_has_no_name_is_kept),
        cmocka_unit_test(the_last_member_of_a_oneof_is_the_one_that_counts),
        cmocka_unit_test(what_is_no_message_is_refused_with_its_place),
        cmocka_unit_test(a_part_that_comes_twice_is_refused),
        cmocka_unit_test(numbers_are_read_as_protobuf_does),
        cmocka_unit_test(an_enum_may_be_negative_and_a_bool_any_number),
        cmocka_unit_test(members_of_a_oneof_replace_each_other),
        cmocka_unit_test(unknown_bytes_are_not_looked_into),
        cmocka_unit_test(bytes_need_not_be_utf8),
        cmocka_unit_test(a_message_of_too_many_fields_is_refused),
        cmocka_unit_test(elements_of_a_packed_list_count_as_fields),
        cmocka_unit_test(a_list_of_numbers_is_read_packed_or_not),
        cmocka_unit_test(an_entry_of_a_map_may_have_neither_key_nor_value),
        cmocka_unit_test(messages_are_told_by_the_names_of_the_proto),
        cmocka_unit_test(what_is_set_is_told_and_what_has_no_name_is_a_number),
        cmocka_unit_test(what_does_not_fit_is_cut_and_said_so),
        cmocka_unit_test(methods_are_found_by_their_path),
        cmocka_unit_test(the_reason_of_a_refusal_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
