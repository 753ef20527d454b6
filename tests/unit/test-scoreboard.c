/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/scoreboard.h"

#include "common/base/text.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

struct boards {
    int fd;
    struct scoreboard *writer;
    const struct scoreboard *reader;
};

static int set_up(void **state)
{
    struct boards *boards = calloc(1, sizeof(*boards));

    boards->fd = scoreboard_new_fd("unit");
    assert_true(boards->fd >= 0);
    assert_int_equal(scoreboard_map(boards->fd, &boards->writer), 0);
    assert_int_equal(scoreboard_map_readonly(boards->fd, &boards->reader), 0);
    *state = boards;
    return 0;
}

static int tear_down(void **state)
{
    struct boards *boards = *state;

    assert_null(scoreboard_unmap(boards->writer));
    assert_null(scoreboard_unmap_readonly(boards->reader));
    close(boards->fd);
    free(boards);
    return 0;
}

static void test_counting(void **state)
{
    static const struct {
        unsigned status;
        enum scoreboard_class class;
    } cases[] = {
        {101, SCOREBOARD_2XX}, {200, SCOREBOARD_2XX}, {299, SCOREBOARD_2XX}, {300, SCOREBOARD_3XX},
        {399, SCOREBOARD_3XX}, {400, SCOREBOARD_4XX}, {499, SCOREBOARD_4XX}, {500, SCOREBOARD_5XX},
        {599, SCOREBOARD_5XX}, {999, SCOREBOARD_5XX}, {0, SCOREBOARD_2XX},
    };
    struct boards *boards = *state;
    static struct tally before, after;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t latency_us = 10 * i * i * i;

        assert_int_equal(scoreboard_read(boards->reader, &before), 0);
        scoreboard_begin(boards->writer);
        assert_int_equal(scoreboard_in_flight(boards->reader), 1);
        scoreboard_end(boards->writer, cases[i].status, 100 + i, latency_us);
        assert_int_equal(scoreboard_in_flight(boards->reader), 0);
        assert_int_equal(scoreboard_read(boards->reader, &after), 0);
        assert_true(tally_is_monotonic(&before, &after));
        assert_false(tally_is_monotonic(&after, &before));
        tally_subtract(&after, &before);
        assert_int_equal(tally_requests(&after), 1);
        assert_int_equal(after.requests[cases[i].class], 1);
        assert_int_equal(after.bytes_sent, 100 + i);
        assert_int_equal(after.latency_sum_us, latency_us);
        assert_int_equal(histogram_count(&after.latency), 1);
        assert_int_equal(after.latency.counts[histogram_bucket(latency_us)], 1);
    }
}

static void test_gauges(void **state)
{
    struct boards *boards = *state;
    static struct tally tally;

    scoreboard_begin(boards->writer);
    scoreboard_begin(boards->writer);
    scoreboard_abort(boards->writer);
    assert_int_equal(scoreboard_in_flight(boards->reader), 1);
    scoreboard_connection(boards->writer, 3);
    scoreboard_connection(boards->writer, -1);
    assert_int_equal(boards->reader->connections, 2);
    assert_int_equal(scoreboard_read(boards->reader, &tally), 0);
    assert_int_equal(tally_requests(&tally), 0); /* an aborted one was not answered */
}

static void test_without_scoreboard(void **state)
{
    scoreboard_begin(NULL);
    scoreboard_end(NULL, 200, 1, 1);
    scoreboard_abort(NULL);
    scoreboard_connection(NULL, 1);
    assert_null(scoreboard_unmap(NULL));
    assert_null(scoreboard_unmap_readonly(NULL));
}

static void test_tally(void **state)
{
    static struct tally a, b, sum;

    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    a.requests[SCOREBOARD_2XX] = 5;
    a.bytes_sent = 100;
    a.latency_sum_us = 50;
    histogram_add(&a.latency, 10, 5);
    b.requests[SCOREBOARD_5XX] = 2;
    b.bytes_sent = 1;
    histogram_add(&b.latency, 20, 2);
    sum = a;
    tally_add(&sum, &b);
    assert_int_equal(tally_requests(&sum), 7);
    assert_int_equal(sum.bytes_sent, 101);
    assert_int_equal(histogram_count(&sum.latency), 7);
    assert_true(tally_is_monotonic(&a, &sum) && tally_is_monotonic(&sum, &sum));
    tally_subtract(&sum, &a);
    assert_memory_equal(&sum, &b, sizeof(b));
    tally_subtract(&sum, &a); /* more than there is: nothing falls below 0 */
    assert_int_equal(sum.bytes_sent, 0);
    assert_int_equal(sum.requests[SCOREBOARD_2XX], 0);
    assert_int_equal(tally_requests(&sum), 2);

    /* Each counter alone makes it false. */
    for (size_t i = 0; i < sizeof(sum) / sizeof(uint64_t); i++) {
        memset(&a, 0, sizeof(a));
        memset(&b, 0, sizeof(b));
        ((uint64_t *) &a)[i] = 1;
        assert_false(tally_is_monotonic(&a, &b));
        assert_true(tally_is_monotonic(&b, &a));
    }
}

/* A worker writes what it likes: the reader says so, or gives numbers; it never crashes. */
static void test_scribbled(void **state)
{
    struct boards *boards = *state;
    static struct tally tally, zero, earlier;
    unsigned char *bytes = (unsigned char *) boards->writer;
    static const size_t header[] = {
        offsetof(struct scoreboard, magic),
        offsetof(struct scoreboard, version),
        offsetof(struct scoreboard, size),
    };

    scoreboard_end(boards->writer, 200, 1, 1);
    for (size_t i = 0; i < ARRAY_SIZE(header); i++) {
        memset(&tally, 0xff, sizeof(tally));
        bytes[header[i] + 3] ^= 0x80;
        assert_int_equal(scoreboard_read(boards->reader, &tally), -EBADMSG);
        assert_memory_equal(&tally, &zero, sizeof(zero));
        bytes[header[i] + 3] ^= 0x80;
        assert_int_equal(scoreboard_read(boards->reader, &tally), 0);
        assert_int_equal(tally_requests(&tally), 1);
    }
    for (unsigned fill = 0; fill < 256; fill += 51) {
        earlier = tally;
        memset(bytes + offsetof(struct scoreboard, in_flight), (int) fill,
               sizeof(struct scoreboard) - offsetof(struct scoreboard, in_flight));
        assert_int_equal(scoreboard_read(boards->reader, &tally), 0);
        assert_int_equal(tally_is_monotonic(&earlier, &tally), fill > 0);
        (void) histogram_quantile_us(&tally.latency, 990);
        (void) scoreboard_in_flight(boards->reader);
    }
    memset(bytes, 0xff, sizeof(struct scoreboard));
    assert_int_equal(scoreboard_read(boards->reader, &tally), -EBADMSG);
}

static int memfd_unsealed(size_t size, int seals)
{
    int fd = memfd_create("unit", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_int_equal(ftruncate(fd, (off_t) size), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void test_wrong_descriptors(void **state)
{
    const int sealed = F_SEAL_SHRINK | F_SEAL_GROW;
    const struct {
        int fd;
        int map_r, readonly_r;
    } cases[] = {
        {memfd_unsealed(sizeof(struct scoreboard) - 1, sealed), -EBADMSG, -EBADMSG},
        {memfd_unsealed(sizeof(struct scoreboard) + 1, sealed), -EBADMSG, -EBADMSG},
        {memfd_unsealed(0, sealed), -EBADMSG, -EBADMSG},
        {memfd_unsealed(sizeof(struct scoreboard), 0), -EBADMSG, -EBADMSG},
        {memfd_unsealed(sizeof(struct scoreboard), F_SEAL_GROW), -EBADMSG, -EBADMSG},
        {memfd_unsealed(sizeof(struct scoreboard), F_SEAL_SHRINK), -EBADMSG, -EBADMSG},
        /* Right but for its header, which the reader checks at each read. */
        {memfd_unsealed(sizeof(struct scoreboard), sealed), -EBADMSG, 0},
        {open("/dev/zero", O_RDWR | O_CLOEXEC), -EBADMSG, -EBADMSG},
        {-1, -EBADMSG, -EBADMSG},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct scoreboard *writer = NULL;
        const struct scoreboard *reader = NULL;
        static struct tally tally;

        if (scoreboard_map(cases[i].fd, &writer) != cases[i].map_r || writer)
            fail_msg("case %zu", i);
        if (scoreboard_map_readonly(cases[i].fd, &reader) != cases[i].readonly_r)
            fail_msg("case %zu", i);
        if (reader)
            assert_int_equal(scoreboard_read(reader, &tally), -EBADMSG);
        scoreboard_unmap_readonly(reader);
        if (cases[i].fd >= 0)
            close(cases[i].fd);
    }
}

static void *count_requests(void *scoreboard)
{
    for (unsigned i = 0; i < 20000; i++) {
        scoreboard_begin(scoreboard);
        scoreboard_end(scoreboard, 200, 1, i % 1000);
    }
    return NULL;
}

/* Several threads may count; no count is lost and a reader never sees one fall. */
static void test_concurrent(void **state)
{
    struct boards *boards = *state;
    static struct tally earlier, later;
    pthread_t threads[3];

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_requests, boards->writer), 0);
    memset(&earlier, 0, sizeof(earlier));
    for (int i = 0; i < 200; i++) {
        assert_int_equal(scoreboard_read(boards->reader, &later), 0);
        assert_true(tally_is_monotonic(&earlier, &later));
        earlier = later;
    }
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(scoreboard_read(boards->reader, &later), 0);
    assert_int_equal(tally_requests(&later), 60000);
    assert_int_equal(histogram_count(&later.latency), 60000);
    assert_int_equal(later.bytes_sent, 60000);
    assert_int_equal(scoreboard_in_flight(boards->reader), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gauges, set_up, tear_down),
        cmocka_unit_test(test_without_scoreboard),
        cmocka_unit_test(test_tally),
        cmocka_unit_test_setup_teardown(test_scribbled, set_up, tear_down),
        cmocka_unit_test(test_wrong_descriptors),
        cmocka_unit_test_setup_teardown(test_concurrent, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
