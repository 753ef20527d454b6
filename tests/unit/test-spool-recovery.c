/* SPDX-License-Identifier: Apache-2.0 */
/* The spool after crashes and power loss: whatever is in its files, it opens, keeps what was whole,
 * in order and once, and knows what may have been sent. */
#include "tests/unit/spool-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define TABLE_BYTES (64u + 4u * SPOOL_SEGMENT_RECORDS_MAX)
#define PAGE_BYTES  4096u

/* The newest segment's file in memory, to be damaged. */
struct image {
    uint64_t first;
    unsigned char *data;
    size_t length;
};

static void load(struct harness *harness, struct image *ret)
{
    char path[HARNESS_NAME_MAX];
    uint64_t size;

    assert_true(harness_newest(harness->path, &ret->first, &size));
    harness_segment_path(path, harness->path, ret->first);
    ret->data = (unsigned char *) unit_file_read(AT_FDCWD, path, &ret->length);
}

/* A copy of the spool in which the newest segment is |data|, opened. */
static struct spool *open_damaged(struct harness *harness, const struct image *image,
                                  const void *data, size_t length)
{
    char path[HARNESS_NAME_MAX + 8], segment[HARNESS_NAME_MAX];

    snprintf(path, sizeof(path), "%s.copy", harness->path);
    if (access(path, F_OK) == 0)
        harness_remove(path);
    harness_copy(harness->path, path);
    harness_segment_path(segment, path, image->first);
    harness_put(segment, data, length);
    return harness_open_at(harness, path);
}

/* Some hundred records in several segments, in all states. The newest is half full. */
static void build(struct harness *harness)
{
    uint64_t first = 0, size = 0;

    harness->settings.limit_bytes = 1 << 20; /* segments of 128 KiB; it is never reached */
    harness_open(harness);
    for (unsigned i = 0; i < 100 || size < 40000 || size > 80000; i++) {
        uint64_t last, from;

        harness->now_us += 10 * HARNESS_SECOND_US;
        harness_append(harness, 1 + harness_random(harness, 8));
        last = harness->records[harness->n - 1].number;
        from = last - harness_random(harness, 40);
        switch (harness_random(harness, 5)) {
        case 0:
            harness_mark_sending(harness, from, from + harness_random(harness, 10));
            break;
        case 1:
            harness_mark_failed(harness, from, from + harness_random(harness, 10));
            break;
        case 2:
            harness_mark_done(harness, from, from + harness_random(harness, 6));
            break;
        default:
            break;
        }
        assert_true(harness_newest(harness->path, &first, &size));
    }
    harness->spool = spool_free(harness->spool);
}

/* What is in the spool: right content, rising, each once. |seen|: by place in the notes. */
static void look(struct harness *harness, struct spool *spool, bool seen[])
{
    uint64_t number = 0, next = spool_next_number(spool);

    memset(seen, 0, harness->n);
    while (spool_next(spool, number, &number) == 0) {
        const struct harness_record *record = harness_find(harness, number);
        char *data;
        size_t length;
        uint64_t realtime_us;

        assert_true(number < next);
        assert_non_null(record);
        /* A closed segment's damage is found here; the record is gone then. */
        if (spool_read(spool, number, &data, &length, &realtime_us) == -EBADMSG) {
            assert_int_equal(spool_read(spool, number, &data, &length, &realtime_us), -ENOENT);
        } else {
            free(data);
            harness_check_record(spool, number, record->realtime_us);
            seen[record - harness->records] = true;
        }
        number++;
    }
}

/* What was found once is found again, and appending goes on behind it. */
static struct spool *look_again(struct harness *harness, struct spool *spool, const bool seen[])
{
    char path[HARNESS_NAME_MAX + 8], data[HARNESS_DATA_MAX], *found;
    bool *again = calloc(harness->n + 1, sizeof(*again));
    uint64_t next = spool_next_number(spool), realtime_us;
    struct spool_part part = {data, harness_data(next, data)};
    size_t length;

    snprintf(path, sizeof(path), "%s.copy", harness->path);
    assert_false(spool_has(spool, next));
    spool_free(spool);
    spool = harness_open_at(harness, path);
    look(harness, spool, again);
    assert_memory_equal(seen, again, harness->n);
    assert_int_equal(spool_next_number(spool), next);
    assert_int_equal(spool_append(spool, 1, &part, 1, harness->now_us), 0);
    assert_true(spool_has(spool, next));
    assert_false(spool_is_ambiguous(spool, next));
    assert_int_equal(spool_read(spool, next, &found, &length, &realtime_us), 0);
    assert_int_equal(length, part.length);
    assert_memory_equal(found, data, length);
    free(found);
    free(again);
    return spool;
}

static bool is_sent(const struct harness_record *record)
{
    return record->state == EXPECT_SENT || record->state == EXPECT_TWICE;
}

static bool group_has_mark(const struct harness *harness, const struct harness_record *record)
{
    for (size_t i = 0; i < harness->n; i++)
        if (harness->records[i].group >= record->group && harness->records[i].state != EXPECT_NEW &&
            harness->records[i].segment == record->segment)
            return true;
    return false;
}

/* Cut off at any byte, or zero from there on: all groups before are there, with their states, and
 * none that is not whole, unless a mark says that it was. */
static void check_cut(struct harness *harness, const struct image *image, size_t at, bool zeros)
{
    unsigned char *data = malloc(image->length + 1);
    bool *seen = calloc(harness->n + 1, sizeof(*seen));
    struct spool *spool;

    memcpy(data, image->data, image->length);
    memset(data + at, 0, image->length - at);
    spool = open_damaged(harness, image, data, zeros ? image->length : at);
    look(harness, spool, seen);
    for (size_t i = 0; i < harness->n; i++) {
        const struct harness_record *record = &harness->records[i];
        bool there = record->segment != image->first || record->group_end <= at;

        if (record->state == EXPECT_DONE)
            assert_false(seen[i]);
        else if (there)
            assert_true(seen[i]);
        else
            assert_true(!seen[i] || group_has_mark(harness, record));
        if (seen[i])
            assert_int_equal(spool_is_ambiguous(spool, record->number), is_sent(record));
        if (there || record->state != EXPECT_NEW)
            assert_true(spool_has(spool, record->number));
    }
    spool_free(look_again(harness, spool, seen));
    free(seen);
    free(data);
}

static void test_cut(void **state)
{
    struct harness *harness = *state;
    struct image image;

    build(harness);
    load(harness, &image);
    for (unsigned i = 0; i < 120; i++) {
        size_t at = TABLE_BYTES + harness_random(harness, image.length - TABLE_BYTES + 1);

        check_cut(harness, &image, at, i % 2);
    }
    free(image.data);
}

/* The core is killed in its write: cut at each byte of the last group. Whether it was appended is
 * what spool_has() says, and its numbers are free again if not. */
static void test_torn_group(void **state)
{
    struct harness *harness = *state;
    const struct harness_record *first;
    char copy[HARNESS_NAME_MAX + 8];
    uint64_t segment, size;
    struct image image;

    snprintf(copy, sizeof(copy), "%s.copy", harness->path);
    harness_open(harness);
    harness_append(harness, 2);
    harness_append(harness, 4);
    harness->spool = spool_free(harness->spool);
    load(harness, &image);
    first = &harness->records[2];
    assert_int_equal(first->group_end, image.length);
    for (size_t at = first->group_offset; at <= image.length;
         at += at < first->group_offset + 100 || at > image.length - 100 ? 1 : 3) {
        struct spool *spool = open_damaged(harness, &image, image.data, at);
        bool whole = at == image.length;

        for (unsigned i = 0; i < 6; i++)
            assert_int_equal(spool_has(spool, harness->records[i].number), i < 2 || whole);
        assert_int_equal(spool_next_number(spool), first->number + (whole ? 4 : 0));
        spool_free(spool);
        assert_true(harness_newest(copy, &segment, &size));
        assert_int_equal(size, whole ? image.length : first->group_offset);
    }
    free(image.data);
}

/* Bytes of records turn: what was not touched is there, but for groups at the end that are no
 * longer whole. */
static void test_flips(void **state)
{
    struct harness *harness = *state;
    struct image image;
    bool *seen;

    build(harness);
    load(harness, &image);
    seen = calloc(harness->n + 1, sizeof(*seen));
    for (unsigned round = 0; round < 120; round++) {
        unsigned char *data = malloc(image.length);
        size_t at[4], n = 1 + harness_random(harness, ARRAY_SIZE(at)), last_good = 0;
        struct spool *spool;

        memcpy(data, image.data, image.length);
        for (size_t i = 0; i < n; i++) {
            at[i] = TABLE_BYTES + harness_random(harness, image.length - TABLE_BYTES);
            data[at[i]] ^= (unsigned char) (1 + harness_random(harness, 255));
        }
        spool = open_damaged(harness, &image, data, image.length);
        look(harness, spool, seen);
        for (unsigned pass = 0; pass < 2; pass++) {
            for (size_t i = 0; i < harness->n; i++) {
                const struct harness_record *record = &harness->records[i];
                bool touched = false;

                for (size_t k = 0; k < n; k++)
                    touched |= record->segment == image.first && at[k] >= record->group_offset &&
                               at[k] < record->group_end;
                if (pass == 0 && !touched)
                    last_good = record->group;
                if (pass == 1 && !touched && record->group <= last_good)
                    assert_int_equal(seen[i], record->state != EXPECT_DONE);
                if (pass == 1 && seen[i])
                    assert_int_equal(spool_is_ambiguous(spool, record->number), is_sent(record));
            }
        }
        spool_free(look_again(harness, spool, seen));
        free(data);
    }
    free(seen);
    free(image.data);
}

/* Within a bad group the other records stay, when good ones follow. */
static void test_bad_middle(void **state)
{
    struct harness *harness = *state;
    struct spool_counts counts;
    struct image image;
    bool seen[9];

    harness_open(harness);
    for (unsigned i = 0; i < 3; i++)
        harness_append(harness, 3);
    harness->spool = spool_free(harness->spool);
    load(harness, &image);
    for (size_t at = harness->records[3].group_offset; at < harness->records[3].group_end;
         at += 7) {
        struct spool *spool;

        image.data[at] ^= 0x55;
        spool = open_damaged(harness, &image, image.data, image.length);
        image.data[at] ^= 0x55;
        look(harness, spool, seen);
        for (unsigned i = 0; i < 9; i++)
            if (i < 3 || i > 5)
                assert_true(seen[i]);
        assert_int_equal(seen[3] + seen[4] + seen[5], 2);
        spool_counts(spool, &counts);
        assert_int_equal(counts.dropped_bad, 1);
        spool_free(look_again(harness, spool, seen));
    }
    free(image.data);
}

/* The state after damage to the header and the marks. */
static void check_table(struct harness *harness, const struct image *image,
                        const unsigned char *data)
{
    bool *seen = calloc(harness->n + 1, sizeof(*seen));
    bool head_good = memcmp(data, image->data, 64) == 0;
    struct spool *spool = open_damaged(harness, image, data, image->length);

    look(harness, spool, seen);
    for (size_t i = 0; i < harness->n; i++) {
        const struct harness_record *record = &harness->records[i];
        size_t slot = 64 + 4 * (record->number - image->first);
        bool ours = record->segment == image->first;
        static const unsigned char zeros[4];

        if (!ours || (head_good && memcmp(data + slot, image->data + slot, 4) == 0)) {
            assert_int_equal(seen[i], record->state != EXPECT_DONE);
            assert_int_equal(spool_is_ambiguous(spool, record->number), is_sent(record));
        } else if (memcmp(data + slot, zeros, 4) != 0 && memcmp(data + slot, "DONE", 4) != 0) {
            assert_true(seen[i]); /* sent again rather than forgotten, but known */
            assert_true(spool_is_ambiguous(spool, record->number));
        } else if (!head_good && seen[i]) {
            assert_true(spool_is_ambiguous(spool, record->number));
        }
    }
    spool_free(look_again(harness, spool, seen));
    free(seen);
}

static void test_bad_marks(void **state)
{
    struct harness *harness = *state;
    struct image image;
    size_t end;

    build(harness);
    load(harness, &image);
    end = 64 + 4 * (harness->records[harness->n - 1].number - image.first + 1);
    for (unsigned round = 0; round < 120; round++) {
        unsigned char *data = malloc(image.length);

        memcpy(data, image.data, image.length);
        for (unsigned i = 0; i < 1 + round % 5; i++)
            data[round % 10 == 0 ? harness_random(harness, 64)
                                 : 64 + harness_random(harness, end - 64)] ^=
                (unsigned char) (1 + harness_random(harness, 255));
        if (round % 4 == 3) {
            size_t at = harness_random(harness, end);

            memset(data + at, 0, TABLE_BYTES - at);
        }
        check_table(harness, &image, data);
        free(data);
    }
    free(image.data);
}

/*
 * Power loss: since the last sync each page of the file has got to the disk or not, and the size
 * too. What was synced is there, in the state that it had then or a later one.
 */
static void test_lost_pages(void **state)
{
    struct harness *harness = *state;
    struct harness_record *synced;
    struct image before, after;
    size_t n_synced;
    bool *seen;

    build(harness);
    load(harness, &before);
    n_synced = harness->n;
    synced = malloc(n_synced * sizeof(*synced));
    memcpy(synced, harness->records, n_synced * sizeof(*synced));
    harness_open(harness);
    for (unsigned i = 0; i < 40; i++) {
        uint64_t last, from;

        harness_append(harness, 1 + harness_random(harness, 4));
        last = harness->records[harness->n - 1].number;
        from = last - harness_random(harness, 60);
        harness_mark_sending(harness, from, from + 5);
        if (i % 2)
            harness_mark_done(harness, from, from + harness_random(harness, 6));
    }
    harness->spool = spool_free(harness->spool);
    load(harness, &after);
    assert_int_equal(after.first, before.first); /* build() leaves room */
    seen = calloc(harness->n + 1, sizeof(*seen));
    for (unsigned round = 0; round < 120; round++) {
        unsigned char *data = calloc(1, after.length);
        size_t length = round % 3 == 0
                            ? before.length
                            : before.length + harness_random(harness, after.length - before.length);
        struct spool *spool;

        for (size_t at = 0; at < length; at += PAGE_BYTES) {
            const struct image *from = harness_random(harness, 2) ? &after : &before;

            size_t shortest = MIN(from->length, length);
            size_t end = MIN(at + PAGE_BYTES, shortest);

            if (at < end)
                memcpy(data + at, from->data + at, end - at);
        }
        spool = open_damaged(harness, &after, data, length);
        look(harness, spool, seen);
        for (size_t i = 0; i < n_synced; i++) {
            const struct harness_record *record = &harness->records[i];

            if (synced[i].state == EXPECT_DONE)
                assert_false(seen[i]);
            if (record->state != EXPECT_DONE && synced[i].state != EXPECT_DONE)
                assert_true(seen[i]);
            if (seen[i] && is_sent(&synced[i]))
                assert_true(spool_is_ambiguous(spool, record->number));
        }
        spool_free(look_again(harness, spool, seen));
        free(data);
    }
    free(seen);
    free(synced);
    free(before.data);
    free(after.data);
}

/* A closed segment is damaged or removed; the others don't suffer. */
static void test_old_segment(void **state)
{
    struct harness *harness = *state;
    bool *seen;

    build(harness);
    seen = calloc(harness->n + 1, sizeof(*seen));
    for (unsigned round = 0; round < 100; round++) {
        char copy[HARNESS_NAME_MAX + 8], path[HARNESS_NAME_MAX];
        uint64_t segment = harness->records[0].segment;
        struct spool_counts counts;
        unsigned missing = 0;
        struct spool *spool;
        struct stat status;
        off_t at;

        snprintf(copy, sizeof(copy), "%s.copy", harness->path);
        if (access(copy, F_OK) == 0)
            harness_remove(copy);
        harness_copy(harness->path, copy);
        harness_segment_path(path, copy, segment);
        assert_int_equal(stat(path, &status), 0);
        at = (off_t) harness_random(harness, (uint64_t) status.st_size);
        if (round % 10 == 0)
            at = round % 20;
        assert_int_equal(truncate(path, at), 0);
        if (round % 2)
            assert_int_equal(truncate(path, status.st_size), 0);
        spool = harness_open_at(harness, copy);
        if (round == 42)
            assert_int_equal(unlink(path), 0); /* while it is used */
        look(harness, spool, seen);
        for (size_t i = 0; i < harness->n; i++) {
            const struct harness_record *record = &harness->records[i];

            if (record->segment != segment ||
                (at >= (off_t) TABLE_BYTES && record->group_end <= (uint64_t) at && round != 42))
                assert_int_equal(seen[i], record->state != EXPECT_DONE);
            missing += !seen[i] && record->state != EXPECT_DONE;
        }
        spool_counts(spool, &counts);
        if (missing > 0)
            assert_true(counts.dropped_bad >= missing || counts.bad_files == 1);
        spool_free(look_again(harness, spool, seen));
    }
    free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cut, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_torn_group, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_flips, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_bad_middle, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_bad_marks, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_lost_pages, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_old_segment, harness_set_up, harness_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
