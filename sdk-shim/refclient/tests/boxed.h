/*
 * What most tests of the client begin with: a scripted server, a client of one protocol, a sandbox "box".
 */
#ifndef BOXED_H
#define BOXED_H

#include "scripted.h"
#include "standbox_client.h"

struct boxed {
    struct scripted *server;
    struct sbc_client *client;
    struct sbc_sandbox *box;
    struct sbc_error err;
};

/* With the rules of scripted_box; the create is request 0. */
void boxed_start(struct boxed *boxed, enum sbc_protocol protocol);
void boxed_start_with(struct boxed *boxed, const struct sbc_client_options *options); /* url and key are added */
void boxed_stop(struct boxed *boxed);

/* An answer with a process, and one with a result, of "p1". */
#define PROCESS(status) \
    "{\"process\":{\"id\":\"p1\",\"status\":\"" status "\",\"command\":\"c\",\"cwd\":\"/\",\"pid\":7," \
    "\"started_at\":1000}}"
#define RESULT_OF(status, code, out) \
    "{\"id\":\"p1\",\"status\":\"" status "\",\"exit_code\":" code ",\"stdout\":\"" out "\",\"stderr\":\"\"," \
    "\"started_at\":1000,\"completed_at\":2000}"
#define RESULT(status, code, out) "{\"result\":" RESULT_OF(status, code, out) "}"

/* Events of a stream; data is text. */
#define STARTED \
    "event: started\ndata: {\"id\":\"p1\",\"status\":\"running\",\"command\":\"c\",\"cwd\":\"/\",\"pid\":7," \
    "\"started_at\":1000}\n\n"
#define OUTPUT(seq, stream, text) \
    "event: output\ndata: {\"seq\":" #seq ",\"stream\":\"" stream "\",\"data\":\"" text "\",\"timestamp\":1001}\n\n"
#define DONE(last_seq) \
    "event: done\ndata: {\"id\":\"p1\",\"status\":\"exited\",\"exit_code\":3,\"stdout\":\"\",\"stderr\":\"\"," \
    "\"started_at\":1000,\"completed_at\":2000,\"last_seq\":" #last_seq "}\n\n"

#endif
