/* However a CoreWeave call ends, the client says it precisely, and the next call works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "peer.h"

#define TIMEOUT_MS 30000
#define HEAD       ":status: 200\ncontent-type: application/grpc\n"
#define HTML       "content-type: text/html\n"

/* How an answer goes on behind its head, or what it is instead. */
struct row {
    const char *name;
    const char *head;       /* HEADERS; NULL: the good ones */
    const char *data;       /* DATA; NULL: none */
    size_t size;
    const char *trailers;   /* HEADERS; NULL: none */
    bool ends_in_data;      /* END_STREAM is with DATA, or with HEADERS when there is none */
    bool is_reset;          /* RST_STREAM with `code` */
    uint32_t code;
    enum peer_then then;
    enum cwc_status status;
    const char *says;       /* part of the message; NULL: any */
};

#define BYTES(text) text, sizeof(text) - 1
#define HTTP(number, becomes) \
    { .name = "http " #number, .head = ":status: " #number "\n" HTML, .data = "<h1>no</h1>", .size = 11, \
      .ends_in_data = true, .status = becomes, .says = #number }
#define RESET(number, becomes) { .name = "reset " #number, .is_reset = true, .code = number, .status = becomes }
#define STATUS(text, becomes, words) { .name = "status " text, .trailers = text, .status = becomes, .says = words }

static const struct row rows[] = {
    { .name = "a head that ends the stream", .ends_in_data = true, .status = CWC_STATUS_INTERNAL },
    { .name = "data that ends the stream", .data = "", .ends_in_data = true, .status = CWC_STATUS_INTERNAL },
    { .name = "trailers without a status", .trailers = "x: y\n", .status = CWC_STATUS_INTERNAL },
    STATUS("grpc-status: 5\ngrpc-message: no%20such%C3%A4\n", CWC_STATUS_NOT_FOUND, "no such\xC3\xA4"),
    STATUS("grpc-status: 1\n", CWC_STATUS_CANCELLED, NULL),
    STATUS("grpc-status: 16\n", CWC_STATUS_UNAUTHENTICATED, NULL),
    STATUS("grpc-status: 17\n", CWC_STATUS_UNKNOWN, NULL),
    STATUS("grpc-status: 99\n", CWC_STATUS_UNKNOWN, NULL),
    STATUS("grpc-status: -1\n", CWC_STATUS_UNKNOWN, NULL),
    STATUS("grpc-status: 4294967301\n", CWC_STATUS_UNKNOWN, NULL),
    STATUS("grpc-status: \n", CWC_STATUS_UNKNOWN, NULL),
    STATUS("grpc-status: five\n", CWC_STATUS_UNKNOWN, NULL),
    STATUS("grpc-status: 5\ngrpc-message: 100% %zz%4%\n", CWC_STATUS_NOT_FOUND, "100% %zz%4%"),
    STATUS("grpc-status: 5\ngrpc-message: a%FF%fe\n", CWC_STATUS_NOT_FOUND, "a\xEF\xBF\xBD\xEF\xBF\xBD"),
    STATUS("grpc-status: 5\ngrpc-message: \n", CWC_STATUS_NOT_FOUND, NULL),
    STATUS("grpc-status: 5\ngrpc-status-details-bin: !!!\n", CWC_STATUS_NOT_FOUND, NULL),
    STATUS("grpc-status: 5\ngrpc-status-details-bin: /////w\n", CWC_STATUS_NOT_FOUND, NULL),
    STATUS("grpc-status: 5\ngrpc-status-details-bin: A\n", CWC_STATUS_NOT_FOUND, NULL),
    RESET(0, CWC_STATUS_INTERNAL),
    RESET(1, CWC_STATUS_INTERNAL),
    RESET(2, CWC_STATUS_INTERNAL),
    RESET(7, CWC_STATUS_UNAVAILABLE),
    RESET(8, CWC_STATUS_CANCELLED),
    RESET(11, CWC_STATUS_RESOURCE_EXHAUSTED),
    RESET(12, CWC_STATUS_PERMISSION_DENIED),
    RESET(4294967295, CWC_STATUS_INTERNAL),
    { .name = "reset inside a message", .data = "\0\0\0\0\5ab", .size = 7, .is_reset = true, .code = 2,
      .status = CWC_STATUS_INTERNAL },
    { .name = "cut by the end of data", .data = "\0\0\0\0\5ab", .size = 7, .ends_in_data = true,
      .status = CWC_STATUS_INTERNAL },
    { .name = "cut by trailers", .data = "\0\0\0\0\5ab", .size = 7, .trailers = "grpc-status: 0\n",
      .status = CWC_STATUS_INTERNAL },
    { .name = "cut inside a prefix", .data = "\0\0\0", .size = 3, .trailers = "grpc-status: 0\n",
      .status = CWC_STATUS_INTERNAL },
    { .name = "cut by a refusal", .data = "\0\0\0\0\5ab", .size = 7, .trailers = "grpc-status: 5\n",
      .status = CWC_STATUS_NOT_FOUND },
    { .name = "compressed", .data = "\1\0\0\0\1a", .size = 6, .status = CWC_STATUS_INTERNAL, .says = "compressed" },
    { .name = "a flag that is none", .data = "\x80\0\0\0\1a", .size = 6, .status = CWC_STATUS_INTERNAL },
    { .name = "too long", .data = "\0\xFF\xFF\xFF\xFF", .size = 5, .status = CWC_STATUS_RESOURCE_EXHAUSTED,
      .says = "larger than max (4294967295" },
    { .name = "one byte too long", .data = "\0\x06\x40\0\1", .size = 5, .status = CWC_STATUS_RESOURCE_EXHAUSTED },
    HTTP(400, CWC_STATUS_INTERNAL),
    HTTP(401, CWC_STATUS_UNAUTHENTICATED),
    HTTP(403, CWC_STATUS_PERMISSION_DENIED),
    HTTP(404, CWC_STATUS_UNIMPLEMENTED),
    HTTP(429, CWC_STATUS_UNAVAILABLE),
    HTTP(500, CWC_STATUS_UNKNOWN),
    HTTP(502, CWC_STATUS_UNAVAILABLE),
    HTTP(503, CWC_STATUS_UNAVAILABLE),
    HTTP(504, CWC_STATUS_UNAVAILABLE),
    HTTP(302, CWC_STATUS_UNKNOWN),
    { .name = "http 503 without an end", .head = ":status: 503\n" HTML, .status = CWC_STATUS_UNAVAILABLE },
    { .name = "http 503 with a status", .head = ":status: 503\n" HTML "grpc-status: 7\n", .ends_in_data = true,
      .status = CWC_STATUS_PERMISSION_DENIED },
    { .name = "html", .head = ":status: 200\n" HTML, .data = "<h1>yes</h1>", .size = 12, .ends_in_data = true,
      .status = CWC_STATUS_UNKNOWN, .says = "content-type" },
    { .name = "html and nothing", .head = ":status: 200\n" HTML, .ends_in_data = true, .status = CWC_STATUS_UNKNOWN },
    { .name = "no type", .head = ":status: 200\n", .status = CWC_STATUS_UNKNOWN, .says = "content-type" },
    { .name = "a type like ours", .head = ":status: 200\ncontent-type: application/grpc-web\n",
      .status = CWC_STATUS_UNKNOWN, .says = "content-type" },
    { .name = "no http status", .head = "content-type: application/grpc\n", .status = CWC_STATUS_INTERNAL },
    { .name = "a status that is none", .head = ":status: abc\ncontent-type: application/grpc\n",
      .status = CWC_STATUS_INTERNAL },
    { .name = "an upper-case field", .head = HEAD "X-Y: z\n", .trailers = "grpc-status: 5\n",
      .status = CWC_STATUS_INTERNAL },
    { .name = "closed behind the head", .then = PEER_CLOSES, .status = CWC_STATUS_UNAVAILABLE },
    { .name = "closed inside a message", .data = "\0\0\0\0\5ab", .size = 7, .then = PEER_CLOSES,
      .status = CWC_STATUS_UNAVAILABLE },
    { .name = "broken inside a message", .data = "\0\0\0\0\5ab", .size = 7, .then = PEER_BREAKS,
      .status = CWC_STATUS_UNAVAILABLE },
};

static void build(const struct row *row, struct sbc_buf *out)
{
    put_headers(out, row->head != NULL ? row->head : HEAD, row->ends_in_data && row->data == NULL);
    if (row->data != NULL)
        put_data(out, row->data, row->size, row->ends_in_data);
    if (row->trailers != NULL)
        put_trailers(out, row->trailers);
    if (row->is_reset)
        put_rst(out, row->code);
}

static enum cwc_error_kind kind_of(enum cwc_status status)
{
    static const enum cwc_error_kind kinds[CWC_STATUSES] = {
        [CWC_STATUS_CANCELLED] = CWC_NOT_RUNNING,
        [CWC_STATUS_NOT_FOUND] = CWC_NOT_FOUND,
        [CWC_STATUS_PERMISSION_DENIED] = CWC_AUTHENTICATION,
        [CWC_STATUS_UNAUTHENTICATED] = CWC_AUTHENTICATION,
        [CWC_STATUS_RESOURCE_EXHAUSTED] = CWC_EXHAUSTED,
        [CWC_STATUS_UNAVAILABLE] = CWC_UNAVAILABLE,
    };
    return kinds[status] == CWC_OK ? CWC_SANDBOX : kinds[status];
}

static int wrong; /* rows, so that one run shows all of them */

static void check_error(const struct site *site, const char *name, enum cwc_error_kind kind, enum cwc_status status,
                        const char *says)
{
    const struct cwc_error *err = &site->err;
    bool is_said = says == NULL || strstr(err->message, says) != NULL;
    if (err->kind == kind && err->has_status && err->status == status && is_said)
        return;
    wrong++;
    print_error("%s, %s: %s %s: %s\n", site->version == CWC_V1 ? "v1" : "v1beta2", name, cwc_error_class(err->kind),
                err->has_status ? cwc_status_name(err->status) : "-", err->message);
}

static void check_next_works(struct site *site, const char *name)
{
    struct cwc_sandbox *again = cwc_sandbox_from_id(site->client, "box", &site->err);
    if (again == NULL)
        fail_msg("behind %s: %s", name, site->err.message);
    cwc_sandbox_free(again);
}

static void in_both(void (*test)(struct site *site))
{
    wrong = 0;
    for (int version = CWC_V1BETA2; version <= CWC_V1; version++) {
        struct site site;
        site_open(&site, (enum cwc_version) version, NULL, TIMEOUT_MS);
        test(&site);
        site_close(&site);
    }
    assert_int_equal(wrong, 0);
}

/* -------------------------------------------------------------------- unary */

static void check_unary_rows(struct site *site)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sbc_buf frames = { 0 };
        build(&rows[i], &frames);
        site_forget(site, "Get");
        site_answer(site, "Get", &frames, rows[i].then);
        site_run(site);
        int calls = site_calls(site, "Get");
        struct cwc_sandbox *found = cwc_sandbox_from_id(site->client, "box", &site->err);
        assert_null(found);
        check_error(site, rows[i].name, kind_of(rows[i].status), rows[i].status, rows[i].says);
        assert_int_equal(site_calls(site, "Get"), calls + 1); /* nothing is asked twice */
        check_next_works(site, rows[i].name);
    }
}

static void every_end_of_a_unary_call_is_told(void **state)
{
    (void) state;
    in_both(check_unary_rows);
}

/* --------------------------------------------------------------------- exec */

static void check_exec_row(struct site *site, const struct row *row)
{
    struct sbc_buf frames = { 0 };
    build(row, &frames);
    site_answer(site, "StreamExec", &frames, row->then);
    struct cwc_process *process = site_exec(site, NULL);
    assert_int_equal(site_result(site, process, NULL), -1);
    check_error(site, row->name, site->version == CWC_V1BETA2 ? CWC_RPC : kind_of(row->status), row->status,
                row->says);
    cwc_process_free(process);
    check_next_works(site, row->name);
}

static void check_exec_rows(struct site *site)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_exec_row(site, &rows[i]);
    assert_int_equal(site_calls(site, "StreamExec"), (int) (sizeof rows / sizeof rows[0])); /* never again */
}

static void every_end_of_an_exec_is_told(void **state)
{
    (void) state;
    in_both(check_exec_rows);
}

/* What came before is there, and can be read. */
static void check_partial_rows(struct site *site)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sbc_buf frames = { 0 }, end = { 0 };
        struct cwc_bytes piece;
        bool may_be_lost = rows[i].then == PEER_BREAKS; /* the kernel throws away what it had */
        if (rows[i].head != NULL || may_be_lost || (rows[i].data == NULL && rows[i].ends_in_data))
            continue;
        build(&rows[i], &end);
        put_head(&frames);
        size_t head = frames.size;
        put_ready(&frames, site->version);
        put_output(&frames, site->version, CWC_STDOUT, "partial");
        sbc_buf_add(&frames, end.data + head, end.size - head);
        sbc_buf_free(&end);
        site_answer(site, "StreamExec", &frames, rows[i].then);
        struct cwc_process *process = site_exec(site, NULL);
        assert_int_equal(cwc_process_read(process, CWC_STDOUT, true, &piece), 1);
        assert_string_equal(piece.data, "partial");
        cwc_bytes_clear(&piece);
        assert_int_equal(site_result(site, process, NULL), -1);
        check_error(site, rows[i].name, site->version == CWC_V1BETA2 ? CWC_RPC : kind_of(rows[i].status),
                    rows[i].status, rows[i].says);
        if (cwc_process_read(process, CWC_STDOUT, true, &piece) != 0)
            fail_msg("%s: more output: %s", rows[i].name, piece.data);
        cwc_process_free(process);
    }
}

static void output_before_a_bad_end_is_kept(void **state)
{
    (void) state;
    in_both(check_partial_rows);
}

/* ------------------------------------------------------------ good ones, oddly */

static void check_odd_answers(struct site *site)
{
    static const char *const heads[] = {
        HEAD "x-more: 1\n",
        ":status: 200\ncontent-type: application/grpc+proto\n",
        ":status: 200\ncontent-type: application/grpc;charset=utf-8\n",
        HEAD "grpc-encoding: identity\ngrpc-accept-encoding: gzip\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct sbc_buf frames = { 0 };
        put_headers(&frames, ":status: 103\nlink: </x>\n", false); /* early hints */
        put_headers(&frames, heads[i], false);
        put_state(&frames, site->version, CWC_RUNNING);
        put_state(&frames, site->version, CWC_STATE_FAILED); /* one too many: the first counts */
        put_trailers(&frames, "grpc-status: 0\n");
        site_forget(site, "Get");
        site_answer(site, "Get", &frames, PEER_STAYS);
        site_run(site);
        struct cwc_sandbox *found = cwc_sandbox_from_id(site->client, "box", &site->err);
        if (found == NULL)
            fail_msg("head %zu: %s", i, site->err.message);
        struct cwc_sandbox_info info;
        cwc_sandbox_get_info(found, &info);
        assert_int_equal(info.state, CWC_RUNNING);
        cwc_sandbox_info_clear(&info);
        cwc_sandbox_free(found);
    }
}

static void answers_that_are_odd_but_right_are_taken(void **state)
{
    (void) state;
    in_both(check_odd_answers);
}

static void check_no_answer(struct site *site)
{
    struct sbc_buf frames = { 0 };
    put_head(&frames);
    put_trailers(&frames, "grpc-status: 0\n");
    site_forget(site, "Get");
    site_answer(site, "Get", &frames, PEER_STAYS);
    site_run(site);
    assert_null(cwc_sandbox_from_id(site->client, "box", &site->err));
    check_error(site, "no message", CWC_SANDBOX, CWC_STATUS_INTERNAL, "no answer");
    check_next_works(site, "no message");
}

static void ok_without_a_message_is_no_answer(void **state)
{
    (void) state;
    in_both(check_no_answer);
}

/* Trailers and head of more than 16 KiB. */
static void check_long_head(struct site *site)
{
    for (int in_trailers = 0; in_trailers < 2; in_trailers++) {
        struct sbc_buf frames = { 0 }, lines = { 0 };
        sbc_buf_add_text(&lines, in_trailers ? "grpc-status: 5\n" : HEAD);
        for (int i = 0; i < 16; i++)
            sbc_buf_add_format(&lines, "x-%d: %01000d\n", i, i);
        if (in_trailers)
            put_head(&frames);
        put_headers(&frames, lines.data, in_trailers);
        sbc_buf_free(&lines);
        site_forget(site, "Get");
        site_answer(site, "Get", &frames, PEER_STAYS);
        site_run(site);
        assert_null(cwc_sandbox_from_id(site->client, "box", &site->err));
        check_error(site, "16 KiB of fields", CWC_EXHAUSTED, CWC_STATUS_RESOURCE_EXHAUSTED, "metadata");
        check_next_works(site, "16 KiB of fields");
    }
}

static void too_much_metadata_is_refused(void **state)
{
    (void) state;
    in_both(check_long_head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_end_of_a_unary_call_is_told),
        cmocka_unit_test(every_end_of_an_exec_is_told),
        cmocka_unit_test(output_before_a_bad_end_is_kept),
        cmocka_unit_test(answers_that_are_odd_but_right_are_taken),
        cmocka_unit_test(ok_without_a_message_is_no_answer),
        cmocka_unit_test(too_much_metadata_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
