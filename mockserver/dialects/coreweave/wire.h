/*
 * The two encodings of one dialect: requests in neutral words, and answers written from them.
 *
 * What a request holds is borrowed from its message, or allocated beside it; cw_request_fini frees both.  All texts are
 * valid UTF-8 without NUL (proto.h).  Writers append to `out`, which remembers when memory runs out.
 */
#ifndef STANDBOX_CW_WIRE_H
#define STANDBOX_CW_WIRE_H

#include "dialects/rpc.h"
#include "proto/proto.h"
#include "scenario/vocab.h"

struct cw_record;

/* A sandbox's state, in the order of its life. */
enum cw_state {
    CW_UNSPECIFIED, CW_PENDING, CW_CREATING, CW_RUNNING, CW_TERMINATING, CW_COMPLETED, CW_FAILED, CW_TERMINATED,
    CW_PAUSED, CW_PREPARING, CW_STATES
};

struct cw_file {
    const char *path;
    const void *content;
    size_t len;
};

struct cw_texts {
    char **list;
    size_t count;
};

struct cw_request {
    ProtobufCMessage *message;
    const char *sandbox_id;
    /* create */
    const char *image, *request_id, *program, *working_dir;   /* "" when not said */
    struct cw_texts args, tags, runner_ids;
    char **env;                        /* "NAME=value", NULL-terminated, own; NULL: none.  Also of an exec */
    struct cw_file *files;             /* own */
    size_t file_count;
    int64_t max_lifetime_s;            /* 0: none */
    const ProtobufCMessage *spec;      /* v1: to be echoed; NULL: none */
    /* list; tags and runner_ids as above */
    struct cw_texts profile_ids, profile_names;
    int state;                         /* enum cw_state, CW_UNSPECIFIED: any; -1: a number that is none */
    bool with_terminal, is_ascending;
    int64_t page_size;                 /* 0: not said */
    const char *page_token;
    /* stop */
    int64_t grace_s;                   /* -1: not said */
    bool allow_missing, wants_snapshot;
    /* exec */
    struct cw_texts command;
    bool tty;
    uint32_t width, height;            /* 0: not said */
    int64_t max_output_bytes;          /* 0: not said */
    const char *container;             /* "": the primary one.  Also of logs and files */
    /* logs */
    bool follow, timestamps, has_since;
    int64_t tail_lines;                /* 0: all */
    int64_t since_ms;                  /* epoch */
    const char *session_id;            /* to be resumed; "": none */
    uint64_t offset;
    /* files */
    struct cw_file file;
    /* snapshots, discovery */
    const char *snapshot_id, *runner_id, *profile, *group_id, *gpu_type, *architecture;
    bool exclude_shared;
};

void cw_request_fini(struct cw_request *request);

/* What the client sends while a command runs. */
enum cw_input_kind { CW_INPUT_NONE, CW_INPUT_INIT, CW_INPUT_STDIN, CW_INPUT_RESIZE, CW_INPUT_CLOSE };
struct cw_input {
    ProtobufCMessage *message;         /* free with proto_free */
    enum cw_input_kind kind;
    const void *data;
    size_t len;
    uint32_t width, height;
};

/* A sandbox as answers show it; everything is borrowed. */
struct cw_view {
    const struct cw_record *record;
    const char *id, *reason, *runner_id, *runner_group_id, *profile;
    enum cw_state state;
    int64_t created_ms, started_ms, ended_ms;   /* epoch; 0: not yet */
    bool has_exit_code;
    int exit_code;
};

struct cw_result {
    struct buf out[2];                 /* stdout, stderr */
    bool is_cut[2];
    uint64_t produced[2];
    int exit_code;
};

struct cw_runner {
    const char *id, *group_id, *profile, *architecture;
    int64_t connected_ms, cpu_millicores, memory_bytes;
    int running;
    bool with_resources;
};

/* As on the wire in both versions; the last one is none that there is. */
enum cw_stream { CW_STDOUT = 1, CW_STDERR = 2, CW_UNKNOWN_STREAM = 7 };

struct cw_wire {
    const char *version;
    const ProtobufCServiceDescriptor *services[4];   /* as many as there are, then NULL */
    bool has_logs_of_ended;            /* logs of a sandbox that is over are given, not refused */
    void (*write_created)(const struct cw_view *view, struct buf *out);
    void (*write_sandbox)(const struct cw_view *view, struct buf *out);
    void (*write_page)(const struct cw_view *views, size_t count, const char *next_token, struct buf *out);
    void (*write_stopped)(const struct cw_view *view, struct buf *out);   /* NULL: it was not there */
    void (*write_result)(struct cw_result *result, struct buf *out);
    void (*write_ready)(int64_t ms, struct buf *out);
    void (*write_output)(enum cw_stream stream, const void *data, size_t len, int64_t ms, struct buf *out);
    void (*write_exit)(int code, int64_t ms, struct buf *out);
    void (*write_exec_error)(const char *code, const char *message, struct buf *out);
    void (*write_log)(const void *data, size_t len, int64_t ms, const char *session, uint64_t next_offset,
                      struct buf *out);
    void (*write_log_error)(const char *code, const char *message, struct buf *out);
    void (*write_log_end)(struct buf *out);   /* NULL: the end of the call is the end */
    void (*write_file)(const struct buf *content, struct buf *out);
    void (*write_file_done)(struct buf *out);
    /* Answers with the status OK that say that it failed; NULL: this version has no word for it. */
    void (*write_not_stopped)(const char *message, struct buf *out);
    void (*write_not_read)(const char *message, struct buf *out);
    void (*write_not_written)(const char *message, struct buf *out);
    void (*write_runners)(const struct cw_runner *runners, size_t count, struct buf *out);
    void (*write_runner)(const struct cw_runner *runner, struct buf *out);
    void (*write_profiles)(const struct cw_runner *runners, size_t count, struct buf *out);   /* NULL: there are none */
    void (*write_profile)(const struct cw_runner *runner, struct buf *out);
    void (*write_no_snapshots)(struct buf *out);
};

#define CW_NO_OP (-1)   /* scenarios have no word for it */

/* One method: what it means, who reads its first message, and who does what it asks for. */
struct cw_call;
struct cw_row {
    struct rpc_method method;          /* its row is this */
    const struct cw_wire *wire;
    int op;                            /* enum scenario_op, or CW_NO_OP */
    const ProtobufCMessageDescriptor *type;
    int (*read)(const ProtobufCMessage *message, struct cw_request *out, struct err *err);
    /* Further messages; NULL: there are none. */
    int (*read_input)(const struct buf *message, struct cw_input *out_input, struct err *err);
    void (*handle)(struct cw_call *call);
};

extern const struct cw_wire cw_wire_v1, cw_wire_v1beta2;

/* "NAME=value" list from a map's entries, each {base, key, value} whatever its type; of two of one name the later. */
int cw_make_env(char ***out_env, ProtobufCMessage *const *entries, size_t count, struct err *err);

#endif
