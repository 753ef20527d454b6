/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/accept-gate.h"

#include "common/base/files.h"
#include "common/schema/contract.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

_Static_assert(ACCEPT_GATE_SLOTS >= APP_SLOTS_MAX, "each worker slot has one in the gate");

#define CAP_US ACCEPT_GATE_YIELD_MAX_US

static uint64_t turn_us(struct accept_gate *gate, unsigned connections)
{
    uint64_t yield_us;
    unsigned batch = accept_gate_turn(gate, connections, &yield_us);

    assert_in_range(batch, 1, ACCEPT_GATE_BATCH);
    return yield_us;
}

static void test_yield(void **state)
{
    static const struct {
        unsigned own, theirs;
        uint64_t yield_us;
        unsigned batch;
    } cases[] = {
        {0, 0, 0, 2},
        {1, 1, 0, 2},
        {1, 2, 0, 2},
        {0, UINT32_MAX, 0, 2},
        {1, 0, 1000, 2},
        {6, 4, 1000, 2},
        {6, 3, 1125, 1},
        {8, 4, 2000, 1},
        {11, 4, 6125, 1},
        {12, 4, CAP_US, 1},
        {8, 0, CAP_US, 1},
        {500, 3, CAP_US, 1},
        {UINT32_MAX, 0, CAP_US, 1},
    };
    int fd = accept_gate_new_fd();
    struct accept_gate *own, *sibling;
    uint64_t yield_us;

    assert_true(fd >= 0);
    assert_int_equal(accept_gate_open(&own, fd, 1), 0);
    assert_int_equal(accept_gate_open(&sibling, fd, ACCEPT_GATE_SLOTS), 0);
    accept_gate_set_ready(own, true);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        accept_gate_set_connections(sibling, cases[i].theirs);
        accept_gate_set_ready(sibling, false);
        assert_int_equal(turn_us(own, cases[i].own), 0);
        accept_gate_set_ready(sibling, true);
        assert_int_equal(accept_gate_turn(own, cases[i].own, &yield_us), cases[i].batch);
        assert_int_equal(yield_us, cases[i].yield_us);
        accept_gate_count_accept(sibling);
    }
    accept_gate_free(sibling);
    assert_int_equal(turn_us(own, 9), 0); /* left as not ready */
    assert_int_equal(accept_gate_open(&sibling, fd, 2), 0);
    accept_gate_set_ready(sibling, true);
    assert_true(turn_us(own, 9) > 0);
    accept_gate_clear(fd, 2); /* as if it was killed */
    assert_int_equal(turn_us(own, 9), 0);
    accept_gate_clear(fd, ACCEPT_GATE_SLOTS + 1);
    accept_gate_clear(-1, 1);
    accept_gate_free(sibling);
    accept_gate_free(own);
    assert_null(accept_gate_free(NULL));
    close(fd);
}

static void test_several_siblings(void **state)
{
    int fd = accept_gate_new_fd();
    struct accept_gate *a, *b, *c;

    assert_int_equal(accept_gate_open(&a, fd, 1), 0);
    assert_int_equal(accept_gate_open(&b, fd, 2), 0);
    assert_int_equal(accept_gate_open(&c, fd, 3), 0);
    accept_gate_set_ready(a, true);
    accept_gate_set_connections(a, 1);
    assert_false(accept_gate_has_sibling(a));
    assert_int_equal(turn_us(a, 9), 0); /* its own slot is no sibling */
    accept_gate_set_ready(b, true);
    assert_true(accept_gate_has_sibling(a));
    accept_gate_set_connections(b, 5);
    accept_gate_set_ready(c, true);
    accept_gate_set_connections(c, 3);
    assert_int_equal(turn_us(a, 9), 4500); /* the least loaded counts */
    assert_int_equal(turn_us(b, 5), 2000);
    assert_int_equal(turn_us(c, 3), 1000);
    assert_int_equal(turn_us(a, 1), 0);
    accept_gate_free(c);
    accept_gate_free(b);
    accept_gate_free(a);
    close(fd);
}

/* All the time that |gate| leaves the queue to siblings who take nothing. */
static uint64_t yield_in_vain_us(struct accept_gate *gate, unsigned connections)
{
    uint64_t yield_us, sum_us = 0;

    while ((yield_us = turn_us(gate, connections++)) > 0) {
        sum_us += yield_us;
        assert_in_range(sum_us, 1, ACCEPT_GATE_STUCK_US + CAP_US);
    }
    return sum_us;
}

/* A stopped worker costs the others a bounded time in all, not some for each connection. */
static void test_stuck(void **state)
{
    int fd = accept_gate_new_fd();
    struct accept_gate *own, *stuck, *successor;

    assert_int_equal(accept_gate_open(&own, fd, 1), 0);
    assert_int_equal(accept_gate_open(&stuck, fd, 2), 0);
    accept_gate_set_ready(stuck, true);
    assert_in_range(yield_in_vain_us(own, 1), ACCEPT_GATE_STUCK_US, ACCEPT_GATE_STUCK_US + CAP_US);
    accept_gate_set_connections(stuck, 1); /* no sign of life: one may also have been closed */
    assert_int_equal(turn_us(own, 50), 0);
    assert_true(accept_gate_has_sibling(own));
    accept_gate_count_accept(stuck);
    assert_int_equal(turn_us(own, 5), 2000);
    assert_in_range(yield_in_vain_us(own, 3), ACCEPT_GATE_STUCK_US - 2000,
                    ACCEPT_GATE_STUCK_US + CAP_US);
    /* One that is slow, and takes one now and then, is always waited for. */
    for (size_t i = 0; i < 100; i++) {
        accept_gate_count_accept(stuck);
        for (size_t k = 0; k < 5; k++)
            assert_int_equal(turn_us(own, 40), CAP_US);
    }
    assert_true(yield_in_vain_us(own, 40) > 0);
    assert_int_equal(accept_gate_open(&successor, fd, 2), 0); /* a new worker is no stuck one */
    accept_gate_set_ready(successor, true);
    assert_int_equal(turn_us(own, 3), 1125);
    accept_gate_free(successor);
    accept_gate_free(stuck);
    accept_gate_free(own);
    close(fd);
}

/* A killed worker says nothing: opening its slot clears what it left. */
static void test_left_behind(void **state)
{
    int fd = accept_gate_new_fd();
    struct accept_gate *killed, *sibling, *cleared;

    assert_int_equal(accept_gate_open(&killed, fd, 1), 0);
    assert_int_equal(accept_gate_open(&sibling, fd, 2), 0);
    accept_gate_set_ready(killed, true);
    assert_int_equal(turn_us(sibling, 1), 1000);
    assert_int_equal(accept_gate_open(&cleared, fd, 1), 0);
    assert_int_equal(turn_us(sibling, 1), 0);
    assert_false(accept_gate_has_sibling(sibling));
    accept_gate_free(cleared);
    accept_gate_free(killed);
    accept_gate_free(sibling);
    close(fd);
}

static void test_errors(void **state)
{
    static const struct {
        unsigned slot;
        int r;
    } cases[] = {
        {0, -ERANGE},          {1, 0}, {ACCEPT_GATE_SLOTS, 0}, {ACCEPT_GATE_SLOTS + 1, -ERANGE},
        {UINT32_MAX, -ERANGE},
    };
    int fd = accept_gate_new_fd(), other;
    struct accept_gate *gate;
    struct stat status;
    char *page;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        gate = NULL;
        assert_int_equal(accept_gate_open(&gate, fd, cases[i].slot), cases[i].r);
        assert_int_equal(gate != NULL, cases[i].r == 0);
        accept_gate_free(gate);
    }
    gate = NULL;
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_size % 64, 0);
    other = memfd_new_sealed("unit", (size_t) status.st_size - 1);
    assert_int_equal(accept_gate_open(&gate, other, 1), -EBADMSG);
    close(other);
    other = memfd_new_sealed("unit", (size_t) status.st_size); /* no magic */
    assert_int_equal(accept_gate_open(&gate, other, 1), -EBADMSG);
    close(other);
    other = memfd_create("unit", MFD_CLOEXEC);
    assert_int_equal(ftruncate(other, status.st_size), 0); /* not sealed */
    assert_int_equal(accept_gate_open(&gate, other, 1), -EBADMSG);
    close(other);
    assert_int_equal(accept_gate_open(&gate, -1, 1), -EBADMSG);
    assert_null(gate);

    /* Nonsense in the page costs a wrong answer, no more. */
    assert_int_equal(accept_gate_open(&gate, fd, 1), 0);
    page = mmap(NULL, (size_t) status.st_size, PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(page, MAP_FAILED);
    memset(page, 0xff, (size_t) status.st_size);
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(turn_us(gate, UINT32_MAX), 0, CAP_US);
    assert_false(accept_gate_has_sibling(gate));
    assert_int_equal(munmap(page, (size_t) status.st_size), 0);
    accept_gate_free(gate);
    assert_int_equal(accept_gate_open(&gate, fd, 1), -EBADMSG);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yield),  cmocka_unit_test(test_several_siblings),
        cmocka_unit_test(test_stuck),  cmocka_unit_test(test_left_behind),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
