/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's memory over the deaths of its cores. */
#include "agent/core/ledger.h"

#include "agent/hold/messages.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/mman.h>
#include <syslog.h>

static int new_fd(void)
{
    int fd = memfd_new_sealed("ledger", HOLD_LEDGER_SIZE);

    assert_true(fd >= 0);
    return fd;
}

static struct ledger *open_ledger(int fd, int wanted)
{
    struct ledger *ledger = NULL;

    assert_int_equal(ledger_open(&ledger, fd), wanted);
    return ledger;
}

static void test_fresh_and_reopened(void **state)
{
    CLEANUP_CLOSE int fd = new_fd();
    struct ledger *ledger = open_ledger(fd, 1);
    struct event event = {.level = LOG_INFO, .name = "agentd-started"};
    struct ledger_accounts *accounts;

    assert_int_equal(ledger_accounts(ledger)->intent.length, 0);
    assert_string_equal(ledger_app_name(ledger, 0), "");
    assert_int_equal(ledger_app(ledger, "board"), 0);
    assert_int_equal(ledger_app(ledger, "other"), 1);
    ledger_slots(ledger)[1][95].serial = 77;
    events_add(ledger_events(ledger), &event, 1);
    accounts = ledger_begin(ledger);
    accounts->apps[1].folded.requests[0] = 5;
    accounts->apps[1].folded_serial[3] = 9;
    accounts->window_start_realtime_us = 123;
    accounts->intent = (struct ledger_intent){.offset = 10, .length = 20};
    ledger_commit(ledger);
    ledger_free(ledger);

    ledger = open_ledger(fd, 0);
    assert_int_equal(ledger_app(ledger, "other"), 1);
    assert_int_equal(ledger_app(ledger, "board"), 0);
    assert_int_equal(ledger_app(ledger, "third"), 2);
    assert_int_equal(ledger_slots(ledger)[1][95].serial, 77);
    assert_true(events_next(ledger_events(ledger), 0, &event));
    assert_int_equal(ledger_accounts(ledger)->apps[1].folded.requests[0], 5);
    assert_int_equal(ledger_accounts(ledger)->apps[1].folded_serial[3], 9);
    assert_int_equal(ledger_accounts(ledger)->window_start_realtime_us, 123);
    assert_int_equal(ledger_accounts(ledger)->intent.length, 20);
    ledger_free(ledger);
}

static void test_begin_without_commit_is_forgotten(void **state)
{
    CLEANUP_CLOSE int fd = new_fd();
    struct ledger *ledger = open_ledger(fd, 1);

    assert_int_equal(ledger_app(ledger, "board"), 0);
    ledger_begin(ledger)->apps[0].folded.requests[0] = 1;
    ledger_commit(ledger);
    ledger_begin(ledger)->apps[0].folded.requests[0] = 1000;
    assert_int_equal(ledger_accounts(ledger)->apps[0].folded.requests[0], 1);
    ledger_free(ledger);

    ledger = open_ledger(fd, 0);
    assert_int_equal(ledger_accounts(ledger)->apps[0].folded.requests[0], 1);
    /* The next one begins with what is in force, not with what was left half-done. */
    assert_int_equal(ledger_begin(ledger)->apps[0].folded.requests[0], 1);
    ledger_commit(ledger);
    assert_int_equal(ledger_accounts(ledger)->apps[0].folded.requests[0], 1);
    ledger_free(ledger);
}

static void test_commit_is_seen_by_another_mapping(void **state)
{
    CLEANUP_CLOSE int fd = new_fd();
    struct ledger *writer = open_ledger(fd, 1), *reader = open_ledger(fd, 0);
    struct ledger_accounts *accounts;

    assert_int_equal(ledger_app(writer, "board"), 0);
    assert_string_equal(ledger_app_name(reader, 0), "board");
    accounts = ledger_begin(writer);
    accounts->apps[0].emitted.bytes_sent = 11;
    assert_int_equal(ledger_accounts(reader)->apps[0].emitted.bytes_sent, 0);
    ledger_commit(writer);
    assert_int_equal(ledger_accounts(reader)->apps[0].emitted.bytes_sent, 11);
    ledger_free(writer);
    ledger_free(reader);
}

static void scribble(int fd, size_t offset, const void *data, size_t length)
{
    char *memory = mmap(NULL, HOLD_LEDGER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    assert_ptr_not_equal(memory, MAP_FAILED);
    memcpy(memory + offset, data, length);
    munmap(memory, HOLD_LEDGER_SIZE);
}

/* The header: 8 bytes magic, 4 version, 4 size, 4 the accounts in force, then the names. */
static void test_foreign_memory_is_cleared(void **state)
{
    static const struct {
        size_t offset;
        const char *bytes;
        size_t length;
    } cases[] = {
        {0, "X", 1},                                                    /* magic */
        {8, "\x7f\x7f\x7f\x7f", 4},                                     /* version */
        {12, "\x01\x00\x00\x00", 4},                                    /* size */
        {16, "\x02\x00\x00\x00", 4},                                    /* which accounts */
        {20, "abcdefghijklmnopqrstuvwxyz0123456789", APP_NAME_MAX + 1}, /* a name without end */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_CLOSE int fd = new_fd();
        struct ledger *ledger = open_ledger(fd, 1);
        struct event event;

        assert_int_equal(ledger_app(ledger, "board"), 0);
        ledger_slots(ledger)[0][0].serial = 1;
        ledger_begin(ledger)->apps[0].folded.requests[0] = 1;
        ledger_commit(ledger);
        event = (struct event){.level = LOG_INFO, .name = "x"};
        events_add(ledger_events(ledger), &event, 1);
        ledger_free(ledger);
        scribble(fd, cases[i].offset, cases[i].bytes, cases[i].length);

        ledger = open_ledger(fd, 1);
        assert_string_equal(ledger_app_name(ledger, 0), "");
        assert_int_equal(ledger_slots(ledger)[0][0].serial, 0);
        assert_int_equal(ledger_accounts(ledger)->apps[0].folded.requests[0], 0);
        assert_false(events_next(ledger_events(ledger), 0, &event));
        ledger_free(ledger);
        ledger = open_ledger(fd, 0); /* and is ours now */
        ledger_free(ledger);
    }
}

static void test_all_garbage_is_cleared(void **state)
{
    CLEANUP_CLOSE int fd = new_fd();
    char *garbage = malloc(HOLD_LEDGER_SIZE);
    struct ledger *ledger;

    assert_non_null(garbage);
    memset(garbage, 0xa5, HOLD_LEDGER_SIZE);
    scribble(fd, 0, garbage, HOLD_LEDGER_SIZE);
    free(garbage);
    ledger = open_ledger(fd, 1);
    assert_int_equal(ledger_app(ledger, "board"), 0);
    assert_int_equal(ledger_slots(ledger)[15][95].state, 0);
    assert_int_equal(ledger_begin(ledger)->apps[15].folded_serial[95], 0);
    ledger_free(ledger);
}

static void test_what_can_be_no_ledger(void **state)
{
    char path[] = "/tmp/agentd-ledger.XXXXXX";
    int fds[] = {
        memfd_new_sealed("small", 4096),
        memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING),
        mkstemp(path),
    };
    struct ledger *ledger = NULL;

    unlink(path);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        assert_true(fds[i] >= 0);
        if (i > 0) /* its size may change under the reader's feet */
            assert_int_equal(ftruncate(fds[i], HOLD_LEDGER_SIZE), 0);
        assert_int_equal(ledger_open(&ledger, fds[i]), -EBADMSG);
        close(fds[i]);
    }
    assert_int_equal(ledger_open(&ledger, -1), -EBADF);
    assert_null(ledger);
}

static void test_apps(void **state)
{
    CLEANUP_CLOSE int fd = new_fd();
    struct ledger *ledger = open_ledger(fd, 1);
    char name[APP_NAME_MAX + 1];

    for (int i = 0; i < APPS_MAX; i++) {
        snprintf(name, sizeof(name), "app-%d", i);
        assert_int_equal(ledger_app(ledger, name), i);
        assert_string_equal(ledger_app_name(ledger, (unsigned) i), name);
    }
    assert_int_equal(ledger_app(ledger, "one-more"), -ENOSPC);
    assert_int_equal(ledger_app(ledger, "app-7"), 7);

    ledger_begin(ledger)->apps[7].emitted.requests[0] = 4;
    ledger_commit(ledger);
    ledger_slots(ledger)[7][0].serial = 4;
    ledger_forget_app(ledger, 7);
    assert_int_equal(ledger_app(ledger, "one-more"), 7);
    assert_int_equal(ledger_accounts(ledger)->apps[7].emitted.requests[0], 0);
    assert_int_equal(ledger_begin(ledger)->apps[7].emitted.requests[0], 0);
    assert_int_equal(ledger_slots(ledger)[7][0].serial, 0);
    ledger_free(ledger);
}

static void test_apps_that_are_over(void **state)
{
    CLEANUP_CLOSE int fd = new_fd();
    struct ledger *ledger = open_ledger(fd, 1);
    struct supervisor_slot *slot = &ledger_slots(ledger)[0][APP_SLOTS_MAX - 1];

    assert_int_equal(ledger_app(ledger, "app"), 0);
    assert_true(ledger_app_is_over(ledger, 0));
    slot->state = WORKER_DRAINING;
    assert_false(ledger_app_is_over(ledger, 0));
    *slot = (struct supervisor_slot){.state = WORKER_STOPPED, .dead = true};
    assert_false(ledger_app_is_over(ledger, 0)); /* the holder still has it */
    *slot = (struct supervisor_slot){.state = WORKER_STOPPED, .restarts = 3};
    assert_true(ledger_app_is_over(ledger, 0));

    ledger_begin(ledger)->apps[0].folded.requests[1] = 5;
    ledger_commit(ledger);
    assert_false(ledger_app_is_over(ledger, 0)); /* five requests that are in no window yet */
    ledger_begin(ledger)->apps[0].emitted.requests[1] = 5;
    ledger_commit(ledger);
    assert_true(ledger_app_is_over(ledger, 0));
    ledger_begin(ledger)->intent.length = 100;
    ledger_commit(ledger);
    assert_false(ledger_app_is_over(ledger, 0)); /* or perhaps they are not */
    ledger_free(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh_and_reopened),
        cmocka_unit_test(test_begin_without_commit_is_forgotten),
        cmocka_unit_test(test_commit_is_seen_by_another_mapping),
        cmocka_unit_test(test_foreign_memory_is_cleared),
        cmocka_unit_test(test_all_garbage_is_cleared),
        cmocka_unit_test(test_what_can_be_no_ledger),
        cmocka_unit_test(test_apps),
        cmocka_unit_test(test_apps_that_are_over),
    };

    log_set_level(LOG_EMERG);
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
