/* SPDX-License-Identifier: Apache-2.0 */
/* The file sink under crashes, full disks, rotation and other people's hands. */
#include "agent/publish/file-sink.h"

#include "common/base/files.h"
#include "common/base/log.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

struct fixture {
    char directory[PATH_MAX];
    char path[PATH_MAX + 32];
    char rotated[PATH_MAX + 32];
    struct file_sink *sink;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    unit_directory_make(fixture->directory);
    snprintf(fixture->path, sizeof(fixture->path), "%s/m.jsonl", fixture->directory);
    snprintf(fixture->rotated, sizeof(fixture->rotated), "%s/m.jsonl.1", fixture->directory);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    file_sink_free(fixture->sink);
    unit_directory_remove(fixture->directory);
    free(fixture);
    return 0;
}

static void open_sink(struct fixture *fixture, uint64_t limit)
{
    fixture->sink = file_sink_free(fixture->sink);
    assert_int_equal(file_sink_open(&fixture->sink, fixture->path, limit), 0);
}

static void put(const char *path, const char *text, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, length), 0);
    close(fd);
}

static void put_text(const char *path, const char *text)
{
    put(path, text, strlen(text));
}

static void assert_file(const char *path, const char *expected)
{
    size_t length;
    char *text = unit_file_read(AT_FDCWD, path, &length);

    assert_string_equal(text, expected);
    assert_int_equal(length, strlen(expected));
    free(text);
}

static int append(struct fixture *fixture, const char *line)
{
    int64_t offset = file_sink_offset(fixture->sink);

    assert_true(offset >= 0);
    return file_sink_append(fixture->sink, line, strlen(line));
}

static void test_append(void **state)
{
    struct fixture *fixture = *state;
    struct stat status;

    open_sink(fixture, 0);
    assert_int_equal(file_sink_offset(fixture->sink), 0);
    assert_int_equal(append(fixture, "{\"a\":1}\n"), 0);
    assert_int_equal(file_sink_offset(fixture->sink), 8);
    assert_int_equal(append(fixture, "{}\n"), 0);
    open_sink(fixture, 0);
    assert_int_equal(file_sink_offset(fixture->sink), 11);
    assert_int_equal(append(fixture, "{\"b\":2}\n"), 0);
    assert_file(fixture->path, "{\"a\":1}\n{}\n{\"b\":2}\n");
    assert_int_equal(stat(fixture->path, &status), 0);
    assert_int_equal(status.st_mode & 0027, 0); /* not for everybody */
}

static void test_refused(void **state)
{
    static const struct {
        const char *line;
        size_t length;
    } cases[] = {
        {"", 0},       {"\n", 1},    {"{}", 2},     {"[]\n", 3},     {"{}\n\n", 4},
        {"{\n}\n", 4}, {"{} \n", 4}, {"{\0}\n", 4}, {"{}\n{}\n", 6},
    };
    struct fixture *fixture = *state;

    open_sink(fixture, 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(file_sink_offset(fixture->sink), 0);
        assert_int_equal(file_sink_append(fixture->sink, cases[i].line, cases[i].length), -EINVAL);
    }
    assert_file(fixture->path, "");
}

/* It appends only where it said that it would. */
static void test_stale_offset(void **state)
{
    struct fixture *fixture = *state;

    open_sink(fixture, 0);
    assert_int_equal(file_sink_append(fixture->sink, "{}\n", 3), -ESTALE); /* never asked */
    assert_int_equal(file_sink_offset(fixture->sink), 0);
    put_text(fixture->path, "{\"other\":1}\n");
    assert_int_equal(file_sink_append(fixture->sink, "{}\n", 3), -ESTALE);
    assert_int_equal(file_sink_append(fixture->sink, "{}\n", 3), -ESTALE);
    assert_int_equal(file_sink_offset(fixture->sink), 12);
    assert_int_equal(file_sink_append(fixture->sink, "{}\n", 3), 0);
    assert_int_equal(file_sink_append(fixture->sink, "{}\n", 3), -ESTALE); /* each is asked for */
    assert_file(fixture->path, "{\"other\":1}\n{}\n");
}

/* A file size limit is a full disk that needs no disk: part of a write fits, then nothing. */
static void test_no_space(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit before, small;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    int r;

    open_sink(fixture, 0);
    assert_int_equal(append(fixture, "{\"a\":1}\n"), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (unsigned room = 8; room < 16; room++) {
        assert_int_equal(file_sink_offset(fixture->sink), 8);
        small = before;
        small.rlim_cur = room;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        r = file_sink_append(fixture->sink, "{\"b\":2}\n", 8);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(r, room == 8 ? -EFBIG : -ENOSPC);
        assert_file(fixture->path, "{\"a\":1}\n");
    }
    assert_int_equal(append(fixture, "{\"b\":2}\n"), 0);
    assert_file(fixture->path, "{\"a\":1}\n{\"b\":2}\n");
    signal(SIGXFSZ, handler);
}

static void test_rotation(void **state)
{
    struct fixture *fixture = *state;

    put_text(fixture->rotated, "old\n");
    open_sink(fixture, 16);
    assert_int_equal(append(fixture, "{\"a\":1}\n"), 0);
    assert_int_equal(append(fixture, "{\"a\":22}\n"), 0); /* 17 bytes: over the limit now */
    assert_file(fixture->rotated, "old\n");
    assert_int_equal(file_sink_offset(fixture->sink), 0);
    assert_file(fixture->rotated, "{\"a\":1}\n{\"a\":22}\n");
    assert_file(fixture->path, "");
    assert_int_equal(file_sink_append(fixture->sink, "{\"c\":3}\n", 8), 0);
    assert_file(fixture->path, "{\"c\":3}\n");
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(append(fixture, "{\"d\":4}\n"), 0);
    assert_file(fixture->rotated, "{\"d\":4}\n{\"d\":4}\n");
}

static void test_moved_by_others(void **state)
{
    struct fixture *fixture = *state;

    open_sink(fixture, 0);
    assert_int_equal(append(fixture, "{\"a\":1}\n"), 0);
    assert_int_equal(rename(fixture->path, fixture->rotated), 0);
    assert_int_equal(append(fixture, "{\"b\":2}\n"), 0);
    assert_file(fixture->rotated, "{\"a\":1}\n");
    assert_file(fixture->path, "{\"b\":2}\n");

    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(append(fixture, "{\"c\":3}\n"), 0);
    assert_file(fixture->path, "{\"c\":3}\n");

    put_text(fixture->rotated, "{\"replaced\":1}\n");
    assert_int_equal(rename(fixture->rotated, fixture->path), 0);
    assert_int_equal(append(fixture, "{\"d\":4}\n"), 0);
    assert_file(fixture->path, "{\"replaced\":1}\n{\"d\":4}\n");

    put_text(fixture->rotated, "{\"replaced\":1}\nhalf");
    assert_int_equal(rename(fixture->rotated, fixture->path), 0);
    assert_int_equal(append(fixture, "{\"d\":4}\n"), 0);
    assert_file(fixture->path, "{\"replaced\":1}\nhalf\n{\"d\":4}\n");

    /* Moved between the offset and the append: the line goes where it was meant to. */
    assert_int_equal(file_sink_offset(fixture->sink), 28);
    assert_int_equal(rename(fixture->path, fixture->rotated), 0);
    assert_int_equal(file_sink_append(fixture->sink, "{\"e\":5}\n", 8), 0);
    assert_file(fixture->rotated, "{\"replaced\":1}\nhalf\n{\"d\":4}\n{\"e\":5}\n");
}

static void test_settle(void **state)
{
    /* The note says: |length| bytes at |offset|. */
    static const struct {
        const char *what, *before;
        size_t before_length; /* 0: strlen */
        uint64_t offset;
        size_t length;
        int result;
        const char *after;
    } cases[] = {
        {"written", "{\"a\":1}\n{\"b\":2}\n", 0, 8, 8, 1, "{\"a\":1}\n{\"b\":2}\n"},
        {"written first", "{\"a\":1}\n", 0, 0, 8, 1, "{\"a\":1}\n"},
        {"written, more behind", "{}\n{\"b\":2}\n{\"c\":3}\n", 0, 3, 8, 1,
         "{}\n{\"b\":2}\n{\"c\":3}\n"},
        {"not begun", "{\"a\":1}\n", 0, 8, 8, 0, "{\"a\":1}\n"},
        {"half", "{\"a\":1}\n{\"b\"", 0, 8, 8, 0, "{\"a\":1}\n"},
        {"all but the newline", "{\"a\":1}\n{\"b\":2}", 0, 8, 8, 0, "{\"a\":1}\n"},
        {"half of the first", "{\"a", 0, 0, 8, 0, ""},
        {"zeros after a power failure", "{}\n{\"b\0\0\0\0\0", 11, 3, 8, 0, "{}\n"},
        {"only zeros", "{}\n\0\0\0\0", 7, 3, 8, 0, "{}\n"},
        {"file replaced by a shorter one", "{}\n", 0, 800, 8, 0, "{}\n"},
        {"replaced: inside a line", "{\"xxxxxxxxxxxxx\":1}\n", 0, 8, 8, 0,
         "{\"xxxxxxxxxxxxx\":1}\n"},
        {"replaced: another line there", "{\"a\":1}\n{\"b\":22}\n", 0, 8, 8, 0,
         "{\"a\":1}\n{\"b\":22}\n"},
        {"replaced: shorter lines there", "{\"a\":1}\n{}\n{}\n\n\n", 0, 8, 8, 0,
         "{\"a\":1}\n{}\n{}\n\n\n"},
        {"replaced: not even JSON", "hello\nworld", 0, 6, 8, 0, "hello\nworld"},
        {"replaced: inside half a line", "{\"aaaaa:{bb", 0, 8, 8, 0, "{\"aaaaa:{bb"},
        {"empty file", "", 0, 0, 8, 0, ""},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t length = cases[i].before_length ?: strlen(cases[i].before);
        int r;

        put(fixture->path, cases[i].before, length);
        open_sink(fixture, 0);
        r = file_sink_settle(fixture->sink, cases[i].offset, cases[i].length);
        if (r != cases[i].result)
            fail_msg("%s: %d", cases[i].what, r);
        assert_file(fixture->path, cases[i].after);
        /* Asked again, it says the same: the core may die once more. */
        assert_int_equal(file_sink_settle(fixture->sink, cases[i].offset, cases[i].length), r);
        assert_file(fixture->path, cases[i].after);
    }
    assert_int_equal(file_sink_settle(fixture->sink, 0, 0), -EINVAL);
    assert_int_equal(file_sink_settle(fixture->sink, UINT64_MAX, 8), -EINVAL);
    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(file_sink_settle(fixture->sink, 8, 8), 0);
}

/* The core is killed at any byte of any write, settles and goes on: every line is there once. */
static void test_crashes(void **state)
{
    struct fixture *fixture = *state;
    char expected[4096] = "";

    for (unsigned i = 0; i < 60; i++) {
        char line[32];
        size_t length = (size_t) snprintf(line, sizeof(line), "{\"n\":%u}\n", i);
        size_t written = i % (length + 1);
        int64_t offset;
        int fd, r;

        open_sink(fixture, 200);
        offset = file_sink_offset(fixture->sink);
        if (offset == 0)
            expected[0] = '\0';
        strcat(expected, line);
        fd = open(fixture->path, O_WRONLY | O_APPEND | O_CLOEXEC);
        assert_int_equal(fd_write_all(fd, line, written), 0);
        close(fd);

        open_sink(fixture, 200); /* the next core */
        r = file_sink_settle(fixture->sink, (uint64_t) offset, length);
        assert_int_equal(r, written == length);
        if (r == 0) {
            assert_int_equal(file_sink_offset(fixture->sink), offset);
            assert_int_equal(file_sink_append(fixture->sink, line, length), 0);
        }
        assert_file(fixture->path, expected);
    }
}

/* Half a line without a note: nobody can complete it. */
static void test_torn_tail(void **state)
{
    static const struct {
        const char *before;
        size_t before_length;
        const char *after;
    } cases[] = {
        {"{\"a\":1}\n{\"b\":", 0, "{\"a\":1}\n{\"n\":1}\n"},
        {"{\"b\":", 0, "{\"n\":1}\n"},
        {"{\"a\":1}\n\0\0\0", 11, "{\"a\":1}\n{\"n\":1}\n"},
        {"{\"a\":1}\nnot ours", 0, "{\"a\":1}\nnot ours\n{\"n\":1}\n"},
        {"not ours", 0, "not ours\n{\"n\":1}\n"},
        {"{\"a\":1}\n", 0, "{\"a\":1}\n{\"n\":1}\n"},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        put(fixture->path, cases[i].before, cases[i].before_length ?: strlen(cases[i].before));
        open_sink(fixture, 0);
        assert_int_equal(append(fixture, "{\"n\":1}\n"), 0);
        assert_file(fixture->path, cases[i].after);
    }
}

/* One that is longer than what it reads at a time. */
static void test_long_torn_tail(void **state)
{
    struct fixture *fixture = *state;
    char text[20000];

    memset(text, 'x', sizeof(text));
    memcpy(text, "{}\n{", 4);
    put(fixture->path, text, sizeof(text));
    open_sink(fixture, 0);
    assert_int_equal(file_sink_offset(fixture->sink), 3);
    assert_file(fixture->path, "{}\n");
}

static void test_cannot_open(void **state)
{
    struct fixture *fixture = *state;
    struct file_sink *sink = NULL;

    assert_int_equal(file_sink_open(&sink, "/nonexistent/m.jsonl", 0), -ENOENT);
    assert_int_equal(file_sink_open(&sink, fixture->directory, 0), -EISDIR);
    assert_int_equal(file_sink_open(&sink, "/dev/null", 0), -EINVAL);
    assert_int_equal(mkfifo(fixture->path, 0600), 0);
    assert_int_equal(file_sink_open(&sink, fixture->path, 0), -EINVAL); /* and doesn't hang */
    assert_null(sink);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_append),         TEST(test_refused),     TEST(test_stale_offset),
        TEST(test_no_space),       TEST(test_rotation),    TEST(test_moved_by_others),
        TEST(test_settle),         TEST(test_crashes),     TEST(test_torn_tail),
        TEST(test_long_torn_tail), TEST(test_cannot_open),
    };

    log_set_level(LOG_ERR); /* it speaks of each repair */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
