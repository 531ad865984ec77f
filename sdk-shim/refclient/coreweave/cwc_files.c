/* Files of a sandbox, each in one message. */
#include <stdlib.h>
#include <string.h>

#include "cwc_priv.h"

static int prepare(struct cwc_sandbox *box, struct cwc_error *err)
{
    return cwc_sandbox_is_open(box, err) ? cwc_poll_running(box, cwc_until(300), NULL, err) : -1;
}

/* v1beta2 says no in an answer that is OK. */
static int judge(struct cwc_ack *ack, const char *what, const char *path, struct cwc_error *err)
{
    int failed = ack->is_success ? 0
                                 : cwc_error_set(err, CWC_FILE, "Failed to %s file '%s': %s", what, path,
                                                 ack->message != NULL ? ack->message : "");
    free(ack->message);
    return failed;
}

int cwc_file_write(struct cwc_sandbox *box, const char *path, const void *data, size_t size, struct cwc_error *err)
{
    struct sbc_buf request = { 0 }, answer = { 0 };
    struct cwc_ack ack = { 0 };
    if (prepare(box, err) < 0)
        return -1;
    box->client->wire->put_write_file(box->id, path, data, CWC_MUTANT(file_ends_at_nul) ? strnlen(data, size) : size,
                                      &request);
    int failed = cwc_client_call(box->client, CWC_WRITE_FILE, &request, box->client->timeout_ms, &answer, err);
    if (failed == 0 && box->client->wire->take_written(&answer, &ack) < 0)
        failed = cwc_client_refuse(err, CWC_WRITE_FILE);
    else if (failed == 0)
        failed = judge(&ack, "write", path, err);
    sbc_buf_free(&request);
    sbc_buf_free(&answer);
    return failed;
}

int cwc_file_read(struct cwc_sandbox *box, const char *path, struct cwc_bytes *out_data, struct cwc_error *err)
{
    struct sbc_buf request = { 0 }, answer = { 0 };
    struct cwc_bytes data = { 0 };
    struct cwc_ack ack = { 0 };
    if (prepare(box, err) < 0)
        return -1;
    bool is_again;
    box->client->wire->put_read_file(box->id, path, &request);
    int failed = cwc_client_call_again(box->client, CWC_READ_FILE, &request, box->client->timeout_ms, &answer,
                                       &is_again, err);
    if (failed == 0 && box->client->wire->take_file(&answer, &ack, &data) < 0)
        failed = cwc_client_refuse(err, CWC_READ_FILE);
    else if (failed == 0)
        failed = judge(&ack, "read", path, err);
    if (CWC_MUTANT(big_file_cut) && data.size > 65536)
        data.size = 65536;
    if (failed == 0 && data.size == 0 && CWC_MUTANT(empty_file_is_missing))
        failed = cwc_error_set(err, CWC_FILE, "There is no file '%s'", path);
    sbc_buf_free(&request);
    sbc_buf_free(&answer);
    if (failed < 0)
        cwc_bytes_clear(&data);
    else
        *out_data = data;
    return failed;
}

void cwc_bytes_clear(struct cwc_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct cwc_bytes){ 0 };
}
