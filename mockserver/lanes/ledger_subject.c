/* Who entries are about: sandbox, process and command, shared by all entries about the same. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "lanes/ledger_priv.h"

#define FIRST_BUCKETS 16
#define ELLIPSIS      "\xe2\x80\xa6" /* a command that goes on */

/* `kept` is how much of `command` is kept. */
static bool is_command(const char *shown, const char *command, size_t kept)
{
    return strncmp(shown, command, kept) == 0 && strcmp(shown + kept, command[kept] == '\0' ? "" : ELLIPSIS) == 0;
}

static struct ledger_subject *find(const struct ledger *l, uint64_t hash, const struct ledger_subject *like)
{
    size_t kept = ledger_clip(l, like->command, strlen(like->command));
    struct ledger_subject *s = l->subject_buckets == 0 ? NULL : l->subjects[hash % l->subject_buckets];
    while (s != NULL && (s->hash != hash || strcmp(s->process, like->process) != 0 ||
                         strcmp(s->sandbox, like->sandbox) != 0 || !is_command(s->command, like->command, kept)))
        s = s->next;
    return s;
}

static void insert(struct ledger *l, struct ledger_subject *s)
{
    struct ledger_subject **bucket = &l->subjects[s->hash % l->subject_buckets];
    s->next = *bucket;
    *bucket = s;
}

static int grow(struct ledger *l)
{
    size_t count = l->subject_buckets == 0 ? FIRST_BUCKETS : l->subject_buckets * 2;
    struct ledger_subject **old = l->subjects, **buckets = calloc(count, sizeof(struct ledger_subject *));
    size_t old_count = l->subject_buckets;
    if (buckets == NULL)
        return -1;
    l->subjects = buckets;
    l->subject_buckets = count;
    for (size_t i = 0; i < old_count; i++) {
        for (struct ledger_subject *s = old[i], *next; s != NULL; s = next) {
            next = s->next;
            insert(l, s);
        }
    }
    free(old);
    return 0;
}

static const char *put(char **to, const char *text, size_t len, const char *tail)
{
    char *at = *to;
    size_t tail_len = strlen(tail);
    memcpy(at, text, len);
    memcpy(at + len, tail, tail_len + 1);
    *to += len + tail_len + 1;
    return at;
}

static struct ledger_subject *make(struct ledger *l, uint64_t hash, const struct ledger_subject *like)
{
    size_t sandbox = strlen(like->sandbox), process = strlen(like->process), whole = strlen(like->command);
    size_t command = ledger_clip(l, like->command, whole);
    size_t size = sizeof *like + sandbox + process + command + 3 + strlen(ELLIPSIS);
    struct ledger_subject *s = malloc(size);
    if (s == NULL)
        return NULL;
    char *to = (char *) (s + 1);
    *s = (struct ledger_subject) { .size = size, .hash = hash };
    s->sandbox = put(&to, like->sandbox, sandbox, "");
    s->process = put(&to, like->process, process, "");
    s->command = put(&to, like->command, command, command < whole ? ELLIPSIS : "");
    return s;
}

struct ledger_subject *ledger_subject_get(struct ledger *l, const char *sandbox, const char *process,
                                          const char *command)
{
    const struct ledger_subject like = {
        .sandbox = sandbox != NULL ? sandbox : "",
        .process = process != NULL ? process : "",
        .command = command != NULL ? command : "",
    };
    uint64_t hash = hash_text(hash_text(HASH_BEGIN, like.process), like.sandbox);
    struct ledger_subject *s = find(l, hash, &like);
    if (s == NULL) {
        if (l->subject_count >= l->subject_buckets && grow(l) < 0)
            return NULL;
        s = make(l, hash, &like);
        if (s == NULL)
            return NULL;
        insert(l, s);
        l->subject_count++;
        l->bytes += s->size;
    }
    s->refs++;
    return s;
}

void ledger_subject_put(struct ledger *l, struct ledger_subject *subject)
{
    if (subject == NULL || --subject->refs > 0)
        return;
    struct ledger_subject **at = &l->subjects[subject->hash % l->subject_buckets];
    while (*at != subject)
        at = &(*at)->next;
    *at = subject->next;
    l->subject_count--;
    l->bytes -= subject->size;
    free(subject);
}
