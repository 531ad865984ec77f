/* The HTML report as bytes: what is embedded, and what cannot get out.  What a browser makes of it: browser/run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <string.h>

#include "base/json.h"
#include "report/report.h"
#include "tests/support/report_sample.h"

#define DATA_BEGIN "<script type=\"application/json\" id=\"data\">"

struct page {
    struct buf text;
    const char *data; /* the embedded JSON, in `text` */
    size_t data_len;
    cJSON *json;
};

/* `doc` is freed. */
static void open_page(struct page *page, cJSON *doc)
{
    struct err err = ERR_INIT;
    *page = (struct page){ .text = BUF_INIT };
    if (report_render(doc, REPORT_HTML, &page->text, &err) < 0)
        fail_msg("%s", err.text);
    cJSON_Delete(doc);
    page->data = strstr(page->text.data, DATA_BEGIN);
    assert_non_null(page->data);
    page->data += strlen(DATA_BEGIN);
    page->data_len = (size_t) (strstr(page->data, "</script>") - page->data);
    page->json = json_parse(page->data, page->data_len, &err);
    if (page->json == NULL)
        fail_msg("%s", err.text);
}

static void close_page(struct page *page)
{
    json_free(page->json);
    buf_fini(&page->text);
}

static const cJSON *item(const cJSON *object, const char *list, int index)
{
    const cJSON *found = cJSON_GetArrayItem(json_get(object, list), index);
    if (found == NULL)
        fail_msg("no %s/%d", list, index);
    return found;
}

static const cJSON *detail_of(const cJSON *json, int client, int row)
{
    const cJSON *detail;
    cJSON_ArrayForEach(detail, json_get(json, "details"))
    {
        if (json_get(detail, "c")->valueint == client && json_get(detail, "r")->valueint == row)
            return detail;
    }
    return NULL;
}

static void verdicts_are_one_letter_each(void **state)
{
    (void) state;
    struct page page;
    open_page(&page, sample_run());
    assert_int_equal(cJSON_GetArraySize(json_get(page.json, "clients")), 3);
    assert_int_equal(cJSON_GetArraySize(json_get(page.json, "cases")), 20);
    assert_string_equal(item(page.json, "verdicts", 0)->valuestring, "pppppnppppppppppppp-");
    assert_string_equal(item(page.json, "verdicts", 1)->valuestring, "fppsfnpfpppppnpxppas");
    assert_string_equal(item(page.json, "standings", 1)->valuestring, "u...l..u...s...u..u.");
    assert_string_equal(item(page.json, "verdicts", 2)->valuestring, "pppppnpppfpfppfppphx");
    assert_int_equal(json_get(page.json, "ending")->valueint, 4);
    close_page(&page);
}

static void details_carry_what_a_result_holds(void **state)
{
    (void) state;
    struct page page;
    open_page(&page, sample_run());
    const cJSON *detail = detail_of(page.json, 1, 0);
    static const char *const members[] = { "summary", "rerun",   "steps",   "wire",
                                           "witness", "journal", "adapter", "ledger" };
    assert_non_null(detail);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        assert_non_null(json_get(detail, members[i]));
    assert_null(json_get(detail, "cut"));
    assert_null(detail_of(page.json, 0, 19));
    assert_int_equal(json_get(page.json, "left_out")->valueint, 0);
    close_page(&page);
}

static void kills_are_marked(void **state)
{
    (void) state;
    struct page page;
    open_page(&page, sample_run());
    const cJSON *kills = json_get(page.json, "kills");
    assert_string_equal(item(kills, "marks", 2)->valuestring, "......KKKKKK........");
    assert_string_equal(item(kills, "marks", 4)->valuestring, "...............KNK..");
    assert_string_equal(item(kills, "marks", 6)->valuestring, ".....V..............");
    assert_int_equal(cJSON_GetArraySize(json_get(kills, "findings")), 7);
    close_page(&page);
}

static void nothing_in_the_data_can_end_its_script(void **state)
{
    (void) state;
    struct page page;
    open_page(&page, sample_hostile());
    for (size_t i = 0; i < page.data_len; i++) {
        unsigned char c = (unsigned char) page.data[i];
        assert_true(c >= 0x20 && c < 0x7F && c != '<' && c != '>' && c != '&');
    }
    /* Still the same text, but for what is no character at all. */
    const char *text = json_get(detail_of(page.json, 1, 0), "summary")->valuestring;
    assert_int_equal(strncmp(text, sample_evil, 150), 0);
    close_page(&page);
}

static void the_page_needs_nothing_else(void **state)
{
    (void) state;
    static const char *const parts[] = { "<link", "<img",   "<iframe", " src=", "@import",
                                         "url(",  "@STYLE", "@SCRIPT", "@DATA", "@TITLE" };
    struct page page;
    open_page(&page, sample_small());
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strstr(page.text.data, parts[i]) != NULL)
            fail_msg("%s is in the page", parts[i]);
    }
    assert_non_null(strstr(page.text.data, "default-src 'none'; script-src 'sha256-"));
    assert_non_null(strstr(page.text.data, "style-src 'sha256-"));
    assert_null(strstr(page.text.data, "unsafe-inline"));
    close_page(&page);
}

/* A result with a ledger of very many lines. */
static cJSON *flood(int lines)
{
    cJSON *doc = sample_small(), *ledger = cJSON_AddArrayToObject(sample_at(doc, "results/0"), "ledger");
    for (int i = 1; i <= lines; i++) {
        cJSON *line =
            sample_json("{'type':'fact','fact':'out','time_ms':1,'process':'proc_1','output':{'bytes':4,'data':"
                        "'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz','encoding':'utf-8'}}");
        cJSON_AddNumberToObject(line, "number", i);
        cJSON_AddItemToArray(ledger, line);
    }
    return doc;
}

static void a_long_ledger_keeps_its_beginning_and_its_end(void **state)
{
    (void) state;
    struct page page;
    open_page(&page, flood(5000));
    const cJSON *detail = detail_of(page.json, 0, 0), *ledger = json_get(detail, "ledger");
    int kept = cJSON_GetArraySize(ledger), last = 0;
    const cJSON *line;
    assert_true(page.text.len < 400000);
    assert_string_equal(json_get(detail, "cut")->valuestring, "ledger");
    assert_true(kept > 500 && kept < 5000);
    assert_int_equal(json_get(cJSON_GetArrayItem(ledger, 0), "number")->valueint, 1);
    assert_int_equal(json_get(cJSON_GetArrayItem(ledger, kept - 1), "number")->valueint, 5000);
    cJSON_ArrayForEach(line, ledger)
    {
        assert_true(json_get(line, "number")->valueint > last);
        last = json_get(line, "number")->valueint;
    }
    close_page(&page);
}

static void a_short_ledger_is_whole(void **state)
{
    (void) state;
    struct page page;
    open_page(&page, flood(100));
    assert_int_equal(cJSON_GetArraySize(json_get(detail_of(page.json, 0, 0), "ledger")), 100);
    assert_null(json_get(detail_of(page.json, 0, 0), "cut"));
    close_page(&page);
}

/* 300 passes and one failure, each with more to tell than there is room for all. */
static void what_failed_comes_before_what_passed_when_room_is_short(void **state)
{
    (void) state;
    struct page page;
    cJSON *doc = sample_matrix(1, 300), *result, *some = flood(150);
    int failing = 0, row = 0;
    cJSON_ArrayForEach(result, sample_at(doc, "results"))
    {
        cJSON_DeleteItemFromObjectCaseSensitive(result, "ledger");
        cJSON_AddItemToObject(result, "ledger", cJSON_Duplicate(sample_at(some, "results/0/ledger"), true));
        if (strcmp(json_get(result, "verdict")->valuestring, "fail") == 0 && json_get(result, "listed") == NULL)
            failing = row;
        row++;
    }
    cJSON_Delete(some);
    open_page(&page, doc);
    assert_true(failing > 0);
    assert_true(page.text.len < 4 << 20);
    assert_true(json_get(page.json, "left_out")->valueint > 0);
    assert_non_null(json_get(detail_of(page.json, 0, failing), "ledger"));
    assert_null(json_get(detail_of(page.json, 0, failing), "cut"));
    close_page(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_are_one_letter_each),
        cmocka_unit_test(details_carry_what_a_result_holds),
        cmocka_unit_test(kills_are_marked),
        cmocka_unit_test(nothing_in_the_data_can_end_its_script),
        cmocka_unit_test(the_page_needs_nothing_else),
        cmocka_unit_test(a_long_ledger_keeps_its_beginning_and_its_end),
        cmocka_unit_test(a_short_ledger_is_whole),
        cmocka_unit_test(what_failed_comes_before_what_passed_when_room_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
