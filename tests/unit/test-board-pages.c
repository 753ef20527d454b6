/* SPDX-License-Identifier: Apache-2.0 */
/* Tags, pages behind a cursor, the secret, a shared store and the deadline. */
#include "tests/unit/board-harness.h"

#include "common/base/clock.h"

#include <errno.h>
#include <stdio.h>

#define SHORT_US (300 * USEC_PER_MSEC)

static int setup_short(void **state)
{
    return bench_start(state, &(struct board_options){.deadline_us = SHORT_US}, false, true);
}

static int setup_no_secret(void **state)
{
    return bench_start(state, &(struct board_options){0}, false, false);
}

/* --- tags ------------------------------------------------------------------------------------ */

static void test_unchanged(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, GET);
    char request[300], *answer, *tag, *other, *length;

    answer_read(&bench->fake, 0, "first", 1);
    answer = answer_of(bench, fd);
    tag = header_of(answer, "ETag");
    assert_non_null(tag);
    assert_non_null(strstr(answer, "Cache-Control: no-cache\r\n"));
    length = header_of(answer, "Content-Length");
    free(answer);
    snprintf(request, sizeof(request),
             GET_WITH("/", "Connection: close\r\nIf-None-Match: \"x\", %s\r\n"), tag);
    answer = harness_read(&bench->http, fd = begin(bench, request), 99, NULL);
    close(fd);
    assert_int_equal(status_of(answer), 304);
    assert_string_equal(body_of(answer), "");
    other = header_of(answer, "Content-Length");
    assert_string_equal(other, length); /* of what it stands for */
    free(other);
    free(length);
    other = header_of(answer, "ETag");
    assert_string_equal(other, tag);
    free(other);
    free(answer);
    /* A new list is a new page. */
    bench->fake.version = 2;
    fd = begin(bench, request);
    answer_read(&bench->fake, 0, "second", 2);
    answer = answer_of(bench, fd);
    assert_int_equal(status_of(answer), 200);
    other = header_of(answer, "ETag");
    assert_string_not_equal(other, tag);
    free(other);
    free(answer);
    free(tag);
}

/* --- older pages ----------------------------------------------------------------------------- */

/* The address of the link to older messages; the caller frees it. */
static char *older_link(struct bench *bench, int fd)
{
    char *answer = answer_of(bench, fd), *found = strstr(answer, "\"/?before="), *link;

    assert_non_null(found);
    link = strndup(found + 1, strcspn(found + 1, "\""));
    free(answer);
    return link;
}

static int begin_at(struct bench *bench, const char *address)
{
    char request[400];

    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" HOST "\r\n", address);
    return begin(bench, request);
}

static void test_older(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, GET);
    char *link;

    answer_read_next(&bench->fake, "newest", 1, "42");
    link = older_link(bench, fd);
    fd = begin_at(bench, link);
    free(link);
    assert_string_equal(bench->fake.older_position, "42");
    assert_int_equal(bench->fake.older_limit, MESSAGE_LIST_MAX);
    assert_waits(bench, fd);
    answer_older(&bench->fake, 0, "older", "7:x#y");
    link = older_link(bench, fd);
    fd = begin_at(bench, link);
    assert_string_equal(bench->fake.older_position, "7:x#y");
    answer_older(&bench->fake, 0, "oldest", "");
    expect_page(bench, fd, 200, ">oldest<", false);
    /* It fails: 503, and no list that is none of this page's. */
    fd = begin_at(bench, link);
    answer_older(&bench->fake, -ETIMEDOUT, NULL, "");
    expect_page(bench, fd, 503, "Retry-After: 2", true);
    /* The store knows better than the signature. */
    fd = begin_at(bench, link);
    answer_older(&bench->fake, -EINVAL, NULL, "");
    expect_page(bench, fd, 400, ">newest<", true);
    free(link);
}

static void test_bad_cursors(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, GET);
    char *link;

    answer_read_next(&bench->fake, "newest", 1, "42");
    link = older_link(bench, fd);
    link[strlen("/?before=") + 3] ^= 1;
    expect_page(bench, begin_at(bench, link), 400, "not one of this board", true);
    free(link);
    expect_page(bench, begin_at(bench, "/?before="), 400, ">newest<", true);
    expect_page(bench, begin_at(bench, "/?before"), 400, ">newest<", true);
    expect_page(bench, begin_at(bench, "/?before=42"), 400, ">newest<", true);
    assert_null(bench->fake.older_done);
}

/* --- the secret ------------------------------------------------------------------------------ */

static void test_secret_comes_first(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, GET);

    assert_int_equal(bench->fake.secrets, 1); /* asked for at the start */
    assert_int_equal(bench->fake.reads, 0);
    answer_secret(&bench->fake, 0);
    assert_int_equal(bench->fake.reads, 1);
    answer_read(&bench->fake, 0, "first", 1);
    expect_page(bench, fd, 200, ">first<", false);
    assert_int_equal(bench->fake.secrets, 1);
}

static void test_secret_fails(void **state)
{
    struct bench *bench = *state;
    int fd;

    answer_secret(&bench->fake, -EIO);
    fd = begin(bench, GET);
    assert_int_equal(bench->fake.secrets, 2); /* asked for again */
    answer_secret(&bench->fake, -EIO);
    expect_page(bench, fd, 503, "Retry-After: 2", true);
    expect_page(bench, begin_at(bench, "/?before=x"), 503, "Retry-After: 2", true);
    harness_turn(&bench->http, 260);
    fd = begin(bench, GET);
    answer_secret(&bench->fake, 0);
    answer_read(&bench->fake, 0, "first", 1);
    expect_page(bench, fd, 200, ">first<", false);
}

/* --- a store that others write to ------------------------------------------------------------ */

/* A GET with a cookie of so many milliseconds ago. */
static int begin_after_post(struct bench *bench, long ago_ms)
{
    char request[300];

    snprintf(request, sizeof(request), GET_WITH("/", "Cookie: a=b; board_posted=%lld; c=d\r\n"),
             (long long) (clock_realtime_us() / USEC_PER_MSEC) - ago_ms);
    return begin(bench, request);
}

static void test_poster_elsewhere(void **state)
{
    struct bench *bench = *state;
    int early = begin(bench, GET), late;

    /* The read under way began before the poster came: not for him. */
    late = begin_after_post(bench, 5);
    assert_int_equal(bench->fake.expected, 1);
    answer_read(&bench->fake, 0, "old", 1);
    expect_page(bench, early, 200, ">old<", false);
    assert_waits(bench, late);
    assert_int_equal(bench->fake.reads, 2);
    answer_read(&bench->fake, 0, "new", 1);
    expect_page(bench, late, 200, ">new<", false);
    /* What is kept does for everybody else, and for him who posted long before it. */
    expect_page(bench, begin(bench, GET), 200, ">new<", false);
    expect_page(bench, begin_after_post(bench, 3000), 200, ">new<", false);
    /* Not while clocks may be apart by that much. */
    late = begin_after_post(bench, 1000);
    assert_int_equal(bench->fake.reads, 3);
    answer_read(&bench->fake, 0, NULL, 1);
    expect_page(bench, late, 200, ">new<", false);
    assert_int_equal(bench->fake.reads, 3);
}

static void test_odd_cookies(void **state)
{
    static const char *const cookies[] = {
        "board_posted=",
        "board_posted=x",
        "board_posted=-1",
        "board_posted=99999999999999999999999",
        "board_posted=18446744073709551615",
        "board_posted=1",
        "xboard_posted=1795653600000",
        ";;; =",
    };
    struct bench *bench = *state;
    int fd = begin(bench, GET);

    answer_read(&bench->fake, 0, "first", 1);
    expect_page(bench, fd, 200, ">first<", false);
    for (size_t i = 0; i < sizeof(cookies) / sizeof(cookies[0]); i++) {
        char request[300];

        snprintf(request, sizeof(request), GET_WITH("/", "Cookie: %s\r\n"), cookies[i]);
        expect_page(bench, begin(bench, request), 200, ">first<", false);
    }
    expect_page(bench, begin_after_post(bench, 60000), 200, ">first<", false);  /* long ago */
    expect_page(bench, begin_after_post(bench, -60000), 200, ">first<", false); /* to come */
    assert_int_equal(bench->fake.reads, 1);
}

/* A store of this node alone needs no cookie. */
static void test_cookie_is_ignored(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, GET);

    answer_read(&bench->fake, 0, "first", 1);
    expect_page(bench, fd, 200, ">first<", false);
    expect_page(bench, begin_after_post(bench, 5), 200, ">first<", false);
    assert_int_equal(bench->fake.reads, 1);
}

/* --- statistics ------------------------------------------------------------------------------ */

static void test_stats(void **state)
{
    struct bench *bench = *state;
    int fd;

    bench->fake.holds_stats = true;
    fd = begin(bench, GET);
    answer_read(&bench->fake, 0, "first", 1);
    assert_waits(bench, fd);
    answer_stats(&bench->fake, 0, 4711);
    expect_page(bench, fd, 200, "4,711 in all", false);
    /* Without them the page is there all the same. */
    bench->fake.version = 2;
    fd = begin(bench, GET);
    answer_read(&bench->fake, 0, "second", 2);
    answer_stats(&bench->fake, -EIO, 0);
    expect_page(bench, fd, 200, ">second<", false);
    fd = begin(bench, GET);
    assert_int_equal(bench->fake.stats, 2);
    expect_page(bench, fd, 200, ">second<", false);
}

/* While a read asks for statistics, its list is new and its page is not there: who comes then must
 * not get the old one. */
static void test_comes_before_the_page(void **state)
{
    struct bench *bench = *state;
    int first, second;

    first = begin(bench, GET);
    answer_read(&bench->fake, 0, "old", 1);
    expect_page(bench, first, 200, ">old<", false);
    bench->fake.holds_stats = true;
    bench->fake.version = 2;
    first = begin(bench, GET);
    answer_read(&bench->fake, 0, "new", 2);
    second = begin(bench, GET);
    assert_waits(bench, second);
    answer_stats(&bench->fake, 0, 1);
    expect_page(bench, first, 200, ">new<", false);
    expect_page(bench, second, 200, ">new<", false);
    assert_int_equal(bench->fake.reads, 2);
}

static void test_stats_of_a_shared_store(void **state)
{
    struct bench *bench = *state;
    int fd = begin(bench, GET);

    answer_read(&bench->fake, 0, "first", 1);
    expect_page(bench, fd, 200, ">first<", false);
    assert_int_equal(bench->fake.stats, 1);
    /* Each question costs: a new list alone is no reason within a second. */
    bench->fake.version = 2;
    fd = begin(bench, GET);
    answer_read(&bench->fake, 0, "second", 2);
    expect_page(bench, fd, 200, ">second<", false);
    assert_int_equal(bench->fake.stats, 1);
    /* But who has posted sees his message counted. */
    fd = begin_after_post(bench, 5);
    answer_read(&bench->fake, 0, "third", 3);
    expect_page(bench, fd, 200, ">third<", false);
    assert_int_equal(bench->fake.stats, 2);
}

/* --- never a hang ---------------------------------------------------------------------------- */

static void test_deadline(void **state)
{
    struct bench *bench = *state;
    int page = begin(bench, GET), post = begin(bench, POST), api = begin(bench, API_POST);
    int messages = begin(bench, GET_PATH("/api/messages")), ready;

    ready = begin(bench, GET_PATH("/ready"));
    expect_page(bench, page, 503, "Retry-After: 2", true);
    expect(bench, post, 503, "may not have been stored");
    expect(bench, api, 503, "urn:visitor-board:problem:unavailable");
    expect(bench, messages, 503, "application/problem+json");
    expect(bench, ready, 503, "\"error\":\"store_timeout\"");
    /* The store wakes up: its late answers find nobody, and the next request finds it well. */
    answer_read(&bench->fake, 0, "late", 1);
    answer_post(&bench->fake, 0, "x", false);
    answer_post(&bench->fake, 0, "x", false);
    answer_check(&bench->fake, 0, "");
    expect_page(bench, begin(bench, GET), 200, ">late<", false);
    expect(bench, begin(bench, GET_PATH("/ready")), 200, "\"ok\":true");
}

static void test_files(void **state)
{
    struct bench *bench = *state;

    expect(bench, begin(bench, GET_PATH("/assets/nothing.css")), 404, "nosniff");
    expect(bench, begin(bench, GET_PATH("/nothing")), 404, "text/plain; charset=utf-8");
    expect(bench, begin(bench, GET_PATH("/health")), 200, "{\"ok\":true,\"instanceId\":\"node\"}");
}

int main(void)
{
#define PAGE_TEST(test, setup) cmocka_unit_test_setup_teardown(test, setup, bench_teardown)
    const struct CMUnitTest tests[] = {
        PAGE_TEST(test_unchanged, bench_setup),
        PAGE_TEST(test_older, bench_setup),
        PAGE_TEST(test_bad_cursors, bench_setup),
        PAGE_TEST(test_secret_comes_first, setup_no_secret),
        PAGE_TEST(test_secret_fails, setup_no_secret),
        PAGE_TEST(test_poster_elsewhere, bench_setup_shared),
        PAGE_TEST(test_odd_cookies, bench_setup_shared),
        PAGE_TEST(test_cookie_is_ignored, bench_setup),
        PAGE_TEST(test_stats, bench_setup),
        PAGE_TEST(test_comes_before_the_page, bench_setup),
        PAGE_TEST(test_stats_of_a_shared_store, bench_setup_shared),
        PAGE_TEST(test_deadline, setup_short),
        PAGE_TEST(test_files, bench_setup),
    };
#undef PAGE_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
