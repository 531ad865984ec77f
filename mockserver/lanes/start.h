/*
 * Starting processes as a lane's scenarios say: run what was asked, a puppet, another command, or fail;
 * after a hold in the queue or at once.  The one way by which dialects start processes.
 *
 * Thread: any.
 */
#ifndef STANDBOX_LANES_START_H
#define STANDBOX_LANES_START_H

#include "base/err.h"
#include "engine/engine.h"
#include "lanes/lane.h"
#include "scenario/vocab.h"

/* As proc_start_read, `out_reader` too.  `op`: OP_PROCESS_EXEC or OP_PROCESS_START, or OP_SANDBOX_CREATE for a sandbox's
   main process.  `spec->display` is the command that rules see;
   argv0 is the first word of it when argv is a shell's line ("sh -c LINE"), else argv[0].  `shell` runs the line of a
   "command" rule.  ERR_UNAVAILABLE-like errors name the rule. */
int lane_start(struct lane *lane, enum scenario_op op, enum scenario_dialect dialect, struct sandbox *sandbox,
               const struct proc_spec *spec, const char *shell, struct proc **out_proc,
               struct proc_reader **out_reader, struct err *err);

/* First word of a shell line as rules see it ("FOO=1 /usr/bin/env x" -> "/usr/bin/env"): leading assignments are
   skipped, quotes taken off, no expansion.  Empty when there is none. */
void start_argv0(const char *line, struct buf *out);

#endif
