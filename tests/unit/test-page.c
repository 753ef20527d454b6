/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "apps/visitor-board/assets.h"
#include "apps/visitor-board/page-text.h"
#include "apps/visitor-board/page.h"
#include "common/base/clock.h"

#include <errno.h>
#include <stdbool.h>

#define INSTANCE "i-0123456789abcdef0"

/* What would be markup if it were not escaped, in text and in attributes. */
#define HOSTILE "</td><script>alert(1)</script><img src=x onerror='a' alt=\"b\">&amp;"
#define HOSTILE_ESCAPED                                                                            \
    "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&#39;a&#39; "           \
    "alt=&quot;b&quot;&gt;&amp;amp;"

#define NOW_US (UINT64_C(1795300216) * USEC_PER_SEC) /* 2026-11-21T22:30:16 */

static const struct message harmless = {
    .id = "00000000-0000-4000-8000-000000000000",
    .text = "hello",
    .timestamp = "2026-11-21T22:25:16.123Z",
    .instance = INSTANCE,
};

/* The page as a string that the caller frees. */
static char *render(const struct page *page)
{
    struct buffer buffer;
    size_t length;
    char *text;

    buffer_init(&buffer, PAGE_BYTES_MAX);
    assert_int_equal(page_render(&buffer, page), 0);
    text = buffer_take(&buffer, &length);
    assert_int_equal(strlen(text), length);
    buffer_done(&buffer);
    return text;
}

static char *render_messages(const struct message *messages, size_t count)
{
    struct message_list *list;
    char *text;

    assert_int_equal(message_list_new(&list), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(message_list_add(list, &messages[i]), 0);
    text =
        render(&(struct page){.instance = INSTANCE, .messages = list, .now_realtime_us = NOW_US});
    message_list_free(list);
    return text;
}

static size_t occurrences(const char *text, const char *what)
{
    size_t count = 0;

    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
        count++;
    return count;
}

static void assert_has(const char *text, const char *what, size_t times)
{
    if (occurrences(text, what) != times)
        fail_msg("\"%s\" is there %zu times and not %zu", what, occurrences(text, what), times);
}

static void test_escape(void **state)
{
    static const struct {
        const char *text;
        const char *escaped;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"&", "&amp;"},
        {"<", "&lt;"},
        {">", "&gt;"},
        {"\"", "&quot;"},
        {"'", "&#39;"},
        {"&amp;", "&amp;amp;"},
        {"a<b>c&d\"e'f", "a&lt;b&gt;c&amp;d&quot;e&#39;f"},
        {"<<>>", "&lt;&lt;&gt;&gt;"},
        {HOSTILE, HOSTILE_ESCAPED},
        {"tab\tline\n", "tab\tline\n"},
        {"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x8c\x8d", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x8c\x8d"},
        /* what is no UTF-8: each byte becomes U+FFFD, and what follows is still escaped */
        {"\xff", "\xef\xbf\xbd"},
        {"\x80<", "\xef\xbf\xbd&lt;"},
        {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xe2\x82<", "\xef\xbf\xbd\xef\xbf\xbd&lt;"},
        {"\xf0\x9f\x8c\"", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd&quot;"},
        {"\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd"}, /* an overlong '<' */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc3", "\xef\xbf\xbd"},
        {"a\xf8z", "a\xef\xbf\xbdz"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buffer buffer;
        char *copy = strdup(cases[i].text); /* the sanitizer sees who reads on past its end */

        buffer_init(&buffer, 1024);
        assert_int_equal(page_escape(&buffer, copy), 0);
        assert_string_equal(buffer.data ? buffer.data : "", cases[i].escaped);
        buffer_done(&buffer);
        free(copy);
    }
}

static void test_escape_without_room(void **state)
{
    struct buffer buffer;

    buffer_init(&buffer, 8);
    assert_int_equal(page_escape(&buffer, "<<<"), -ENOBUFS);
    assert_true(buffer.failed);
    buffer_done(&buffer);
}

static void test_frame(void **state)
{
    char *text = render_messages(&harmless, 1);

    assert_memory_equal(text, "<!DOCTYPE html>\n<html lang=\"en\">", 31);
    assert_string_equal(text + strlen(text) - 8, "</html>\n");
    assert_has(text, "<title>Visitor Board</title>", 1);
    assert_has(text, "<h1>Visitor Board</h1>", 1);
    assert_has(text, ">Served by: " INSTANCE "</p>", 1);
    assert_has(text, "<form method=\"post\" action=\"/\">", 1);
    assert_has(text, "<textarea id=\"message\" name=\"message\"", 1);
    assert_has(text, "aria-describedby=\"message-hint\"", 1);
    assert_has(text, "<tr><td dir=\"auto\">hello</td>", 1);
    assert_has(text,
               "<time datetime=\"2026-11-21T22:25:16.123Z\"><span>5 min ago</span> "
               "2026-11-21 22:25:16 UTC</time>",
               1);
    assert_has(text, "<a ", 0);
    assert_has(text, "<h2", 1); /* no statistics: no chart, no total */
    assert_has(text, "class=\"box", 0);
    /* The policy lets nothing inline through. */
    assert_has(text, " style=", 0);
    assert_has(text, "<style", 0);
    assert_has(text, "<script", 1);
    assert_has(text, " defer></script>", 1);
    free(text);
}

static void test_assets(void **state)
{
    static const struct {
        const char *begin, *end, *content_type, *content;
    } expected[] = {
        [ASSET_STYLE] = {"/assets/style.", ".css", "text/css; charset=utf-8", "#232f3e"},
        [ASSET_SCRIPT] = {"/assets/script.", ".js", "text/javascript; charset=utf-8", "use strict"},
        [ASSET_ICON] = {"/assets/icon.", ".svg", "image/svg+xml", "#232f3e"},
    };
    char *text = render_messages(NULL, 0);

    assert_int_equal(n_assets, ARRAY_SIZE(expected));
    for (size_t i = 0; i < n_assets; i++) {
        const char *path = assets[i].path, *hash = path + strlen(expected[i].begin);

        assert_memory_equal(path, expected[i].begin, strlen(expected[i].begin));
        assert_int_equal(strspn(hash, "0123456789abcdef"), 16);
        assert_string_equal(hash + 16, expected[i].end);
        assert_string_equal(assets[i].content_type, expected[i].content_type);
        assert_true(assets[i].length > 100 && assets[i].length < 10000);
        assert_non_null(memmem(assets[i].bytes, assets[i].length, expected[i].content,
                               strlen(expected[i].content)));
        assert_has(text, path, 1);
    }
    assert_true(assets[ASSET_STYLE].length + assets[ASSET_SCRIPT].length < 15000);
    free(text);
}

static void test_no_messages(void **state)
{
    char *text = render_messages(NULL, 0);

    assert_has(text, "No messages yet.", 1);
    assert_has(text, "<table", 0);
    free(text);

    /* Not known is not the same as none. */
    text = render(&(struct page){.instance = INSTANCE});
    assert_has(text, "No messages yet.", 0);
    assert_has(text, "<h2", 0);
    assert_has(text, "<form", 1);
    assert_has(text, "<div id=\"board\"></div>", 1); /* where the script puts them later */
    free(text);
}

static void test_error(void **state)
{
    char *text = render(
        &(struct page){.instance = INSTANCE, .error = HOSTILE, .notice = "n<i>", .draft = HOSTILE});

    assert_has(text, "<title>Error: Visitor Board</title>", 1);
    assert_has(text, " role=\"alert\" id=\"message-error\">" HOSTILE_ESCAPED "</p>", 1);
    assert_has(text, "aria-describedby=\"message-error message-hint\" aria-invalid=\"true\"", 1);
    assert_has(text, " id=\"message-hint\"", 1);
    assert_has(text, ">\n" HOSTILE_ESCAPED "</textarea>", 1);
    assert_has(
        text, "<div id=\"notice\" role=\"status\"><p class=\"box notice\">n&lt;i&gt;</p></div>", 1);
    free(text);
}

static void test_zone(void **state)
{
    char *text = render(&(struct page){.instance = INSTANCE, .zone = HOSTILE});

    assert_has(text, "Served by: " INSTANCE "<span> in " HOSTILE_ESCAPED "</span></p>", 1);
    free(text);
    text = render(&(struct page){.instance = INSTANCE, .zone = ""});
    assert_has(text, "Served by: " INSTANCE "</p>", 1);
    free(text);
}

static void test_links(void **state)
{
    struct message_list *list;
    char *text;

    assert_int_equal(message_list_new(&list), 0);
    text = render(&(struct page){
        .instance = INSTANCE, .messages = list, .newer = "/", .older = "/?before=a\"b"});
    assert_has(text, "<a rel=\"prev\" href=\"/\">", 1);
    assert_has(text, "<a rel=\"next\" href=\"/?before=a&quot;b\">", 1);
    assert_has(text, "<nav aria-label", 1);
    assert_has(text, "No older messages.", 1);
    assert_has(text, "No messages yet.", 0);
    free(text);
    message_list_free(list);
}

static void test_stats(void **state)
{
    struct store_stats stats = {.total = 1234567, .n_instances = 2, .others = 3};
    struct message_list *list;
    char *text;

    assert_int_equal(message_list_new(&list), 0);
    strcpy(stats.instances[0].name, HOSTILE);
    stats.instances[0].count = 2000;
    strcpy(stats.instances[1].name, INSTANCE);
    stats.instances[1].count = 500;
    text = render(&(struct page){.instance = INSTANCE, .messages = list, .stats = &stats});
    assert_has(text, "<p id=\"total\">1,234,567 in all</p>", 1);
    assert_has(text, "<span>" HOSTILE_ESCAPED "</span> <strong>2,000</strong>", 1);
    assert_has(text, "<span>" INSTANCE "</span> <strong>500</strong>", 1);
    assert_has(text, "<rect width=\"100\" ", 1);
    assert_has(text, "<rect width=\"25\" ", 1);
    assert_has(text, "<span>Others</span> <strong>3</strong>", 1);
    free(text);

    /* As many as there is place for: ten bars, and the rest as a sum. */
    stats.n_instances = STORE_INSTANCES_MAX;
    for (unsigned i = 0; i < STORE_INSTANCES_MAX; i++) {
        snprintf(stats.instances[i].name, STORE_INSTANCE_MAX, "node-%u", i);
        stats.instances[i].count = 1;
    }
    text = render(&(struct page){.instance = INSTANCE, .messages = list, .stats = &stats});
    assert_has(text, "<rect ", 10);
    assert_has(text, "<span>Others</span> <strong>25</strong>", 1);
    free(text);

    stats = (struct store_stats){0};
    text = render(&(struct page){.instance = INSTANCE, .messages = list, .stats = &stats});
    assert_has(text, "No messages in the last hour.", 1);
    assert_has(text, "<ul", 0);
    assert_has(text, "<rect", 0);
    free(text);
    message_list_free(list);
}

static void test_ago(void **state)
{
    static const struct {
        int64_t age_s;
        const char *ago;
    } cases[] = {
        {-1, "just now"},
        {0, "just now"},
        {59, "just now"},
        {60, "1 min ago"},
        {3599, "59 min ago"},
        {3600, "1 h ago"},
        {86399, "23 h ago"},
        {86400, "1 day ago"},
        {2 * 86400, "2 days ago"},
        {365 * 86400 - 1, "364 days ago"},
        {365 * 86400, "1 year ago"},
        {56 * INT64_C(365) * 86400, "56 years ago"},
    };
    char ago[PAGE_AGO_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(page_ago(ago, "2026-11-21T22:30:16.999Z",
                                     NOW_US + (uint64_t) (cases[i].age_s * (int64_t) USEC_PER_SEC)),
                            cases[i].ago);
    assert_string_equal(page_ago(ago, "0000-00-00T00:00:00", UINT64_MAX), "586913 years ago");
    assert_string_equal(page_ago(ago, "9999-99-99T99:99:99", 0), "just now");
    assert_string_equal(page_ago(ago, "yesterday", NOW_US), "");
}

static void test_numbers(void **state)
{
    static const struct {
        uint64_t number;
        const char *text;
    } cases[] = {
        {0, "0"},
        {999, "999"},
        {1000, "1,000"},
        {123456, "123,456"},
        {1234567, "1,234,567"},
        {UINT64_MAX, "18,446,744,073,709,551,615"},
    };
    char text[PAGE_NUMBER_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(page_number(text, cases[i].number), cases[i].text);

    assert_int_equal(page_percent(0, 0), 0);
    assert_int_equal(page_percent(0, 5), 0);
    assert_int_equal(page_percent(1, 1000), 1);
    assert_int_equal(page_percent(1, 2), 50);
    assert_int_equal(page_percent(7, 7), 100);
    assert_int_equal(page_percent(9, 7), 100);
    assert_int_equal(page_percent(UINT64_MAX / 2, UINT64_MAX), 50);
    assert_int_equal(page_percent(UINT64_MAX - 1, UINT64_MAX), 100);
}

/* Nodes of two versions show an instance alike, so these stay as they are. */
static void test_colours(void **state)
{
    unsigned used = 0;
    char name[32];

    assert_int_equal(page_colour("i-0a1b2c3d4e5f60718"), 8);
    assert_int_equal(page_colour("i-0fedcba9876543210"), 7);
    assert_int_equal(page_colour(""), UINT32_C(2166136261) / 256 % PAGE_COLOURS);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "i-%017x", i);
        assert_true(page_colour(name) < PAGE_COLOURS);
        used |= 1u << page_colour(name);
    }
    assert_int_equal(used, (1u << PAGE_COLOURS) - 1);
}

/* Each field of each row may come from somebody who wrote into the database. */
static void test_hostile_fields(void **state)
{
    const struct message messages[] = {
        {.id = HOSTILE, .text = "a", .timestamp = harmless.timestamp, .instance = "b"},
        {.id = "", .text = HOSTILE, .timestamp = harmless.timestamp, .instance = "b"},
        {.id = "", .text = "a", .timestamp = HOSTILE, .instance = "b"},
        {.id = "", .text = "a", .timestamp = harmless.timestamp, .instance = HOSTILE},
        /* begins as a time does */
        {.id = "", .text = "a", .timestamp = "2026-11-21T22:25:16\"><script>", .instance = "b"},
    };
    char *text = render_messages(messages, ARRAY_SIZE(messages));
    char *frame = render_messages(&harmless, 1);

    assert_has(text, "<tr><td", ARRAY_SIZE(messages));
    assert_has(text, HOSTILE_ESCAPED, 3); /* the id is not shown */
    assert_has(text, "<script", 1);       /* its own */
    assert_has(text, "<img", 0);
    assert_has(text, "</td>", 3 * ARRAY_SIZE(messages));
    assert_has(
        text,
        "<time datetime=\"2026-11-21T22:25:16&quot;&gt;&lt;script&gt;\"><span>5 min ago</span> "
        "2026-11-21 22:25:16 UTC</time>",
        1);
    /* The same number of quotation marks as of harmless messages: none was added. */
    assert_int_equal(occurrences(text, "\"") - occurrences(frame, "\""),
                     (ARRAY_SIZE(messages) - 1) * 4 + (ARRAY_SIZE(messages) - 2) * 2);
    free(text);
    free(frame);

    text = render(&(struct page){.instance = HOSTILE});
    assert_has(text, ">Served by: " HOSTILE_ESCAPED "</p>", 1);
    free(text);
}

static void test_times(void **state)
{
    static const struct {
        const char *timestamp;
        bool is_time;
    } cases[] = {
        {"2026-11-21T22:25:16.123Z", true},
        {"2026-11-21T22:25:16", true},
        {"2026-11-21 22:25:16", false},
        {"2026-11-21T22:25:1", false},
        {"2026-11-21T22:25:1x", false},
        {"", false},
        {"yesterday", false},
        {"2026", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct message message = harmless;
        char *copy = strdup(cases[i].timestamp), *text;

        message.timestamp = copy;
        text = render_messages(&message, 1);
        assert_has(text, "<time ", cases[i].is_time ? 1 : 0);
        free(text);
        free(copy);
    }
}

/* The page of the longest escapes fits into its limit; as much as a list takes. */
static void test_largest_page(void **state)
{
    char quotes[4 * MESSAGE_TEXT_CHARACTERS + 1], bytes[4 * MESSAGE_TEXT_CHARACTERS + 1];
    struct message messages[MESSAGE_LIST_MAX];
    char *text;

    memset(quotes, '"', sizeof(quotes) - 1);
    memset(bytes, 0xff, sizeof(bytes) - 1);
    quotes[sizeof(quotes) - 1] = bytes[sizeof(bytes) - 1] = '\0';
    for (size_t i = 0; i < MESSAGE_LIST_MAX; i++)
        messages[i] = (struct message){
            .id = "", .text = quotes, .timestamp = quotes + 4 * 438, .instance = bytes + 4 * 245};
    text = render_messages(messages, MESSAGE_LIST_MAX);
    assert_has(text, "<tr><td", MESSAGE_LIST_MAX);
    assert_true(strlen(text) > MESSAGE_LIST_MAX * 4 * MESSAGE_TEXT_CHARACTERS * strlen("&quot;"));
    free(text);
}

static void test_page_without_room(void **state)
{
    struct buffer buffer;

    buffer_init(&buffer, 1024); /* the frame alone is longer */
    assert_int_equal(page_render(&buffer, &(struct page){.instance = INSTANCE}), -ENOBUFS);
    buffer_done(&buffer);
}

static void test_error_texts(void **state)
{
    const char *other = page_error_text("");

    assert_non_null(strstr(page_error_text("too-long"), "more than 500 characters"));
    assert_non_null(strstr(page_error_text("characters"), "control characters"));
    assert_string_equal(page_error_text("Too-Long"), other);
    assert_string_equal(page_error_text(HOSTILE), other);
    assert_null(strstr(other, "script"));
    assert_true(strlen(other) > 0);
}

static void test_list(void **state)
{
    struct message_list *list;
    struct message message = harmless;
    char text[16];

    assert_int_equal(message_list_count(NULL), 0);
    assert_int_equal(message_list_new(&list), 0);
    message.text = text;
    for (unsigned i = 0; i < MESSAGE_LIST_MAX; i++) {
        snprintf(text, sizeof(text), "number %u", i); /* copied: each keeps its own */
        assert_int_equal(message_list_add(list, &message), 0);
    }
    assert_int_equal(message_list_add(list, &message), -ENOBUFS);
    assert_int_equal(message_list_count(list), MESSAGE_LIST_MAX);
    for (unsigned i = 0; i < MESSAGE_LIST_MAX; i++) {
        struct message got = message_list_get(list, i);

        snprintf(text, sizeof(text), "number %u", i);
        assert_string_equal(got.text, text);
        assert_string_equal(got.id, harmless.id);
        assert_string_equal(got.timestamp, harmless.timestamp);
        assert_string_equal(got.instance, harmless.instance);
    }
    message_list_free(list);
}

/* The buffer's limit for the bytes: nothing of the message that did not fit is left. */
static void test_list_bytes(void **state)
{
    struct message message = harmless;
    struct message_list *list;
    char *text = malloc(100001);

    memset(text, 'x', 100000);
    text[100000] = '\0';
    message.text = text;
    assert_int_equal(message_list_new(&list), 0);
    assert_int_equal(message_list_add(list, &message), 0);
    assert_int_equal(message_list_add(list, &message), -ENOBUFS);
    assert_int_equal(message_list_count(list), 1);
    assert_int_equal(message_list_add(list, &harmless), 0);
    assert_string_equal(message_list_get(list, 1).text, "hello");
    message_list_free(list);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape),         cmocka_unit_test(test_escape_without_room),
        cmocka_unit_test(test_frame),          cmocka_unit_test(test_no_messages),
        cmocka_unit_test(test_assets),         cmocka_unit_test(test_error),
        cmocka_unit_test(test_zone),           cmocka_unit_test(test_links),
        cmocka_unit_test(test_stats),          cmocka_unit_test(test_ago),
        cmocka_unit_test(test_numbers),        cmocka_unit_test(test_colours),
        cmocka_unit_test(test_hostile_fields), cmocka_unit_test(test_times),
        cmocka_unit_test(test_largest_page),   cmocka_unit_test(test_page_without_room),
        cmocka_unit_test(test_error_texts),    cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
