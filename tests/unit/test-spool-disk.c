/* SPDX-License-Identifier: Apache-2.0 */
/* The spool on disks that are full, read-only, not there yet, and gone: it goes on in memory, says
 * so once, and comes back. */
#include "tests/unit/spool-harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define RETRY_US (30 * HARNESS_SECOND_US)

static struct spool_counts counts_of(const struct harness *harness)
{
    struct spool_counts counts;

    spool_counts(harness->spool, &counts);
    return counts;
}

/* A file system of |size| of its own, in mounts that only this process sees. The spool is in it. */
static bool mount_small(struct harness *harness, const char *size)
{
    char options[64];

    snprintf(options, sizeof(options), "size=%s,mode=0700", size);
    if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("agentd-test", harness->directory, "tmpfs", 0, options) < 0) {
        print_message("no mounts here (%s): skipped\n",
                      geteuid() != 0 ? "not root" : strerror(errno));
        return false;
    }
    return true;
}

static void unmount(struct harness *harness)
{
    harness->spool = spool_free(harness->spool);
    assert_int_equal(umount2(harness->directory, MNT_DETACH), 0);
}

static void fill(const struct harness *harness, bool full)
{
    static const size_t sizes[] = {65536, 4096, 1};
    static const char zeros[65536];
    char path[HARNESS_NAME_MAX];
    int fd;

    snprintf(path, sizeof(path), "%s/ballast", harness->directory);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (size_t i = 0; full && i < ARRAY_SIZE(sizes); i++)
        while (write(fd, zeros, sizes[i]) > 0)
            ;
    if (!full)
        assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
}

static void maintain(struct harness *harness, uint64_t later_us)
{
    harness->now_us += later_us;
    spool_maintain(harness->spool, harness->now_us);
}

/* Full in the middle of everything: with records on disk and marks on them. */
static void test_full(void **state)
{
    struct harness *harness = *state;

    if (!mount_small(harness, "1m"))
        skip();
    harness_open(harness);
    for (unsigned i = 0; i < 50; i++)
        harness_append(harness, 1 + i % 3);
    harness_log_start(harness);
    fill(harness, true);
    for (unsigned i = 0; i < 200; i++) {
        uint64_t last;

        harness_append(harness, 1 + i % 5);
        last = harness->records[harness->n - 1].number;
        maintain(harness, HARNESS_SECOND_US);
        /* On both sides of the border between disk and memory. */
        if (i == 100) {
            harness_mark_sending(harness, harness->records[40].number, last);
            harness_mark_failed(harness, last - 20, last);
            harness_mark_done(harness, harness->records[50].number, harness->records[200].number);
        }
        if (i % 20 == 0)
            harness_check(harness);
    }
    assert_true(counts_of(harness).in_memory);
    assert_int_equal(counts_of(harness).disk_error, ENOSPC);
    assert_int_equal(harness_log_count(harness, "metrics wait in memory, up to 2 MiB; they would "
                                                "be lost if agentd stopped"),
                     1);
    assert_int_equal(harness_log_count(harness, "\n"), 1);

    fill(harness, false);
    maintain(harness, RETRY_US);
    assert_false(counts_of(harness).in_memory);
    assert_int_equal(counts_of(harness).disk_error, 0);
    assert_int_equal(harness_log_count(harness, "works again"), 1);
    assert_int_equal(harness_log_count(harness, "\n"), 2);
    harness_check(harness);
    harness_open(harness); /* all of it, with its marks, is on disk */
    harness_check(harness);
    harness_append(harness, 3);
    harness_check(harness);
    unmount(harness);
}

/* A group that the disk has room for in part leaves nothing there, at whatever byte it ends. */
static void test_partial(void **state)
{
    struct harness *harness = *state;
    unsigned refused = 0;

    if (!mount_small(harness, "256k"))
        skip();
    harness_open(harness);
    for (unsigned i = 0; i < 60; i++) {
        char path[HARNESS_NAME_MAX];
        uint64_t next = spool_next_number(harness->spool), first, before, after;
        int fd;

        /* A few pages are left. */
        fill(harness, true);
        snprintf(path, sizeof(path), "%s/ballast", harness->directory);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - (i % 3) * 4096 - 1), 0);
        close(fd);
        bool any = harness_newest(harness->path, &first, &before);
        harness_append(harness, SPOOL_GROUP_MAX);
        if (counts_of(harness).in_memory) {
            refused++;
            if (any) {
                assert_true(harness_newest(harness->path, &first, &after));
                assert_int_equal(after, before);
            }
            harness->spool = spool_free(harness->spool); /* as if killed: memory is lost */
            fill(harness, false);
            harness_open(harness);
            assert_int_equal(spool_next_number(harness->spool), next);
            assert_false(spool_has(harness->spool, next));
            harness->n -= SPOOL_GROUP_MAX;
        }
        harness_check(harness);
        harness_mark_done(harness, 0, next > 40 ? next - 40 : 0);
        fill(harness, false);
        harness_open(harness); /* tries whether there is room */
    }
    assert_true(refused > 10);
    unmount(harness);
}

/* Files can't grow past |bytes|: every write behind them fails, and one across them is short. */
static void limit_files(uint64_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = MIN((rlim_t) bytes, limit.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The write of a group ends after any number of bytes. */
static void test_short_write(void **state)
{
    struct harness *harness = *state;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    uint64_t first, before, after;

    harness_open(harness);
    harness_append(harness, 3);
    for (unsigned i = 0; i < 500; i += i < 50 ? 1 : 23) {
        assert_true(harness_newest(harness->path, &first, &before));
        limit_files(before + i);
        harness_append(harness, 4);
        limit_files(UINT64_MAX);
        assert_true(counts_of(harness).in_memory);
        assert_int_equal(counts_of(harness).disk_error, i > 0 ? ENOSPC : EFBIG);
        assert_true(harness_newest(harness->path, &first, &after));
        assert_int_equal(after, before);
        harness_check(harness);
        maintain(harness, RETRY_US);
        assert_false(counts_of(harness).in_memory);
        harness_check(harness);
        harness_open(harness);
        harness_check(harness);
    }
    signal(SIGXFSZ, handler);
}

/* Marks that can't be written are kept and written later, on old segments too. */
static void test_marks_fail(void **state)
{
    struct harness *harness = *state;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    harness->settings.limit_bytes = 1 << 20;
    harness_open(harness);
    while (harness_count_files(harness->path, ".seg") < 3)
        harness_append(harness, 16);
    limit_files(0);
    for (size_t i = 10; i + 40 < harness->n; i += 300) {
        uint64_t number = harness->records[i].number;

        harness_mark_sending(harness, number, number + 30);
        harness_mark_failed(harness, number + 5, number + 10);
        harness_mark_done(harness, number + 20, number + 40);
    }
    assert_int_equal(counts_of(harness).disk_error, EFBIG);
    harness_append(harness, 5);
    harness_check(harness);
    maintain(harness, RETRY_US);
    assert_int_equal(counts_of(harness).disk_error, EFBIG);
    limit_files(UINT64_MAX);
    maintain(harness, RETRY_US);
    assert_false(counts_of(harness).in_memory);
    harness_open(harness);
    harness_check(harness);
    signal(SIGXFSZ, handler);
}

static void remount(const struct harness *harness, bool read_only)
{
    assert_int_equal(mount("agentd-test", harness->directory, NULL,
                           MS_REMOUNT | (read_only ? MS_RDONLY : 0), NULL),
                     0);
}

/* Who opens a read-only spool can't know whether another has sent from it. */
static void note_unsure(struct harness *harness)
{
    for (size_t i = 0; i < harness->n; i++)
        if (harness->records[i].state == EXPECT_NEW)
            harness->records[i].state = EXPECT_SENT;
}

/* Read-only at start: what is there can be read and sent; who marked what before is not known. */
static void test_read_only(void **state)
{
    struct harness *harness = *state;
    uint64_t border;

    if (!mount_small(harness, "1m"))
        skip();
    harness_open(harness);
    for (unsigned i = 0; i < 20; i++)
        harness_append(harness, 2);
    harness_mark_done(harness, 0, harness->records[4].number);
    border = harness->records[harness->n - 1].number;
    harness->spool = spool_free(harness->spool);
    remount(harness, true);
    harness_log_start(harness);
    harness_open(harness);
    assert_true(counts_of(harness).in_memory);
    assert_int_equal(counts_of(harness).disk_error, EROFS);
    assert_int_equal(harness_log_count(harness, "metrics wait in memory"), 1);
    note_unsure(harness);
    harness_check(harness);
    for (unsigned i = 0; i < 20; i++) {
        harness_append(harness, 2);
        maintain(harness, 10 * HARNESS_SECOND_US);
    }
    harness_mark_done(harness, 0, harness->records[9].number);
    harness_mark_sending(harness, harness->records[9].number, border + 2);
    harness_mark_failed(harness, harness->records[15].number, border + 2);
    harness_check(harness);
    assert_int_equal(harness_log_count(harness, "\n"), 1);

    remount(harness, false);
    maintain(harness, RETRY_US);
    assert_int_equal(harness_log_count(harness, "works again"), 1);
    assert_false(counts_of(harness).in_memory);
    harness_check(harness);
    harness_open(harness);
    harness_check(harness);
    unmount(harness);
}

/* A disk that comes and goes: not a line each time. */
static void test_flapping(void **state)
{
    struct harness *harness = *state;

    if (!mount_small(harness, "1m"))
        skip();
    harness_open(harness);
    harness_log_start(harness);
    for (unsigned i = 0; i < 40; i++) {
        fill(harness, true);
        harness_append(harness, SPOOL_GROUP_MAX);
        harness_append(harness, SPOOL_GROUP_MAX);
        assert_true(counts_of(harness).in_memory);
        fill(harness, false);
        maintain(harness, RETRY_US);
        assert_false(counts_of(harness).in_memory);
    }
    assert_int_equal(harness_log_count(harness, "metrics wait"), 2); /* in 20 minutes */
    assert_int_equal(harness_log_count(harness, "works again"), 2);
    harness_check(harness);
    unmount(harness);
}

/* The directory can't be made at first: its number is not known, but none is given twice. */
static void test_late(void **state)
{
    struct harness *harness = *state;
    char aside[HARNESS_NAME_MAX + 8];
    uint64_t before;

    snprintf(aside, sizeof(aside), "%s.aside", harness->path);
    harness_open(harness);
    for (unsigned i = 0; i < 20; i++)
        harness_append(harness, 3);
    before = spool_next_number(harness->spool);
    harness->spool = spool_free(harness->spool);
    assert_int_equal(rename(harness->path, aside), 0);
    harness_put(harness->path, "", 0); /* a file */
    harness->now_us += HARNESS_SECOND_US;
    harness_log_start(harness);
    harness_open(harness);
    assert_int_equal(harness_log_count(harness, "metrics wait in memory"), 1);
    assert_true(spool_next_number(harness->spool) >= before);
    assert_false(spool_has(harness->spool, before - 1));
    harness_append(harness, 2);
    harness_append(harness, 1);
    maintain(harness, RETRY_US);
    assert_true(counts_of(harness).in_memory);
    assert_int_equal(unlink(harness->path), 0);
    assert_int_equal(rename(aside, harness->path), 0);
    maintain(harness, RETRY_US);
    assert_false(counts_of(harness).in_memory);
    assert_int_equal(harness_log_count(harness, "\n"), 2);
    harness_check(harness);
    harness_open(harness);
    harness_check(harness);
}

/* The same where the clock had gone back: the numbers would clash, so the disk has to wait. */
static void test_late_clash(void **state)
{
    struct harness *harness = *state;
    char aside[HARNESS_NAME_MAX + 8];
    uint64_t before, number;

    snprintf(aside, sizeof(aside), "%s.aside", harness->path);
    harness_open(harness);
    harness_append(harness, 3);
    before = spool_next_number(harness->spool);
    harness->spool = spool_free(harness->spool);
    assert_int_equal(rename(harness->path, aside), 0);
    harness_put(harness->path, "", 0);
    harness->now_us = 1000;
    harness->n = 0;
    harness_open(harness);
    harness_append(harness, 2);
    assert_int_equal(unlink(harness->path), 0);
    assert_int_equal(rename(aside, harness->path), 0);
    maintain(harness, RETRY_US);
    assert_true(counts_of(harness).in_memory);
    harness_check(harness);
    harness_mark_done(harness, 0, harness->records[1].number);
    maintain(harness, RETRY_US);
    assert_false(counts_of(harness).in_memory);
    assert_int_equal(spool_next_number(harness->spool), before);
    assert_int_equal(spool_next(harness->spool, 0, &number), 0);
    assert_int_equal(number, before - 3);
}

/* An administrator cleans up under it. */
static void test_removed(void **state)
{
    struct harness *harness = *state;
    char path[HARNESS_NAME_MAX], *data;
    uint64_t first, size, realtime_us;
    size_t length;

    harness_open(harness);
    harness_append(harness, 3);
    assert_true(harness_newest(harness->path, &first, &size));
    harness_segment_path(path, harness->path, first);
    assert_int_equal(unlink(path), 0);
    harness_append(harness, 2); /* in a new one */
    assert_int_equal(spool_read(harness->spool, first, &data, &length, &realtime_us), -EBADMSG);
    for (unsigned i = 0; i < 3; i++)
        harness->records[i].state = EXPECT_DONE;
    harness_check(harness);
    assert_int_equal(counts_of(harness).dropped_bad, 3);
    harness_open(harness);
    harness_check(harness);

    harness_remove(harness->path);
    for (size_t i = 0; i < harness->n; i++)
        harness->records[i].state = EXPECT_DONE;
    harness_append(harness, 2);
    assert_true(counts_of(harness).in_memory);
    maintain(harness, RETRY_US);
    assert_false(counts_of(harness).in_memory);
    harness_check(harness);
    harness_open(harness);
    harness_check(harness);
}

/* Random operations while the disk is full, read-only and well again, held against the array. */
static void test_model(void **state)
{
    struct harness *harness = *state;
    bool read_only = false;

    if (!mount_small(harness, "8m"))
        skip();
    harness->settings.limit_bytes = 64 << 20;
    harness_open(harness);
    for (unsigned i = 0; i < 4000; i++) {
        uint64_t what = harness_random(harness, 100), span = 1 + harness_random(harness, 60);
        uint64_t oldest, first;

        if (spool_next(harness->spool, 0, &oldest) < 0)
            oldest = spool_next_number(harness->spool);
        first = oldest + harness_random(harness, 60);
        if (i % 500 == 0 && !read_only)
            fill(harness, i % 1000 == 500);
        if (i % 700 == 0 && read_only) {
            remount(harness, false);
            read_only = false;
        } else if (i % 700 == 0 && !counts_of(harness).in_memory) {
            harness->spool = spool_free(harness->spool);
            remount(harness, true);
            read_only = true;
            harness_open(harness);
            note_unsure(harness);
        }
        if (what < 40)
            harness_append(harness, 1 + harness_random(harness, SPOOL_GROUP_MAX));
        else if (what < 50)
            harness_mark_sending(harness, first, first + span);
        else if (what < 60)
            harness_mark_failed(harness, first, first + span);
        else if (what < 80)
            harness_mark_done(harness, first, first + span);
        else if (what < 84)
            harness_mark_done(harness, 0, oldest + 6 * span);
        else
            maintain(harness, harness_random(harness, 20) * HARNESS_SECOND_US);
        if (i % 97 == 0)
            harness_check(harness);
        if (what == 99 && !counts_of(harness).in_memory)
            harness_open(harness);
    }
    remount(harness, false);
    fill(harness, false);
    maintain(harness, RETRY_US);
    assert_int_equal(counts_of(harness).disk_error, 0);
    assert_int_equal(counts_of(harness).dropped_size, 0);
    assert_int_equal(counts_of(harness).dropped_bad, 0);
    harness_check(harness);
    harness_open(harness);
    harness_check(harness);
    unmount(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_partial, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_short_write, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_marks_fail, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_read_only, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_flapping, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_late, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_late_clash, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_removed, harness_set_up, harness_tear_down),
        cmocka_unit_test_setup_teardown(test_model, harness_set_up, harness_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
