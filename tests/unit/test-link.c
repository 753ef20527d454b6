/* SPDX-License-Identifier: Apache-2.0 */
/* The core's end of the socket to the holder: which ends of it are an error, and which are not. */
#include "agent/core/link.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/socket.h>

struct fixture {
    sd_event *event;
    struct link *link;
    int holder_fd;
    unsigned n_messages;
};

static void on_message(const struct hold_message *message, int take_fd, void *userdata)
{
    struct fixture *f = userdata;

    assert_int_equal(message->type, HOLD_SYNCED);
    assert_int_equal(take_fd, -1);
    f->n_messages++;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    int pair[2];

    assert_non_null(f);
    assert_int_equal(sd_event_new(&f->event), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(link_new(&f->link, f->event, pair[0], on_message, f), 0);
    f->holder_fd = pair[1];
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    link_free(f->link);
    fd_close(f->holder_fd);
    sd_event_unref(f->event);
    free(f);
    return 0;
}

/* What the loop ends with when it has seen what is there. */
static int run(struct fixture *f)
{
    int code, r = 1;

    while (r > 0 && sd_event_get_state(f->event) != SD_EVENT_FINISHED &&
           sd_event_get_exit_code(f->event, &code) == -ENODATA)
        r = sd_event_run(f->event, 0);
    assert_true(r >= 0);
    assert_int_equal(sd_event_get_exit_code(f->event, &code), 0);
    return code;
}

static void test_end(void **state)
{
    struct fixture *f = *state;
    struct hold_message message;

    hold_message_init(&message, HOLD_SYNCED);
    assert_int_equal(hold_message_send(f->holder_fd, &message, -1), 0);
    f->holder_fd = fd_close(f->holder_fd);
    assert_int_equal(run(f), 0);
    assert_int_equal(f->n_messages, 1); /* what it had said was heard */
}

/* Killed with a ping of ours unread: the kernel makes it a reset. */
static void test_reset(void **state)
{
    struct fixture *f = *state;

    link_send_simple(f->link, HOLD_PING);
    f->holder_fd = fd_close(f->holder_fd);
    assert_int_equal(run(f), 0);
}

/* We send before we look. */
static void test_broken_pipe(void **state)
{
    struct fixture *f = *state;

    f->holder_fd = fd_close(f->holder_fd);
    link_send_simple(f->link, HOLD_PING);
    assert_int_equal(run(f), 0);
}

static void test_garbage(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(send(f->holder_fd, "hello", 5, 0), 5);
    assert_int_equal(run(f), -EBADMSG);
    assert_int_equal(f->n_messages, 0);
}

static void test_holder_that_does_not_read(void **state)
{
    struct fixture *f = *state;
    int code;

    for (int i = 0; i < 100000 && sd_event_get_exit_code(f->event, &code) == -ENODATA; i++)
        link_send_simple(f->link, HOLD_PING);
    assert_int_equal(run(f), -EAGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_pipe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_garbage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_holder_that_does_not_read, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
