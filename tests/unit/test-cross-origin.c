/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "apps/visitor-board/cross-origin.h"
#include "common/base/macro.h"

static const struct {
    const char *site;
    const char *origin;
    const char *host;
    bool refused;
} cases[] = {
    /* no browser */
    {NULL, NULL, "board.example", false},
    {"", "", "board.example", false},
    /* browsers of today: Origin doesn't count */
    {"same-origin", "https://board.example", "board.example", false},
    {"same-origin", "https://evil.example", "board.example", false},
    {"none", NULL, "board.example", false},
    {"same-site", "https://other.board.example", "board.example", true},
    {"same-site", "https://board.example", "board.example", true},
    {"cross-site", "https://evil.example", "board.example", true},
    {"cross-site", NULL, "board.example", true},
    {"Same-Origin", NULL, "board.example", true},
    {"same-origin, same-origin", NULL, "board.example", true},
    {"nonsense", NULL, "board.example", true},
    /* older ones */
    {NULL, "https://board.example", "board.example", false},
    {NULL, "http://board.example:8080", "board.example:8080", false},
    {NULL, "https://Board.Example", "board.EXAMPLE", false},
    {NULL, "http://[::1]:3000", "[::1]:3000", false},
    {NULL, "https://board.example", "board.example:443", true},
    {NULL, "https://evil.example", "board.example", true},
    {NULL, "https://board.example.evil", "board.example", true},
    {NULL, "https://evil.example/board.example", "board.example", true},
    {NULL, "https://board.example@evil.example", "board.example", true},
    {NULL, "null", "board.example", true},
    {NULL, "null", "null", true},
    {NULL, "board.example", "board.example", true},
    {NULL, "https://", "board.example", true},
    {NULL, "https://board.example", NULL, true},
};

static void test_cases(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (cross_origin_is_refused(cases[i].site, cases[i].origin, cases[i].host) !=
            cases[i].refused)
            fail_msg("case %zu: %s %s", i, cases[i].site, cases[i].origin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
