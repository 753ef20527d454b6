/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "apps/visitor-board/page.h"

#include <errno.h>
#include <stdbool.h>

#define INSTANCE "i-0123456789abcdef0"

/* What would be markup if it were not escaped, in text and in attributes. */
#define HOSTILE "</td><script>alert(1)</script><img src=x onerror='a' alt=\"b\">&amp;"
#define HOSTILE_ESCAPED                                                                            \
    "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&#39;a&#39; "           \
    "alt=&quot;b&quot;&gt;&amp;amp;"

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
    text = render(&(struct page){.instance = INSTANCE, .messages = list});
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
    assert_has(text, "<p>Served by: " INSTANCE "</p>", 1);
    assert_has(text, "header{background:#232f3e;color:#fff;", 1);
    assert_has(text, "border-bottom:4px solid #ff9900}", 1);
    assert_has(text, "<style>", 1);
    assert_has(text, "</style>", 1);
    assert_has(text, "<form method=\"post\" action=\"/\">", 1);
    assert_has(text, "<textarea id=\"message\" name=\"message\"", 1);
    assert_has(text, "maxlength=\"500\"", 1);
    assert_has(text, "<tr><td class=\"text\" dir=\"auto\">hello</td>", 1);
    assert_has(text, "<time datetime=\"2026-11-21T22:25:16.123Z\">2026-11-21 22:25:16 UTC</time>",
               1);
    assert_has(text, "class=\"box", 0);
    assert_has(text, "<script", 0);
    assert_has(text, " style=", 0); /* the policy would not let it through */
    free(text);
}

static void test_no_messages(void **state)
{
    char *text = render_messages(NULL, 0);

    assert_has(text, "<p class=\"empty\">No messages yet.</p>", 1);
    assert_has(text, "<table", 0);
    free(text);

    /* Not known is not the same as none. */
    text = render(&(struct page){.instance = INSTANCE});
    assert_has(text, "No messages yet.", 0);
    assert_has(text, "<h2", 0);
    assert_has(text, "<form", 1);
    free(text);
}

static void test_boxes(void **state)
{
    char *text = render(&(struct page){.instance = INSTANCE, .error = HOSTILE, .notice = "n<i>"});

    assert_has(text, "<p class=\"box error\" role=\"alert\">" HOSTILE_ESCAPED "</p>", 1);
    assert_has(text, "<p class=\"box notice\" role=\"status\">n&lt;i&gt;</p>", 1);
    assert_true(strstr(text, "class=\"box error\"") < strstr(text, "<form"));
    free(text);
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
    assert_has(text, "<script", 0);
    assert_has(text, "<img", 0);
    assert_has(text, "</td>", 3 * ARRAY_SIZE(messages));
    assert_has(text,
               "<time datetime=\"2026-11-21T22:25:16&quot;&gt;&lt;script&gt;\">"
               "2026-11-21 22:25:16 UTC</time>",
               1);
    /* The same number of quotation marks as of harmless messages: none was added. */
    assert_int_equal(occurrences(text, "\"") - occurrences(frame, "\""),
                     (ARRAY_SIZE(messages) - 1) * 4 + (ARRAY_SIZE(messages) - 2) * 2);
    free(text);
    free(frame);

    text = render(&(struct page){.instance = HOSTILE});
    assert_has(text, "<p>Served by: " HOSTILE_ESCAPED "</p>", 1);
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

    buffer_init(&buffer, 2048); /* the frame alone is longer */
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
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_escape_without_room),
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_no_messages),
        cmocka_unit_test(test_boxes),
        cmocka_unit_test(test_hostile_fields),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_largest_page),
        cmocka_unit_test(test_page_without_room),
        cmocka_unit_test(test_error_texts),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
