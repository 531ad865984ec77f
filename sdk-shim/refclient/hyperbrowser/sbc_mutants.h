/*
 * Wrong clients on purpose, one bug each, to prove that the conformance suite sees it.
 *
 * The list is mutants.def.  Only a build with SBC_MUTANTS has them, chosen at run time; in the ordinary build what
 * stands in these macros is not compiled, and every mutant is the constant false.
 */
#ifndef SBC_MUTANTS_H
#define SBC_MUTANTS_H

#ifndef SBC_MUTANTS

#define SBC_MUTANT(name)      0
#define SBC_MUTATE(call)      ((void) 0)
#define SBC_MUTANTS_ASK(call) 0

#else

#include <stdbool.h>
#include <stdio.h>

#include "standbox_client.h"

struct cJSON;
struct sbc_buf;
struct sbc_http;
struct sbc_output;
struct sbc_piece;
struct sbc_reader;
struct sbc_sse;

enum sbc_mutant {
    SBC_MUTANT_none,
#define SBC_MUTANT_ROW(name, protocols, what, imitates) SBC_MUTANT_##name,
#include "mutants.def"
#undef SBC_MUTANT_ROW
    SBC_MUTANTS_COUNT
};

/* Set once, before the first client is made. */
extern enum sbc_mutant sbc_mutants_chosen;

#define SBC_MUTANT(name)      (sbc_mutants_chosen == SBC_MUTANT_##name)
#define SBC_MUTATE(call)      (call)
#define SBC_MUTANTS_ASK(call) (call)

/* By name, with "-" for "_"; -1: there is none. */
int sbc_mutants_choose(const char *name);

/* All of them, as JSON lines. */
void sbc_mutants_list(FILE *out);

/* What is changed on its way. */
void sbc_mutants_create(struct cJSON *body);
void sbc_mutants_command(struct cJSON *body);
void sbc_mutants_stdin(struct cJSON *body);
void sbc_mutants_signal(struct cJSON *body);
void sbc_mutants_error(struct sbc_error *err);
void sbc_mutants_info(struct sbc_process_info *info);
void sbc_mutants_result(struct sbc_result *result);
void sbc_mutants_nonsense_info(struct sbc_reader *reader, struct sbc_process_info *info);
void sbc_mutants_nonsense(struct sbc_reader *reader, const char *id, struct sbc_result *result);
void sbc_mutants_chunk(struct sbc_buf *in, const char *bytes, size_t size);
void sbc_mutants_piece(struct sbc_buf *bytes, struct sbc_piece *piece);
void sbc_mutants_done(struct sbc_output *output);
void sbc_mutants_from_seq(int64_t *from_seq);
void sbc_mutants_pretend_killed(struct sbc_process *process, struct sbc_result *out_result);
void sbc_mutants_pretend_exited(struct sbc_process *process);
void sbc_mutants_ended(int *failed, struct sbc_result *result, struct sbc_error *err);
void sbc_mutants_started(struct sbc_process *process);
void sbc_mutants_show(struct sbc_process *process);
void sbc_mutants_poll(struct sbc_process *process);
void sbc_mutants_wait_limit(const struct sbc_limit **limit);
void sbc_mutants_waited(struct sbc_process *process, int *failed, struct sbc_result *result, struct sbc_error *err);

/* Questions, true: do it (again). */
bool sbc_mutants_retries_start(const struct sbc_error *err);
bool sbc_mutants_retries_exec(enum sbc_protocol protocol, const struct sbc_error *err);
bool sbc_mutants_retries_write(const struct sbc_error *err);
bool sbc_mutants_hides_404(const struct sbc_error *err, const char *id, struct sbc_process_info *info);
bool sbc_mutants_makes_up_start(struct sbc_process_info *info, struct sbc_error *err);
bool sbc_mutants_ends_event(const struct sbc_sse *sse, struct sbc_buf *chunk);
bool sbc_mutants_reads_on(bool is_local, bool *is_at_end, int *got, struct sbc_event *event, struct sbc_error *err);
struct sbc_process *sbc_mutants_take_json(struct sbc_sandbox *box, struct sbc_http *http, struct sbc_error *err);

#endif

#endif
