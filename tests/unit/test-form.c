/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "apps/visitor-board/form.h"
#include "common/base/text.h"

#include <stdbool.h>

#define UNTOUCHED "untouched"

static const struct {
    const char *name;
    const char *body;
    enum form_result result;
    const char *text; /* NULL: untouched */
} cases[] = {
    {"plain", "message=hello", FORM_OK, "hello"},
    {"plus is a blank", "message=a+b++c", FORM_OK, "a b  c"},
    {"encoded plus", "message=1%2B1", FORM_OK, "1+1"},
    {"both cases of digits", "message=%6a%6A%c3%A4", FORM_OK, "jj\xc3\xa4"},
    {"decoded once", "message=%2541", FORM_OK, "%41"},
    {"encoded separators", "message=a%26b%3Dc", FORM_OK, "a&b=c"},
    {"equals in the value", "message=a=b==", FORM_OK, "a=b=="},
    {"markup stays", "message=%3Cb%3E%22'%26amp;", FORM_OK, "<b>\"'&amp;"},
    {"raw UTF-8", "message=\xf0\x9f\x8c\x8d \xc3\xa9", FORM_OK, "\xf0\x9f\x8c\x8d \xc3\xa9"},

    {"no body", "", FORM_OK, FORM_EMPTY_TEXT},
    {"no field of that name", "other=1&more=2", FORM_OK, FORM_EMPTY_TEXT},
    {"name without value", "message", FORM_OK, FORM_EMPTY_TEXT},
    {"empty value", "message=", FORM_OK, FORM_EMPTY_TEXT},
    {"blanks only", "message=+%20%09%0D%0A+", FORM_OK, FORM_EMPTY_TEXT},
    {"wide blanks only", "message=%C2%A0%E2%80%83%E3%80%80%C2%85", FORM_OK, FORM_EMPTY_TEXT},
    {"separators only", "&&&", FORM_OK, FORM_EMPTY_TEXT},
    {"no name", "=hello", FORM_OK, FORM_EMPTY_TEXT},
    {"name is case sensitive", "Message=hello", FORM_OK, FORM_EMPTY_TEXT},
    {"longer name", "messages=hello", FORM_OK, FORM_EMPTY_TEXT},
    {"shorter name", "messag=hello", FORM_OK, FORM_EMPTY_TEXT},

    {"trimmed", "message=%0A++hi+there%09%0D%0A", FORM_OK, "hi there"},
    {"wide blanks trimmed", "message=%E3%80%80hi%E2%80%A8%C2%A0", FORM_OK, "hi"},
    {"vertical tab at the end", "message=hi%0B%0C", FORM_OK, "hi"},
    {"no blank: zero width space", "message=%E2%80%8B", FORM_OK, "\xe2\x80\x8b"},
    {"lines", "message=a%0D%0Ab%0Ac%0Dd", FORM_OK, "a\nb\nc\nd"},
    {"empty lines", "message=a%0D%0A%0D%0Ab%0D%0Dc", FORM_OK, "a\n\nb\n\nc"},
    {"tab inside", "message=a%09b", FORM_OK, "a\tb"},

    {"encoded name", "m%65ssage=hello", FORM_OK, "hello"},
    {"first of two", "message=one&message=two", FORM_OK, "one"},
    {"first of two, empty", "message=&message=two", FORM_OK, FORM_EMPTY_TEXT},
    {"among others", "a=1&message=hello&b=2", FORM_OK, "hello"},
    {"separator at the end", "message=hello&", FORM_OK, "hello"},
    {"as many fields as may be", "a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&message=x", FORM_OK, "x"},
    {"a field too many", "a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&message=x", FORM_MALFORMED, NULL},
    {"a field too many after it", "message=x&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a&a", FORM_MALFORMED,
     NULL},

    {"percent at the end", "message=100%", FORM_MALFORMED, NULL},
    {"one digit", "message=%4", FORM_MALFORMED, NULL},
    {"one digit before the next field", "message=%4&a=1", FORM_MALFORMED, NULL},
    {"no digits", "message=%zz", FORM_MALFORMED, NULL},
    {"second is no digit", "message=%4g", FORM_MALFORMED, NULL},
    {"sign for a digit", "message=%+4", FORM_MALFORMED, NULL},
    {"two percents", "message=%%41", FORM_MALFORMED, NULL},
    {"bad name", "%=1&message=x", FORM_MALFORMED, NULL},
    {"bad value of another field", "message=x&a=%", FORM_MALFORMED, NULL},
    {"bad value of the second", "message=x&message=%q1", FORM_MALFORMED, NULL},

    {"lone continuation byte", "message=%80", FORM_MALFORMED, NULL},
    {"cut sequence", "message=%E2%82", FORM_MALFORMED, NULL},
    {"cut by a letter", "message=%E2%82a", FORM_MALFORMED, NULL},
    {"overlong", "message=%C0%AF", FORM_MALFORMED, NULL},
    {"surrogate", "message=%ED%A0%80", FORM_MALFORMED, NULL},
    {"above U+10FFFF", "message=%F4%90%80%80", FORM_MALFORMED, NULL},
    {"Latin-1", "message=caf%E9", FORM_MALFORMED, NULL},
    {"raw bytes that are not UTF-8", "message=\xff\xfe", FORM_MALFORMED, NULL},

    {"NUL", "message=a%00b", FORM_CHARACTERS, "ab"},
    {"NUL alone", "message=%00", FORM_CHARACTERS, ""},
    {"NUL at the end", "message=a%00", FORM_CHARACTERS, "a"},
    {"escape", "message=%1B[31m", FORM_CHARACTERS, "[31m"},
    {"bell", "message=a%07", FORM_CHARACTERS, "a"},
    {"form feed inside", "message=a%0Cb", FORM_CHARACTERS, "ab"},
    {"DEL", "message=%7F", FORM_CHARACTERS, ""},
    {"C1", "message=a%C2%9B31m", FORM_CHARACTERS, "a31m"},
    {"next line inside", "message=a%C2%85b", FORM_CHARACTERS, "ab"},
    {"the first after C1", "message=a%C2%A1", FORM_OK, "a\xc2\xa1"},
};

static void test_cases(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[FORM_TEXT_SIZE] = UNTOUCHED;
        const char *wanted = cases[i].text ? cases[i].text : UNTOUCHED;
        size_t length = strlen(cases[i].body);
        char *body = malloc(length + 1); /* no NUL after it: the sanitizer sees who looks there */
        enum form_result result;

        memcpy(body, cases[i].body, length);
        result = form_parse(body, length, text);
        free(body);
        if (result != cases[i].result || strcmp(text, wanted) != 0)
            fail_msg("%s: result %d, text \"%s\"", cases[i].name, result, text);
    }
}

/* Each control character alone between two letters, each blank at both ends. */
static void test_every_control(void **state)
{
    for (unsigned code = 0; code < 0x20; code++) {
        char body[32], text[FORM_TEXT_SIZE];
        bool allowed = code == '\t' || code == '\n' || code == '\r';

        snprintf(body, sizeof(body), "message=a%%%02Xb", code);
        assert_int_equal(form_parse(body, strlen(body), text), allowed ? FORM_OK : FORM_CHARACTERS);
    }
    for (unsigned code = 0x80; code < 0xa0; code++) {
        char body[32], text[FORM_TEXT_SIZE];

        snprintf(body, sizeof(body), "message=a%%C2%%%02Xb", code);
        assert_int_equal(form_parse(body, strlen(body), text), FORM_CHARACTERS);
    }
}

/* "message=", |begin|, |count| times |piece|, |end|. */
static char *repeated(const char *begin, const char *piece, size_t count, const char *end)
{
    size_t size = strlen("message=") + strlen(begin) + strlen(piece) * count + strlen(end) + 1;
    char *body = malloc(size);
    char *next = stpcpy(stpcpy(body, "message="), begin);

    for (size_t i = 0; i < count; i++)
        next = stpcpy(next, piece);
    strcpy(next, end);
    return body;
}

/* Parses it and expects so many bytes of text, or FORM_TOO_LONG for 0. */
static void check_length(const char *begin, const char *piece, size_t count, const char *end,
                         size_t wanted_bytes)
{
    char text[FORM_TEXT_SIZE] = UNTOUCHED;
    char *body = repeated(begin, piece, count, end);
    enum form_result result = form_parse(body, strlen(body), text);

    free(body);
    if (wanted_bytes == 0) {
        assert_int_equal(result, FORM_TOO_LONG);
        assert_true(strlen(text) > MESSAGE_TEXT_CHARACTERS); /* all of it, as a draft */
        assert_true(text_is_utf8(text, strlen(text)));
        return;
    }
    assert_int_equal(result, FORM_OK);
    assert_int_equal(strlen(text), wanted_bytes);
}

/* Characters count, not bytes: neither those of UTF-8 nor those of the encoding. */
static void test_length(void **state)
{
    static const struct {
        const char *piece; /* one character */
        size_t bytes;      /* of it, decoded */
    } pieces[] = {
        {"a", 1},        {"%61", 1},       {"+b", 2},           {"%C3%A4", 2},
        {"\xc3\xa4", 2}, {"%E2%82%AC", 3}, {"%F0%9F%8C%8D", 4},
    };

    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        size_t each = pieces[i].piece[0] == '+' ? 2 : 1; /* characters a piece */
        size_t count = MESSAGE_TEXT_CHARACTERS / each;

        check_length("a", pieces[i].piece, count - 1, each == 2 ? "z" : "",
                     (count - 1) * pieces[i].bytes + each);
        check_length(each == 2 ? "ab" : "a", pieces[i].piece, count, "", 0);
    }
    check_length("", "%F0%9F%8C%8D", 500, "", 2000);
    check_length("", "%F0%9F%8C%8D", 501, "", 0);
    /* What is trimmed or folded does not count. */
    check_length("+++%E3%80%80", "a", 500, "%0D%0A+", 500);
    check_length("+", "a", 501, "+", 0);
    check_length("a", "%0D%0A", 498, "z", 500);
    check_length("a", "%0D%0A", 499, "z", 0);
}

static void test_size_limits(void **state)
{
    char text[FORM_TEXT_SIZE] = UNTOUCHED;
    char *body = malloc(FORM_BODY_MAX + 1);

    /* As long as a body may be, all of it one name, one value or blanks. */
    memset(body, 'a', FORM_BODY_MAX + 1);
    assert_int_equal(form_parse(body, FORM_BODY_MAX, text), FORM_OK);
    assert_string_equal(text, FORM_EMPTY_TEXT);
    memcpy(body, "message=", 8);
    assert_int_equal(form_parse(body, FORM_BODY_MAX, text), FORM_TOO_LONG);
    memset(body + 8, '+', FORM_BODY_MAX - 8);
    body[FORM_BODY_MAX - 1] = 'x';
    assert_int_equal(form_parse(body, FORM_BODY_MAX, text), FORM_OK);
    assert_string_equal(text, "x");
    /* A byte more. */
    memcpy(text, UNTOUCHED, sizeof(UNTOUCHED));
    assert_int_equal(form_parse(body, FORM_BODY_MAX + 1, text), FORM_MALFORMED);
    assert_string_equal(text, UNTOUCHED);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_every_control),
        cmocka_unit_test(test_length),
        cmocka_unit_test(test_size_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
