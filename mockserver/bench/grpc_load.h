/*
 * Callers of CoreWeave's API (v1): N calls at once on one connection, one thread.
 *
 * Works with the server under test and with the peers in bench/peers, which answer the same messages.  Each answer is
 * looked at: grpc-status 0; the sandbox's id, or an exit with code 0.
 */
#ifndef STANDBOX_BENCH_GRPC_LOAD_H
#define STANDBOX_BENCH_GRPC_LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "bench/gconn.h"

enum grpc_kind { GRPC_GET /* unary GetSandbox */, GRPC_EXEC /* StreamExec, no stdin */, GRPC_KINDS };

#define GRPC_ID_BYTES 80

/* Make a sandbox and wait until it runs; its id goes to `out_id`. */
int grpc_make_sandbox(const struct sockaddr_in *address, char out_id[GRPC_ID_BYTES], struct err *err);

/* Calls a second over one round of `ms`, with `callers` in flight; -1 with `err`: one went wrong.  `argv` of GRPC_EXEC
   ends in NULL. */
double grpc_round(const struct sockaddr_in *address, enum grpc_kind kind, unsigned callers, const char *sandbox,
                  const char *const *argv, unsigned ms, struct err *err);

/* One StreamExec to its end.  Standard output goes into `out_stdout` (NULL: is only counted); *out_bytes is how many
   bytes came.  `input` (NULL: half-close at once) are `input_bytes` bytes of stdin, sent `times` times, then the end;
   MB/s are for the caller to work out.  -1 with `err` unless it ends with exit code 0. */
int grpc_exec(const struct sockaddr_in *address, const char *sandbox, const char *const *argv, const void *input,
              size_t input_bytes, unsigned times, struct buf *out_stdout, uint64_t *out_bytes, int64_t *out_ns,
              struct err *err);

#endif
