/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A day without CloudWatch, on injected time: the real flush plan, outbox and spool of one node,
 * with the process replaced at random, and the machine's power lost. Nothing is lost, nothing is
 * double but what was counted ambiguous, the backlog comes in order, and memory stays flat.
 */
#include "agent/publish/outbox.h"

#include "common/base/clock.h"
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#define WINDOW_US     (10 * USEC_PER_SEC)
#define EPOCH_US      (UINT64_C(1763760000) * USEC_PER_SEC)
#define DAY_S         86400u
#define WINDOWS_MAX   20000u
#define MEMORY_GROWTH (512u * 1024)

struct node {
    char directory[64];
    struct outbox *outbox;
    struct flush_plan plan;
    uint64_t random;
    unsigned windows;           /* closed */
    unsigned seen[WINDOWS_MAX]; /* how often the service has stored each */
    unsigned newest_backlog;    /* for the order */
    uint64_t ambiguous;         /* counted by processes that are gone */
    unsigned requests, restarts;
};

static uint64_t next_random(struct node *node) /* splitmix64 */
{
    uint64_t z = node->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void start(struct node *node, uint64_t now_us)
{
    const struct spool_settings spool = {.directory = node->directory,
                                         .limit_bytes = 64 * 1024 * 1024,
                                         .age_limit_us = 14 * DAY_S * USEC_PER_SEC};
    const struct flush_plan_settings plan = {
        .window_s = 10, .scaling_target_percent = 50, .node = 1234567};

    assert_int_equal(outbox_open(&node->outbox, &spool, EPOCH_US + now_us), 0);
    flush_plan_init(&node->plan, &plan);
}

static void stop(struct node *node)
{
    struct outbox_counts counts;

    outbox_counts(node->outbox, &counts);
    node->ambiguous += counts.ambiguous;
    node->outbox = outbox_free(node->outbox);
}

static void close_window(struct node *node, uint64_t now_us)
{
    char text[4096];
    int length = snprintf(text, sizeof(text), "\t\"MetricName\":\"W%u\"\n", node->windows++);

    /* As large as a window is. */
    for (unsigned i = 0; i < 22; i++)
        length += snprintf(text + length, sizeof(text) - (size_t) length,
                           "\t\"MetricName\":\"M%u\",\"StatisticValues\":{\"SampleCount\":10,"
                           "\"Sum\":%.3f}\n",
                           i, (double) (next_random(node) % 100000) / 7);
    assert_int_equal(
        outbox_append(node->outbox, text, (size_t) length, EPOCH_US + now_us, EPOCH_US + now_us),
        0);
    flush_plan_window(&node->plan, (double) (next_random(node) % 60), now_us, EPOCH_US + now_us);
    outbox_maintain(node->outbox, EPOCH_US + now_us);
}

/* The service has stored the body. */
static void store(struct node *node, const struct shipment *shipment)
{
    for (const char *at = shipment->text; (at = strstr(at, "\"W")) != NULL;) {
        unsigned window = (unsigned) strtoul(at + 2, NULL, 10);

        assert_true(window < node->windows);
        if (shipment->kind == FLUSH_BACKLOG && node->seen[window] == 0) {
            assert_true(window + 1 > node->newest_backlog);
            node->newest_backlog = window + 1;
        }
        node->seen[window]++;
        at += 2;
    }
}

/* One request, to a service that is |up| or does what it likes. */
static void send(struct node *node, enum flush_kind kind, bool up, uint64_t now_us)
{
    static const struct body_settings settings = {.namespace_ = "n", .instance_id = "i"};
    enum shipment_fate fate = SHIPMENT_STORED;
    struct shipment shipment;

    assert_int_equal(outbox_take(node->outbox, kind, &settings, &shipment), 1);
    node->requests++;
    if (next_random(node) % 40 == 0) { /* killed in the middle, before or after it was stored */
        if (up && next_random(node) % 2)
            store(node, &shipment);
        shipment_done(&shipment);
        node->restarts++;
        stop(node);
        start(node, now_us);
        return;
    }
    if (!up)
        fate = next_random(node) % 2 ? SHIPMENT_NOT_STORED : SHIPMENT_UNKNOWN;
    else if (next_random(node) % 50 == 0)
        fate = SHIPMENT_UNKNOWN;
    if (up && (fate == SHIPMENT_STORED || next_random(node) % 2)) /* an answer dropped, or not */
        store(node, &shipment);
    outbox_settle(node->outbox, &shipment, fate);
    flush_plan_ended(&node->plan, kind, fate == SHIPMENT_STORED ? FLUSH_SUCCEEDED : FLUSH_FAILED,
                     outbox_has_fresh(node->outbox), 0, next_random(node), now_us,
                     EPOCH_US + now_us);
    shipment_done(&shipment);
}

static void test_day_without_cloudwatch(void **state)
{
    struct node *node = calloc(1, sizeof(*node));
    uint64_t now_us = 0, end_us = 3 * (uint64_t) DAY_S * USEC_PER_SEC, twice = 0;
    size_t before = 0, after;
    char command[96];

    node->random = 7;
    strcpy(node->directory, "/tmp/agentd-outage-XXXXXX");
    assert_non_null(mkdtemp(node->directory));
    start(node, now_us);
    for (; now_us < end_us; now_us += USEC_PER_SEC) {
        bool up = now_us < 600 * USEC_PER_SEC || now_us > (DAY_S + 600) * USEC_PER_SEC;

        if (now_us % WINDOW_US == 0)
            close_window(node, now_us);
        if (flush_plan_fresh_us(&node->plan) <= now_us && outbox_has_fresh(node->outbox))
            send(node, FLUSH_FRESH, up, now_us);
        else if (flush_plan_backlog_us(&node->plan) <= now_us && outbox_has_backlog(node->outbox))
            send(node, FLUSH_BACKLOG, up, now_us);
        if (now_us == 1200 * USEC_PER_SEC)
            before = mallinfo2().uordblks;
        if (!outbox_has_backlog(node->outbox) && now_us > (DAY_S + 7200) * USEC_PER_SEC)
            break;
    }
    while (outbox_has_fresh(node->outbox))
        send(node, FLUSH_FRESH, true, now_us);
    after = mallinfo2().uordblks;
    assert_false(outbox_has_backlog(node->outbox));
    stop(node);
    for (unsigned i = 0; i < node->windows; i++) {
        assert_true(node->seen[i] > 0);
        twice += node->seen[i] - 1;
    }
    printf("%u windows, %u requests, %u restarts in the middle of one: none lost, %" PRIu64
           " twice, %" PRIu64 " counted ambiguous\n",
           node->windows, node->requests, node->restarts, twice, node->ambiguous);
    assert_true(twice <= node->ambiguous);
    assert_true(node->restarts > 10);
    assert_true(after < before + MEMORY_GROWTH);
    snprintf(command, sizeof(command), "rm -r %s", node->directory);
    assert_int_equal(system(command), 0);
    free(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_day_without_cloudwatch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
