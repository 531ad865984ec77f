#include "report/results.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "base/json.h"

static const struct {
    const char *name;
    bool is_fine;
} verdicts[RESULT_VERDICTS] = {
    [RESULT_PASS] = { "pass", true },
    [RESULT_FAIL] = { "fail", false },
    [RESULT_NON_STRICT] = { "non-strict", true },
    [RESULT_NOT_EXERCISED] = { "not-exercised", false },
    [RESULT_SKIPPED] = { "skipped", true },
    [RESULT_ADAPTER_ERROR] = { "adapter-error", false },
    [RESULT_HARNESS_ERROR] = { "harness-error", false },
};

const char *result_verdict_name(enum result_verdict verdict)
{
    CHECK(verdict < RESULT_VERDICTS);
    return verdicts[verdict].name;
}

enum result_verdict result_verdict_find(const char *name)
{
    enum result_verdict verdict = 0;
    while (verdict < RESULT_VERDICTS && strcmp(verdicts[verdict].name, name) != 0)
        verdict++;
    return verdict;
}

enum result_verdict result_verdict_of(const struct cJSON *result)
{
    enum result_verdict verdict = result_verdict_find(results_text(result, "verdict"));
    CHECK(verdict < RESULT_VERDICTS);
    return verdict;
}

bool result_verdict_is_fine(enum result_verdict verdict)
{
    CHECK(verdict < RESULT_VERDICTS);
    return verdicts[verdict].is_fine;
}

enum result_standing result_standing_of(const struct cJSON *result)
{
    enum result_verdict verdict = result_verdict_of(result);
    if (results_flag(result, "stale"))
        return STANDING_STALE;
    if (verdicts[verdict].is_fine)
        return STANDING_FINE;
    /* No list can excuse a fault of our own. */
    if (verdict == RESULT_HARNESS_ERROR || results_text(result, "listed")[0] == '\0')
        return STANDING_UNEXPECTED;
    return STANDING_LISTED;
}

const char *results_text(const struct cJSON *object, const char *name)
{
    const cJSON *member = json_get(object, name);
    return cJSON_IsString(member) ? member->valuestring : "";
}

const struct cJSON *results_list(const struct cJSON *object, const char *name)
{
    const cJSON *member = json_get(object, name);
    return cJSON_IsArray(member) ? member : NULL;
}

double results_number(const struct cJSON *object, const char *name, double otherwise)
{
    const cJSON *member = json_get(object, name);
    return cJSON_IsNumber(member) ? member->valuedouble : otherwise;
}

bool results_flag(const struct cJSON *object, const char *name)
{
    return cJSON_IsTrue(json_get(object, name));
}

static const cJSON *find(const cJSON *list, const char *member, const char *wanted)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (strcmp(results_text(item, member), wanted) == 0)
            return item;
    }
    return NULL;
}

const struct cJSON *results_find_case(const struct cJSON *doc, const char *id)
{
    return find(results_list(doc, "cases"), "id", id);
}

const struct cJSON *results_find_client(const struct cJSON *doc, const char *key)
{
    return find(results_list(doc, "clients"), "key", key);
}

bool results_is_mutant(const struct cJSON *client)
{
    return results_flag(client, "mutant");
}

/* Digits without a leading 0, up to 5 of them; 0 when there are none. */
static size_t take_number(const char *text, unsigned *out)
{
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > 5 || text[0] == '0')
        return 0;
    *out = 0;
    for (size_t i = 0; i < len; i++)
        *out = *out * 10 + (unsigned) (text[i] - '0');
    return len;
}

bool results_shard(const struct cJSON *doc, unsigned *out_part, unsigned *out_parts)
{
    const char *shard = results_text(doc, "shard");
    unsigned part = 0, parts = 0;
    size_t head = take_number(shard, &part);
    size_t tail = head > 0 && shard[head] == '/' ? take_number(shard + head + 1, &parts) : 0;
    if (tail == 0 || shard[head + 1 + tail] != '\0' || part > parts)
        return false;
    *out_part = part;
    *out_parts = parts;
    return true;
}

size_t results_area_length(const char *case_id)
{
    size_t vendor = strcspn(case_id, "/");
    return case_id[vendor] == '\0' ? vendor : vendor + 1 + strcspn(case_id + vendor + 1, "/");
}

/* Compare the numbers at both places, of any length. */
static int by_number(const char **a, const char **b)
{
    const char *x = *a + strspn(*a, "0"), *y = *b + strspn(*b, "0");
    size_t len = strspn(x, "0123456789"), other = strspn(y, "0123456789");
    *a = x + len;
    *b = y + other;
    if (len != other)
        return len < other ? -1 : 1;
    return memcmp(x, y, len);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "/" before all others, so that the axes of a case stay with it: x, x/Split:1, x-y. */
static int by_char(char a, char b)
{
    unsigned char x = (unsigned char) a, y = (unsigned char) b;
    return (x == '/' ? 1 : x) - (y == '/' ? 1 : y);
}

int results_compare_ids(const char *one, const char *two)
{
    const char *a = one, *b = two;
    while (*a != '\0' && *b != '\0') {
        int order = is_digit(*a) && is_digit(*b) ? by_number(&a, &b) : by_char(*a++, *b++);
        if (order != 0)
            return order;
    }
    if (*a != *b)
        return *a == '\0' ? -1 : 1;
    return strcmp(one, two);
}
