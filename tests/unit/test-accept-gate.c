/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/accept-gate.h"

#include "common/base/files.h"
#include "common/schema/contract.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

_Static_assert(ACCEPT_GATE_SLOTS >= APP_SLOTS_MAX, "each worker slot has one in the gate");

static void test_yield(void **state)
{
    int fd = accept_gate_new_fd();
    struct accept_gate *a = NULL, *b = NULL, *c = NULL;

    assert_true(fd >= 0);
    assert_int_equal(accept_gate_open(&a, fd, 1), 0);
    assert_int_equal(accept_gate_open(&b, fd, 2), 0);
    assert_int_equal(accept_gate_open(&c, fd, ACCEPT_GATE_SLOTS), 0);
    accept_gate_set_ready(a, true);
    accept_gate_set_connections(a, 5);
    assert_false(accept_gate_should_yield(a, 5)); /* alone */
    assert_false(accept_gate_should_yield(a, 6)); /* its own slot is no sibling */
    accept_gate_set_connections(b, 4);
    assert_false(accept_gate_should_yield(a, 5)); /* fewer, but not ready */
    accept_gate_set_ready(b, true);
    assert_true(accept_gate_should_yield(a, 5));
    assert_false(accept_gate_should_yield(a, 4));
    assert_false(accept_gate_should_yield(b, 4));
    assert_true(accept_gate_should_yield(b, 6));
    accept_gate_set_ready(c, true); /* the last slot counts too */
    assert_true(accept_gate_should_yield(a, 1));
    assert_false(accept_gate_should_yield(a, 0));
    assert_null(accept_gate_free(c));
    assert_false(accept_gate_should_yield(a, 4)); /* left as not ready */
    accept_gate_free(b);
    accept_gate_free(a);
    assert_null(accept_gate_free(NULL));
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
    assert_true(accept_gate_should_yield(sibling, 1));
    assert_int_equal(accept_gate_open(&cleared, fd, 1), 0);
    assert_false(accept_gate_should_yield(sibling, 1));
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
    (void) accept_gate_should_yield(gate, 3);
    assert_int_equal(munmap(page, (size_t) status.st_size), 0);
    accept_gate_free(gate);
    assert_int_equal(accept_gate_open(&gate, fd, 1), -EBADMSG);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yield),
        cmocka_unit_test(test_left_behind),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
