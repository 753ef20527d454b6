/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "common/base/record.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#define MAGIC 0x1234u

enum fruit { APPLE, PEAR };

struct thing {
    int8_t s8;
    uint8_t u8;
    int16_t s16;
    uint16_t u16;
    int32_t s32;
    uint32_t u32;
    int64_t s64;
    uint64_t u64;
    enum fruit fruit;
    bool flag;
    char text[8];
    char *string, *none;
    int fd, no_fd;
};

static void walk(struct thing *thing, struct record *record)
{
    RECORD_NUMBERS(record, thing->s8, thing->u8, thing->s16, thing->u16, thing->s32, thing->u32,
                   thing->s64, thing->u64);
    RECORD_NUMBER(record, thing->fruit);
    record_bool(record, &thing->flag);
    record_text(record, thing->text, sizeof(thing->text));
    record_string(record, &thing->string, 100);
    record_string(record, &thing->none, 100);
    record_fd(record, &thing->fd);
    record_fd(record, &thing->no_fd);
}

static int write_thing(struct thing *thing)
{
    CLEANUP(record_done) struct record record;

    record_write(&record, MAGIC, 3);
    walk(thing, &record);
    return record_to_fd(&record, "thing");
}

static void test_round_trip(void **state)
{
    static const struct thing extremes[] = {
        {.fd = -1, .no_fd = -1},
        {INT8_MIN, UINT8_MAX, INT16_MIN, UINT16_MAX, INT32_MIN, UINT32_MAX, INT64_MIN, UINT64_MAX,
         PEAR, true, "1234567", (char *) "some\nthing", NULL, -1, -1},
        {.s8 = INT8_MAX,
         .s16 = INT16_MAX,
         .s32 = INT32_MAX,
         .s64 = INT64_MAX,
         .string = (char *) "",
         .fd = -1,
         .no_fd = -1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(extremes); i++) {
        struct thing thing = extremes[i], read;
        CLEANUP(record_done) struct record record;
        CLEANUP_CLOSE int fd = write_thing(&thing);
        assert_true(fd >= 0);
        memset(&read, 0x55, sizeof(read)); /* every field is written to */
        assert_int_equal(record_read(&record, fd, MAGIC, 3), 0);
        assert_int_equal(record.version, 3);
        walk(&read, &record);
        assert_int_equal(record_read_end(&record), 0);
        assert_int_equal(read.s8, thing.s8);
        assert_int_equal(read.u8, thing.u8);
        assert_int_equal(read.s16, thing.s16);
        assert_int_equal(read.u16, thing.u16);
        assert_int_equal(read.s32, thing.s32);
        assert_int_equal(read.u32, thing.u32);
        assert_true(read.s64 == thing.s64 && read.u64 == thing.u64);
        assert_int_equal(read.fruit, thing.fruit);
        assert_int_equal(read.flag, thing.flag);
        assert_memory_equal(read.text, thing.text, sizeof(thing.text));
        assert_int_equal(!read.string, !thing.string);
        if (thing.string)
            assert_string_equal(read.string, thing.string);
        assert_null(read.none);
        assert_int_equal(read.fd, -1);
        free(read.string);
    }
}

static bool is_cloexec(int fd)
{
    return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

/* They are kept, found open, closed for the next exec again; none is claimed twice, no other one.
 */
static void test_descriptors(void **state)
{
    CLEANUP_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int fds[] = {fd, -1, fd}, read[3] = {7, 7, 7};
    CLEANUP(record_done) struct record record, good, twice, dry, closed;

    record_write(&record, MAGIC, 1);
    record_fd(&record, &fds[0]);
    record_fd(&record, &fds[1]);
    assert_int_equal(record_keep_fds(&record, true), 0);
    assert_false(is_cloexec(fd));
    CLEANUP_CLOSE int memfd = record_to_fd(&record, "fds");
    assert_int_equal(record_read(&good, memfd, MAGIC, 1), 0);
    record_fd(&good, &read[0]);
    record_fd(&good, &read[1]);
    assert_int_equal(record_read_end(&good), 0);
    assert_int_equal(read[0], fd);
    assert_int_equal(read[1], -1);
    assert_true(is_cloexec(fd));

    assert_int_equal(record_read(&dry, memfd, MAGIC, 1), 0);
    dry.dry = true;
    record_fd(&dry, &read[0]);
    assert_int_equal(read[0], -1);
    assert_int_equal(dry.error, 0);
    assert_int_equal(record_read_end(&dry), -EBADMSG); /* the second was not read */

    record_fd(&record, &fds[2]);
    assert_int_equal(record_keep_fds(&record, true), 0);
    CLEANUP_CLOSE int memfd2 = record_to_fd(&record, "fds");
    assert_int_equal(record_read(&twice, memfd2, MAGIC, 1), 0);
    for (int i = 0; i < 3; i++)
        record_fd(&twice, &read[i]);
    assert_int_equal(record_read_end(&twice), -EBADMSG);
    assert_int_equal(read[2], -1);

    assert_int_equal(record_keep_fds(&record, false), 0);
    assert_true(is_cloexec(fd));
    fd = fd_close(fd);
    assert_int_equal(record_keep_fds(&record, true), -EBADF);
    assert_int_equal(record_read(&closed, memfd, MAGIC, 1), 0);
    record_fd(&closed, &read[0]);
    assert_int_equal(record_read_end(&closed), -EBADMSG);
}

/* After an error nothing is read any more, and the fields are empty. */
static void test_wrong_kind_and_range(void **state)
{
    uint32_t large = 300;
    int64_t negative = -1;
    bool flag = true;
    char text[] = "toolong";
    CLEANUP(record_done) struct record record;

    record_write(&record, MAGIC, 1);
    RECORD_NUMBERS(&record, large, negative, large);
    record_bool(&record, &flag);
    record_text(&record, text, sizeof(text));
    CLEANUP_CLOSE int fd = record_to_fd(&record, "x");

    for (int i = 0; i < 6; i++) {
        CLEANUP(record_done) struct record read;
        uint32_t u32 = 1;
        uint8_t u8 = 9;
        char small[7] = "x", *string = text;
        assert_int_equal(record_read(&read, fd, MAGIC, 1), 0);
        if (i == 0)
            RECORD_NUMBER(&read, u8); /* 300 */
        else
            RECORD_NUMBER(&read, u32);
        if (i == 1)
            record_text(&read, small, sizeof(small)); /* a number */
        else if (i == 2)
            RECORD_NUMBER(&read, u32); /* -1 */
        else
            RECORD_NUMBER(&read, negative);
        if (i == 3)
            record_bool(&read, &flag); /* 300 */
        else
            RECORD_NUMBER(&read, u32);
        record_bool(&read, &flag);
        if (i == 4)
            record_text(&read, small, sizeof(small));
        else if (i == 5)
            record_string(&read, &string, 3); /* a text without its flag */
        assert_int_equal(read.error, -EBADMSG);
        assert_int_equal(record_read_end(&read), -EBADMSG);
        RECORD_NUMBER(&read, u8);
        assert_int_equal(u8, 0);
        assert_true(i != 1 && i != 4 ? true : small[0] == '\0');
        assert_true(i != 5 || !string);
    }
}

/* A copy of a record with |n| bytes at |at| replaced, sealed or not. */
static int damaged(int fd, size_t at, const void *bytes, size_t n, size_t length, bool sealed)
{
    char data[4096];
    ssize_t size = pread(fd, data, sizeof(data), 0);
    int copy = memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(size > 0 && at + n <= (size_t) size && copy >= 0);
    memcpy(data + at, bytes, n);
    assert_int_equal(fd_write_all(copy, data, length ? length : (size_t) size), 0);
    if (sealed)
        assert_int_equal(
            fcntl(copy, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL), 0);
    return copy;
}

static void test_damage(void **state)
{
    struct thing thing = {.text = "abc", .fd = -1, .no_fd = -1};
    CLEANUP_CLOSE int fd = write_thing(&thing);
    const struct {
        size_t at;
        const char *bytes;
        size_t n, length;
        bool sealed;
        int expected;
    } cases[] = {
        {0, "", 0, 0, true, 0},
        {0, "", 0, 0, false, -EBADMSG},
        {0, "x", 1, 0, true, -EBADMSG},          /* magic */
        {8, "\4", 1, 0, true, -EPROTONOSUPPORT}, /* version */
        {8, "\0", 1, 0, true, -EBADMSG},
        {16, "\1", 1, 0, true, -EBADMSG}, /* length */
        {24, "\1", 1, 0, true, -EBADMSG}, /* checksum */
        {40, "\1", 1, 0, true, -EBADMSG}, /* a field */
        {0, "", 0, 31, true, -EBADMSG},
        {0, "", 0, 60, true, -EBADMSG},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(record_done) struct record record;
        CLEANUP_CLOSE int copy =
            damaged(fd, cases[i].at, cases[i].bytes, cases[i].n, cases[i].length, cases[i].sealed);
        assert_int_equal(record_read(&record, copy, MAGIC, 3), cases[i].expected);
        if (cases[i].expected == -EPROTONOSUPPORT)
            assert_int_equal(record.version, 4);
    }
    CLEANUP(record_done) struct record record;
    CLEANUP_CLOSE int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(record_read(&record, file, MAGIC, 3), -EBADMSG);
}

static void test_limit(void **state)
{
    CLEANUP(record_done) struct record record;
    uint64_t number = 1;

    record_write(&record, MAGIC, 1);
    for (size_t i = 0; i < RECORD_LIMIT / 8; i++)
        RECORD_NUMBER(&record, number);
    assert_int_equal(record_to_fd(&record, "large"), -ENOBUFS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_wrong_kind_and_range),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
