#include "scenario/ere.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define MAX_REPEAT 255 /* RE_DUP_MAX of POSIX */
#define MAX_GROUPS 50  /* nesting of parentheses: bounds the parser's recursion */
#define NO_LIMIT   UINT32_MAX

enum opcode { I_CHAR, I_ANY, I_SET, I_BEGIN, I_END, I_SPLIT /* next and also `to` */, I_JUMP, I_FOUND };

struct insn {
    enum opcode code;
    uint32_t value; /* I_CHAR: the character; I_SET: index of the set; I_SPLIT, I_JUMP: relative target */
};

struct range {
    uint32_t from, to;
};

struct set {
    uint64_t ascii[2];    /* a bit for each */
    struct range *ranges; /* the rest; sorted and apart, once the bracket is read */
    size_t count;
    bool negated;
};

struct ere {
    struct insn *program;
    size_t size, room;
    struct set *sets;
    size_t set_count;
};

/* ---- parser --------------------------------------------------------------------------- */

struct parse {
    struct ere *ere;
    const char *start, *p;
    unsigned groups;
    struct err *err;
};

static int refuse(const struct parse *s, const char *why)
{
    return err_set(s->err, ERR_INVALID, 0, "character %td: %s", s->p - s->start + 1, why);
}

/* Append an instruction; out-of-memory and too-large are the two ways to fail. */
static int emit(struct parse *s, enum opcode code, uint32_t value)
{
    struct ere *e = s->ere;
    if (e->size == ERE_MAX_PROGRAM)
        return err_set(s->err, ERR_LIMIT, 0, "too large once its repeats are written out (limit %d steps)",
                       ERE_MAX_PROGRAM);
    if (e->size == e->room) {
        size_t room = e->room == 0 ? 32 : e->room * 2;
        struct insn *bigger = realloc(e->program, room * sizeof *bigger);
        if (bigger == NULL)
            return err_set(s->err, ERR_NOMEM, 0, "pattern");
        e->program = bigger;
        e->room = room;
    }
    e->program[e->size++] = (struct insn){ code, value };
    return 0;
}

/* Targets are relative, so that a piece of program can be moved and copied. */
static int insert_split(struct parse *s, size_t at, uint32_t to)
{
    if (emit(s, I_SPLIT, 0) < 0)
        return -1;
    struct insn *program = s->ere->program;
    memmove(program + at + 1, program + at, (s->ere->size - 1 - at) * sizeof *program);
    program[at] = (struct insn){ I_SPLIT, to };
    return 0;
}

/* ---- brackets ------------------------------------------------------------------------- */

static int add_range(struct parse *s, struct set *set, uint32_t from, uint32_t to)
{
    for (uint32_t c = from; c <= to && c < 128; c++)
        set->ascii[c >> 6] |= (uint64_t) 1 << (c & 63);
    if (to < 128)
        return 0;
    struct range *bigger = realloc(set->ranges, (set->count + 1) * sizeof *bigger);
    if (bigger == NULL)
        return err_set(s->err, ERR_NOMEM, 0, "pattern");
    set->ranges = bigger;
    set->ranges[set->count++] = (struct range){ from, to };
    return 0;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from;
}

/* Sorted and apart, so that a look-up costs no more for a bracket of a kilobyte. */
static void tidy_set(struct set *set)
{
    size_t kept = 0;
    if (set->count > 1)
        qsort(set->ranges, set->count, sizeof *set->ranges, compare_ranges);
    for (size_t i = 0; i < set->count; i++) {
        struct range *last = kept > 0 ? &set->ranges[kept - 1] : NULL;
        if (last == NULL || set->ranges[i].from > last->to)
            set->ranges[kept++] = set->ranges[i];
        else if (set->ranges[i].to > last->to)
            last->to = set->ranges[i].to;
    }
    set->count = kept;
}

static const struct {
    const char *name;
    int (*holds)(int);
} classes[] = {
    { "alpha", isalpha }, { "digit", isdigit }, { "alnum", isalnum }, { "upper", isupper },
    { "lower", islower }, { "space", isspace }, { "blank", isblank }, { "punct", ispunct },
    { "print", isprint }, { "graph", isgraph }, { "cntrl", iscntrl }, { "xdigit", isxdigit },
};

/* At "[:"; the classes of the C locale, which are ASCII. */
static int parse_class(struct parse *s, struct set *set)
{
    const char *name = s->p + 2;
    const char *end = strstr(name, ":]");
    size_t len = end == NULL ? 0 : (size_t) (end - name), i = 0, count = sizeof classes / sizeof classes[0];
    while (i < count && (strlen(classes[i].name) != len || memcmp(classes[i].name, name, len) != 0))
        i++;
    if (end == NULL || i == count)
        return refuse(s, "an unknown class; known are [:alpha:] [:digit:] [:alnum:] [:upper:] [:lower:] [:space:] "
                         "[:blank:] [:punct:] [:print:] [:graph:] [:cntrl:] [:xdigit:]");
    for (int c = 0; c < 128; c++) {
        if (classes[i].holds(c) && add_range(s, set, (uint32_t) c, (uint32_t) c) < 0)
            return -1;
    }
    s->p = end + 2;
    return 0;
}

static uint32_t take_point(struct parse *s)
{
    uint32_t point;
    s->p += utf8_next(s->p, strlen(s->p), &point);
    return point;
}

static int parse_bracket_item(struct parse *s, struct set *set)
{
    if (s->p[0] == '[' && s->p[1] == ':')
        return parse_class(s, set);
    if (s->p[0] == '[' && (s->p[1] == '.' || s->p[1] == '='))
        return refuse(s, "collating elements are not taken");
    uint32_t from = take_point(s), to = from;
    if (s->p[0] == '-' && s->p[1] != ']' && s->p[1] != '\0') {
        s->p++;
        if (s->p[0] == '[' && s->p[1] != '\0' && strchr(":.=", s->p[1]) != NULL)
            return refuse(s, "a range cannot end in a class");
        to = take_point(s);
    }
    if (to < from)
        return refuse(s, "a range that ends before it begins");
    return add_range(s, set, from, to);
}

static int parse_bracket(struct parse *s)
{
    struct ere *e = s->ere;
    struct set *bigger = realloc(e->sets, (e->set_count + 1) * sizeof *bigger);
    if (bigger == NULL)
        return err_set(s->err, ERR_NOMEM, 0, "pattern");
    e->sets = bigger;
    struct set *set = &e->sets[e->set_count++];
    *set = (struct set){ { 0, 0 }, NULL, 0, false };
    s->p++;
    set->negated = *s->p == '^';
    s->p += set->negated;
    bool first = true; /* "]" in the first place is a character like others */
    while (*s->p != ']' || first) {
        if (*s->p == '\0')
            return refuse(s, "a \"[\" without its \"]\"");
        if (parse_bracket_item(s, set) < 0)
            return -1;
        first = false;
    }
    s->p++;
    tidy_set(set);
    return emit(s, I_SET, (uint32_t) (e->set_count - 1));
}

/* ---- pieces --------------------------------------------------------------------------- */

static int parse_alternatives(struct parse *s);

static int parse_group(struct parse *s)
{
    if (++s->groups > MAX_GROUPS)
        return refuse(s, "parentheses nested too deep (limit 50)");
    s->p++;
    if (*s->p != ')' && parse_alternatives(s) < 0)
        return -1;
    if (*s->p != ')')
        return refuse(s, "a \"(\" without its \")\"");
    s->p++;
    s->groups--;
    return 0;
}

static int parse_escape(struct parse *s)
{
    char c = s->p[1];
    if (c == '\0')
        return refuse(s, "a \"\\\" at the end");
    if (isdigit((unsigned char) c))
        return refuse(s, "back-references are not taken: their cost has no bound");
    if (!ispunct((unsigned char) c))
        return refuse(s, "\"\\\" goes only before punctuation; use [[:digit:]], [[:space:]], [[:alnum:]_]");
    s->p += 2;
    return emit(s, I_CHAR, (uint32_t) c);
}

static int parse_atom(struct parse *s)
{
    switch (*s->p) {
    case '(': return parse_group(s);
    case '[': return parse_bracket(s);
    case '\\': return parse_escape(s);
    case '.': s->p++; return emit(s, I_ANY, 0);
    case '^': s->p++; return emit(s, I_BEGIN, 0);
    case '$': s->p++; return emit(s, I_END, 0);
    case '*':
    case '+':
    case '?':
    case '{': return refuse(s, "a repeat with nothing before it");
    default: return emit(s, I_CHAR, take_point(s));
    }
}

/* A number of at most three digits, or -1. */
static int parse_count(struct parse *s, uint32_t *out)
{
    uint32_t n = 0;
    size_t digits = 0;
    for (; isdigit((unsigned char) *s->p) && digits < 4; digits++)
        n = n * 10 + (uint32_t) (*s->p++ - '0');
    *out = n;
    return digits > 0 && n <= MAX_REPEAT ? 0 : -1;
}

static int parse_bounds(struct parse *s, uint32_t *min, uint32_t *max)
{
    s->p++;
    if (parse_count(s, min) < 0)
        return refuse(s, "a repeat needs numbers up to 255: {m}, {m,} or {m,n}");
    *max = *min;
    if (*s->p == ',') {
        s->p++;
        *max = NO_LIMIT;
        if (*s->p != '}' && parse_count(s, max) < 0)
            return refuse(s, "a repeat needs numbers up to 255: {m}, {m,} or {m,n}");
    }
    if (*s->p != '}')
        return refuse(s, "a \"{\" without its \"}\"");
    if (*max < *min)
        return refuse(s, "a repeat that ends before it begins");
    s->p++;
    return 0;
}

static int parse_repeat(struct parse *s, uint32_t *min, uint32_t *max)
{
    char c = *s->p;
    if (c == '{')
        return parse_bounds(s, min, max);
    s->p++;
    *min = c == '+';
    *max = c == '?' ? 1 : NO_LIMIT;
    return 0;
}

/* The last `size` instructions, from `at`, any number of times. */
static int emit_star(struct parse *s, size_t at)
{
    size_t size = s->ere->size - at;
    if (insert_split(s, at, (uint32_t) (size + 2)) < 0)
        return -1;
    return emit(s, I_JUMP, (uint32_t) - (int32_t) (size + 1));
}

/* Write the repeat of the piece at `at` out: min copies, then optional ones or a loop. */
static int emit_repeat(struct parse *s, size_t at, uint32_t min, uint32_t max)
{
    size_t size = s->ere->size - at;
    if (size == 0) /* nothing, however often, is nothing */
        return 0;
    struct insn *piece = malloc(size * sizeof *piece);
    if (piece == NULL)
        return err_set(s->err, ERR_NOMEM, 0, "pattern");
    memcpy(piece, s->ere->program + at, size * sizeof *piece);
    int rc = 0;
    s->ere->size = at;
    uint32_t copies = max == NO_LIMIT ? min + 1 : max;
    for (uint32_t i = 0; i < copies && rc == 0; i++) {
        size_t from = s->ere->size;
        for (size_t k = 0; k < size && rc == 0; k++)
            rc = emit(s, piece[k].code, piece[k].value);
        if (rc == 0 && i >= min)
            rc = max == NO_LIMIT ? emit_star(s, from) : insert_split(s, from, (uint32_t) (size + 1));
    }
    free(piece);
    return rc;
}

static int parse_sequence(struct parse *s)
{
    while (*s->p != '\0' && *s->p != '|' && *s->p != ')') {
        size_t at = s->ere->size;
        if (parse_atom(s) < 0)
            return -1;
        while (*s->p != '\0' && strchr("*+?{", *s->p) != NULL) {
            uint32_t min = 0, max = 0;
            if (parse_repeat(s, &min, &max) < 0 || emit_repeat(s, at, min, max) < 0)
                return -1;
        }
    }
    return 0;
}

/* a|b|c as split(a jump end, split(b jump end, c)). */
static int parse_alternatives(struct parse *s)
{
    size_t at = s->ere->size;
    if (parse_sequence(s) < 0)
        return -1;
    if (*s->p != '|')
        return 0;
    size_t size = s->ere->size - at;
    if (insert_split(s, at, (uint32_t) (size + 2)) < 0 || emit(s, I_JUMP, 0) < 0)
        return -1;
    size_t jump = s->ere->size - 1;
    s->p++;
    /* Not by recursion: a kilobyte of bars would be a kilobyte of calls. */
    for (;;) {
        size_t from = s->ere->size;
        if (parse_sequence(s) < 0)
            return -1;
        if (*s->p != '|')
            break;
        size = s->ere->size - from;
        if (insert_split(s, from, (uint32_t) (size + 2)) < 0)
            return -1;
        /* Each branch but the last jumps to the jump in front of its split, which leads on to the end. */
        if (emit(s, I_JUMP, (uint32_t) ((int32_t) jump - (int32_t) s->ere->size)) < 0)
            return -1;
        s->p++;
    }
    s->ere->program[jump].value = (uint32_t) (s->ere->size - jump);
    return 0;
}

int ere_compile(struct ere **out_ere, const char *pattern, struct err *err)
{
    struct ere *ere = calloc(1, sizeof *ere);
    struct parse s = { .ere = ere, .start = pattern, .p = pattern, .err = err };
    if (ere == NULL)
        return err_set(err, ERR_NOMEM, 0, "pattern");
    int rc = 0;
    if (strlen(pattern) > ERE_MAX_PATTERN)
        rc = err_set(err, ERR_LIMIT, 0, "%zu bytes are too many (limit %d)", strlen(pattern), ERE_MAX_PATTERN);
    if (rc == 0)
        rc = parse_alternatives(&s);
    if (rc == 0 && *s.p == ')')
        rc = refuse(&s, "a \")\" without its \"(\"");
    if (rc == 0)
        rc = emit(&s, I_FOUND, 0);
    if (rc < 0) {
        ere_free(ere);
        return -1;
    }
    *out_ere = ere;
    return 0;
}

void ere_free(struct ere *ere)
{
    if (ere == NULL)
        return;
    for (size_t i = 0; i < ere->set_count; i++)
        free(ere->sets[i].ranges);
    free(ere->sets);
    free(ere->program);
    free(ere);
}

size_t ere_size(const struct ere *ere)
{
    return ere->size;
}

/* ---- the simulation ------------------------------------------------------------------- */

/* Program places that are alive before the next character; `mark` says when a place was added last. */
struct states {
    uint16_t *list;
    size_t count;
};

struct run {
    const struct ere *ere;
    uint32_t *mark;
    uint16_t *stack;
    uint32_t now;
    bool at_begin, at_end, found;
};

static bool set_holds(const struct set *set, uint32_t c)
{
    if (c < 128)
        return ((set->ascii[c >> 6] >> (c & 63) & 1) != 0) != set->negated;
    size_t low = 0, high = c == UTF8_BAD ? 0 : set->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > set->ranges[middle].to)
            low = middle + 1;
        else
            high = middle;
    }
    bool inside = c != UTF8_BAD && low < set->count && c >= set->ranges[low].from;
    return inside != set->negated;
}

static size_t target_of(size_t at, uint32_t value)
{
    return (size_t) ((int64_t) at + (int32_t) value);
}

/* Add a place and all that can be reached from it without a character.  A place is pushed once per step, so
   the stack needs no more room than the program. */
static void add_state(struct run *r, struct states *states, size_t start)
{
    size_t depth = 0;
    if (r->mark[start] == r->now)
        return;
    r->mark[start] = r->now;
    r->stack[depth++] = (uint16_t) start;
    while (depth > 0) {
        size_t at = r->stack[--depth], next[2];
        size_t nexts = 0;
        struct insn insn = r->ere->program[at];
        if (insn.code == I_JUMP || insn.code == I_SPLIT)
            next[nexts++] = target_of(at, insn.value);
        if (insn.code == I_SPLIT || (insn.code == I_BEGIN && r->at_begin) || (insn.code == I_END && r->at_end))
            next[nexts++] = at + 1;
        if (insn.code == I_FOUND)
            r->found = true;
        if (insn.code == I_CHAR || insn.code == I_ANY || insn.code == I_SET)
            states->list[states->count++] = (uint16_t) at;
        for (size_t i = 0; i < nexts; i++) {
            if (r->mark[next[i]] != r->now) {
                r->mark[next[i]] = r->now;
                r->stack[depth++] = (uint16_t) next[i];
            }
        }
    }
}

static bool takes(const struct ere *ere, struct insn insn, uint32_t c)
{
    if (insn.code == I_CHAR)
        return insn.value == c && c != UTF8_BAD;
    return insn.code == I_ANY || set_holds(&ere->sets[insn.value], c);
}

static bool simulate(struct run *r, struct states now, struct states next, const char *subject, size_t len)
{
    size_t i = 0;
    r->now = 1;
    r->at_begin = true;
    r->at_end = len == 0;
    add_state(r, &now, 0);
    while (!r->found && i < len) {
        uint32_t c;
        i += utf8_next(subject + i, len - i, &c);
        if (c == UTF8_CUT)
            c = UTF8_BAD;
        r->now++;
        r->at_begin = false;
        r->at_end = i == len;
        next.count = 0;
        for (size_t k = 0; k < now.count; k++) {
            if (takes(r->ere, r->ere->program[now.list[k]], c))
                add_state(r, &next, (size_t) now.list[k] + 1);
        }
        add_state(r, &next, 0); /* a match may begin here */
        struct states swap = now;
        now = next;
        next = swap;
    }
    return r->found;
}

bool ere_search(const struct ere *ere, const char *subject, size_t len)
{
    size_t n = ere->size;
    struct run r = { .ere = ere };
    struct states now = { NULL, 0 }, next = { NULL, 0 };
    r.mark = calloc(n, sizeof *r.mark);
    r.stack = malloc(n * sizeof *r.stack);
    now.list = malloc(n * sizeof *now.list);
    next.list = malloc(n * sizeof *next.list);
    bool found = false;
    if (r.mark != NULL && r.stack != NULL && now.list != NULL && next.list != NULL)
        found = simulate(&r, now, next, subject, len < ERE_MAX_SUBJECT ? len : ERE_MAX_SUBJECT);
    free(r.mark);
    free(r.stack);
    free(now.list);
    free(next.list);
    return found;
}
