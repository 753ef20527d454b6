/* SPDX-License-Identifier: Apache-2.0 */
/* The event ring: order, loss, and what its memory may hold. */
#include "agent/supervise/events.h"

#include "common/base/log.h"
#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <syslog.h>

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct event_ring));
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void add(struct event_ring *ring, unsigned n)
{
    struct event event = {.level = LOG_INFO, .slot = n, .app = "board", .name = "worker-ready"};

    snprintf(event.text, sizeof(event.text), "number %u", n);
    events_add(ring, &event, UINT64_C(1000000) * n);
}

/* Ids above |after|, oldest first; returns how many. */
static unsigned count(const struct event_ring *ring, uint64_t after)
{
    struct event event;
    unsigned n = 0;

    for (uint64_t id = after; events_next(ring, id, &event); id = event.id) {
        assert_true(event.id > id);
        assert_true(++n <= EVENTS_MAX);
    }
    return n;
}

static void test_add_and_read(void **state)
{
    struct event_ring *ring = *state;
    struct event event;

    assert_false(events_next(ring, 0, &event));
    add(ring, 1);
    add(ring, 2);
    assert_true(events_next(ring, 0, &event));
    assert_int_equal(event.id, 1);
    assert_int_equal(event.realtime_us, 1000000);
    assert_int_equal(event.slot, 1);
    assert_string_equal(event.app, "board");
    assert_string_equal(event.name, "worker-ready");
    assert_string_equal(event.text, "number 1");
    assert_true(events_next(ring, 1, &event));
    assert_int_equal(event.id, 2);
    assert_false(events_next(ring, 2, &event));
    assert_false(events_next(ring, 1000, &event)); /* of an earlier life of the unit */
    assert_false(events_next(ring, UINT64_MAX, &event));
}

static void test_overwrites_the_oldest(void **state)
{
    struct event_ring *ring = *state;
    struct event event;

    for (unsigned i = 1; i <= EVENTS_MAX + 50; i++)
        add(ring, i);
    assert_int_equal(count(ring, 0), EVENTS_MAX);
    assert_true(events_next(ring, 0, &event));
    assert_int_equal(event.id, 51);
    assert_int_equal(event.slot, 51);
    assert_int_equal(count(ring, EVENTS_MAX), 50);
    assert_int_equal(ring->last_id, EVENTS_MAX + 50);
}

static void test_torn_place_is_passed_over(void **state)
{
    struct event_ring *ring = *state;

    for (unsigned i = 1; i <= 10; i++)
        add(ring, i);
    ring->events[5].id = 0; /* its writer was killed half-way */
    assert_int_equal(count(ring, 0), 9);
    assert_int_equal(count(ring, 4), 5);
    add(ring, 11);
    assert_int_equal(count(ring, 0), 10);
    /* Killed after the place was filled and before it was counted: the place is used again. */
    ring->last_id = 10;
    add(ring, 12);
    assert_int_equal(ring->last_id, 11);
    assert_int_equal(ring->events[11].slot, 12);
}

static void test_control_characters(void **state)
{
    struct event_ring *ring = *state;
    struct event event = {.level = LOG_INFO, .app = "a\nb", .name = "x\x1b[2J"};

    strcpy(event.text, "one\ntwo\x7f \xc2\x9b"
                       "31m caf\xc3\xa9");
    events_add(ring, &event, 1);
    assert_true(events_next(ring, 0, &event));
    assert_string_equal(event.app, "a?b");
    assert_string_equal(event.name, "x?[2J");
    assert_string_equal(event.text, "one?two? ??31m caf\xc3\xa9");
    /* What an earlier core of another mind wrote is cleaned when read. */
    ring->events[1].text[0] = '\a';
    assert_true(events_next(ring, 0, &event));
    assert_int_equal(event.text[0], '?');
}

static void test_unterminated_strings(void **state)
{
    struct event_ring *ring = *state;
    struct event event = {.level = LOG_INFO};

    memset(event.app, 'a', sizeof(event.app));
    memset(event.name, 'n', sizeof(event.name));
    memset(event.text, 't', sizeof(event.text));
    events_add(ring, &event, 1);
    assert_true(events_next(ring, 0, &event));
    assert_int_equal(strlen(event.app), sizeof(event.app) - 1);
    assert_int_equal(strlen(event.name), sizeof(event.name) - 1);
    assert_int_equal(strlen(event.text), sizeof(event.text) - 1);
}

static void test_garbage_memory(void **state)
{
    static const uint64_t last_ids[] = {0, 1, EVENTS_MAX, UINT64_MAX - 1, UINT64_MAX};
    struct event_ring *ring = *state;
    struct event event;

    for (int byte = 0; byte < 256; byte += 5) {
        memset(ring, byte, sizeof(*ring));
        assert_in_range(count(ring, 0), 0, EVENTS_MAX);
        if (events_next(ring, 0, &event))
            assert_true(strnlen(event.text, sizeof(event.text)) < sizeof(event.text));
        add(ring, 1); /* and it goes on */
        add(ring, 2);
        assert_true(events_next(ring, ring->last_id - 1, &event));
        assert_int_equal(event.slot, 2);
    }
    for (size_t i = 0; i < ARRAY_SIZE(last_ids); i++) {
        memset(ring, 0xa5, sizeof(*ring));
        ring->last_id = last_ids[i];
        assert_int_equal(count(ring, 0), 0);
    }
}

static void test_details(void **state)
{
    struct event_ring *ring = *state;
    char text[EVENT_DETAIL_BYTES], large[2 * EVENT_DETAIL_BYTES];

    assert_false(events_detail(ring, 0, text));
    assert_false(events_detail(ring, 1, text));
    for (unsigned n = 1; n <= EVENT_DETAILS_MAX + 1; n++) {
        add(ring, n);
        snprintf(text, sizeof(text), "line of %u\n", n);
        events_attach(ring, ring->last_id, text);
    }
    assert_false(events_detail(ring, 1, text)); /* the oldest made room */
    assert_true(events_detail(ring, 2, text));
    assert_string_equal(text, "line of 2\n");
    assert_true(events_detail(ring, EVENT_DETAILS_MAX + 1, text));

    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    events_attach(ring, 99, large);
    assert_true(events_detail(ring, 99, text));
    assert_int_equal(strlen(text), EVENT_DETAIL_BYTES - 1);

    /* Whatever stands in it: a number of another writer, a text without an end. */
    memset(ring->details, 'y', sizeof(ring->details));
    ring->n_details = UINT64_MAX;
    assert_true(events_detail(ring, ring->details[0].id, text));
    assert_int_equal(strlen(text), EVENT_DETAIL_BYTES - 1);
    events_attach(ring, 7, "after\n");
    assert_true(events_detail(ring, 7, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_add_and_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_overwrites_the_oldest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_torn_place_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_control_characters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unterminated_strings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_garbage_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_details, setup, teardown),
    };

    log_set_level(LOG_EMERG); /* each event is a log line too */
    return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
