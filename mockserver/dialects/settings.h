/*
 * A dialect's settings as a table: what a vendor leaves open, with its default and its reason.
 *
 * A row marked GUESS is not observable from SDKs and pages: our choice, to be changed without touching code.  Rows
 * marked KNOWN have a source, named in the text.  A number is an int64_t of the dialect's struct, a text a const char *.
 *
 * Thread: any.
 */
#ifndef STANDBOX_DIALECTS_SETTINGS_H
#define STANDBOX_DIALECTS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum setting_source { SETTING_KNOWN, SETTING_GUESS };

struct setting_row {
    const char *name;
    size_t offset;                 /* in the dialect's struct */
    enum setting_source source;
    const char *why;
    int64_t max;                   /* of a number; 0: no bound but overflow's */
    const char *const *words;      /* a text is one of these, NULL-terminated; NULL with is_text: any */
    const char *is_text;           /* NULL: a number; else what a text must be: "/" a path, "" anything */
};

/* Put a NULL-terminated list of "name=value" (NULL: none) over what `settings` has.  Texts are borrowed.  ERR_INVALID
   names the assignment: no such setting, or a value that it cannot have. */
int settings_apply(void *settings, const struct setting_row *table, size_t count, const char *const *assignments,
                   struct err *err);
/* Have both the same values? */
bool settings_are_same(const void *a, const void *b, const struct setting_row *table, size_t count);
/* One line per setting: name, value, known or guess, why. */
void settings_tell(const void *settings, const struct setting_row *table, size_t count, struct buf *out);

#endif
