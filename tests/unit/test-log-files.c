/* SPDX-License-Identifier: Apache-2.0 */
/* Workers' log files stay bounded, and whole lines are kept. */
#include "agent/core/log-files.h"

#include "common/base/files.h"
#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct place {
    char path[PATH_MAX];
    int fd;
};

static int setup(void **state)
{
    struct place *place = malloc(sizeof(*place));

    assert_non_null(place);
    unit_directory_make(place->path);
    place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(place->fd >= 0);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;

    close(place->fd);
    unit_directory_remove(place->path);
    free(place);
    return 0;
}

static void put(const struct place *place, const char *name, const char *text)
{
    CLEANUP_CLOSE int fd = openat(place->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static void assert_holds(const struct place *place, const char *name, const char *wanted)
{
    size_t length;
    CLEANUP_FREE char *text = unit_file_read(place->fd, name, &length);

    assert_int_equal(length, strlen(wanted));
    assert_string_equal(text, wanted);
}

static void test_cuts_to_whole_lines(void **state)
{
    static const struct {
        const char *text;
        size_t keep_bytes;
        const char *kept;
    } cases[] = {
        {"one\ntwo\nthree\nfour\n", 10, "four\n"}, /* "ree\nfour\n" and before */
        {"one\ntwo\nthree\nfour\n", 12, "three\nfour\n"},
        {"one\ntwo\nthree\nfour\n", 11, "four\n"}, /* no telling that it begins a line */
        {"one\ntwo\nthree\nfour\nfi", 7, "fi"},    /* a line that is being written */
        {"one\ntwo\nthree\nfour\n", 1000, "two\nthree\nfour\n"},
        {"a line without an end", 5, ""},
        {"a line without an end\n", 5, ""},
    };
    const struct place *place = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        put(place, "board.1.log", cases[i].text);
        assert_int_equal(log_files_cut(place->path, 12, cases[i].keep_bytes), 1);
        assert_holds(place, "board.1.log", cases[i].kept);
    }
}

static void test_only_what_is_over_the_limit(void **state)
{
    const struct place *place = *state;

    put(place, "at.log", "12345\n7890\n");
    put(place, "over.log", "12345\n78901\n");
    put(place, "another.txt", "12345\n78901\nabc\n");
    put(place, "log", "12345\n78901\nabc\n");
    put(place, "old.log.1", "12345\n78901\nabc\n");
    assert_int_equal(log_files_cut(place->path, 11, 8), 1);
    assert_holds(place, "at.log", "12345\n7890\n");
    assert_holds(place, "over.log", "78901\n");
    assert_holds(place, "another.txt", "12345\n78901\nabc\n");
    assert_holds(place, "log", "12345\n78901\nabc\n");
    assert_holds(place, "old.log.1", "12345\n78901\nabc\n");
    assert_int_equal(log_files_cut(place->path, 11, 8), 0);
}

/* A worker can put anything there: only its own plain file may be touched. */
static void test_what_is_no_log_file_is_left_alone(void **state)
{
    const struct place *place = *state;

    put(place, "precious", "12345\n78901\nabc\n");
    assert_int_equal(symlinkat("precious", place->fd, "link.log"), 0);
    assert_int_equal(mkdirat(place->fd, "directory.log", 0700), 0);
    assert_int_equal(mkfifoat(place->fd, "fifo.log", 0600), 0);
    assert_int_equal(log_files_cut(place->path, 1, 8), 0);
    assert_holds(place, "precious", "12345\n78901\nabc\n");
}

static void test_worker_goes_on_at_the_new_end(void **state)
{
    const struct place *place = *state;
    CLEANUP_CLOSE int fd = -1;

    put(place, "w.log", "one\ntwo\nthree\n");
    fd = openat(place->fd, "w.log", O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(log_files_cut(place->path, 1, 8), 1);
    assert_int_equal(fd_write_all(fd, "four\n", 5), 0);
    assert_holds(place, "w.log", "three\nfour\n");
}

static void test_no_directory(void **state)
{
    const struct place *place = *state;
    char path[PATH_MAX + 8];

    snprintf(path, sizeof(path), "%s/none", place->path);
    assert_int_equal(log_files_cut(path, 1, 1), -ENOENT);
    assert_int_equal(log_files_cut(place->path, 1, 1), 0);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_cuts_to_whole_lines),
        CASE(test_only_what_is_over_the_limit),
        CASE(test_what_is_no_log_file_is_left_alone),
        CASE(test_worker_goes_on_at_the_new_end),
        CASE(test_no_directory),
    };

    return cmocka_run_group_tests_name("log-files", tests, NULL, NULL);
}
