/* SPDX-License-Identifier: Apache-2.0 */
/* What workers may say on the notify socket, and what they try. */
#include "agent/supervise/notify-message.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <errno.h>

#define TEXT(text) text, sizeof(text) - 1

static void test_good(void **state)
{
    static const struct {
        const char *data;
        size_t length;
        struct notify_message message;
    } cases[] = {
        {TEXT("READY=1"), {.ready = true}},
        {TEXT("READY=1\n"), {.ready = true}},
        {TEXT("\n\nREADY=1\n\n"), {.ready = true}},
        {TEXT("STOPPING=1"), {.ready = false}}, /* known: not counted */
        {TEXT("WATCHDOG=1"), {.watchdog = true}},
        {TEXT("STOPPING=0\nWATCHDOG=trigger"), {.unknown = 2}},
        {TEXT("READY=1\nSTATUS=serving\nWATCHDOG=1"),
         {.ready = true, .watchdog = true, .has_status = true, .status = "serving"}},
        {TEXT("STATUS="), {.has_status = true}},
        {TEXT("STATUS=a=b"), {.has_status = true, .status = "a=b"}},
        {TEXT("STATUS=one\nSTATUS=two"), {.has_status = true, .status = "two"}},
        {TEXT("STATUS=caf\xc3\xa9"), {.has_status = true, .status = "caf\xc3\xa9"}},
        /* Nothing that a terminal would obey. */
        {TEXT("STATUS=a\tb\x1b[31m\x7f"), {.has_status = true, .status = "a b [31m "}},
        {TEXT("STATUS=a\xc2\x9b"
              "31m"),
         {.has_status = true, .status = "a  31m"}},
        {TEXT("STATUS=a\xc2\xa0"
              "b"),
         {.has_status = true,
          .status = "a\xc2\xa0"
                    "b"}},
        {TEXT("STATUS=a\r\nREADY=1"), {.ready = true, .has_status = true, .status = "a "}},
        /* Not ours. */
        {TEXT("READY=0"), {.unknown = 1}},
        {TEXT("READY=1 "), {.unknown = 1}},
        {TEXT(" READY=1"), {.unknown = 1}},
        {TEXT("ready=1"), {.unknown = 1}},
        {TEXT("READY"), {.unknown = 1}},
        {TEXT("STATUS"), {.unknown = 1}},
        {TEXT("READY=1\r\n"), {.unknown = 1}},
        {TEXT("MAINPID=1\nFDSTORE=1\nBARRIER=1"), {.unknown = 3}},
        {TEXT("\n"), {.ready = false}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct notify_message *wanted = &cases[i].message;
        struct notify_message message;

        assert_int_equal(notify_message_parse(cases[i].data, cases[i].length, &message), 0);
        if (message.ready != wanted->ready || message.watchdog != wanted->watchdog ||
            message.has_status != wanted->has_status || message.unknown != wanted->unknown ||
            strcmp(message.status, wanted->status) != 0)
            fail_msg("\"%s\": ready %d, status \"%s\", unknown %u", cases[i].data, message.ready,
                     message.status, message.unknown);
    }
}

static void test_hostile(void **state)
{
    static const struct {
        const char *data;
        size_t length;
    } cases[] = {
        {TEXT("")},
        {TEXT("READY=1\0")},
        {TEXT("READY=1\nSTATUS=a\0b")},
        {TEXT("\0")},
        {TEXT("READY=1\n\xff")},
        {TEXT("STATUS=\xc3")},             /* half a character */
        {TEXT("STATUS=\xed\xa0\x80")},     /* a surrogate */
        {TEXT("STATUS=\xc0\x8aREADY=1")},  /* an overlong newline */
        {TEXT("STATUS=\xf4\x90\x80\x80")}, /* past U+10FFFF */
    };
    static const struct notify_message nothing;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct notify_message message;

        memset(&message, 0xff, sizeof(message));
        assert_int_equal(notify_message_parse(cases[i].data, cases[i].length, &message), -EBADMSG);
        assert_memory_equal(&message, &nothing, sizeof(message));
    }
}

static void test_length(void **state)
{
    char *data = malloc(NOTIFY_MESSAGE_MAX + 1); /* exactly, so that reading past it is seen */
    struct notify_message message;

    assert_non_null(data);
    memset(data, '\n', NOTIFY_MESSAGE_MAX + 1);
    memcpy(data, "READY=1", strlen("READY=1"));
    assert_int_equal(notify_message_parse(data, NOTIFY_MESSAGE_MAX, &message), 0);
    assert_true(message.ready);
    assert_int_equal(notify_message_parse(data, NOTIFY_MESSAGE_MAX + 1, &message), -EBADMSG);
    assert_false(message.ready);
    free(data);
}

/* A status is cut between two characters, wherever the limit falls. */
static void test_status_is_cut_to_fit(void **state)
{
    static const char *const characters[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8d\x95"};

    for (size_t i = 0; i < ARRAY_SIZE(characters); i++) {
        size_t width = strlen(characters[i]);

        for (size_t shift = 0; shift < width; shift++) {
            char data[NOTIFY_MESSAGE_MAX];
            size_t length = 0;
            struct notify_message message;

            length += (size_t) sprintf(data, "STATUS=%.*s", (int) shift, "xxxx");
            while (length < 200)
                length += (size_t) sprintf(data + length, "%s", characters[i]);
            assert_int_equal(notify_message_parse(data, length, &message), 0);
            assert_int_equal(strlen(message.status),
                             shift + (NOTIFY_STATUS_MAX - shift) / width * width);
            assert_memory_equal(message.status, data + strlen("STATUS="), strlen(message.status));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_status_is_cut_to_fit),
    };

    return cmocka_run_group_tests_name("notify-message", tests, NULL, NULL);
}
