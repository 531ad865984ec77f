/*
 * The shape of a result document as tables, for results_check.
 *
 * Thread: any; nothing changes.
 */
#ifndef STANDBOX_REPORT_SHAPES_H
#define STANDBOX_REPORT_SHAPES_H

#include <stdbool.h>
#include <stddef.h>

enum shape {
    SHAPE_TEXT,
    SHAPE_NAME,   /* a text that is not empty */
    SHAPE_NUMBER, /* not negative */
    SHAPE_FLAG,
    SHAPE_TEXTS,
    SHAPE_NUMBERS,
    SHAPE_NOTES, /* texts, or objects with "what" */
    SHAPE_OBJECT,
    SHAPE_OBJECTS,
};

struct member {
    const char *name;
    enum shape shape;
    bool is_needed;           /* else absent or null will do */
    const char *const *words; /* texts: one of these; ends with NULL */
    const struct member *of;  /* objects: their members; ends with a NULL name */
};

/* The members of the whole, but for "standbox_results", which must be right before anything else is looked at. */
extern const struct member shapes_document[];

#endif
