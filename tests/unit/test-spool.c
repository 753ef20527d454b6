/* SPDX-License-Identifier: Apache-2.0 */
/* The spool in use: order, groups, marks, limits, numbers, and a model of it all. What disks do to
 * it is in test-spool-disk.c, what is left after a crash in test-spool-recovery.c. */
#include "tests/unit/spool-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static void test_order(void **state)
{
    static const size_t groups[] = {1, 3, 16, 1, 2, 5};
    struct harness *harness = *state;

    harness_open(harness);
    harness_check(harness);
    for (unsigned round = 0; round < 20; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
            harness->now_us += 10 * HARNESS_SECOND_US;
            harness_append(harness, groups[i]);
        }
        if (round % 7 == 0)
            harness_open(harness);
        harness_check(harness);
    }
}

static void test_sizes(void **state)
{
    static const size_t lengths[] = {0, 1, 63, 64, 65, 4096, 65536, SPOOL_RECORD_LIMIT_BYTES};
    struct harness *harness = *state;
    char *noise = malloc(SPOOL_RECORD_LIMIT_BYTES + 1), *data;
    char *text = calloc(1, SPOOL_RECORD_LIMIT_BYTES);
    struct spool_part parts[ARRAY_SIZE(lengths) * 2];
    uint64_t first, realtime_us;
    size_t length;

    for (size_t i = 0; i <= SPOOL_RECORD_LIMIT_BYTES; i++)
        noise[i] = (char) harness_random(harness, 256);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        parts[i].data = i % 2 ? text : noise;
        parts[i].length = lengths[i / 2];
    }
    harness_open(harness);
    first = spool_next_number(harness->spool);
    assert_int_equal(spool_append(harness->spool, 7, parts, ARRAY_SIZE(parts), 7), 0);
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
            assert_int_equal(spool_read(harness->spool, first + i, &data, &length, &realtime_us),
                             0);
            assert_int_equal(length, parts[i].length);
            assert_memory_equal(data, parts[i].data, length);
            assert_int_equal(realtime_us, 7);
            free(data);
        }
        harness_open(harness);
    }
    parts[1].length = SPOOL_RECORD_LIMIT_BYTES + 1;
    first = spool_next_number(harness->spool);
    assert_int_equal(spool_append(harness->spool, 7, parts, 2, 7), -EINVAL);
    assert_int_equal(spool_append(harness->spool, 7, parts, 0, 7), -EINVAL);
    assert_int_equal(spool_append(harness->spool, 7, parts, SPOOL_GROUP_MAX + 1, 7), -EINVAL);
    assert_int_equal(spool_next_number(harness->spool), first);
    free(noise);
    free(text);
}

/* s: sending, f: failed, d: done, o: opened again. */
static void test_marks(void **state)
{
    static const struct {
        const char *marks;
        bool ambiguous, done;
    } cases[] = {
        {"", false, false},      {"s", true, false},       {"so", true, false},
        {"sf", false, false},    {"sfo", false, false},    {"sd", false, true},
        {"sdo", false, true},    {"d", false, true},       {"f", false, false},
        {"ss", true, false},     {"sof", false, false},    {"sos", true, false},
        {"sosf", true, false},   {"ssfo", true, false},    {"ssff", false, false},
        {"sosfsf", true, false}, {"ssd", false, true},     {"sds", false, true},
        {"sdf", false, true},    {"sososfo", true, false}, {"sfso", true, false},
        {"sssff", false, false},
    };
    struct harness *harness = *state;
    uint64_t first, next;

    harness_open(harness);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        harness_append(harness, 3); /* the one in the middle is marked */
        first = harness->records[harness->n - 2].number;
        for (const char *mark = cases[i].marks; *mark; mark++) {
            if (*mark == 's')
                harness_mark_sending(harness, first, first);
            else if (*mark == 'f')
                harness_mark_failed(harness, first, first);
            else if (*mark == 'd')
                harness_mark_done(harness, first, first);
            else
                harness_open(harness);
        }
        assert_int_equal(spool_is_ambiguous(harness->spool, first), cases[i].ambiguous);
        assert_int_equal(spool_next(harness->spool, first, &next), 0);
        assert_int_equal(next, cases[i].done ? first + 1 : first);
        harness_check(harness);
    }
    /* For what is gone, and what never was. */
    spool_mark_done(harness->spool, 0, first - 1);
    spool_mark_sending(harness->spool, first + 2, UINT64_MAX);
    spool_mark_failed(harness->spool, UINT64_MAX - 1, UINT64_MAX);
    spool_mark_sending(harness->spool, 9, 3);
    assert_false(spool_is_ambiguous(harness->spool, 0));
    assert_false(spool_is_ambiguous(harness->spool, UINT64_MAX));
}

/* Numbers only grow: after all is done and removed, in a directory that was emptied, in memory. */
static void test_numbers(void **state)
{
    struct harness *harness = *state;
    uint64_t last = 0, first_segment, segment, size;

    harness_open(harness);
    assert_int_equal(spool_next_number(harness->spool), HARNESS_START_US / 1000);
    assert_false(spool_has(harness->spool, 0));
    assert_false(spool_has(harness->spool, HARNESS_START_US / 1000));
    for (unsigned round = 0; round < 400; round++) {
        harness_append(harness, 1 + round % 16);
        last = spool_next_number(harness->spool) - 1;
        harness_mark_done(harness, 0, last);
        if (round % 10 == 0)
            harness_open(harness);
        assert_int_equal(spool_next_number(harness->spool), last + 1);
        assert_true(spool_has(harness->spool, last));
        assert_false(spool_has(harness->spool, last + 1));
        assert_int_equal(harness_count_files(harness->path, ".seg"), 1);
        if (round == 0)
            assert_true(harness_newest(harness->path, &first_segment, &size));
    }
    assert_true(harness_newest(harness->path, &segment, &size));
    assert_true(segment > first_segment); /* whole segments were done and removed */

    harness->spool = spool_free(harness->spool);
    harness_remove(harness->path);
    harness->now_us += 10 * HARNESS_SECOND_US;
    harness_open(harness);
    assert_true(spool_next_number(harness->spool) > last);
    assert_false(spool_has(harness->spool, last)); /* nobody knows */
}

/* A segment that was full and done, and emptied when the next could not be made. */
static void test_number_of_closed(void **state)
{
    struct harness *harness = *state;
    char path[HARNESS_NAME_MAX];
    uint64_t first, next, segment, size;
    unsigned lives = 0;

    harness_open(harness);
    first = spool_next_number(harness->spool);
    /* In the way of the next segment's file. */
    harness_segment_path(path, harness->path, first + SPOOL_SEGMENT_RECORDS_MAX);
    assert_int_equal(mkdir(path, 0700), 0);
    for (unsigned i = 0; i < SPOOL_SEGMENT_RECORDS_MAX / 16; i++) {
        struct spool_part part = {"x", 1}, parts[16];

        for (size_t k = 0; k < 16; k++)
            parts[k] = part;
        assert_int_equal(spool_append(harness->spool, 1, parts, 16, 1), 0);
    }
    next = spool_next_number(harness->spool);
    assert_int_equal(next, first + SPOOL_SEGMENT_RECORDS_MAX);
    spool_mark_done(harness->spool, 0, next);
    harness_append(harness, 1); /* refused by the disk */
    assert_true(spool_has(harness->spool, next));
    assert_int_equal(rmdir(path), 0);
    assert_true(harness_newest(harness->path, &segment, &size));
    assert_int_equal(segment, first);
    assert_int_equal(size, 64 + 4 * SPOOL_SEGMENT_RECORDS_MAX);
    for (lives = 0; lives < 3; lives++) {
        harness_open(harness);
        assert_int_equal(spool_next_number(harness->spool), next);
        assert_false(spool_has(harness->spool, next));
    }
    harness->n = 0;
    harness_append(harness, 2);
    harness_open(harness);
    harness_check(harness);
}

static void test_lock(void **state)
{
    struct harness *harness = *state;
    struct spool *other = NULL;
    int fds[SPOOL_SYNC_MAX];
    size_t n;

    harness_open(harness);
    assert_int_equal(spool_open(&other, &harness->settings, harness->now_us), -EBUSY);
    assert_null(other);
    harness_append(harness, 1);
    n = spool_take_dirty(harness->spool, fds);
    assert_int_equal(n, 2); /* the segment, the directory */
    harness_open(harness);  /* what is being synced does not hold the lock */
    harness_check(harness);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(fsync(fds[i]), 0);
        close(fds[i]);
    }
}

static void test_dirty(void **state)
{
    struct harness *harness = *state;
    int fds[SPOOL_SYNC_MAX];
    size_t n, total = 0;

    harness->settings.limit_bytes = 8 << 20;
    harness_open(harness);
    assert_int_equal(spool_take_dirty(harness->spool, fds), 0);
    while (harness_count_files(harness->path, ".seg") <= SPOOL_SYNC_MAX)
        harness_append(harness, 16);
    while ((n = spool_take_dirty(harness->spool, fds)) > 0) {
        assert_true(n <= SPOOL_SYNC_MAX);
        total += n;
        for (size_t i = 0; i < n; i++) {
            assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
            assert_int_equal(fsync(fds[i]), 0);
            close(fds[i]);
        }
    }
    assert_int_equal(total, harness_count_files(harness->path, ".seg") + 1);
    harness_mark_sending(harness, harness->records[harness->n - 1].number,
                         harness->records[harness->n - 1].number);
    assert_int_equal(spool_take_dirty(harness->spool, fds), 1);
    close(fds[0]);
}

static void test_size_limit(void **state)
{
    static const uint64_t limits[] = {0, 100000, 1 << 20, 4 << 20};
    struct harness *harness = *state;
    struct spool_counts counts;
    uint64_t number;

    for (size_t l = 1; l < ARRAY_SIZE(limits); l++) {
        harness->settings.limit_bytes = limits[l];
        harness_open(harness);
        harness->n = 0;
        spool_mark_done(harness->spool, 0, UINT64_MAX);
        harness_log_start(harness);
        for (unsigned i = 0; i < 3000; i++) {
            harness->now_us += HARNESS_SECOND_US / 10;
            harness_append(harness, 1 + i % 3);
            if (i % 100 == 0)
                assert_true(harness_directory_bytes(harness->path) <= limits[l] + 16384);
        }
        assert_int_equal(harness_log_count(harness, "the spool is full"), l < 3 ? 1 : 0);
        harness_log_end(harness);
        spool_counts(harness->spool, &counts);
        assert_int_equal(counts.records + counts.dropped_size, harness->n);
        assert_int_equal(counts.dropped_size > 0, l < 3);
        assert_true(counts.bytes <= limits[l] && (l == 3 || counts.bytes > limits[l] / 3));
        /* The oldest went. */
        assert_int_equal(spool_next(harness->spool, 0, &number), 0);
        assert_int_equal(number, harness->records[counts.dropped_size].number);
        for (size_t i = 0; i < counts.dropped_size; i++)
            harness->records[i].state = EXPECT_DONE;
        harness_check(harness);
        harness_open(harness);
        harness_check(harness);
    }
}

static void test_age_limit(void **state)
{
    struct harness *harness = *state;
    const uint64_t limit_us = 3600 * HARNESS_SECOND_US;
    struct spool_counts counts;
    uint64_t dropped = 0;

    harness->settings.age_limit_us = limit_us;
    harness_open(harness);
    harness_log_start(harness);
    for (unsigned i = 0; i < 3000; i++) {
        harness->now_us += 10 * HARNESS_SECOND_US;
        /* Windows come late, too. */
        harness_append_at(harness, 1 + i % 2,
                          harness->now_us - harness_random(harness, 300) * HARNESS_SECOND_US);
        if (i % 50 != 0)
            continue;
        if (i % 250 == 0)
            harness_open(harness);
        spool_maintain(harness->spool, harness->now_us);
        for (size_t k = 0; k < harness->n; k++)
            if (harness->records[k].realtime_us < harness->now_us - limit_us &&
                harness->records[k].state != EXPECT_DONE) {
                harness->records[k].state = EXPECT_DONE;
                dropped++;
            }
        harness_check(harness);
    }
    assert_true(dropped > 3000);
    assert_true(harness_count_files(harness->path, ".seg") <= 3);
    /* One line each ten minutes and life. */
    assert_true(harness_log_count(harness, "that are older than 1 h") <= 60);
    harness_log_end(harness);
    harness->now_us += 2 * limit_us;
    spool_maintain(harness->spool, harness->now_us);
    spool_counts(harness->spool, &counts);
    assert_int_equal(counts.records, 0);
    assert_true(counts.dropped_age > 0);
    spool_maintain(harness->spool, 5); /* a clock that went back drops nothing */
}

static void test_memory_only(void **state)
{
    struct harness *harness = *state;
    struct spool_counts counts;
    int fds[SPOOL_SYNC_MAX];
    size_t dropped;

    harness->settings.directory = NULL;
    harness_open(harness);
    for (unsigned i = 0; i < 100; i++)
        harness_append(harness, 1 + i % 4);
    harness_mark_sending(harness, harness->records[3].number, harness->records[9].number);
    harness_mark_sending(harness, harness->records[5].number, harness->records[9].number);
    harness_mark_failed(harness, harness->records[4].number, harness->records[7].number);
    harness_mark_done(harness, harness->records[8].number, harness->records[90].number);
    harness_check(harness);
    spool_counts(harness->spool, &counts);
    assert_true(counts.in_memory && counts.disk_error == 0);
    assert_int_equal(spool_take_dirty(harness->spool, fds), 0);
    while (counts.dropped_size < 200) {
        harness_append(harness, 16);
        spool_counts(harness->spool, &counts);
        assert_true(counts.bytes <= SPOOL_MEMORY_LIMIT_BYTES);
    }
    assert_true(counts.bytes > SPOOL_MEMORY_LIMIT_BYTES * 9 / 10);
    dropped = counts.dropped_size;
    for (size_t i = 0; dropped > 0; i++)
        if (harness->records[i].state != EXPECT_DONE) {
            harness->records[i].state = EXPECT_DONE;
            dropped--;
        }
    harness_check(harness);
}

/* Thousands of random operations, on disk, held against the array after each few. */
static void test_model(void **state)
{
    struct harness *harness = *state;

    harness->settings.limit_bytes = 64 << 20; /* never reached */
    for (unsigned seed = 1; seed <= 4; seed++) {
        harness->random = seed;
        harness_open(harness);
        harness_mark_done(harness, 0, UINT64_MAX);
        harness->n = 0;
        for (unsigned i = 0; i < 3000; i++) {
            uint64_t what = harness_random(harness, 100), span = 1 + harness_random(harness, 30);
            uint64_t oldest = 0, first;

            if (spool_next(harness->spool, 0, &oldest) < 0)
                oldest = spool_next_number(harness->spool);
            first = oldest + harness_random(harness, 60);
            harness->now_us += harness_random(harness, 20) * HARNESS_SECOND_US;
            if (what < 40)
                harness_append(harness, 1 + harness_random(harness, SPOOL_GROUP_MAX));
            else if (what < 55)
                harness_mark_sending(harness, first, first + span);
            else if (what < 65)
                harness_mark_failed(harness, first, first + span);
            else if (what < 85)
                harness_mark_done(harness, first, first + span);
            else if (what < 90)
                harness_mark_done(harness, 0, oldest + 5 * span);
            else if (what < 97)
                spool_maintain(harness->spool, harness->now_us);
            else
                harness_open(harness);
            if (i % 97 == 0)
                harness_check(harness);
        }
        harness_check(harness);
        harness_open(harness);
        harness_check(harness);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_sizes, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_marks, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_numbers, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_number_of_closed, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_lock, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_dirty, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_size_limit, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_age_limit, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_memory_only, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_model, harness_set_up, harness_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
