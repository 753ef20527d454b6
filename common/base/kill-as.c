/* SPDX-License-Identifier: Apache-2.0 */
/* A change of the effective user that leaves no trace. Between two users that aren't root it
 * touches no capability (capabilities(7)), but two attributes of the process. */
#include "common/base/kill-as.h"

#include "common/base/log.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool may_kill_anybody(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

    return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & 1u << CAP_KILL) != 0;
}

static bool needs_no_change(uid_t uid)
{
    return uid == KILL_AS_SELF || uid == geteuid() || may_kill_anybody();
}

bool kill_as_may(uid_t uid)
{
    return uid != 0 || needs_no_change(uid);
}

static int send_signal(pid_t pid, int number)
{
    return kill(pid, number) < 0 ? -errno : 0;
}

int kill_as(uid_t uid, pid_t pid, int number)
{
    const uid_t own = geteuid();
    int dumpable, death_signal = 0, r;

    if (needs_no_change(uid))
        return send_signal(pid, number);
    if (!kill_as_may(uid))
        return -EPERM;
    /* Either change makes it as fs.suid_dumpable says, and with 0 /proc/self belongs to root. */
    dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    (void) prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0); /* either change clears it */
    if (setresuid((uid_t) -1, uid, (uid_t) -1) < 0)
        return -errno;
    r = send_signal(pid, number);
    if (setresuid((uid_t) -1, own, (uid_t) -1) < 0) { /* it would go on as a worker's user */
        log_last_word("can't become user %u again: %s", own, strerror(errno));
        abort();
    }
    if (dumpable == 0 || dumpable == 1) /* nobody may set 2, which is fs.suid_dumpable's */
        (void) prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0);
    (void) prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0);
    return r;
}
