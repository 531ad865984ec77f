/*
 * What the tests of the judge share: JSON written with single quotes, and folders of case files for a while.
 */
#ifndef STANDBOX_TESTS_JUDGE_KIT_H
#define STANDBOX_TESTS_JUDGE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "judge/case.h"

struct cJSON;

#define COUNT(a)  (sizeof(a) / sizeof(a)[0])
#define JSON_AUTO __attribute__((cleanup(kit_free_json))) struct cJSON
#define LIST_AUTO __attribute__((cleanup(kit_free_list))) struct case_list
#define FIXTURES  "STANDBOX_FIXTURES" /* the variable that says where they are */

void kit_free_json(struct cJSON **json);
void kit_free_list(struct case_list **list);
/* ' becomes ", so that JSON can be read in C. */
char *kit_quotes(const char *text); /* free it */
struct cJSON *kit_json(const char *text);
/* The part is, or is not, in the text. */
void kit_has(const char *text, const char *part);
void kit_has_not(const char *text, const char *part);
/* The member, which must be a text. */
const char *kit_text(const struct cJSON *object, const char *name);

/* ---- folders of cases ---------------------------------------------------------------------- */

/* A folder as fixtures/ is; state of a test. */
struct kit_folder {
    char path[64];
};

/* Setup and teardown of a test. */
int kit_folder_new(void **state);
int kit_folder_free(void **state);
/* `text` as it is. */
void kit_write(const struct kit_folder *folder, const char *name, const char *text, size_t len);
/* The area "exec" with these cases (single quotes), one on each line from line 2. */
void kit_write_cases(const struct kit_folder *folder, const char *cases);
/* The list of these cases, all of them good. */
struct case_list *kit_load(const struct kit_folder *folder, const char *cases);
/* Loading must fail, with this in its complaint. */
void kit_refused(const struct kit_folder *folder, const char *cases, const char *complaint);

/* A test in a folder of its own. */
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, kit_folder_new, kit_folder_free)

#define KIT_HEAD    "'requirement': 'It works.', 'source': ['docs'], 'tag': 'documented'"
#define KIT_WITNESS "'witness': [{'what': 'it ran', 'entry': {'type': 'fact', 'fact': 'started'}}]"
#define KIT_STEPS   "'steps': [{'step': 'r', 'op': 'exec', 'command': 'true'}]"

/* A case of one step with more members. */
#define KIT_CASE(id, more) "{'id': '" id "', " KIT_HEAD ", " KIT_WITNESS ", " KIT_STEPS more "}"

#endif
