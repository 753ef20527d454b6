/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "common/base/macro.h"
#include "common/net/http-answer.h"

#include <errno.h>

#define LIMIT_BYTES 100

/* Adds the lines of |text| until one is refused. */
static int add(struct http_answer *answer, const char *text)
{
    int r = 0;

    for (const char *line = text, *next; *line && r == 0; line = next) {
        next = strchrnul(line, '\n');
        if (*next)
            next++;
        r = http_answer_add_line(answer, line, (size_t) (next - line));
    }
    return r;
}

static void test_heads(void **state)
{
    static const struct {
        const char *text;
        unsigned status;
        bool ended;
        const char *x; /* header; NULL: none */
    } CASES[] = {
        {"", 0, false, NULL},
        {"HTTP/1.1 200 OK\r\nX: a\r\n\r\n", 200, true, "a"},
        {"HTTP/1.0 404\nx:\ta b \t\n\n", 404, true, "a b"},
        {"HTTP/1.1 200 OK\r\nX: a\r\n", 200, false, "a"},
        {"HTTP/1.1 200 OK\r\nX: a\r\nXX: b\r\nY: X: c\r\nX: d\r\n\r\n", 200, true, "d"},
        {"HTTP/1.1 200 OK\r\nX:\r\n\r\n", 200, true, ""},
        {"HTTP/1.1 200 OK\r\nX\r\n :\r\n\r\n", 200, true, NULL},
        {"HTTP/1.1 100 Continue\r\nX: a\r\n\r\n", 100, false, "a"},
        {"HTTP/1.1 100 Continue\r\nX: a\r\n\r\nHTTP/1.1 204 No\r\n\r\n", 204, true, NULL},
        {"HTTP/1.1 200 OK\r\n\r\nX: trailer\r\n", 200, true, NULL},
        {"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 500 No\r\n", 200, true, NULL},
        {"HTTP/1.1 what\r\n\r\n", 0, false, NULL},
        {"HTTP/1.1 -20\r\n\r\n", 0, false, NULL},
        {"HTTP/1.1 2000\r\n\r\n", 0, false, NULL},
        {"HTTP/1.1 20\r\n\r\n", 0, false, NULL},
        {"HTTP/1.1   200\r\n\r\n", 200, true, NULL},
        {"HTTP/1.1\r\n\r\n", 0, false, NULL},
        {"HTTP/", 0, false, NULL},
        {"X: before\r\n\r\n", 0, false, "before"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct http_answer answer;
        const char *x;

        http_answer_init(&answer, LIMIT_BYTES);
        assert_int_equal(add(&answer, CASES[i].text), 0);
        x = http_answer_header(&answer, "x");
        if (answer.status != CASES[i].status || answer.ended != CASES[i].ended ||
            (x && CASES[i].x ? strcmp(x, CASES[i].x) != 0 : x != CASES[i].x))
            fail_msg("\"%s\": %u, %d, \"%s\"", CASES[i].text, answer.status, answer.ended,
                     x ? x : "(none)");
        http_answer_done(&answer);
    }
}

static void test_refused(void **state)
{
    static const char *const ENDLESS[] = {"X: abc\r\n", "HTTP/1.1 103 Early\r\n", "\r\n", "x"};
    struct http_answer answer;

    for (size_t i = 0; i < ARRAY_SIZE(ENDLESS); i++)
        for (int after_end = 0; after_end < 2; after_end++) {
            size_t length = strlen(ENDLESS[i]), n = 0;

            http_answer_init(&answer, LIMIT_BYTES);
            if (after_end)
                assert_int_equal(add(&answer, "HTTP/1.1 200 OK\r\n\r\n"), 0);
            while (http_answer_add_line(&answer, ENDLESS[i], length) == 0)
                n++;
            assert_int_equal(n, (LIMIT_BYTES - (after_end ? 19 : 0)) / length);
            assert_int_equal(http_answer_add_line(&answer, ENDLESS[i], LIMIT_BYTES), -EMSGSIZE);
            http_answer_done(&answer);
        }
    http_answer_init(&answer, LIMIT_BYTES);
    assert_int_equal(http_answer_add_line(&answer, "X: a\0Y: b\r\n", 11), -EPROTO);
    assert_null(http_answer_header(&answer, "Y"));
    http_answer_done(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
