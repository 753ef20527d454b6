/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/observe/distribution.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <math.h>

#define VALUES_MAX (DISTRIBUTION_BUCKETS_MAX + 1)

struct values {
    double values[VALUES_MAX];
    uint64_t counts[VALUES_MAX];
    size_t n;
};

static void read_values(const struct distribution *distribution, struct values *ret, size_t step)
{
    struct distribution_cursor cursor = {0};
    size_t n;

    ret->n = 0;
    while ((n = distribution_values(distribution, &cursor, ret->values + ret->n,
                                    ret->counts + ret->n, step)) > 0)
        ret->n += n;
}

/* The value at |rank|, from 0. */
static double at_rank(const struct values *values, uint64_t rank)
{
    size_t i = 0;

    for (; i + 1 < values->n && rank >= values->counts[i]; i++)
        rank -= values->counts[i];
    return values->values[i];
}

static void test_exact_where_equal(void **state)
{
    struct distribution distribution = {0};
    struct values values;

    read_values(&distribution, &values, 10);
    assert_int_equal(values.n, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(distribution_add(&distribution, 0.125, 1), 0);
    assert_int_equal(distribution_add(&distribution, 0, 1), 0);
    assert_int_equal(distribution_add(&distribution, -1000, 2), 0);
    assert_int_equal(distribution_add(&distribution, 1e80, 1), 0);
    read_values(&distribution, &values, 1);
    assert_int_equal(values.n, 4);
    assert_true(values.values[0] == -1000 && values.counts[0] == 2);
    assert_true(values.values[1] == 0 && values.counts[1] == 1);
    assert_true(values.values[2] == 0.125 && values.counts[2] == 3);
    assert_true(fabs(values.values[3] / 1e80 - 1) < 1e-12 && values.counts[3] == 1);
    assert_true(distribution.minimum == -1000 && distribution.maximum == 1e80);
    assert_true(distribution.count == 7);
    distribution_clear(&distribution);
    read_values(&distribution, &values, 10);
    assert_int_equal(values.n, 0);
    distribution_done(&distribution);
}

/* Over 20 powers of two, every rank within 2.5 %; the sum as it was. */
static void test_accuracy(void **state)
{
    struct distribution distribution = {0};
    struct values values;
    double sum = 0, shown = 0;
    const unsigned n = 5000;

    for (unsigned i = 0; i < n; i++) { /* ascending, so that a rank's number is known */
        double value = exp2((double) i / (n / 20.0)) / 1000;

        assert_int_equal(distribution_add(&distribution, value, 1), 0);
        sum += value;
    }
    assert_int_equal(distribution.joined, 0);
    read_values(&distribution, &values, 150);
    for (unsigned i = 0; i < n; i++) {
        double value = exp2((double) i / (n / 20.0)) / 1000;
        double error = fabs(at_rank(&values, i) / value - 1);

        if (error > 0.025)
            fail_msg("rank %u: %g for %g", i, at_rank(&values, i), value);
    }
    for (size_t i = 0; i < values.n; i++) {
        shown += values.values[i] * (double) values.counts[i];
        assert_true(i == 0 || values.values[i - 1] < values.values[i]);
    }
    assert_true(fabs(shown / sum - 1) < 1e-9);
    distribution_done(&distribution);
}

/* Numbers from everywhere a double has some: bounded, and none is lost. */
static void test_bounded(void **state)
{
    struct distribution distribution = {0};
    struct values values;
    uint64_t total = 0;
    const int powers = 1000, steps = 20;

    for (int power = -powers; power < powers; power++)
        for (int i = 0; i < steps; i++) {
            double value = ldexp(1 + (double) i / steps, power);

            assert_int_equal(distribution_add(&distribution, i % 2 ? -value : value, 1), 0);
        }
    assert_true(distribution.n <= DISTRIBUTION_BUCKETS_MAX);
    assert_true(distribution.allocated <= DISTRIBUTION_BUCKETS_MAX);
    assert_true(distribution.joined > 0);
    read_values(&distribution, &values, 150);
    for (size_t i = 0; i < values.n; i++) {
        total += values.counts[i];
        assert_true(i == 0 || values.values[i - 1] < values.values[i]);
    }
    assert_int_equal(total, 2 * powers * steps);
    distribution_done(&distribution);
}

/* A third of a request is none; three of them are one. */
static void test_fractional_weights(void **state)
{
    struct distribution distribution = {0};
    struct values values;
    uint64_t total = 0;

    for (int i = 0; i < 300; i++) /* each counts 10 / 3 */
        assert_int_equal(distribution_add(&distribution, i % 50 + 1, 1 / 0.3), 0);
    read_values(&distribution, &values, 7);
    for (size_t i = 0; i < values.n; i++) {
        total += values.counts[i];
        assert_true(values.counts[i] > 0);
    }
    assert_int_equal(total, 1000);
    distribution_done(&distribution);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_where_equal),
        cmocka_unit_test(test_accuracy),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_fractional_weights),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
