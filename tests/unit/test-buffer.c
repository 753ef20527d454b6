/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/buffer.h"

#include "tests/unit/unit.h"

#include <errno.h>

static void test_append(void **state)
{
    struct buffer buffer;

    buffer_init(&buffer, 100000);
    assert_null(buffer.data);
    assert_int_equal(buffer_append(&buffer, "", 0), 0);
    assert_int_equal(buffer.length, 0);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(buffer_append_string(&buffer, "0123456789"), 0);
    assert_int_equal(buffer.length, 100000);
    assert_int_equal(buffer.data[100000], '\0');
    for (int i = 0; i < 100000; i++)
        assert_int_equal(buffer.data[i], '0' + i % 10);
    assert_false(buffer.failed);
    buffer_done(&buffer);
    buffer_done(&buffer);
}

static void test_limit(void **state)
{
    struct buffer buffer;

    buffer_init(&buffer, 10);
    assert_int_equal(buffer_append_string(&buffer, "12345678"), 0);
    /* Whole or not at all, and the failure sticks. */
    assert_int_equal(buffer_append_string(&buffer, "abc"), -ENOBUFS);
    assert_string_equal(buffer.data, "12345678");
    assert_true(buffer.failed);
    assert_int_equal(buffer_append_string(&buffer, "90"), 0);
    assert_true(buffer.failed);
    assert_string_equal(buffer.data, "1234567890");
    assert_int_equal(buffer_append(&buffer, "", 0), 0);
    assert_int_equal(buffer_append(&buffer, "x", 1), -ENOBUFS);
    assert_int_equal(buffer_append(&buffer, "x", SIZE_MAX), -ENOBUFS);
    buffer_clear(&buffer);
    assert_false(buffer.failed);
    assert_string_equal(buffer.data, "");
    assert_int_equal(buffer_append_string(&buffer, "0123456789"), 0);
    buffer_done(&buffer);

    buffer_init(&buffer, 0);
    assert_int_equal(buffer_append_string(&buffer, "a"), -ENOBUFS);
    assert_int_equal(buffer_printf(&buffer, "%d", 1), -ENOBUFS);
    assert_null(buffer.data);
    buffer_done(&buffer);
}

static void test_printf(void **state)
{
    struct buffer buffer;

    buffer_init(&buffer, 1000);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buffer_printf(&buffer, "%03d,%s", i, "abcde;"), 0);
    assert_int_equal(buffer.length, 1000);
    assert_memory_equal(buffer.data + 990, "099,abcde;", 11);
    assert_int_equal(buffer_printf(&buffer, "%d", 1), -ENOBUFS);
    assert_int_equal(buffer.length, 1000);
    assert_int_equal(buffer.data[1000], '\0');
    buffer_clear(&buffer);
    /* A refused text that began in the room there is must leave no trace. */
    assert_int_equal(buffer_append_string(&buffer, "keep"), 0);
    assert_int_equal(buffer_printf(&buffer, "%1000d", 7), -ENOBUFS);
    assert_string_equal(buffer.data, "keep");
    assert_true(buffer.failed);
    buffer_done(&buffer);
}

static void test_exact_growth(void **state)
{
    /* Every length around the doublings, in one text: the second pass of printf. */
    for (int length = 250; length < 520; length++) {
        struct buffer buffer;

        buffer_init(&buffer, (size_t) length);
        assert_int_equal(buffer_printf(&buffer, "%*d", length, 5), 0);
        assert_int_equal(buffer.length, length);
        assert_int_equal(strlen(buffer.data), length);
        assert_int_equal(buffer.data[length - 1], '5');
        buffer_done(&buffer);
    }
}

static void test_take(void **state)
{
    struct buffer buffer;
    size_t length = 9;
    char *data;

    buffer_init(&buffer, 10);
    assert_null(buffer_take(&buffer, &length));
    assert_int_equal(length, 0);
    assert_int_equal(buffer_append(&buffer, "a\0b", 3), 0);
    data = buffer_take(&buffer, &length);
    assert_int_equal(length, 3);
    assert_memory_equal(data, "a\0b", 4);
    free(data);
    assert_null(buffer.data);
    assert_int_equal(buffer_append_string(&buffer, "0123456789"), 0); /* the limit stays */
    assert_int_equal(buffer_append_string(&buffer, "x"), -ENOBUFS);
    data = buffer_take(&buffer, NULL);
    assert_string_equal(data, "0123456789");
    free(data);
    buffer_done(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_printf), cmocka_unit_test(test_exact_growth),
        cmocka_unit_test(test_take),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
