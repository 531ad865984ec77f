/*
 * JSON, strictly read and exactly written, by way of cJSON.
 *
 * cJSON's texts end at NUL and JSON's do not.  Inside cJSON's trees a NUL is therefore kept as the two bytes
 * C0 80, which no valid UTF-8 holds: parsing and making texts puts them in, reading and printing takes them out.
 *
 * Thread: any; a tree belongs to one thread.
 */
#ifndef SBC_JSON_H
#define SBC_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sbc_text.h"
#include "standbox_client.h"

struct cJSON;

/* The tree of exactly one JSON value in valid UTF-8, or NULL.  cJSON_Delete it. */
struct cJSON *sbc_json_parse(const char *text, size_t size);

/* One line; free() it. */
char *sbc_json_print(const struct cJSON *tree);

/* A text node of valid UTF-8, which may hold NUL. */
struct cJSON *sbc_json_new_text(const char *data, size_t size);

/* The bytes of a text node; free() .data. */
struct sbc_bytes sbc_json_bytes(const struct cJSON *node);

/* "a text", "a number"...; NULL: "nothing". */
const char *sbc_json_type_name(const struct cJSON *node);

/*
 * Reading members of an object by type.  The first problem is kept and the rest goes on with nothing, so that a
 * reader is asked once, at its end.
 */
struct sbc_reader {
    const struct cJSON *object;
    const char *where; /* what the object is, for the message */
    char problem[200]; /* "": none yet */
};

void sbc_reader_init(struct sbc_reader *reader, const struct cJSON *object, const char *where);
void sbc_reader_refuse(struct sbc_reader *reader, const char *name, const char *wanted, const struct cJSON *seen);

/* The member, or NULL where it is absent or null. */
const struct cJSON *sbc_reader_member(const struct sbc_reader *reader, const char *name);

char *sbc_reader_text(struct sbc_reader *reader, const char *name, bool is_needed); /* without NUL; free() it */
struct sbc_bytes sbc_reader_bytes(struct sbc_reader *reader, const char *name, bool is_needed);
bool sbc_reader_integer(struct sbc_reader *reader, const char *name, bool is_needed, int64_t *out);
bool sbc_reader_flag(struct sbc_reader *reader, const char *name); /* absent: false */
const struct cJSON *sbc_reader_object(struct sbc_reader *reader, const char *name, bool is_needed);
const struct cJSON *sbc_reader_array(struct sbc_reader *reader, const char *name, bool is_needed);

#endif
