/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each answered request is in exactly one window, whoever dies in between: real scoreboards, a real
 * ledger, and a sink that is a few sums. Cores and workers die at each point where it matters.
 */
#include "agent/core/accounting.h"

#include "agent/hold/messages.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <syslog.h>

#define SLOTS       4u
#define APP         0u
#define RANDOM_RUNS 300u

struct sums { /* of one app */
    uint64_t requests, errors_4xx, errors_5xx, latencies, restarts;
};

struct worker { /* what the holder keeps */
    int fd;
    struct scoreboard *board; /* the worker's own mapping */
    uint64_t serial;          /* 0: the slot is empty */
    bool dead;
};

struct node {
    int ledger_fd;
    struct ledger *ledger;
    struct accounting *accounting;
    struct windows *windows;
    struct worker workers[SLOTS];
    uint64_t last_serial, now_us, seed;
    uint64_t restarts[APPS_MAX];
    struct sums sent, written;
};

enum outcome { /* of a window's end */
               WRITTEN,
               FAILED,             /* the sink did not take it */
               DIED_BEFORE_INTENT, /* and the next core settles what it finds */
               DIED_BEFORE_WRITE,
               DIED_AFTER_WRITE,
               OUTCOMES_,
};

/* --- the core -----------------------------------------------------------------------------------
 */

static int pass(const struct worker *worker)
{
    int fd = fcntl(worker->fd, F_DUPFD_CLOEXEC, 0);

    assert_true(fd >= 0);
    return fd;
}

static void tell_running(struct node *node, unsigned slot)
{
    struct worker *worker = &node->workers[slot - 1];

    accounting_open(node->accounting, APP, slot, worker->serial, pass(worker));
}

static void tell_dead(struct node *node, unsigned slot)
{
    struct worker *worker = &node->workers[slot - 1];

    accounting_fold(node->accounting, APP, slot, worker->serial, pass(worker));
}

/* As agent_new() and the holder's sync do it. |written|: what the file's size says of the intent.
 */
static void start_core(struct node *node, bool written)
{
    assert_true(ledger_open(&node->ledger, node->ledger_fd) >= 0);
    assert_int_equal(ledger_app(node->ledger, "board"), APP);
    assert_int_equal(accounting_new(&node->accounting, node->ledger), 0);
    if (ledger_accounts(node->ledger)->intent.length > 0)
        accounting_settle(node->accounting, written);
    assert_int_equal(windows_new(&node->windows, 10,
                                 ledger_accounts(node->ledger)->window_start_realtime_us,
                                 node->now_us, node->now_us),
                     0);
    for (unsigned slot = 1; slot <= SLOTS; slot++)
        if (node->workers[slot - 1].dead)
            tell_dead(node, slot);
        else if (node->workers[slot - 1].serial)
            tell_running(node, slot);
}

static void lose_core(struct node *node)
{
    node->windows = windows_free(node->windows);
    node->accounting = accounting_free(node->accounting);
    node->ledger = ledger_free(node->ledger);
}

static uint64_t sum_of(const struct window *window, enum metric metric)
{
    const struct window_series *series = &window->apps[APP][metric];

    return series->count ? (uint64_t) series->sum : 0;
}

static void write_window(struct node *node, const struct window *window)
{
    const struct histogram *latency = window->distributions[APP][METRIC_REQUEST_LATENCY];

    node->written.requests += sum_of(window, METRIC_REQUEST_COUNT);
    node->written.errors_4xx += sum_of(window, METRIC_ERRORS_4XX);
    node->written.errors_5xx += sum_of(window, METRIC_ERRORS_5XX);
    node->written.restarts += sum_of(window, METRIC_WORKER_RESTARTS);
    if (window->apps[APP][METRIC_REQUEST_LATENCY].count > 0)
        node->written.latencies += histogram_count(latency);
}

static void end_window(struct node *node, enum outcome outcome)
{
    const struct ledger_intent intent = {.offset = 1000, .length = 100};
    const struct window *window;

    node->now_us += 10 * USEC_PER_SEC;
    accounting_close(node->accounting, node->windows, node->restarts);
    window = windows_close(node->windows, node->now_us, node->now_us);
    if (outcome == WRITTEN || outcome == DIED_BEFORE_WRITE || outcome == DIED_AFTER_WRITE)
        accounting_intend(node->accounting, &intent, window->start_realtime_us);
    if (outcome == WRITTEN || outcome == DIED_AFTER_WRITE)
        write_window(node, window);
    if (outcome == WRITTEN || outcome == FAILED) {
        accounting_settle(node->accounting, outcome == WRITTEN);
        return;
    }
    lose_core(node);
    start_core(node, outcome == DIED_AFTER_WRITE);
}

/* --- the workers --------------------------------------------------------------------------------
 */

static void start_worker(struct node *node, unsigned slot)
{
    struct worker *worker = &node->workers[slot - 1];

    assert_int_equal(worker->serial, 0);
    worker->fd = scoreboard_new_fd("board");
    assert_true(worker->fd >= 0);
    assert_int_equal(scoreboard_map(worker->fd, &worker->board), 0);
    worker->serial = ++node->last_serial;
    if (node->accounting)
        tell_running(node, slot);
}

static void answer(struct node *node, unsigned slot, unsigned status)
{
    struct scoreboard *board = node->workers[slot - 1].board;

    scoreboard_begin(board);
    scoreboard_end(board, status, 100, 50 * (uint64_t) status);
    node->sent.requests++;
    node->sent.latencies++;
    node->sent.errors_4xx += status / 100 == 4;
    node->sent.errors_5xx += status / 100 == 5;
}

static void answer_many(struct node *node, unsigned slot, unsigned n)
{
    while (n-- > 0)
        answer(node, slot, 200);
}

/* It ends. Without a core nobody is told. */
static void end_worker(struct node *node, unsigned slot)
{
    struct worker *worker = &node->workers[slot - 1];

    worker->board = scoreboard_unmap(worker->board);
    worker->dead = true;
    if (node->accounting)
        tell_dead(node, slot);
}

/* The holder forgets it, and with it its scoreboard. */
static void release_worker(struct node *node, unsigned slot)
{
    struct worker *worker = &node->workers[slot - 1];

    scoreboard_unmap(worker->board);
    close(worker->fd);
    *worker = (struct worker){.fd = -1};
}

/* --- the tests ----------------------------------------------------------------------------------
 */

static int setup(void **state)
{
    struct node *node = calloc(1, sizeof(*node));

    assert_non_null(node);
    node->now_us = UINT64_C(1795300000) * USEC_PER_SEC;
    node->ledger_fd = memfd_new_sealed("ledger", HOLD_LEDGER_SIZE);
    assert_true(node->ledger_fd >= 0);
    start_core(node, false);
    *state = node;
    return 0;
}

static int teardown(void **state)
{
    struct node *node = *state;

    lose_core(node);
    for (unsigned slot = 1; slot <= SLOTS; slot++)
        if (node->workers[slot - 1].serial)
            release_worker(node, slot);
    close(node->ledger_fd);
    free(node);
    return 0;
}

static void assert_all_written(const struct node *node)
{
    assert_int_equal(node->written.requests, node->sent.requests);
    assert_int_equal(node->written.errors_4xx, node->sent.errors_4xx);
    assert_int_equal(node->written.errors_5xx, node->sent.errors_5xx);
    assert_int_equal(node->written.latencies, node->sent.latencies);
    assert_int_equal(node->written.restarts, node->sent.restarts);
}

static void test_counts_by_class(void **state)
{
    struct node *node = *state;

    assert_false(accounting_has_app(node->accounting, APP));
    assert_null(accounting_total(node->accounting, APP));
    start_worker(node, 1);
    start_worker(node, 2);
    assert_true(accounting_has_app(node->accounting, APP));
    answer(node, 1, 200);
    answer(node, 1, 302);
    answer(node, 1, 404);
    answer(node, 2, 500);
    answer(node, 2, 503);
    scoreboard_begin(node->workers[1].board);
    accounting_sample(node->accounting, node->now_us);
    assert_int_equal(accounting_requests(node->accounting, APP, 1), 3);
    assert_int_equal(accounting_requests(node->accounting, APP, 2), 2);
    assert_int_equal(accounting_requests(node->accounting, APP, 3), 0);
    assert_int_equal(accounting_in_flight(node->accounting, APP, 2), 1);
    assert_int_equal(tally_requests(accounting_total(node->accounting, APP)), 5);
    node->workers[1].board->in_flight = UINT32_MAX; /* no process has so many descriptors */
    assert_int_equal(accounting_in_flight(node->accounting, APP, 2), 0);
    end_window(node, WRITTEN);
    assert_int_equal(node->written.requests, 5);
    assert_all_written(node);
    end_window(node, WRITTEN);
    assert_all_written(node);
}

static void test_each_outcome(void **state)
{
    struct node *node = *state;

    start_worker(node, 1);
    for (unsigned outcome = 0; outcome < OUTCOMES_; outcome++) {
        uint64_t before = node->written.requests;

        answer_many(node, 1, 10);
        node->sent.restarts = ++node->restarts[APP];
        end_window(node, outcome);
        assert_int_equal(node->written.requests - before,
                         outcome == WRITTEN || outcome == DIED_AFTER_WRITE ? 10 : 0);
        end_window(node, WRITTEN);
        assert_all_written(node);
        assert_int_equal(tally_requests(accounting_total(node->accounting, APP)),
                         node->sent.requests);
    }
}

static void test_worker_death(void **state)
{
    struct node *node = *state;

    start_worker(node, 1);
    answer_many(node, 1, 10);
    end_window(node, WRITTEN);
    answer_many(node, 1, 5); /* never sampled before its end */
    end_worker(node, 1);
    tell_dead(node, 1); /* told twice */
    release_worker(node, 1);
    end_window(node, WRITTEN);
    assert_all_written(node);
    start_worker(node, 1);
    answer_many(node, 1, 3);
    end_window(node, WRITTEN);
    assert_int_equal(node->written.requests, 18);
    assert_all_written(node);
}

static void test_core_dies_between_fold_and_release(void **state)
{
    struct node *node = *state;

    start_worker(node, 1);
    answer_many(node, 1, 10);
    end_worker(node, 1);
    lose_core(node);
    start_core(node, false); /* is told of the same death again */
    end_window(node, WRITTEN);
    assert_int_equal(node->written.requests, 10);
    release_worker(node, 1);
    end_window(node, WRITTEN);
    assert_all_written(node);
}

static void test_core_dies_before_the_fold(void **state)
{
    struct node *node = *state;

    start_worker(node, 1);
    answer_many(node, 1, 10);
    lose_core(node);
    answer_many(node, 1, 7);
    end_worker(node, 1); /* while there is no core */
    start_core(node, false);
    release_worker(node, 1);
    end_window(node, WRITTEN);
    assert_all_written(node);
}

/* What is left to write belongs to workers that are all gone. */
static void test_core_dies_after_the_last_release(void **state)
{
    struct node *node = *state;

    start_worker(node, 1);
    answer_many(node, 1, 10);
    end_worker(node, 1);
    release_worker(node, 1);
    lose_core(node);
    start_core(node, false);
    accounting_sample(node->accounting, node->now_us);
    assert_int_equal(tally_requests(accounting_total(node->accounting, APP)), 10);
    end_window(node, WRITTEN);
    assert_int_equal(node->written.requests, 10);
    end_window(node, WRITTEN);
    assert_all_written(node);
}

/* With no sink nothing is intended; windows are for `agentctl metrics` alone. */
static void test_without_a_sink(void **state)
{
    struct node *node = *state;
    const struct window *window;

    start_worker(node, 1);
    for (unsigned i = 0; i < 3; i++) {
        answer_many(node, 1, 10);
        node->restarts[APP]++;
        node->now_us += 10 * USEC_PER_SEC;
        accounting_close(node->accounting, node->windows, node->restarts);
        window = windows_close(node->windows, node->now_us, node->now_us);
        assert_int_equal(sum_of(window, METRIC_REQUEST_COUNT), 10);
        assert_int_equal(sum_of(window, METRIC_WORKER_RESTARTS), 1);
        accounting_settle(node->accounting, true);
        lose_core(node);
        start_core(node, false);
    }
}

/* A scoreboard that goes mad counts what it had shown, once, and no other worker's is lost. */
static void scribble(struct node *node, void (*how)(struct scoreboard *board))
{
    struct event event;
    unsigned bad = 0;

    start_worker(node, 1);
    start_worker(node, 2);
    answer_many(node, 1, 10);
    answer_many(node, 2, 10);
    accounting_sample(node->accounting, node->now_us);
    how(node->workers[0].board);
    answer_many(node, 2, 5);
    end_window(node, WRITTEN);
    assert_all_written(node);
    assert_int_equal(accounting_in_flight(node->accounting, APP, 1), 0);
    for (unsigned i = 0; i < 3; i++) { /* nor when cores after it look at the mess */
        lose_core(node);
        how(node->workers[0].board);
        answer_many(node, 2, 5);
        start_core(node, false);
        end_window(node, WRITTEN);
        assert_all_written(node);
    }
    for (uint64_t id = 0; events_next(ledger_events(node->ledger), id, &event); id = event.id)
        bad += strcmp(event.name, "scoreboard-bad") == 0;
    assert_int_equal(bad, 1); /* said once */
    end_worker(node, 1);
    release_worker(node, 1);
    start_worker(node, 1);
    answer_many(node, 1, 4);
    end_window(node, WRITTEN);
    assert_all_written(node);
}

static void break_header(struct scoreboard *board)
{
    memset(board, 0x5a, sizeof(*board));
}

static void go_back(struct scoreboard *board)
{
    board->requests[SCOREBOARD_2XX] = 1;
}

static void jump(struct scoreboard *board)
{
    memset(board->requests, 0x01, sizeof(board->requests));
}

static void test_scribbled_header(void **state)
{
    scribble(*state, break_header);
}

static void test_counter_goes_back(void **state)
{
    scribble(*state, go_back);
}

static void test_counter_jumps(void **state)
{
    scribble(*state, jump);
}

static unsigned count_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(directory);
    while (readdir(directory))
        n++;
    closedir(directory);
    return n;
}

static void test_what_is_no_scoreboard(void **state)
{
    struct node *node = *state;
    unsigned n_fds = count_fds();

    accounting_open(node->accounting, APP, 1, 1, -1);
    accounting_fold(node->accounting, APP, 1, 1, -1);
    accounting_open(node->accounting, APP, 2, 2, open("/dev/null", O_RDONLY | O_CLOEXEC));
    accounting_open(node->accounting, APP, 3, 3, memfd_new_sealed("short", 4096));
    accounting_fold(node->accounting, APP, 3, 3, memfd_new_sealed("short", 4096));
    accounting_fold(node->accounting, APP, 4, 4, -1);
    accounting_sample(node->accounting, node->now_us);
    end_window(node, WRITTEN);
    assert_int_equal(node->written.requests, 0);
    assert_int_equal(count_fds(), n_fds); /* each descriptor was taken */
}

/* --- all of it, at random -----------------------------------------------------------------------
 */

static unsigned below(struct node *node, unsigned n)
{
    node->seed = node->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned) (node->seed >> 33) % n;
}

static void one_event(struct node *node)
{
    static const unsigned statuses[] = {200, 200, 200, 302, 404, 500};
    unsigned slot = 1 + below(node, SLOTS);
    struct worker *worker = &node->workers[slot - 1];

    switch (below(node, 10)) {
    case 0:
        end_window(node, below(node, OUTCOMES_));
        break;
    case 1:
        accounting_sample(node->accounting, node->now_us);
        break;
    case 2:
        lose_core(node);
        if (worker->serial && !worker->dead && below(node, 2))
            end_worker(node, slot);
        start_core(node, false);
        break;
    case 3:
        if (worker->serial && !worker->dead)
            end_worker(node, slot);
        break;
    case 4:
    case 5:
        if (worker->dead) {
            release_worker(node, slot);
            node->sent.restarts = ++node->restarts[APP];
        }
        if (!worker->serial)
            start_worker(node, slot);
        break;
    default:
        for (unsigned n = below(node, 20); worker->serial && !worker->dead && n > 0; n--)
            answer(node, slot, statuses[below(node, ARRAY_SIZE(statuses))]);
    }
}

static void test_at_random(void **state)
{
    for (unsigned run = 1; run <= RANDOM_RUNS; run++) {
        void *of_run = NULL;
        struct node *node;

        setup(&of_run);
        node = of_run;
        node->seed = run;
        for (unsigned i = 0; i < 80; i++)
            one_event(node);
        end_window(node, WRITTEN);
        if (node->written.requests != node->sent.requests)
            print_message("run %u\n", run);
        assert_all_written(node);
        teardown(&of_run);
    }
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_counts_by_class),
        CASE(test_each_outcome),
        CASE(test_worker_death),
        CASE(test_core_dies_between_fold_and_release),
        CASE(test_core_dies_before_the_fold),
        CASE(test_core_dies_after_the_last_release),
        CASE(test_without_a_sink),
        CASE(test_scribbled_header),
        CASE(test_counter_goes_back),
        CASE(test_counter_jumps),
        CASE(test_what_is_no_scoreboard),
        cmocka_unit_test(test_at_random),
    };

    log_set_level(LOG_EMERG);
    return cmocka_run_group_tests_name("accounting", tests, NULL, NULL);
}
