#include "cli/known.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lines.h"
#include "cli/wildcard.h"
#include "judge/verdict.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define HASH_DIGITS 8

static void free_row(struct known_row *row)
{
    char *texts[] = { row->pattern, row->place, row->verdict, row->message, row->issue, row->why };
    for (size_t i = 0; i < COUNT(texts); i++)
        free(texts[i]);
}

void known_fini(struct known *k)
{
    for (size_t i = 0; i < k->count; i++)
        free_row(&k->rows[i]);
    free(k->rows);
    *k = (struct known) { NULL, 0 };
}

/* ---- the words of a line ---------------------------------------------------------------- */

static int take_text(char **out, const char *value, struct err *err)
{
    if (*out != NULL)
        return err_set(err, ERR_INVALID, 0, "said twice");
    if (*value == '\0')
        return err_set(err, ERR_INVALID, 0, "empty");
    *out = strdup(value);
    return *out != NULL ? 0 : err_set(err, ERR_NOMEM, 0, "list");
}

static int take_verdict(struct known_row *row, const char *value, struct err *err)
{
    enum verdict verdict;
    if (!verdict_from_name(value, &verdict) || verdict == VERDICT_PASS || verdict == VERDICT_SKIPPED)
        return err_set(err, ERR_INVALID, 0, "\"%.40s\" is not fail, non-strict, not-exercised or adapter-error", value);
    return take_text(&row->verdict, value, err);
}

static int take_message(struct known_row *row, const char *value, struct err *err)
{
    if (strlen(value) != HASH_DIGITS || strspn(value, "0123456789abcdef") != HASH_DIGITS)
        return err_set(err, ERR_INVALID, 0, "\"%.40s\" is not a hash of %d digits, as a report prints it", value,
                       HASH_DIGITS);
    return take_text(&row->message, value, err);
}

static int take_issue(struct known_row *row, const char *value, struct err *err)
{
    return take_text(&row->issue, value, err);
}

static int take_until(struct known_row *row, const char *value, struct err *err)
{
    static const char shape[] = "dddd-dd-dd";
    if (row->until[0] != '\0')
        return err_set(err, ERR_INVALID, 0, "said twice");
    for (size_t i = 0; i < sizeof shape; i++) {
        if (shape[i] == 'd' ? !isdigit((unsigned char) value[i]) : value[i] != shape[i])
            return err_set(err, ERR_INVALID, 0, "\"%.40s\" is not a day as in 2027-01-31", value);
    }
    memcpy(row->until, value, sizeof shape);
    return 0;
}

static const struct word {
    const char *name;   /* with its = */
    int (*take)(struct known_row *row, const char *value, struct err *err);
} words[] = {
    { "verdict=", take_verdict },
    { "message=", take_message },
    { "issue=", take_issue },
    { "until=", take_until },
};

/* 1: it was one of the words; 0: it is not, the reason begins here. */
static int take_word(struct known_row *row, const char *text, struct err *err)
{
    for (size_t i = 0; i < COUNT(words); i++) {
        size_t len = strlen(words[i].name);
        if (strncmp(text, words[i].name, len) == 0)
            return words[i].take(row, text + len, err) == 0 ? 1 : err_wrap(err, "%.*s", (int) len - 1, text);
    }
    return 0;
}

static char *cut_word(char **rest)
{
    char *word = *rest;
    *rest += strcspn(*rest, " \t");
    if (**rest != '\0')
        *(*rest)++ = '\0';
    *rest += strspn(*rest, " \t");
    return word;
}

static int parse_row(struct known_row *row, char *line, const char *place, struct err *err)
{
    char *rest = line;
    if (take_text(&row->place, place, err) != 0 || take_text(&row->pattern, cut_word(&rest), err) != 0 ||
        wildcard_check(row->pattern, err) != 0)
        return -1;
    while (*rest != '\0') {
        /* The reason keeps its blanks, so a word is looked at before it is cut off. */
        char *word = strndup(rest, strcspn(rest, " \t"));
        int rc = word != NULL ? take_word(row, word, err) : err_set(err, ERR_NOMEM, 0, "list");
        free(word);
        if (rc < 0)
            return -1;
        if (rc == 0)
            return take_text(&row->why, rest, err);
        cut_word(&rest);
    }
    return 0;
}

static int add_line(void *list, char *line, const char *place, struct err *err)
{
    struct known *k = list;
    struct known_row row = { 0 };
    struct known_row *grown = realloc(k->rows, (k->count + 1) * sizeof *grown);
    if (grown == NULL)
        return err_set(err, ERR_NOMEM, 0, "list");
    k->rows = grown;
    if (parse_row(&row, line, place, err) != 0 || (row.verdict == NULL && take_text(&row.verdict, "fail", err) != 0)) {
        free_row(&row);
        return err_wrap(err, "%s", place);
    }
    for (size_t i = 0; i < k->count; i++) {
        if (strcmp(k->rows[i].pattern, row.pattern) == 0) {
            err_set(err, ERR_INVALID, 0, "%s: \"%.100s\" is listed twice, first at %s", place, row.pattern,
                    k->rows[i].place);
            free_row(&row);
            return -1;
        }
    }
    k->rows[k->count++] = row;
    return 0;
}

/* ---- asking ----------------------------------------------------------------------------- */

int known_read(struct known *k, const char *path, struct err *err)
{
    struct known read = { NULL, 0 };
    if (lines_read(path, add_line, &read, err) != 0) {
        known_fini(&read);
        return -1;
    }
    struct known_row *grown = realloc(k->rows, (k->count + read.count + 1) * sizeof *grown);
    if (grown == NULL) {
        known_fini(&read);
        return err_set(err, ERR_NOMEM, 0, "list");
    }
    if (read.count > 0)
        memcpy(grown + k->count, read.rows, read.count * sizeof *grown);
    k->rows = grown;
    k->count += read.count;
    free(read.rows);
    return 0;
}

struct known_row *known_find(struct known *k, const char *id)
{
    struct known_row *found = NULL;
    for (size_t i = 0; i < k->count; i++) {
        struct known_row *row = &k->rows[i];
        if (!wildcard_matches(row->pattern, id))
            continue;
        row->breadth++;
        if (found == NULL || wildcard_is_exact(row->pattern))
            found = row;
    }
    return found;
}

bool known_is_expired(const struct known_row *row, const char *today)
{
    return row->until[0] != '\0' && strcmp(row->until, today) < 0;
}
