/* What the server's JSON says, as the structs of the public header; and their copies and ends. */
#include "sbc_priv.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "sbc_mutants.h"

/* Some receivers spell a result in camelCase. */
static const char *spelling(const struct sbc_reader *reader, const char *name, const char *other)
{
    return sbc_reader_member(reader, name) == NULL && sbc_reader_member(reader, other) != NULL ? other : name;
}

void sbc_read_info(struct sbc_reader *reader, struct sbc_process_info *out_info)
{
    struct sbc_process_info info = { 0 };
    info.id = sbc_reader_text(reader, "id", true);
    info.status = sbc_reader_text(reader, "status", true);
    info.command = sbc_reader_text(reader, "command", true);
    info.cwd = sbc_reader_text(reader, "cwd", true);
    sbc_reader_integer(reader, "pid", false, &info.pid);
    info.has_exit_code = sbc_reader_integer(reader, "exit_code", false, &info.exit_code);
    sbc_reader_integer(reader, "started_at", true, &info.started_at);
    sbc_reader_integer(reader, "completed_at", false, &info.completed_at);
    if (reader->problem[0] != '\0') {
        sbc_process_info_clear(&info);
        return;
    }
    SBC_MUTATE(sbc_mutants_info(&info));
    *out_info = info;
}

void sbc_read_result(struct sbc_reader *reader, bool has_output, struct sbc_result *out_result)
{
    struct sbc_result result = { 0 };
    result.id = sbc_reader_text(reader, "id", true);
    result.status = sbc_reader_text(reader, "status", true);
    result.has_exit_code =
        sbc_reader_integer(reader, spelling(reader, "exit_code", "exitCode"), false, &result.exit_code);
    sbc_reader_integer(reader, spelling(reader, "started_at", "startedAt"), true, &result.started_at);
    sbc_reader_integer(reader, spelling(reader, "completed_at", "completedAt"), false, &result.completed_at);
    result.error = sbc_reader_text(reader, "error", false);
    result.is_truncated = sbc_reader_flag(reader, "output_truncated");
    if (has_output) {
        result.out = sbc_reader_bytes(reader, "stdout", true);
        result.err = sbc_reader_bytes(reader, "stderr", true);
    }
    if (reader->problem[0] != '\0') {
        sbc_result_clear(&result);
        return;
    }
    *out_result = result;
}

bool sbc_read_is_final(const char *status)
{
    return strcmp(status, "queued") != 0 && strcmp(status, "running") != 0;
}

/* ------------------------------------------------------------------ events */

static enum sbc_event_type read_stream(struct sbc_reader *reader)
{
    char *stream = sbc_reader_text(reader, "stream", true);
    int type = SBC_STDOUT;
    while (stream != NULL && type < SBC_EXIT && strcmp(stream, sbc_event_type_name((enum sbc_event_type) type)) != 0)
        type++;
    if (type == SBC_EXIT && SBC_MUTANT(unknown_output_is_stdout))
        type = SBC_STDOUT;
    if (type == SBC_EXIT)
        sbc_reader_refuse(reader, "stream", "stdout, stderr or system", sbc_reader_member(reader, "stream"));
    free(stream);
    return (enum sbc_event_type) type;
}

/* True: base64; an encoding that nobody knows is a problem. */
static bool read_encoding(struct sbc_reader *reader)
{
    char *encoding = sbc_reader_text(reader, "encoding", false);
    bool is_base64 = encoding != NULL && strcmp(encoding, "base64") == 0;
    if (SBC_MUTANT(base64_not_decoded) && is_base64) {
        free(encoding);
        return false;
    }
    if (encoding != NULL && !is_base64 && strcmp(encoding, "utf8") != 0 && strcmp(encoding, "utf-8") != 0)
        sbc_reader_refuse(reader, "encoding", "base64 or utf8", sbc_reader_member(reader, "encoding"));
    free(encoding);
    return is_base64;
}

struct sbc_piece sbc_read_output(struct sbc_reader *reader, struct sbc_buf *out)
{
    struct sbc_piece piece = { .type = read_stream(reader), .from = out->size };
    bool is_base64 = read_encoding(reader);
    sbc_reader_integer(reader, "seq", true, &piece.seq);
    sbc_reader_integer(reader, "timestamp", true, &piece.timestamp);
    struct sbc_bytes data = sbc_reader_bytes(reader, "data", true);
    if (data.data != NULL && !is_base64)
        sbc_buf_add(out, data.data, data.size);
    else if (data.data != NULL && !sbc_base64_decode(data.data, data.size, out))
        sbc_reader_refuse(reader, "data", "base64", sbc_reader_member(reader, "data"));
    free(data.data);
    piece.size = out->size - piece.from;
    return piece;
}

const char *sbc_event_type_name(enum sbc_event_type type)
{
    static const char *const names[] = {
        [SBC_STDOUT] = "stdout", [SBC_STDERR] = "stderr", [SBC_SYSTEM] = "system", [SBC_EXIT] = "exit"
    };
    return names[type];
}

/* -------------------------------------------------------- copies, and ends */

static struct sbc_bytes copy_bytes(struct sbc_bytes from)
{
    return (struct sbc_bytes){ sbc_text_copy_bytes(from.data, from.size), from.size };
}

void sbc_read_copy_info(struct sbc_process_info *to, const struct sbc_process_info *from)
{
    *to = *from;
    to->id = sbc_text_copy(from->id);
    to->status = sbc_text_copy(from->status);
    to->command = sbc_text_copy(from->command);
    to->cwd = sbc_text_copy(from->cwd);
}

void sbc_read_copy_result(struct sbc_result *to, const struct sbc_result *from)
{
    *to = *from;
    to->id = sbc_text_copy(from->id);
    to->status = sbc_text_copy(from->status);
    to->error = sbc_text_copy(from->error);
    to->out = copy_bytes(from->out);
    to->err = copy_bytes(from->err);
}

void sbc_process_info_clear(struct sbc_process_info *info)
{
    free(info->id);
    free(info->status);
    free(info->command);
    free(info->cwd);
    *info = (struct sbc_process_info){ 0 };
}

void sbc_result_clear(struct sbc_result *result)
{
    free(result->id);
    free(result->status);
    free(result->error);
    free(result->out.data);
    free(result->err.data);
    *result = (struct sbc_result){ 0 };
}

void sbc_process_list_clear(struct sbc_process_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        sbc_process_info_clear(&list->items[i]);
    free(list->items);
    free(list->cursor);
    *list = (struct sbc_process_list){ 0 };
}

void sbc_event_clear(struct sbc_event *event)
{
    free(event->data.data);
    sbc_result_clear(&event->result);
    *event = (struct sbc_event){ 0 };
}
