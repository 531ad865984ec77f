/* Between the files that read cases. */
#ifndef STANDBOX_JUDGE_CASE_PRIV_H
#define STANDBOX_JUDGE_CASE_PRIV_H

#include "judge/case.h"
#include "judge/doc.h"
#include "judge/names.h"
#include "judge/pattern.h"

/* ---- where a complaint points -------------------------------------------------------------- */

/* The tree that is read is that of the file, or a copy of one of its cases in which axes have their values; a place in
   the copy is the same place in the file. */
struct reader {
    const struct doc *doc;
    const struct cJSON *root; /* the tree that is read */
    struct doc_path base;     /* where in the document it hangs */
};

int shape_complain(const struct reader *r, const struct cJSON *node, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The same, about the name of a member. */
int shape_complain_key(const struct reader *r, const struct cJSON *node, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- shapes of objects --------------------------------------------------------------------- */

enum kind {
    KIND_ANY,
    KIND_TEXT,    /* not empty */
    KIND_TEXTS,   /* a list of such, one at least */
    KIND_STRING,  /* may be empty */
    KIND_STRINGS, /* a list of such, may be empty */
    KIND_STRING_MAP,
    KIND_BOOL,
    KIND_INT,
    KIND_COUNT, /* a whole number from 1 */
    KIND_NUMBER,
    KIND_OBJECT,
    KIND_ARRAY,  /* one element at least */
    KIND_OUTPUT, /* a text or {"base64"} */
    KIND_DATA,   /* the same, or {"of", "times"} for a long one */
    KIND_SIGNAL, /* a name or a number */
    KIND_CURSOR, /* a text or {"step"} */
    KIND_ONE,    /* the number 1 */
    KIND_PROXY,  /* true or "host:port" */
    KIND_URL,    /* with ${url} or ${host} in it */
    KIND_STD,    /* stdout or stderr */
    KIND_TAG,
    KIND_SEVERITY,
    KINDS
};

struct member {
    const char *name;
    enum kind kind;
    bool required;
};

#define SHAPE_MEMBERS  24
#define SHAPE_DATA_MAX (16.0 * 1024 * 1024) /* bytes of a KIND_DATA that is not written out */

/* The members of one kind of object; `name` is also that of its definition in case.schema.json. */
struct shape {
    const char *name, *what;
    struct member members[SHAPE_MEMBERS];
};

/* Each member known and of its kind, the required ones there. */
int shape_check(const struct reader *r, const struct shape *shape, const struct cJSON *object, struct err *err);
const struct member *shape_member(const struct shape *shape, const char *name); /* NULL: it has none such */
int shape_check_kind(const struct reader *r, enum kind kind, const struct cJSON *node, struct err *err);
bool shape_is_lower_name(const char *text); /* lower-hyphen: "exit-code" */

extern const struct shape case_shape_file, case_shape_case, case_shape_check_entry, case_shape_check_order,
    case_shape_client, case_shape_step;
/* All of them, those of actions too (for the test that holds the schema to them). */
extern const struct shape *const case_shapes[];
extern const size_t case_shape_count;
/* Actions: the word of each and the shape of what it takes. */
struct action_shape {
    const char *name;
    const struct shape *shape; /* NULL: a scenario */
};
extern const struct action_shape case_action_shapes[];
extern const size_t case_action_shape_count;

int case_check_actions(const struct reader *r, const struct cJSON *actions, struct err *err);
/* Of `wire` or `witness`; a witness must not be content with nothing at all. */
int case_check_checks(const struct reader *r, const struct cJSON *checks, bool is_witness, pattern_same_fn *same,
                      const void *arg, struct err *err);
int case_check_journal(const struct reader *r, const struct cJSON *names, struct err *err);

/* ---- operations ---------------------------------------------------------------------------- */

/* What an argument is to handles. */
enum role {
    ROLE_PLAIN,
    ROLE_USES_SANDBOX, /* names one that an earlier step made */
    ROLE_USES_PROCESS,
    ROLE_USES_PROCESSES, /* a list of names */
    ROLE_MAKES_SANDBOX,
    ROLE_MAKES_PROCESS,
    ROLE_USES_STEP /* names an earlier step that runs in the background */
};

struct op_arg {
    const char *name;
    enum kind kind;
    enum role role;
    const char *standard; /* what it is when it is left out, or NULL */
    bool has_capability;  /* "op.name" */
};

#define OP_ARGS 16

struct step_op {
    const char *name;
    const char *need;      /* capability; NULL: the name */
    const char *one_of[2]; /* just one of these */
    const char *required[2]; /* arguments that must be there; NULL: no more */
    struct op_arg args[OP_ARGS];
};

extern const struct step_op steps_ops[];
extern const size_t steps_op_count;
const struct step_op *steps_find_op(const char *name);

/* Capabilities that are no operation and no argument. */
extern const char *const steps_other_capabilities[];
extern const size_t steps_other_capability_count;
bool steps_is_capability(const char *name);

/* What a case's steps become. */
struct steps {
    struct cJSON *json; /* owned */
    struct case_step *list;
    size_t count;
    struct names needs;
};

/* Check `json` (an array) and fill in what is left out.  `box_vendor` (NULL: no): first make the sandbox "box", as this
   vendor makes one.  `expect` of the steps points into `json`.  Names of steps that have outcomes can be asked
   afterwards (steps_same). */
int steps_read(struct steps *out, const struct reader *r, const struct cJSON *json, const char *box_vendor,
               struct err *err);
void steps_fini(struct steps *steps);
/* A pattern_same_fn over `struct steps`. */
int steps_same(const void *steps, const char *path, struct err *err);

/* ---- axes ---------------------------------------------------------------------------------- */

/* How many combinations the axes of a case have (1 without any); 0 and `err` when something is wrong with them. */
size_t axes_count(const struct reader *r, const struct cJSON *axes, struct err *err);
/* A copy of the case with combination `index` put in; the suffix of its ids ("/Split:1") is appended to `suffix`.
   *out_unused: an axis that nothing in the case speaks of, else NULL.  NULL: no memory. */
struct cJSON *axes_apply(const struct cJSON *case_json, const struct cJSON *axes, size_t index, struct buf *suffix,
                         const struct cJSON **out_unused);

/* ---- lists --------------------------------------------------------------------------------- */

/* A case that owns what its definition points to. */
struct case_full {
    struct case_def def;
    struct cJSON *json; /* one combination of its axes */
    struct steps steps;
    struct names aliases;
    char *id, *vendor, *area, *file, *scenario, *scenario_name;
};

/* Read case `json` of a file into *out, which owns all of it (case_full_free); `scenarios`: the folder of
   scenario files. */
struct case_full *case_read(const struct reader *r, const char *vendor, const char *area, const char *scenarios,
                            const char *suffix, struct cJSON *json, struct err *err);
void case_full_free(struct case_full *full); /* NULL is fine */

#endif
