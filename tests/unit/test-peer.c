/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of the control socket. */
#include "agent/serve/peer.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>

#define NOBODY ((uid_t) 65534)

/* A pair made by the caller as it is now: the kernel notes who made it. */
static int make_pair(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

/* A pair made by another user, with these groups. Needs root. */
static void make_strangers_pair(int pair[2], gid_t primary, const gid_t *groups, size_t n_groups)
{
    gid_t own[64];
    int n_own = getgroups(ARRAY_SIZE(own), own), r;

    assert_true(n_own >= 0);
    assert_int_equal(setgroups(n_groups, groups), 0);
    assert_int_equal(setegid(primary), 0);
    assert_int_equal(seteuid(NOBODY), 0);
    r = make_pair(pair);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(setegid(0), 0);
    assert_int_equal(setgroups((size_t) n_own, own), 0);
    assert_int_equal(r, 0);
}

static void close_pair(int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

static void test_own_user(void **state)
{
    struct peer peer;
    int pair[2];

    assert_int_equal(make_pair(pair), 0);
    assert_int_equal(peer_identify(pair[0], peer_find_group(""), &peer), 0);
    assert_int_equal(peer.pid, getpid());
    assert_int_equal(peer.uid, geteuid());
    assert_true(peer.may_change);
    close_pair(pair);
}

static void test_what_cannot_be_known_may_nothing(void **state)
{
    const int fds[] = {-1, open("/dev/null", O_RDONLY | O_CLOEXEC),
                       socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};

    assert_true(fds[2] >= 0);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        struct peer peer = {.may_change = true};

        assert_true(peer_identify(fds[i], peer_find_group("root"), &peer) < 0);
        assert_false(peer.may_change);
        assert_int_equal(peer.pid, -1);
    }
    close(fds[1]);
    close(fds[2]);
}

static void test_strangers(void **state)
{
    const struct group *found = getgrnam("daemon"); /* in every distribution, and nobody's */
    gid_t daemon, groups[40];
    struct peer peer;
    int pair[2];

    if (geteuid() != 0) {
        print_message("SKIP: only root can make a socket as another user\n");
        skip();
    }
    assert_non_null(found);
    daemon = found->gr_gid;
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
        groups[i] = (gid_t) (50000 + i);

    /* No group at all. */
    make_strangers_pair(pair, NOBODY, NULL, 0);
    assert_int_equal(peer_identify(pair[0], peer_find_group(""), &peer), 0);
    assert_int_equal(peer.uid, NOBODY);
    assert_false(peer.may_change);
    assert_int_equal(peer_identify(pair[0], peer_find_group("daemon"), &peer), 0);
    assert_false(peer.may_change);
    assert_int_equal(peer_identify(pair[0], peer_find_group("no-such-group"), &peer), 0);
    assert_false(peer.may_change);
    close_pair(pair);

    /* The admin group as the primary one. */
    make_strangers_pair(pair, daemon, NULL, 0);
    assert_int_equal(peer_identify(pair[0], peer_find_group("daemon"), &peer), 0);
    assert_true(peer.may_change);
    assert_int_equal(peer_identify(pair[0], peer_find_group(""), &peer), 0);
    assert_false(peer.may_change);
    close_pair(pair);

    /* Many others; and the admin group as the last of them. */
    make_strangers_pair(pair, NOBODY, groups, ARRAY_SIZE(groups));
    assert_int_equal(peer_identify(pair[0], peer_find_group("daemon"), &peer), 0);
    assert_false(peer.may_change);
    close_pair(pair);
    groups[ARRAY_SIZE(groups) - 1] = daemon;
    make_strangers_pair(pair, NOBODY, groups, ARRAY_SIZE(groups));
    assert_int_equal(peer_identify(pair[0], peer_find_group("daemon"), &peer), 0);
    assert_true(peer.may_change);
    close_pair(pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_user),
        cmocka_unit_test(test_what_cannot_be_known_may_nothing),
        cmocka_unit_test(test_strangers),
    };

    return cmocka_run_group_tests_name("peer", tests, NULL, NULL);
}
