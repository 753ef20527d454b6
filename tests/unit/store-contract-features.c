/* SPDX-License-Identifier: Apache-2.0 */
/* The contract's part about pages, counts, keys and the secret. */
#include "tests/unit/store-contract-internal.h"

#include <errno.h>

/* --- pages ----------------------------------------------------------------------------------- */

static void begin(struct fixture *fixture, struct contract_posts *posts, const char *timestamp,
                  unsigned number)
{
    char text[TEXT_SIZE];

    snprintf(text, sizeof(text), "number %u", number);
    contract_begin(fixture, posts, timestamp, text);
}

/* Pages of any size give "number |count - 1|" down to "number 0", each once. */
static void check_pages(struct fixture *fixture, unsigned count, size_t limit)
{
    char **texts, text[TEXT_SIZE];

    assert_int_equal(harness_all_texts(fixture->store, fixture->event, limit, &texts), count);
    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "number %u", count - 1 - i);
        assert_string_equal(texts[i], text);
    }
    contract_free_texts(texts, count);
}

void contract_pages(void **state)
{
    static const size_t limits[] = {50, 7, 49, 11};
    const unsigned count = 98; /* a multiple of 49: the last page is full, and it is the last */
    struct fixture *fixture = *state;
    struct harness_latest page, again;
    struct contract_posts posts = {0};

    for (unsigned i = 0; i < count; i++)
        begin(fixture, &posts, NULL, i);
    contract_end(fixture, &posts);
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
        check_pages(fixture, count, limits[i]);
    assert_int_equal(harness_latest(fixture->store, fixture->event, 49, STORE_VERSION_NONE, &page),
                     0);
    message_list_free(page.list);
    assert_int_equal(harness_older(fixture->store, fixture->event, page.next, 49, &again), 0);
    assert_int_equal(message_list_count(again.list), 49);
    assert_string_equal(again.next, "");
    message_list_free(again.list);

    /* What is new doesn't move a page that was given out. */
    contract_post(fixture, "new");
    assert_int_equal(harness_older(fixture->store, fixture->event, page.next, 49, &again), 0);
    assert_string_equal(harness_newest(again.list), "number 48");
    message_list_free(again.list);
}

/* Days with many, one and no messages, side by side and years apart, over month and year ends. */
void contract_days(void **state)
{
    static const struct {
        const char *day;
        unsigned count;
    } days[] = {
        {"2019-12-31", 3}, {"2020-01-01", 1},  {"2020-02-29", 60}, {"2020-03-01", 2},
        {"2023-06-15", 1}, {"2023-06-16", 1},  {"2023-06-17", 1},  {"2023-06-18", 1},
        {"2023-06-19", 1}, {"2023-06-20", 1},  {"2023-06-21", 1},  {"2023-06-22", 1},
        {"2023-06-23", 1}, {"2023-06-24", 1},  {"2023-07-01", 1},  {"2023-08-01", 1},
        {"2023-09-01", 1}, {"2023-10-01", 1},  {"2023-11-01", 1},  {"2023-12-01", 1},
        {"2024-01-01", 1}, {"2024-02-29", 51}, {"2025-11-20", 50},
    };
    static const size_t limits[] = {50, 10, 1};
    struct fixture *fixture = *state;
    struct contract_posts posts = {0};
    unsigned number = 0;

    for (size_t i = 0; i < ARRAY_SIZE(days); i++) {
        for (unsigned j = 0; j < days[i].count; j++) {
            char timestamp[TEXT_SIZE];

            snprintf(timestamp, sizeof(timestamp), "%sT23:59:%02u.%03uZ", days[i].day, j / 2,
                     j % 2 * 999);
            begin(fixture, &posts, timestamp, number++);
        }
        contract_end(fixture, &posts); /* all days at once would take too long for slow peers */
    }
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
        check_pages(fixture, number, limits[i]);
}

void contract_bad_positions(void **state)
{
    static const char *const positions[] = {
        "",
        "x",
        "-1",
        "0",
        "9223372036854775808",
        "2026-11-21T",
        "2026-11-21T00:00:00.000Z\"#x",
        "2026-11-21 00:00:00#1",
        "....-..-..T#",
        "18446744073709551616",
    };
    struct fixture *fixture = *state;
    struct harness_latest page;

    contract_post(fixture, "there");
    for (size_t i = 0; i < ARRAY_SIZE(positions); i++)
        if (harness_older(fixture->store, fixture->event, positions[i], 50, &page) != -EINVAL)
            fail_msg("\"%s\" is a position", positions[i]);
}

/* --- counts, keys, the secret ---------------------------------------------------------------- */

void contract_stats(void **state)
{
    static const char *const instances[] = {"i-a", "i-b", "i-b", "i-c", "i-b", "i-c"};
    struct fixture *fixture = *state;
    struct store_stats stats;

    assert_int_equal(harness_stats(fixture->store, fixture->event, &stats), 0);
    assert_true(stats.total == 0);
    assert_int_equal(stats.n_instances, 0);
    for (size_t i = 0; i < ARRAY_SIZE(instances); i++) {
        struct message message = harness_message("counted");
        struct harness_posted posted;

        message.instance = instances[i];
        assert_int_equal(harness_post_key(fixture->store, fixture->event, &message, NULL, &posted),
                         0);
    }
    assert_int_equal(harness_stats(fixture->store, fixture->event, &stats), 0);
    assert_true(stats.total == ARRAY_SIZE(instances));
    assert_int_equal(stats.n_instances, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(stats.instances[i].name, instances[i == 0 ? 1 : i == 1 ? 3 : 0]);
        assert_true(stats.instances[i].count == 3 - i);
    }
    assert_true(stats.others == 0);
}

/* More instances than there are places: none of their messages goes uncounted. */
void contract_many_instances(void **state)
{
    struct fixture *fixture = *state;
    struct store_stats stats;
    uint64_t counted = 0;

    for (unsigned i = 0; i < STORE_INSTANCES_MAX + 5; i++) {
        struct message message = harness_message("counted");
        struct harness_posted posted;
        char name[TEXT_SIZE];

        snprintf(name, sizeof(name), "i-%04u", i);
        message.instance = name;
        assert_int_equal(harness_post_key(fixture->store, fixture->event, &message, NULL, &posted),
                         0);
    }
    assert_int_equal(harness_stats(fixture->store, fixture->event, &stats), 0);
    assert_int_equal(stats.n_instances, STORE_INSTANCES_MAX);
    for (size_t i = 0; i < stats.n_instances; i++)
        counted += stats.instances[i].count;
    assert_true(counted + stats.others == STORE_INSTANCES_MAX + 5);
    assert_true(stats.total == STORE_INSTANCES_MAX + 5);
}

/* The second use of a key stores nothing, whoever it is by, and gives the first one's message. */
void contract_keys(void **state)
{
    struct fixture *fixture = *state;
    struct harness_posted first, second;
    struct store *other;
    struct message message = harness_message("with a key");

    assert_int_equal(harness_post_key(fixture->store, fixture->event, &message, "key_1-a", &first),
                     0);
    assert_false(first.repeated);
    contract_open(fixture, &other);
    for (unsigned i = 0; i < 4; i++) {
        message = harness_message("with the same key");
        assert_int_equal(harness_post_key(i % 2 ? other : fixture->store, fixture->event, &message,
                                          "key_1-a", &second),
                         0);
        assert_true(second.repeated);
        assert_string_equal(second.id, first.id);
        assert_string_equal(second.text, "with a key");
    }
    assert_true(contract_total(fixture) == 1);
    message = harness_message("with another key");
    assert_int_equal(harness_post_key(other, fixture->event, &message, "key_2", &second), 0);
    assert_false(second.repeated);
    assert_true(contract_total(fixture) == 2);
    store_free(other);
}

struct key_tally {
    unsigned called, stored, repeated;
    bool done;
    char id[64];
};

static void on_key_posted(int error, const struct message *stored, bool repeated, void *userdata)
{
    struct key_tally *tally = userdata;

    assert_int_equal(error, 0);
    if (*tally->id)
        assert_string_equal(stored->id, tally->id);
    snprintf(tally->id, sizeof(tally->id), "%s", stored->id);
    tally->stored += !repeated;
    tally->repeated += repeated;
    tally->done = ++tally->called == 6;
}

/* A visitor who clicks six times, at two workers: one message, and all are told of that one. */
void contract_same_key_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct key_tally tally = {0};
    struct store *other;

    contract_open(fixture, &other);
    for (unsigned i = 0; i < 6; i++) {
        struct message message = harness_message("clicked");

        assert_int_equal(
            store_post(i % 2 ? other : fixture->store, &message, "clicks", on_key_posted, &tally),
            0);
    }
    assert_int_equal(harness_wait(fixture->event, &tally.done), 0);
    assert_int_equal(tally.stored, 1);
    assert_int_equal(tally.repeated, 5);
    assert_true(contract_total(fixture) == 1);
    store_free(other);
}

void contract_secret(void **state)
{
    static const uint8_t zeros[STORE_SECRET_BYTES];
    uint8_t first[STORE_SECRET_BYTES] = {0}, second[STORE_SECRET_BYTES] = {0};
    struct fixture *fixture = *state;
    struct store *other;

    contract_open(fixture, &other);
    assert_int_equal(harness_secret(fixture->store, fixture->event, first), 0);
    assert_memory_not_equal(first, zeros, sizeof(first));
    assert_int_equal(harness_secret(other, fixture->event, second), 0);
    assert_memory_equal(first, second, sizeof(first));
    store_free(other);
    contract_close(fixture);
    contract_open(fixture, &fixture->store);
    memset(second, 0, sizeof(second));
    assert_int_equal(harness_secret(fixture->store, fixture->event, second), 0);
    assert_memory_equal(first, second, sizeof(first));
}

void contract_check(void **state)
{
    struct fixture *fixture = *state;
    char what[256];

    assert_string_equal(store_name(fixture->store), fixture->kind->name);
    assert_int_equal(harness_check(fixture->store, fixture->event, what), 0);
    assert_string_equal(what, "");
}
