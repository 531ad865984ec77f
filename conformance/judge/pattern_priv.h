/* Between the files of the pattern language. */
#ifndef STANDBOX_JUDGE_PATTERN_PRIV_H
#define STANDBOX_JUDGE_PATTERN_PRIV_H

#include "judge/output.h"
#include "judge/pattern.h"

/* ---- matching ------------------------------------------------------------------------------ */

struct match {
    const struct cJSON *outcomes;
    struct problems *problems; /* NULL: only the answer is wanted */
    struct buf at;             /* kept up only while problems are wanted */
};

/* Does the value (NULL: absent) match?  Adds problems. */
bool pattern_match_node(struct match *m, const struct cJSON *pattern, const struct cJSON *value);
/* The same one place deeper: at + `what`. */
bool pattern_match_below(struct match *m, const char *what, const struct cJSON *pattern, const struct cJSON *value);
bool pattern_match_element(struct match *m, size_t index, const struct cJSON *pattern, const struct cJSON *value);
/* Does it, without any problem being noted? */
bool pattern_match_quietly(const struct match *m, const struct cJSON *pattern, const struct cJSON *value);
/* Is the output these bytes?  `lenient`: also as a decoder would show them, also in several pieces. */
bool pattern_match_output(struct match *m, const char *data, size_t len, bool lenient, const struct cJSON *value);

/* Note that what stands here is not what was expected; false.  `expected` is in words. */
bool pattern_match_miss(struct match *m, const char *expected, const struct cJSON *value);
/* Are there to be more problems?  Then describing them is worth the while. */
bool pattern_match_wants_problems(const struct match *m);

/* ---- operators ----------------------------------------------------------------------------- */

struct check {
    pattern_same_fn *same;
    const void *arg;
    const struct cJSON *bad; /* the node that a complaint is about */
    struct err *err;
};

struct pattern_op {
    const char *name; /* "$gte" */
    int (*check)(struct check *c, const struct cJSON *arg);
    bool (*match)(struct match *m, const struct cJSON *arg, const struct cJSON *value);
    void (*describe)(const struct cJSON *arg, struct buf *out, size_t limit);
    const char *doc; /* in a line */
};

extern const struct pattern_op pattern_ops[];
extern const size_t pattern_op_count;

const struct pattern_op *pattern_find_op(const char *name); /* NULL: none of this name */
const struct pattern_op *pattern_known_op(const char *name); /* of a checked pattern: aborts when there is none */
/* An object of operators (its first name begins with $)? */
bool pattern_is_ops(const struct cJSON *pattern);

/* A miss that is described by the operator itself; false. */
bool pattern_miss_op(struct match *m, const char *name, const struct cJSON *arg, const struct cJSON *value);

/* Operators of pattern_text.c. */
bool pattern_match_contains(struct match *m, const struct cJSON *arg, const struct cJSON *value);
bool pattern_match_starts(struct match *m, const struct cJSON *arg, const struct cJSON *value);
bool pattern_match_ends(struct match *m, const struct cJSON *arg, const struct cJSON *value);
bool pattern_match_matches(struct match *m, const struct cJSON *arg, const struct cJSON *value);
bool pattern_match_whole(struct match *m, const struct cJSON *arg, const struct cJSON *value);
bool pattern_match_repeat(struct match *m, const struct cJSON *arg, const struct cJSON *value);
void pattern_describe_contains(const struct cJSON *arg, struct buf *out, size_t limit);
void pattern_describe_starts(const struct cJSON *arg, struct buf *out, size_t limit);
void pattern_describe_ends(const struct cJSON *arg, struct buf *out, size_t limit);
void pattern_describe_matches(const struct cJSON *arg, struct buf *out, size_t limit);
void pattern_describe_whole(const struct cJSON *arg, struct buf *out, size_t limit);
void pattern_describe_repeat(const struct cJSON *arg, struct buf *out, size_t limit);

/* ---- checking ------------------------------------------------------------------------------ */

int pattern_check_node(struct check *c, const struct cJSON *pattern);
int pattern_check_fail(struct check *c, const struct cJSON *node, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* What the arguments of operators may be. */
int pattern_check_true(struct check *c, const struct cJSON *arg);
int pattern_check_type_word(struct check *c, const struct cJSON *arg);
int pattern_check_patterns(struct check *c, const struct cJSON *arg);
int pattern_check_contains(struct check *c, const struct cJSON *arg);
int pattern_check_output(struct check *c, const struct cJSON *arg);
int pattern_check_expression(struct check *c, const struct cJSON *arg);
int pattern_check_number(struct check *c, const struct cJSON *arg);
int pattern_check_text(struct check *c, const struct cJSON *arg);
int pattern_check_same(struct check *c, const struct cJSON *arg);
int pattern_check_joined(struct check *c, const struct cJSON *arg);
int pattern_check_repeat(struct check *c, const struct cJSON *arg);

#define PATTERN_TYPES 7
extern const char *const pattern_types[PATTERN_TYPES]; /* "string" ... "bytes" */
#define PATTERN_REPEAT_MAX ((size_t) 1 << 30)          /* bytes that a $repeat may stand for */

/* ---- describing ---------------------------------------------------------------------------- */

void pattern_describe_node(const struct cJSON *pattern, struct buf *out, size_t limit); /* limit: of out->len */

/* ---- values -------------------------------------------------------------------------------- */

/* The same value?  Outputs by their bytes, objects whatever the order of their members. */
bool pattern_equals(const struct cJSON *a, const struct cJSON *b);
/* The place "STEP.value.id" in an array of outcomes; NULL: not there. */
const struct cJSON *pattern_value_at(const struct cJSON *outcomes, const char *path);

#endif
