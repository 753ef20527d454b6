/* SPDX-License-Identifier: Apache-2.0 */
/* The outbox over a real spool: fresh and backlog, fates, limits, restarts. */
#include "agent/publish/outbox.h"

#include "agent/publish/record.h"
#include "common/base/clock.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NOW_US (UINT64_C(1763760000) * USEC_PER_SEC)

struct fixture {
    char directory[64];
    struct outbox *outbox;
};

static const struct body_settings settings = {.namespace_ = "n", .instance_id = "i"};

static void open_outbox(struct fixture *fixture)
{
    const struct spool_settings spool = {.directory = fixture->directory,
                                         .limit_bytes = 64 * 1024 * 1024,
                                         .age_limit_us = 14 * 86400 * USEC_PER_SEC};

    assert_int_equal(outbox_open(&fixture->outbox, &spool, NOW_US), 0);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    strcpy(fixture->directory, "/tmp/agentd-outbox-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    open_outbox(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[96];

    outbox_free(fixture->outbox);
    snprintf(command, sizeof(command), "rm -r %s", fixture->directory);
    assert_int_equal(system(command), 0);
    free(fixture);
    return 0;
}

/* A window of one datum, Wn. */
static void append(struct fixture *fixture, unsigned n)
{
    char line[64];

    snprintf(line, sizeof(line), "\t\"MetricName\":\"W%u\"\n", n);
    assert_int_equal(outbox_append(fixture->outbox, line, strlen(line), NOW_US + n, NOW_US), 0);
}

/* Takes a shipment that must hold windows |first| to |last|, and settles it. */
static void ship(struct fixture *fixture, enum flush_kind kind, unsigned first, unsigned last,
                 size_t n_ambiguous, enum shipment_fate fate)
{
    struct shipment shipment;
    char name[32];

    assert_int_equal(outbox_take(fixture->outbox, kind, &settings, &shipment), 1);
    assert_int_equal(shipment.n_records, last - first + 1);
    assert_int_equal(shipment.n_ambiguous, n_ambiguous);
    for (unsigned n = first; n <= last; n++) {
        snprintf(name, sizeof(name), "\"W%u\"", n);
        assert_non_null(strstr(shipment.text, name));
    }
    snprintf(name, sizeof(name), "\"W%u\"", last + 1);
    assert_null(strstr(shipment.text, name));
    outbox_settle(fixture->outbox, &shipment, fate);
    shipment_done(&shipment);
}

static void assert_empty(struct fixture *fixture)
{
    struct outbox_counts counts;

    assert_false(outbox_has_fresh(fixture->outbox));
    assert_false(outbox_has_backlog(fixture->outbox));
    outbox_counts(fixture->outbox, &counts);
    assert_int_equal(counts.spool.records, 0);
}

static void test_stored(void **state)
{
    struct fixture *fixture = *state;
    struct shipment shipment;

    assert_empty(fixture);
    assert_int_equal(outbox_take(fixture->outbox, FLUSH_FRESH, &settings, &shipment), 0);
    append(fixture, 1);
    append(fixture, 2);
    ship(fixture, FLUSH_FRESH, 1, 2, 0, SHIPMENT_STORED);
    assert_empty(fixture);
    append(fixture, 3);
    ship(fixture, FLUSH_FRESH, 3, 3, 0, SHIPMENT_STORED);
    assert_empty(fixture);
}

/* What isn't stored goes again with what came meanwhile; fresh ones of too long ago are backlog. */
static void test_backlog(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned n = 1; n <= OUTBOX_FRESH_MAX; n++)
        append(fixture, n);
    ship(fixture, FLUSH_FRESH, 1, OUTBOX_FRESH_MAX, 0, SHIPMENT_NOT_STORED);
    assert_false(outbox_has_backlog(fixture->outbox));
    for (unsigned n = 1; n <= 5; n++)
        append(fixture, OUTBOX_FRESH_MAX + n);
    ship(fixture, FLUSH_FRESH, 6, OUTBOX_FRESH_MAX + 5, 0, SHIPMENT_STORED);
    assert_true(outbox_has_backlog(fixture->outbox));
    assert_false(outbox_has_fresh(fixture->outbox));
    ship(fixture, FLUSH_BACKLOG, 1, 5, 0, SHIPMENT_STORED);
    assert_empty(fixture);
}

/* Once there was no answer, a window stays ambiguous, whatever is answered to later attempts. */
static void test_ambiguous(void **state)
{
    struct fixture *fixture = *state;
    struct outbox_counts counts;

    append(fixture, 1);
    ship(fixture, FLUSH_FRESH, 1, 1, 0, SHIPMENT_UNKNOWN);
    append(fixture, 2);
    ship(fixture, FLUSH_FRESH, 1, 2, 1, SHIPMENT_NOT_STORED);
    ship(fixture, FLUSH_FRESH, 1, 2, 1, SHIPMENT_NOT_STORED);
    outbox_free(fixture->outbox);
    open_outbox(fixture);
    ship(fixture, FLUSH_FRESH, 1, 2, 1, SHIPMENT_UNKNOWN);
    ship(fixture, FLUSH_FRESH, 1, 2, 2, SHIPMENT_STORED);
    assert_empty(fixture);
    outbox_counts(fixture->outbox, &counts);
    assert_int_equal(counts.ambiguous, 3);
    assert_int_equal(counts.sent, 2);
}

/* Windows that the service calls wrong don't hold up the others. */
static void test_refused(void **state)
{
    struct fixture *fixture = *state;
    struct outbox_counts counts;

    for (unsigned n = 1; n <= 3; n++)
        append(fixture, n);
    ship(fixture, FLUSH_FRESH, 1, 3, 0, SHIPMENT_REFUSED);
    append(fixture, 4);
    ship(fixture, FLUSH_FRESH, 1, 1, 0, SHIPMENT_STORED);
    ship(fixture, FLUSH_FRESH, 2, 2, 0, SHIPMENT_REFUSED);
    ship(fixture, FLUSH_FRESH, 3, 3, 0, SHIPMENT_STORED);
    ship(fixture, FLUSH_FRESH, 4, 4, 0, SHIPMENT_STORED);
    assert_empty(fixture);
    outbox_counts(fixture->outbox, &counts);
    assert_int_equal(counts.refused, 1);
    assert_int_equal(counts.sent, 3);
}

/* A process that died while it sent leaves an ambiguous window; one that died before, none. */
static void test_restart(void **state)
{
    struct fixture *fixture = *state;
    struct shipment shipment;
    uint64_t number = outbox_next_number(fixture->outbox);

    append(fixture, 1);
    assert_int_equal(outbox_take(fixture->outbox, FLUSH_FRESH, &settings, &shipment), 1);
    shipment_done(&shipment);
    append(fixture, 2);
    outbox_free(fixture->outbox);
    open_outbox(fixture);
    assert_true(outbox_has(fixture->outbox, number));
    assert_true(outbox_has(fixture->outbox, number + 1));
    assert_false(outbox_has(fixture->outbox, number + 2));
    assert_int_equal(outbox_next_number(fixture->outbox), number + 2);
    ship(fixture, FLUSH_FRESH, 1, 2, 1, SHIPMENT_STORED);
    assert_empty(fixture);
}

/* A body takes as many whole windows as fit. */
static void test_full_body(void **state)
{
    struct fixture *fixture = *state;
    struct buffer window;

    for (unsigned n = 1; n <= 4; n++) {
        buffer_init(&window, 1024 * 1024);
        for (unsigned i = 0; i < OUTBOX_PART_LINES; i++)
            buffer_printf(&window, "\t\"MetricName\":\"W%u\"\n", n);
        assert_int_equal(outbox_append(fixture->outbox, window.data, window.length, NOW_US, NOW_US),
                         0);
        buffer_done(&window);
    }
    ship(fixture, FLUSH_FRESH, 1, 3, 0, SHIPMENT_STORED);
    ship(fixture, FLUSH_FRESH, 4, 4, 0, SHIPMENT_STORED);
    assert_empty(fixture);
}

/* A large window becomes several records, whole lines each; one that is too large is refused. */
static void test_large_window(void **state)
{
    struct fixture *fixture = *state;
    struct shipment shipment;
    struct buffer window;
    uint64_t number = outbox_next_number(fixture->outbox);
    size_t datums = 0;

    buffer_init(&window, 8 * 1024 * 1024);
    for (unsigned i = 0; i < 1000; i++)
        buffer_printf(&window, "\t\"MetricName\":\"M%u\",\"Text\":\"%0800u\"\n", i, i);
    assert_int_equal(outbox_append(fixture->outbox, window.data, window.length, NOW_US, NOW_US), 0);
    assert_int_equal(outbox_next_number(fixture->outbox), number + 5);
    while (outbox_take(fixture->outbox, FLUSH_FRESH, &settings, &shipment) == 1) {
        assert_true(shipment.length <= BODY_LIMIT_BYTES);
        datums += shipment.body.n_datums;
        outbox_settle(fixture->outbox, &shipment, SHIPMENT_STORED);
        shipment_done(&shipment);
    }
    assert_int_equal(datums, 1000);
    assert_empty(fixture);
    for (unsigned i = 0; i < 4000; i++)
        buffer_printf(&window, "\t\"MetricName\":\"M%u\",\"Text\":\"%0800u\"\n", i, i);
    assert_int_equal(outbox_append(fixture->outbox, window.data, window.length, NOW_US, NOW_US),
                     -E2BIG);
    assert_empty(fixture);
    buffer_done(&window);
}

/* Lines that are no datums are dropped with the window that has nothing else. */
static void test_nonsense(void **state)
{
    struct fixture *fixture = *state;
    struct outbox_counts counts;
    struct shipment shipment;

    assert_int_equal(outbox_append(fixture->outbox, "nonsense\n", 9, NOW_US, NOW_US), 0);
    assert_int_equal(outbox_take(fixture->outbox, FLUSH_FRESH, &settings, &shipment), 0);
    assert_empty(fixture);
    outbox_counts(fixture->outbox, &counts);
    assert_int_equal(counts.refused, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stored),  TEST(test_backlog),   TEST(test_ambiguous),    TEST(test_refused),
        TEST(test_restart), TEST(test_full_body), TEST(test_large_window), TEST(test_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
