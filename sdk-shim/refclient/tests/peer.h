/*
 * A gRPC server for tests that says what it is told to, right or wrong: prepared frames, sent when the head of a call
 * or the end of what its client says has come.  It knows HTTP/2 only as far as it must: frames by their nine bytes,
 * paths by nghttp2's reader of header blocks.
 *
 * A call is answered by the first rule of its method that fits and is not used up; without one it gets nothing.
 *
 * Thread: the test's, but for the server's one.
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sbc_text.h"
#include "standbox_coreweave.h"

struct peer;

/* What it is like beside its rules; zeroed: well-behaved. */
struct peer_options {
    struct sbc_buf hello; /* what it says first; empty: SETTINGS without anything.  Freed by peer_start */
    bool is_mute;         /* says nothing by itself, not even first */
    bool keeps_window;    /* gives none back for what the client sends */
    bool is_narrow;       /* its socket has room for a few kilobytes only */
};

enum peer_when {
    PEER_AT_HEAD, /* when the call begins */
    PEER_AT_END   /* when its client has said all */
};

enum peer_then {
    PEER_STAYS,
    PEER_CLOSES,  /* the connection, behind the bytes */
    PEER_BREAKS,  /* the same with RST */
    PEER_REPEATS, /* the bytes over and over */
    PEER_FLOWS,   /* the same, no faster than the client gives window back to its streams */
    PEER_LEAVES   /* closes, and is not there for the next to connect */
};

struct peer *peer_start(struct peer_options *options);
void peer_stop(struct peer *peer); /* NULL is fine */
const char *peer_url(const struct peer *peer);

/* `frames` is taken; `times` 0: for ever.  Of a stream whose number is PEER_THIS, it is the call's. */
void peer_answer(struct peer *peer, const char *method, enum peer_when when, int times, struct sbc_buf *frames,
                 enum peer_then then);
/* Use up all rules of a method. */
void peer_forget(struct peer *peer, const char *method);

/* Say it now in the first call of a method, which has begun; frees the frames. */
void peer_say(struct peer *peer, const char *method, struct sbc_buf *frames, enum peer_then then);
/* Read nothing any more, of any connection. */
void peer_deafen(struct peer *peer);

int peer_calls(struct peer *peer, const char *method);
int peer_connections(struct peer *peer);
/* Up to ten seconds: so many calls began; the client reset one; it sent so many bytes of messages with prefixes. */
bool peer_await_calls(struct peer *peer, const char *method, int count);
bool peer_await_reset(struct peer *peer, const char *method, uint32_t code);
bool peer_await_bytes(struct peer *peer, const char *method, size_t least);
/* What the client sent in DATA frames to all calls of a method; free() it. */
char *peer_bytes(struct peer *peer, const char *method, size_t *out_size);

/* ---------------------------------------------------------------- frames */

#define PEER_THIS 0x7fffffffu

enum { PEER_DATA, PEER_HEADERS, PEER_RST = 3, PEER_SETTINGS, PEER_PUSH, PEER_PING, PEER_GOAWAY, PEER_WINDOW };
#define PEER_END_STREAM  1
#define PEER_ACK         1
#define PEER_END_HEADERS 4

void put_frame(struct sbc_buf *out, unsigned type, unsigned flags, uint32_t stream, const void *payload, size_t size);
void put_setting(struct sbc_buf *out, unsigned id, uint32_t value); /* a SETTINGS frame with one */
void put_rst(struct sbc_buf *out, uint32_t code);
void put_goaway(struct sbc_buf *out, uint32_t last_stream, uint32_t code);
void put_window(struct sbc_buf *out, uint32_t stream, uint32_t bytes);
/* A header block of "name: value" lines, each ended by \n. */
void put_block(struct sbc_buf *out, const char *lines);
void put_headers(struct sbc_buf *out, const char *lines, bool is_end);
void put_head(struct sbc_buf *out);             /* of a good answer */
void put_trailers(struct sbc_buf *out, const char *lines);
void put_message(struct sbc_buf *out, const struct sbc_buf *message); /* its prefix and bytes in one DATA frame */
void put_data(struct sbc_buf *out, const void *data, size_t size, bool is_end);

/* -------------------------------------------------------------- messages */

void pb_number(struct sbc_buf *out, unsigned field, uint64_t value);
void pb_bytes(struct sbc_buf *out, unsigned field, const void *data, size_t size);
void pb_text(struct sbc_buf *out, unsigned field, const char *text);
void pb_part(struct sbc_buf *out, unsigned field, struct sbc_buf *part); /* frees it */

/* Messages of a good server, with prefix and frame. */
void put_created(struct sbc_buf *out, enum cwc_version version);
void put_state(struct sbc_buf *out, enum cwc_version version, enum cwc_state state);
void put_ready(struct sbc_buf *out, enum cwc_version version);
void put_output(struct sbc_buf *out, enum cwc_version version, enum cwc_stream stream, const char *text);
void put_exit(struct sbc_buf *out, enum cwc_version version, int code);
void put_error(struct sbc_buf *out, enum cwc_version version, const char *message, const char *code);
/* Of v1: `session` NULL or "" and `offset` 0 are left out. */
void put_log(struct sbc_buf *out, const char *text, const char *session, uint64_t offset);
void put_log_error(struct sbc_buf *out, const char *code);

/* ----------------------------------------------------------------- place */

/* A peer, a client of it, and a sandbox "box" that runs. */
struct site {
    struct peer *peer;
    struct cwc_client *client;
    struct cwc_sandbox *box;
    enum cwc_version version;
    struct cwc_error err;
};

/* With rules for "Start" and "Get", for ever.  `options` NULL: well-behaved; `timeout_ms` is the client's. */
void site_open(struct site *site, enum cwc_version version, struct peer_options *options, int64_t timeout_ms);
void site_close(struct site *site);

/* Methods go by v1beta2's names here: answer one once, when its client has said all ("StreamExec": when it begins).
   The frames are taken. */
void site_answer(struct site *site, const char *method, struct sbc_buf *frames, enum peer_then then);
/* ... and well, for ever, with `message` (which is a frame) and OK. */
void site_answer_well(struct site *site, const char *method, struct sbc_buf *message);
void site_forget(struct site *site, const char *method);
int site_calls(struct site *site, const char *method);
const char *site_method(const struct site *site, const char *v1beta2_name); /* its name on the wire */

/* From here on the sandbox runs, whoever asks. */
void site_run(struct site *site);

/* Begin a command "c"; its result: 0 or -1 with site->err. */
struct cwc_process *site_exec(struct site *site, const struct cwc_command *options);
int site_result(struct site *site, struct cwc_process *process, struct cwc_result *out_result);

#endif
