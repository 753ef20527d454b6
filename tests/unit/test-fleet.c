/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fleet of 10,000 nodes with one CloudWatch quota: the real flush plan and outbox of each node,
 * on injected time. Each mode prints how many calls a second the endpoint saw.
 */
#include "agent/publish/outbox.h"

#include "common/base/clock.h"
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NODES         10000u
#define QUOTA_PER_S   500u /* of an account and Region */
#define WINDOW_S      10u
#define EPOCH_US      (UINT64_C(1763760000) * USEC_PER_SEC)
#define STEP_US       (100 * USEC_PER_MSEC)
#define ANSWER_US     (50 * USEC_PER_MSEC)
#define SECONDS_MAX   7200u
#define DRAIN_SECONDS 4000u

struct node {
    struct flush_plan plan;
    struct outbox *outbox;
    struct shipment shipment;
    uint64_t next_window_us;
    uint64_t answer_us; /* 0: no call under way */
    uint64_t wake_us;   /* nothing to do before */
    enum flush_outcome outcome;
};

struct mode {
    const char *name;
    unsigned flush_s;
    double cpu_percent;
    unsigned outage_from_s, outage_to_s; /* the endpoint refuses all */
    unsigned run_s;                      /* windows close for so long */
    /* A fleet whose own pace is over the quota is throttled until each node has stretched it: so
     * many seconds. From then on the share of throttled calls is within this. */
    unsigned settled_s;
    double throttled_share;
};

struct fleet {
    const struct mode *mode;
    struct node *nodes;
    uint64_t random;
    uint64_t stored, appended;
    unsigned offered[SECONDS_MAX], throttled[SECONDS_MAX];
};

static uint64_t next_random(struct fleet *fleet) /* splitmix64 */
{
    uint64_t z = fleet->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void close_window(struct fleet *fleet, struct node *node, uint64_t now_us)
{
    static const char window[] = "\t\"MetricName\":\"CPUUtilization\",\"Timestamp\":1\n";

    assert_int_equal(
        outbox_append(node->outbox, window, strlen(window), EPOCH_US + now_us, EPOCH_US + now_us),
        0);
    fleet->appended++;
    flush_plan_window(&node->plan, fleet->mode->cpu_percent, now_us, EPOCH_US + now_us);
}

static enum flush_outcome endpoint(struct fleet *fleet, uint64_t now_us)
{
    unsigned second = (unsigned) (now_us / USEC_PER_SEC);

    assert_true(second < SECONDS_MAX);
    fleet->offered[second]++;
    if (second >= fleet->mode->outage_from_s && second < fleet->mode->outage_to_s)
        return FLUSH_FAILED;
    if (fleet->offered[second] <= QUOTA_PER_S)
        return FLUSH_SUCCEEDED;
    fleet->throttled[second]++;
    return FLUSH_THROTTLED;
}

static void begin_call(struct fleet *fleet, struct node *node, uint64_t now_us)
{
    static const struct body_settings settings = {.namespace_ = "agentd", .instance_id = "i-1"};
    enum flush_kind kind;

    if (flush_plan_fresh_us(&node->plan) <= now_us && outbox_has_fresh(node->outbox))
        kind = FLUSH_FRESH;
    else if (flush_plan_backlog_us(&node->plan) <= now_us && outbox_has_backlog(node->outbox))
        kind = FLUSH_BACKLOG;
    else
        return;
    assert_int_equal(outbox_take(node->outbox, kind, &settings, &node->shipment), 1);
    node->outcome = endpoint(fleet, now_us);
    node->answer_us = now_us + ANSWER_US;
}

static void end_call(struct fleet *fleet, struct node *node, uint64_t now_us)
{
    bool stored = node->outcome == FLUSH_SUCCEEDED;

    outbox_settle(node->outbox, &node->shipment, stored ? SHIPMENT_STORED : SHIPMENT_NOT_STORED);
    fleet->stored += stored ? node->shipment.n_records : 0;
    flush_plan_ended(&node->plan, node->shipment.kind, node->outcome,
                     outbox_has_fresh(node->outbox), 0, next_random(fleet), now_us,
                     EPOCH_US + now_us);
    shipment_done(&node->shipment);
    node->answer_us = 0;
}

static void step(struct fleet *fleet, struct node *node, uint64_t now_us)
{
    while (node->next_window_us <= now_us &&
           node->next_window_us < fleet->mode->run_s * USEC_PER_SEC) {
        close_window(fleet, node, now_us);
        node->next_window_us += WINDOW_S * USEC_PER_SEC;
    }
    if (node->answer_us && node->answer_us <= now_us)
        end_call(fleet, node, now_us);
    if (!node->answer_us)
        begin_call(fleet, node, now_us);
    node->wake_us = node->next_window_us < fleet->mode->run_s * USEC_PER_SEC ? node->next_window_us
                                                                             : UINT64_MAX;
    if (node->answer_us) {
        node->wake_us = MIN(node->wake_us, node->answer_us);
        return;
    }
    if (outbox_has_fresh(node->outbox))
        node->wake_us = MIN(node->wake_us, flush_plan_fresh_us(&node->plan));
    if (outbox_has_backlog(node->outbox))
        node->wake_us = MIN(node->wake_us, flush_plan_backlog_us(&node->plan));
}

/* Of the calls since the fleet has settled. */
static double throttled_share(const struct fleet *fleet, unsigned seconds)
{
    uint64_t throttled = 0, offered = 0;

    for (unsigned s = fleet->mode->settled_s; s < seconds; s++) {
        throttled += fleet->throttled[s];
        offered += fleet->offered[s];
    }
    return offered ? (double) throttled / (double) offered : 0;
}

static void print_distribution(const struct fleet *fleet, unsigned seconds)
{
    unsigned most = 0, most_settled = 0, busy = 0, buckets[6] = {0};
    static const unsigned bounds[] = {100, 200, 300, 400, 500, UINT_MAX};
    uint64_t throttled = 0, sum = 0;

    for (unsigned s = 0; s < seconds; s++) {
        most = MAX(most, fleet->offered[s]);
        if (s >= fleet->mode->settled_s)
            most_settled = MAX(most_settled, fleet->offered[s]);
        throttled += fleet->throttled[s];
        sum += fleet->offered[s];
        busy += fleet->offered[s] > 0;
        for (size_t b = 0; b < ARRAY_SIZE(bounds); b++)
            if (fleet->offered[s] <= bounds[b]) {
                buckets[b] += fleet->offered[s] > 0;
                break;
            }
    }
    printf("%-22s calls/s: mean %.0f, most %u, most after %u s %u; throttled %" PRIu64
           " (%.2f %% after that); seconds with up to 100/200/300/400/500/more calls: "
           "%u/%u/%u/%u/%u/%u\n",
           fleet->mode->name, busy ? (double) sum / busy : 0.0, most, fleet->mode->settled_s,
           most_settled, throttled, 100 * throttled_share(fleet, seconds), buckets[0], buckets[1],
           buckets[2], buckets[3], buckets[4], buckets[5]);
}

static bool is_empty(const struct fleet *fleet)
{
    for (unsigned i = 0; i < NODES; i++)
        if (fleet->nodes[i].answer_us || outbox_has_fresh(fleet->nodes[i].outbox) ||
            outbox_has_backlog(fleet->nodes[i].outbox))
            return false;
    return true;
}

static void new_node(struct fleet *fleet, struct node *node)
{
    const struct spool_settings spool = {.age_limit_us = UINT64_C(1209600) * USEC_PER_SEC,
                                         .limit_bytes = UINT64_C(1) << 30};
    const struct flush_plan_settings settings = {.flush_s = fleet->mode->flush_s,
                                                 .window_s = WINDOW_S,
                                                 .scaling_target_percent = 50,
                                                 .node = next_random(fleet)};

    assert_int_equal(outbox_open(&node->outbox, &spool, EPOCH_US), 0);
    flush_plan_init(&node->plan, &settings);
    /* A random start; then windows end where the wall clock says. */
    node->next_window_us = (1 + next_random(fleet) % 12) * WINDOW_S * USEC_PER_SEC;
}

static void test_mode(void **state)
{
    const struct mode *mode = *state;
    struct fleet fleet = {.mode = mode, .random = 42};
    uint64_t now_us = 0;
    unsigned seconds;

    fleet.nodes = calloc(NODES, sizeof(*fleet.nodes));
    assert_non_null(fleet.nodes);
    for (unsigned i = 0; i < NODES; i++)
        new_node(&fleet, &fleet.nodes[i]);
    do {
        for (unsigned i = 0; i < NODES; i++)
            if (fleet.nodes[i].wake_us <= now_us)
                step(&fleet, &fleet.nodes[i], now_us);
        now_us += STEP_US;
    } while (now_us < mode->run_s * USEC_PER_SEC ||
             (!is_empty(&fleet) && now_us < (mode->run_s + DRAIN_SECONDS) * USEC_PER_SEC));
    seconds = (unsigned) (now_us / USEC_PER_SEC);
    print_distribution(&fleet, seconds);
    assert_true(is_empty(&fleet));
    assert_int_equal(fleet.stored, fleet.appended);
    assert_true(throttled_share(&fleet, seconds) <= mode->throttled_share);
    for (unsigned i = 0; i < NODES; i++)
        outbox_free(fleet.nodes[i].outbox);
    free(fleet.nodes);
}

int main(void)
{
    static struct mode modes[] = {
        /* Their own pace is within the quota: never throttled. */
        {"adaptive, calm", 0, 10, 0, 0, 240, 0, 0},
        {"fixed 60 s", 60, 10, 0, 0, 240, 0, 0},
        {"fixed 30 s", 30, 10, 0, 0, 240, 0, 0},
        {"adaptive, outage", 0, 10, 120, 720, 1200, 0, 0},
        /* 1,000 calls a second by their own pace. */
        {"fixed 10 s", 10, 10, 0, 0, 700, 500, 0.03},
        {"adaptive, all urgent", 0, 90, 0, 0, 700, 500, 0.03},
    };
    struct CMUnitTest tests[ARRAY_SIZE(modes)];

    for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
        tests[i] = (struct CMUnitTest){modes[i].name, test_mode, NULL, NULL, &modes[i]};
    return _cmocka_run_group_tests("fleet", tests, ARRAY_SIZE(tests), NULL, NULL);
}
