/* SPDX-License-Identifier: Apache-2.0 */
/* Who is answered when, and with what, on a store that answers when the test says so. */
#include "tests/unit/board-harness.h"

#include <errno.h>

/* --- pages ----------------------------------------------------------------------------------- */

static void test_one_read_for_many(void **state)
{
    struct bench *bench = *state;
    int fds[3];

    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = begin(bench, GET);
    assert_int_equal(bench->fake.reads, 1);
    assert_true(bench->fake.read_known == STORE_VERSION_NONE);
    assert_waits(bench, fds[0]);
    answer_read(&bench->fake, 0, "first", 1);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        expect_page(bench, fds[i], 200, ">first<", false);
    /* From now on it is there, until the version changes. */
    expect_page(bench, begin(bench, GET), 200, ">first<", false);
    assert_int_equal(bench->fake.reads, 1);
    bench->fake.version = 2;
    fds[0] = begin(bench, GET);
    assert_int_equal(bench->fake.reads, 2);
    assert_true(bench->fake.read_known == 1);
    answer_read(&bench->fake, 0, "second", 2);
    expect_page(bench, fds[0], 200, ">second<", false);
}

/* A read that began before a post was acknowledged does not answer who came after that. */
static void test_read_too_old(void **state)
{
    struct bench *bench = *state;
    int early = begin(bench, GET), late;

    bench->fake.version = 2;
    late = begin(bench, GET);
    assert_int_equal(bench->fake.reads, 1);
    answer_read(&bench->fake, 0, "old", 1);
    expect_page(bench, early, 200, ">old<", false);
    assert_waits(bench, late);
    assert_int_equal(bench->fake.reads, 2);
    answer_read(&bench->fake, 0, "new", 2);
    expect_page(bench, late, 200, ">new<", false);
}

/* One that began before it but noted the version after it does. */
static void test_read_new_enough(void **state)
{
    struct bench *bench = *state;
    int early = begin(bench, GET), late;

    bench->fake.version = 2;
    late = begin(bench, GET);
    answer_read(&bench->fake, 0, "new", 2);
    expect_page(bench, early, 200, ">new<", false);
    expect_page(bench, late, 200, ">new<", false);
    assert_int_equal(bench->fake.reads, 1);
}

/* After a second it asks even if the version says nothing; no list means no change. */
static void test_asks_again(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, GET);

    answer_read(&bench->fake, 0, "first", 1);
    expect_page(bench, fd, 200, ">first<", false);
    harness_turn(&bench->http, 1050);
    fd = begin(bench, GET);
    assert_int_equal(bench->fake.reads, 2);
    assert_true(bench->fake.read_known == 1);
    answer_read(&bench->fake, 0, NULL, 1);
    expect_page(bench, fd, 200, ">first<", false);
    expect_page(bench, begin(bench, GET), 200, ">first<", false);
    assert_int_equal(bench->fake.reads, 2);
}

static void test_failed_reads(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, GET);

    answer_read(&bench->fake, -EIO, NULL, STORE_VERSION_NONE);
    expect_page(bench, fd, 503, "Retry-After: 2", true);
    /* Not asked again at each request. */
    expect_page(bench, begin(bench, GET), 503, "can&#39;t be read", true);
    assert_int_equal(bench->fake.reads, 1);
    harness_turn(&bench->http, 260);
    fd = begin(bench, GET);
    answer_read(&bench->fake, 0, "first", 1);
    expect_page(bench, fd, 200, ">first<", false);

    /* With a page: that, and a notice on it. */
    bench->fake.version = 2;
    fd = begin(bench, GET);
    answer_read(&bench->fake, -EBADMSG, NULL, STORE_VERSION_NONE);
    expect_page(bench, fd, 200, ">first<", true);
    expect_page(bench, begin(bench, GET), 200, ">first<", true);
    fd = begin(bench, "GET /?error=too-long HTTP/1.1\r\n" HOST "\r\n");
    expect_page(bench, fd, 200, "more than 500 characters", true);
    harness_turn(&bench->http, 260);
    fd = begin(bench, GET);
    answer_read(&bench->fake, 0, "second", 2);
    expect_page(bench, fd, 200, ">second<", false);
    expect_page(bench, begin(bench, GET), 200, ">second<", false);
}

/* A store that takes no more. */
static void test_refused_read(void **state)
{
    struct bench *bench = *state;

    bench->fake.refuse = -ENOBUFS;
    expect_page(bench, begin(bench, GET), 503, "Retry-After: 2", true);
    expect_page(bench, begin(bench, POST), 503, "was not stored", false);
}

/* --- posts ----------------------------------------------------------------------------------- */

static void test_posts(void **state)
{
    static const struct {
        int error;
        unsigned status;
        const char *words;
    } cases[] = {
        {0, 302, "Location: /\r\n"},         {-ENOSPC, 503, "was not stored"},
        {-EBUSY, 503, "Retry-After: 2\r\n"}, {0, 302, "Location: /\r\n"},
        {-ECANCELED, 503, "was not stored"},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int fd = begin(bench, POST);

        assert_int_equal(bench->fake.posts, 1);
        assert_waits(bench, fd); /* never before it is stored */
        answer_post(&bench->fake, cases[i].error, "x", false);
        expect_page(bench, fd, cases[i].status, cases[i].words, false);
    }
}

/* --- clients and stores that go -------------------------------------------------------------- */

static void test_clients_go(void **state)
{
    struct bench *bench = *state;
    int pages[3], post = begin(bench, POST);

    for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
        pages[i] = begin(bench, GET);
    close(post);
    close(pages[1]);
    close(pages[2]);
    harness_turn(&bench->http, 100);
    answer_post(&bench->fake, 0, "x", false);
    answer_read(&bench->fake, 0, "first", 1);
    expect_page(bench, pages[0], 200, ">first<", false);
}

static void test_ends_with_requests(void **state)
{
    struct bench *bench = *state;

    close(begin(bench, GET));
    (void) begin(bench, POST);
    (void) begin(bench, GET);
    assert_int_equal(bench->fake.posts, 1); /* the teardown ends them, the sanitizer looks on */
}

int main(void)
{
#define BOARD_TEST(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)
    const struct CMUnitTest tests[] = {
        BOARD_TEST(test_one_read_for_many),
        BOARD_TEST(test_read_too_old),
        BOARD_TEST(test_read_new_enough),
        BOARD_TEST(test_asks_again),
        BOARD_TEST(test_failed_reads),
        BOARD_TEST(test_refused_read),
        BOARD_TEST(test_posts),
        BOARD_TEST(test_clients_go),
        BOARD_TEST(test_ends_with_requests),
    };
#undef BOARD_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
