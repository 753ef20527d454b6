/* SPDX-License-Identifier: Apache-2.0 */
/* Files in the spool's directory that are not what their names say: set aside, left alone, never in
 * the way. */
#include "tests/unit/spool-harness.h"

#include <fcntl.h>
#include <sys/stat.h>

#define FOREIGN_NAME "0000000000000777.seg"

static void put_empty(const char *path)
{
    harness_put(path, "", 0);
}

static void put_text(const char *path)
{
    harness_put(path, "hello\n", 6);
}

static void put_zeros(const char *path)
{
    static const char zeros[20000];

    harness_put(path, zeros, sizeof(zeros));
}

static void put_huge(const char *path)
{
    put_text(path);
    assert_int_equal(truncate(path, (off_t) 6 << 30), 0); /* sparse */
}

static void put_directory(const char *path)
{
    assert_int_equal(mkdir(path, 0700), 0);
}

static void put_link(const char *path)
{
    assert_int_equal(symlink("/dev/zero", path), 0);
}

static void put_dangling(const char *path)
{
    assert_int_equal(symlink("nowhere", path), 0);
}

static void put_fifo(const char *path)
{
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void put_magics(const char *path)
{
    static char data[200000];

    for (size_t i = 0; i < sizeof(data); i += 4)
        memcpy(data + i, "R1\xFE\xA7", 4);
    harness_put(path, data, sizeof(data));
}

static void test_foreign(void **state)
{
    static void (*const cases[])(const char *) = {put_empty, put_text,     put_zeros,
                                                  put_huge,  put_magics,   put_directory,
                                                  put_link,  put_dangling, put_fifo};
    struct harness *harness = *state;
    struct spool_counts counts;
    char path[HARNESS_NAME_MAX + 32];

    harness_open(harness);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        harness->spool = spool_free(harness->spool);
        snprintf(path, sizeof(path), "%s/%s", harness->path, FOREIGN_NAME);
        cases[i](path);
        harness_log_start(harness);
        harness_open(harness);
        assert_int_equal(harness_log_count(harness, "renamed them to *.bad"), 1);
        harness_log_end(harness);
        spool_counts(harness->spool, &counts);
        assert_int_equal(counts.bad_files, 1);
        assert_int_equal(access(path, F_OK), -1);
        harness_append(harness, 2);
        harness_check(harness);
        snprintf(path, sizeof(path), "%s/%s.bad", harness->path, FOREIGN_NAME);
        remove(path);
    }
}

/* Names that are not ours are nobody's business here, whatever is in them. */
static void test_other_names(void **state)
{
    static const char *const names[] = {
        "README",
        "0000000000000777.seg~",
        "0000000000000777",
        "777.seg",
        "000000000000077G.seg",
        "000000000000077A.seg",
        "0000000000000777.mark",
        "ffffffffffffffff.seg",
        "0020000000000000.seg",
        "0000000000000000.seg",
    };
    struct harness *harness = *state;
    char path[HARNESS_NAME_MAX + 32];

    harness_open(harness);
    harness_append(harness, 2);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", harness->path, names[i]);
        put_text(path);
    }
    harness_open(harness);
    harness_check(harness);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", harness->path, names[i]);
        assert_int_equal(access(path, F_OK), 0);
    }
}

/* A good segment under another number's name, and one of another version. */
static void test_wrong_header(void **state)
{
    struct harness *harness = *state;
    struct spool_counts counts;
    char path[HARNESS_NAME_MAX];
    uint64_t first, size;
    size_t length;
    char *data;

    harness_open(harness);
    harness_append(harness, 5);
    harness->spool = spool_free(harness->spool);
    assert_true(harness_newest(harness->path, &first, &size));
    harness_segment_path(path, harness->path, first);
    data = unit_file_read(AT_FDCWD, path, &length);
    harness_segment_path(path, harness->path, first + 100);
    harness_put(path, data, length);
    harness_open(harness);
    harness_check(harness); /* each once */
    spool_counts(harness->spool, &counts);
    assert_int_equal(counts.bad_files, 1);
    /* What the name could have stood for is not given again. */
    assert_int_equal(spool_next_number(harness->spool), first + 100 + SPOOL_SEGMENT_RECORDS_MAX);
    harness_append(harness, 1);
    harness_open(harness);
    harness_check(harness);
    free(data);
}

/* The newest segment is gone bad for good: its numbers are not given again. */
static void test_newest_bad(void **state)
{
    struct harness *harness = *state;
    char path[HARNESS_NAME_MAX];
    uint64_t first, size, last;

    harness_open(harness);
    for (unsigned life = 0; life < 12; life++) {
        harness_append(harness, 3);
        last = harness->records[harness->n - 1].number;
        assert_true(harness_newest(harness->path, &first, &size));
        harness->spool = spool_free(harness->spool);
        harness_segment_path(path, harness->path, first);
        put_zeros(path);
        harness_open(harness);
        assert_true(spool_next_number(harness->spool) > last);
        last = spool_next_number(harness->spool);
        harness_open(harness);
        assert_int_equal(spool_next_number(harness->spool), last);
        assert_true(harness_count_files(harness->path, ".bad") <= SPOOL_BAD_FILES_MAX);
    }
    assert_int_equal(harness_count_files(harness->path, ".bad"), SPOOL_BAD_FILES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_foreign, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_other_names, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_header, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_newest_bad, harness_set_up, harness_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
