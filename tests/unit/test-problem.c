/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "apps/visitor-board/problem.h"

static void assert_rendered(const struct problem *problem, const char *wanted)
{
    struct buffer buffer;

    buffer_init(&buffer, PROBLEM_BYTES_MAX);
    assert_int_equal(problem_render(&buffer, problem), 0);
    assert_string_equal(buffer.data, wanted);
    buffer_done(&buffer);
}

static void test_render(void **state)
{
    assert_rendered(&(struct problem){.status = 404},
                    "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404}\n");
    assert_rendered(&(struct problem){.status = 422,
                                      .type = PROBLEM_TYPE("x"),
                                      .title = "A \"title\"",
                                      .detail = "two\nlines",
                                      .field = "message"},
                    "{\"type\":\"urn:visitor-board:problem:x\",\"title\":\"A \\\"title\\\"\","
                    "\"status\":422,\"detail\":\"two\\u000alines\",\"field\":\"message\"}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_render),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
