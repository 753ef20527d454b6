/* SPDX-License-Identifier: Apache-2.0 */
/* What holder and core may say to each other, field by field, and how it travels. */
#include "agent/hold/messages.h"

#include "common/base/files.h"
#include "common/base/macro.h"
#include "common/schema/stress.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#define TO_HOLDER true
#define TO_CORE   false

/* A valid message of each type; DEAD is the slot's third state. */
static struct hold_message valid(enum hold_message_type type, enum hold_slot_state state)
{
    struct hold_message m;

    hold_message_init(&m, type);
    if (type == HOLD_START || type == HOLD_SIGNAL || type == HOLD_KILL || type == HOLD_RELEASE ||
        type == HOLD_SLOT) {
        strcpy(m.app, "visitor-board");
        m.slot = APP_SLOTS_MAX;
        m.serial = type == HOLD_START ? 0 : UINT64_MAX;
    }
    if (type == HOLD_SIGNAL)
        m.argument = SIGTERM;
    if (type == HOLD_REFUSED) {
        m.argument = HOLD_RECONFIGURE;
        m.error = EINVAL;
    }
    if (type == HOLD_UPGRADE || type == HOLD_UPGRADED)
        m.serial = 1;
    if (type == HOLD_STATUS || type == HOLD_HELLO || type == HOLD_REFUSED || type == HOLD_UPGRADED)
        strcpy(m.text, "caf\xc3\xa9 1.0");
    if (type == HOLD_HELLO)
        m.started_at_us = 1;
    m.state = state;
    if (type == HOLD_SLOT && state != HOLD_SLOT_EMPTY) {
        m.pid = INT_MAX;
        m.started_at_us = 1;
    }
    if (type == HOLD_SLOT && state == HOLD_SLOT_DEAD) {
        m.ended_at_us = 2;
        m.exit_code = CLD_KILLED;
        m.exit_status = SIGKILL;
    }
    return m;
}

static int check(const struct hold_message *m, bool from_core)
{
    return hold_message_check(m, sizeof(*m), from_core);
}

static const struct {
    enum hold_message_type type;
    bool from_core;
} types[] = {
    {HOLD_READY, true},   {HOLD_PING, true},     {HOLD_START, true},     {HOLD_SIGNAL, true},
    {HOLD_KILL, true},    {HOLD_RELEASE, true},  {HOLD_STATUS, true},    {HOLD_RECONFIGURE, true},
    {HOLD_STOPPED, true}, {HOLD_HELLO, false},   {HOLD_SLOT, false},     {HOLD_SYNCED, false},
    {HOLD_CONFIG, false}, {HOLD_REFUSED, false}, {HOLD_STOPPING, false}, {HOLD_SAVE, true},
    {HOLD_UPGRADE, true}, {HOLD_SAVED, false},   {HOLD_UPGRADED, false},
};

static void test_valid_in_its_direction_only(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        struct hold_message m = valid(types[i].type, 0);

        assert_int_equal(check(&m, types[i].from_core), 0);
        assert_int_equal(check(&m, !types[i].from_core), -EBADMSG);
        assert_string_not_equal(hold_message_type_to_string(types[i].type), "unknown");
    }
    for (unsigned slot_state = 0; slot_state < 5; slot_state++) {
        struct hold_message m = valid(HOLD_SLOT, slot_state);
        assert_int_equal(check(&m, TO_CORE), slot_state <= HOLD_SLOT_DEAD ? 0 : -EBADMSG);
    }
    assert_string_equal(hold_message_type_to_string(0), "unknown");
    assert_string_equal(hold_message_type_to_string(UINT_MAX), "unknown");
}

static void test_header(void **state)
{
    struct hold_message m = valid(HOLD_PING, 0);
    char longer[sizeof(m) + 1] = {0};

    memcpy(longer, &m, sizeof(m));
    for (size_t length = 0; length < sizeof(m); length++)
        assert_int_equal(hold_message_check(&m, length, TO_HOLDER), -EBADMSG);
    assert_int_equal(hold_message_check(longer, sizeof(longer), TO_HOLDER), -EBADMSG);
    m.version++;
    assert_int_equal(check(&m, TO_HOLDER), -EPROTO);
    m.magic++;
    assert_int_equal(check(&m, TO_HOLDER), -EBADMSG);
    for (unsigned type = 0; type <= UINT16_MAX; type++) {
        m = valid(HOLD_PING, 0);
        m.type = (uint16_t) type;
        assert_int_equal(check(&m, TO_HOLDER) == 0, type == HOLD_PING || type == HOLD_READY ||
                                                        type == HOLD_RECONFIGURE ||
                                                        type == HOLD_STOPPED || type == HOLD_SAVE);
    }
}

/* Sets each byte that is zero in a valid message: only what the type uses may differ. */
static void test_nothing_unused_is_set(void **state)
{
    static const struct {
        enum hold_message_type type;
        size_t free_bytes; /* zero bytes that may be set to 1 */
    } cases[] = {
        {HOLD_READY, 0},  {HOLD_PING, 0},    {HOLD_START, 0}, /* slot 97 to 2^32 is out of range */
        {HOLD_KILL, 0},   {HOLD_RELEASE, 0}, {HOLD_RECONFIGURE, 0}, {HOLD_STOPPED, 0},
        {HOLD_SYNCED, 0}, {HOLD_CONFIG, 0},  {HOLD_STOPPING, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct hold_message good = valid(cases[i].type, 0);
        bool from_core = good.type < HOLD_HELLO;
        size_t accepted = 0;

        for (size_t at = 0; at < sizeof(good); at++) {
            struct hold_message m = good;
            if (((char *) &m)[at] != 0)
                continue;
            ((char *) &m)[at] = 1;
            accepted += check(&m, from_core) == 0;
        }
        assert_int_equal(accepted, cases[i].free_bytes);
    }
}

/* agentd-stress is started by its order alone, and nothing else by one. */
static void test_stress_order(void **state)
{
    static const struct {
        const char *app, *text;
        unsigned slot;
        bool good;
    } cases[] = {
        {STRESS_APP, "load=85 cores=0 seconds=600 priority=idle", 1, true},
        {STRESS_APP, "load=85 cores=0 seconds=600 priority=idle", 2, false},
        {STRESS_APP, "load=0 cores=0 seconds=600 priority=idle", 1, false},
        {STRESS_APP, "load=85 cores=0 seconds=600 priority=idle ", 1, false},
        {STRESS_APP, "", 1, false},
        {"stress", "load=85 cores=0 seconds=600 priority=idle", 1, false},
        {"stress", "", 1, true},
        {"@stres", "", 1, false},
        {"@stress2", "load=85 cores=0 seconds=600 priority=idle", 1, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct hold_message m;

        hold_message_init(&m, HOLD_START);
        strcpy(m.app, cases[i].app);
        strcpy(m.text, cases[i].text);
        m.slot = cases[i].slot;
        assert_int_equal(check(&m, TO_HOLDER), cases[i].good ? 0 : -EBADMSG);
    }
    struct hold_message m = valid(HOLD_SLOT, HOLD_SLOT_RUNNING);
    memset(m.app, 0, sizeof(m.app));
    strcpy(m.app, STRESS_APP);
    assert_int_equal(check(&m, TO_CORE), -EBADMSG); /* the last slot of an app is none of it */
    m.slot = STRESS_SLOT;
    assert_int_equal(check(&m, TO_CORE), 0);
}

static void test_required_fields(void **state)
{
    struct hold_message m;

#define WITHOUT(type, slot_state, field)                                                           \
    m = valid(type, slot_state);                                                                   \
    memset(&m.field, 0, sizeof(m.field));                                                          \
    assert_int_equal(check(&m, type < HOLD_HELLO), -EBADMSG)
    WITHOUT(HOLD_START, 0, app);
    WITHOUT(HOLD_START, 0, slot);
    WITHOUT(HOLD_SIGNAL, 0, serial);
    WITHOUT(HOLD_SIGNAL, 0, argument);
    WITHOUT(HOLD_KILL, 0, serial);
    WITHOUT(HOLD_RELEASE, 0, serial);
    WITHOUT(HOLD_STATUS, 0, text);
    WITHOUT(HOLD_HELLO, 0, text);
    WITHOUT(HOLD_HELLO, 0, started_at_us);
    WITHOUT(HOLD_REFUSED, 0, argument);
    WITHOUT(HOLD_REFUSED, 0, error);
    WITHOUT(HOLD_REFUSED, 0, text);
    WITHOUT(HOLD_SLOT, HOLD_SLOT_RUNNING, pid);
    WITHOUT(HOLD_SLOT, HOLD_SLOT_RUNNING, started_at_us);
    WITHOUT(HOLD_SLOT, HOLD_SLOT_DEAD, ended_at_us);
#undef WITHOUT
    /* A worker of the holder before: neither its pid nor its end are known. */
    m = valid(HOLD_SLOT, HOLD_SLOT_DEAD);
    m.pid = m.exit_code = m.exit_status = 0;
    m.started_at_us = 0;
    assert_int_equal(check(&m, TO_CORE), 0);
}

static void test_values(void **state)
{
    static const char *const bad_apps[] = {"-a", "A",   "a.b",         "a/b",
                                           "..", "a b", "caf\xc3\xa9", "a\n"};
    static const char *const bad_texts[] = {"a\nb", "a\tb", "\x7f", "\x1b[2J", "\xff", "\xc3"};
    static const int exit_codes[] = {-1, CLD_TRAPPED, CLD_STOPPED, CLD_CONTINUED, 99};
    struct hold_message m;

    for (size_t i = 0; i < ARRAY_SIZE(bad_apps); i++) {
        m = valid(HOLD_START, 0);
        memset(m.app, 0, sizeof(m.app));
        strcpy(m.app, bad_apps[i]);
        assert_int_equal(check(&m, TO_HOLDER), -EBADMSG);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad_texts); i++) {
        m = valid(HOLD_STATUS, 0);
        memset(m.text, 0, sizeof(m.text));
        strcpy(m.text, bad_texts[i]);
        assert_int_equal(check(&m, TO_HOLDER), -EBADMSG);
    }
    m = valid(HOLD_STATUS, 0);
    memset(m.text, 'x', sizeof(m.text)); /* no NUL */
    assert_int_equal(check(&m, TO_HOLDER), -EBADMSG);
    m = valid(HOLD_START, 0);
    memset(m.app, 'x', sizeof(m.app));
    assert_int_equal(check(&m, TO_HOLDER), -EBADMSG);
    for (size_t i = 0; i < ARRAY_SIZE(exit_codes); i++) {
        m = valid(HOLD_SLOT, HOLD_SLOT_DEAD);
        m.exit_code = exit_codes[i];
        assert_int_equal(check(&m, TO_CORE), -EBADMSG);
    }
    m = valid(HOLD_START, 0);
    m.slot = APP_SLOTS_MAX + 1;
    assert_int_equal(check(&m, TO_HOLDER), -EBADMSG);
    m = valid(HOLD_REFUSED, 0);
    m.argument = HOLD_SYNCED; /* nobody asked that */
    assert_int_equal(check(&m, TO_CORE), -EBADMSG);
}

static void test_signals(void **state)
{
    struct hold_message m = valid(HOLD_SIGNAL, 0);
    unsigned allowed = 0;

    for (int signal = -1; signal < 256; signal++) {
        m.argument = signal;
        assert_int_equal(check(&m, TO_HOLDER) == 0, hold_signal_allowed(signal));
        allowed += hold_signal_allowed(signal);
    }
    assert_int_equal(allowed, 7);
    assert_true(hold_signal_allowed(SIGTERM));
    assert_false(hold_signal_allowed(SIGKILL)); /* HOLD_KILL takes the children too */
    assert_false(hold_signal_allowed(SIGSTOP));
}

static void test_send_and_receive(void **state)
{
    struct hold_message m = valid(HOLD_STATUS, 0), got;
    int pair[2], fd = -1, null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), sent = 0, r;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(hold_message_receive(pair[1], &got, &fd), -EAGAIN);
    assert_int_equal(hold_message_send(pair[0], &m, -1), 0);
    assert_int_equal(hold_message_send(pair[0], &m, null_fd), 0);
    assert_int_equal(hold_message_receive(pair[1], &got, &fd), sizeof(got));
    assert_int_equal(fd, -1);
    assert_memory_equal(&m, &got, sizeof(m));
    assert_int_equal(hold_message_receive(pair[1], &got, &fd), sizeof(got));
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    fd_close(fd);

    /* Shorter and longer ones say so by their length. */
    assert_int_equal(send(pair[0], &m, 7, 0), 7);
    assert_int_equal(hold_message_receive(pair[1], &got, &fd), 7);
    char longer[2 * sizeof(m)] = {0};
    memcpy(longer, &m, sizeof(m));
    assert_int_equal(send(pair[0], longer, sizeof(longer), 0), sizeof(longer));
    assert_int_equal(hold_message_receive(pair[1], &got, &fd), sizeof(longer));

    while ((r = hold_message_send(pair[0], &m, -1)) == 0) /* never blocks */
        assert_true(++sent < 100000);
    assert_int_equal(r, -EAGAIN);
    fd_close(pair[0]);
    while ((r = hold_message_receive(pair[1], &got, &fd)) > 0)
        sent--;
    assert_int_equal(r, 0);
    assert_int_equal(sent, 0);
    r = hold_message_send(pair[1], &m, -1);
    assert_int_equal(r, -EPIPE);
    fd_close(pair[1]);
    fd_close(null_fd);
}

/* A peer that sends several descriptors leaves none of them open here. */
static void test_surplus_descriptors_are_closed(void **state)
{
    struct hold_message m = valid(HOLD_PING, 0), got;
    struct iovec iov = {.iov_base = &m, .iov_len = sizeof(m)};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(6 * sizeof(int))];
    } control = {0};
    struct msghdr header = {.msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control)};
    int pair[2], fds[6], fd = -1;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = pair[0];
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(fds));
    memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    fd_close(lowest);

    assert_int_equal(sendmsg(pair[0], &header, 0), sizeof(m));
    assert_int_equal(hold_message_receive(pair[1], &got, &fd), sizeof(got));
    assert_int_equal(fd, lowest);
    fd_close(fd);
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(next, lowest); /* all are free again */
    fd_close(next);
    fd_close(pair[0]);
    fd_close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_in_its_direction_only),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_nothing_unused_is_set),
        cmocka_unit_test(test_stress_order),
        cmocka_unit_test(test_required_fields),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_send_and_receive),
        cmocka_unit_test(test_surplus_descriptors_are_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
