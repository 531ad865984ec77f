/*
 * The two encodings of one service: neutral words to the bytes of a message, and back.
 *
 * Pure; any thread.  Writers append; readers return 0 or -1 (not a message of that type) and write only on success.
 */
#ifndef CWC_WIRE_H
#define CWC_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "sbc_text.h"
#include "standbox_coreweave.h"

enum cwc_method {
    CWC_CREATE,
    CWC_GET,
    CWC_LIST,
    CWC_STOP,
    CWC_DELETE,
    CWC_WRITE_FILE,
    CWC_READ_FILE,
    CWC_EXEC,
    CWC_LOGS,
    CWC_METHODS
};

/* A stop or a delete. */
struct cwc_stop {
    const char *id;
    double grace_s;
    bool missing_ok;
};

struct cwc_page {
    const struct cwc_query *query;
    int state; /* -1: any */
    const char *token;
};

struct cwc_resume {
    const char *session; /* NULL: from the beginning */
    uint64_t offset;
    int64_t since_ms; /* without a session: what came from then on, since 1970; 0: all that was asked for first */
};

/* What came on a stream of an exec. */
enum cwc_event_type { CWC_NOTHING, CWC_READY, CWC_OUTPUT, CWC_EXIT, CWC_STREAM_ERROR };

struct cwc_event {
    enum cwc_event_type type;
    enum cwc_stream stream;
    struct cwc_bytes data; /* owned, as the texts are */
    int exit_code;
    char *message, *code;
};

/* What came on a stream of logs. */
struct cwc_log_event {
    struct cwc_bytes data;
    bool is_error, is_complete;
    char *message, *code;
    char *session;
    uint64_t offset;
};

/* An answer of v1beta2 that is OK and says no: success=false. */
struct cwc_ack {
    bool is_success;
    bool is_gone; /* v1: there was nothing to stop */
    char *message;
};

struct cwc_wire {
    size_t max_message;
    const char *const *paths; /* by enum cwc_method */

    void (*put_create)(const struct cwc_sandbox_options *, const char *request_id, struct sbc_buf *out);
    void (*put_get)(const char *id, struct sbc_buf *out);
    void (*put_list)(const struct cwc_page *, struct sbc_buf *out);
    void (*put_stop)(const struct cwc_stop *, struct sbc_buf *out);
    void (*put_delete)(const struct cwc_stop *, struct sbc_buf *out);
    void (*put_write_file)(const char *id, const char *path, const void *data, size_t size, struct sbc_buf *out);
    void (*put_read_file)(const char *id, const char *path, struct sbc_buf *out);
    void (*put_init)(const char *id, const struct cwc_command *, struct sbc_buf *out);
    void (*put_stdin)(const void *data, size_t size, struct sbc_buf *out);
    void (*put_resize)(unsigned width, unsigned height, struct sbc_buf *out);
    void (*put_close)(struct sbc_buf *out);
    void (*put_logs)(const char *id, const struct cwc_log_options *, const struct cwc_resume *, struct sbc_buf *out);

    int (*take_created)(const struct sbc_buf *, char **out_id);
    int (*take_sandbox)(const struct sbc_buf *, struct cwc_sandbox_info *out_info);
    int (*take_list)(const struct sbc_buf *, struct cwc_list *list, char **out_token); /* adds to `list` */
    int (*take_stopped)(const struct sbc_buf *, struct cwc_ack *out_ack);
    int (*take_written)(const struct sbc_buf *, struct cwc_ack *out_ack);
    int (*take_file)(const struct sbc_buf *, struct cwc_ack *out_ack, struct cwc_bytes *out_data);
    int (*take_event)(const struct sbc_buf *, struct cwc_event *out_event);
    int (*take_log)(const struct sbc_buf *, struct cwc_log_event *out_event);
};

extern const struct cwc_wire cwc_wire_v1, cwc_wire_v1beta2;

void cwc_event_clear(struct cwc_event *event);
void cwc_log_event_clear(struct cwc_log_event *event);

/* For the two of them. */
extern const char cwc_default_image[], cwc_default_command[];
extern const char *const cwc_default_args[];
extern const size_t cwc_default_arg_count;

void cwc_wire_put(const void *message, struct sbc_buf *out);

/* Whether a message may be read: what protobuf-c would take wrongly, or at any cost, may not (docs/wire-notes.md). */
bool cwc_wire_is_sound(const ProtobufCMessageDescriptor *type, const struct sbc_buf *bytes);

/* NULL: no message of that type.  Free it with protobuf_c_message_free_unpacked. */
void *cwc_wire_take(const ProtobufCMessageDescriptor *type, const struct sbc_buf *bytes);

struct cwc_bytes cwc_wire_bytes(ProtobufCBinaryData data);
ProtobufCBinaryData cwc_wire_data(const void *data, size_t size); /* borrows */
char **cwc_wire_texts(const char *const *texts);                  /* borrows; the structs' texts are never written */
char *cwc_wire_text(const char *text);                            /* the same; NULL: "" */
struct cwc_sandbox_info *cwc_wire_add(struct cwc_list *list);

#endif
