/* SPDX-License-Identifier: Apache-2.0 */
/* fork, and the order in which a child loses what it must not have. */
#include "common/base/spawn.h"

#include "common/base/files.h"
#include "common/base/kill-as.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define LISTEN_PID_PREFIX   "LISTEN_PID="
#define WATCHDOG_PID_PREFIX "WATCHDOG_PID="
#define PID_ROOM            10
#define DEFAULT_PATH        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void spawn_means_init(struct spawn_means *means)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
    const unsigned needed = 1u << CAP_SETUID | 1u << CAP_SETGID;
    struct rlimit limit;
    char score[16];

    *means = (struct spawn_means){.umask = umask(022)};
    if (syscall(SYS_capget, &header, data) == 0)
        means->switch_user = (data[0].effective & needed) == needed;
    if (file_read_small(AT_FDCWD, "/proc/self/oom_score_adj", score, sizeof(score)) > 0)
        means->protected_by_oom = score[0] == '-';
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        means->nofile = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max; /* two descriptors a worker, and those in flight */
        (void) setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int spawn_user_find(const char *user, const char *group, struct spawn_user *ret)
{
    struct spawn_user found = {.is_known = true, .uid = getuid(), .gid = getgid()};
    int n = SPAWN_GROUPS_MAX;

    errno = 0;
    if (user[0]) {
        const struct passwd *passwd = getpwnam(user);
        if (!passwd)
            return errno ? -errno : -ESRCH;
        found.uid = passwd->pw_uid;
        found.gid = passwd->pw_gid;
    }
    if (group[0]) {
        const struct group *entry = getgrnam(group);
        if (!entry)
            return errno ? -errno : -ESRCH;
        found.gid = entry->gr_gid;
    }
    found.groups[0] = found.gid;
    if (!user[0])
        n = 1;
    else if (getgrouplist(user, found.gid, found.groups, &n) < 0)
        return -E2BIG;
    found.n_groups = (size_t) n;
    *ret = found;
    return 0;
}

int spawn_user_choose(const struct spawn_means *means, const char *user, const char *group,
                      struct spawn_user *known, const struct spawn_user **ret)
{
    const bool is_wanted = user[0] || group[0];

    *ret = NULL;
    if (!is_wanted || !means->switch_user)
        return is_wanted;
    int r = known->is_known ? 0 : spawn_user_find(user, group, known);
    if (r >= 0 && !kill_as_may(known->uid))
        r = -EPERM;
    if (r >= 0)
        *ret = known;
    return r;
}

void spawn_init(struct spawn *spawn, const struct spawn_means *means, char *const *argv,
                int null_fd)
{
    *spawn = (struct spawn){.means = means,
                            .argv = argv,
                            .directory = "/",
                            .null_fd = null_fd,
                            .output_fd = -1,
                            .cgroup_fd = -1};
}

void spawn_add(struct spawn *spawn, const char *format, ...)
{
    char *item = NULL;
    va_list args;

    va_start(args, format);
    int length = vasprintf(&item, format, args);
    va_end(args);
    if (length < 0) {
        spawn->error = -ENOMEM;
        return;
    }
    size_t name = strcspn(item, "=") + 1;
    for (size_t i = 0; i < spawn->n_environment; i++)
        if (strncmp(spawn->environment[i], item, name) == 0) {
            free(item);
            return;
        }
    if (spawn->n_environment == SPAWN_ENV_MAX) {
        spawn->error = -E2BIG;
        free(item);
        return;
    }
    spawn->environment[spawn->n_environment++] = item;
}

void spawn_add_aws(struct spawn *spawn)
{
    static const char *const prefixes[] = {
        "AWS_",        "HOME=",       "HTTPS_PROXY=",   "https_proxy=",
        "HTTP_PROXY=", "http_proxy=", "ALL_PROXY=",     "all_proxy=",
        "NO_PROXY=",   "no_proxy=",   "SSL_CERT_FILE=", "SSL_CERT_DIR=",
    };
    const size_t room = 16; /* for the caller's own */

    for (char **item = environ; *item && spawn->n_environment + room < SPAWN_ENV_MAX; item++)
        for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
            if (strncmp(*item, prefixes[i], strlen(prefixes[i])) == 0)
                spawn_add(spawn, "%s", *item);
}

void spawn_give(struct spawn *spawn, const char *name, int fd)
{
    size_t used = strlen(spawn->fd_names);

    if (spawn->n_fds == SPAWN_FDS_MAX || used + strlen(name) + 1 > SPAWN_NAMES_MAX) {
        spawn->error = -E2BIG;
        return;
    }
    snprintf(spawn->fd_names + used, sizeof(spawn->fd_names) - used, "%s%s",
             spawn->n_fds > 0 ? ":" : "", name);
    spawn->fds[spawn->n_fds++] = fd;
    spawn->n_listen_fds = spawn->n_fds;
}

void spawn_add_watchdog(struct spawn *spawn, uint64_t usec)
{
    spawn_add(spawn, "WATCHDOG_USEC=%" PRIu64, usec);
    spawn_add(spawn, WATCHDOG_PID_PREFIX "%0*d", PID_ROOM, 0); /* as LISTEN_PID */
}

void spawn_add_journal(struct spawn *spawn)
{
    const char *own = getenv("JOURNAL_STREAM");
    struct stat status;

    if (spawn->output_fd < 0 && own)
        spawn_add(spawn, "JOURNAL_STREAM=%s", own);
    else if (spawn->output_fd >= 0 && fstat(spawn->output_fd, &status) == 0 &&
             S_ISSOCK(status.st_mode))
        spawn_add(spawn, "JOURNAL_STREAM=%ju:%ju", (uintmax_t) status.st_dev,
                  (uintmax_t) status.st_ino);
}

void spawn_add_standard(struct spawn *spawn)
{
    const char *path = getenv("PATH"), *lang = getenv("LANG");

    if (spawn->n_listen_fds > 0) {
        spawn_add(spawn, LISTEN_PID_PREFIX "%0*d", PID_ROOM, 0); /* the child fills it in */
        spawn_add(spawn, "LISTEN_FDS=%zu", spawn->n_listen_fds);
        spawn_add(spawn, "LISTEN_FDNAMES=%s", spawn->fd_names);
    }
    spawn_add(spawn, "PATH=%s", path ? path : DEFAULT_PATH);
    spawn_add(spawn, "LANG=%s", lang ? lang : "C.UTF-8");
}

void spawn_done(struct spawn *spawn)
{
    for (size_t i = 0; i < spawn->n_environment; i++)
        free(spawn->environment[i]);
    spawn->n_environment = 0;
}

/* --- in the child: only async-signal-safe calls from here ---------------------------------------
 */

static _Noreturn void child_fail(enum spawn_exit status, const char *what)
{
    char digits[16];
    size_t at = sizeof(digits);
    unsigned error = (unsigned) errno;

    digits[--at] = '\n';
    do
        digits[--at] = (char) ('0' + error % 10);
    while ((error /= 10) > 0);
    struct iovec line[] = {
        {.iov_base = (void *) "agentd: could not start: ", .iov_len = 25},
        {.iov_base = (void *) what, .iov_len = strlen(what)},
        {.iov_base = (void *) ": errno ", .iov_len = 8},
        {.iov_base = digits + at, .iov_len = sizeof(digits) - at},
    };
    if (writev(STDERR_FILENO, line, ARRAY_SIZE(line)) < 0) {
        /* the exit status says it */
    }
    _exit(status);
}

static void child_reset_signals(void)
{
    /* The kernel's struct sigaction, all zero: SIG_DFL. glibc's refuses signals 32 and 33, its own,
     * which may be inherited as ignored all the same. */
    static const uint64_t defaults[8];
    sigset_t none;

    for (int signal = 1; signal < NSIG; signal++)
        (void) syscall(SYS_rt_sigaction, signal, defaults, NULL, (NSIG - 1) / 8);
    sigemptyset(&none);
    (void) sigprocmask(SIG_SETMASK, &none, NULL);
}

/* All are CLOEXEC, but what this process itself inherited; the copies at 0 to 2 and from 3 on are
 * not. */
static void child_place_fds(const struct spawn *spawn)
{
    int high[SPAWN_FDS_MAX];

    (void) close_range(3, UINT_MAX, CLOSE_RANGE_CLOEXEC);
    for (size_t i = 0; i < spawn->n_fds; i++) { /* first out of the way of each other */
        high[i] = fcntl(spawn->fds[i], F_DUPFD_CLOEXEC, 3 + SPAWN_FDS_MAX);
        if (high[i] < 0)
            child_fail(SPAWN_EXIT_FDS, "descriptors");
    }
    if (dup2(spawn->null_fd, STDIN_FILENO) < 0)
        child_fail(SPAWN_EXIT_FDS, "stdin");
    if (spawn->output_fd >= 0 &&
        (dup2(spawn->output_fd, STDOUT_FILENO) < 0 || dup2(spawn->output_fd, STDERR_FILENO) < 0))
        child_fail(SPAWN_EXIT_FDS, "output");
    for (size_t i = 0; i < spawn->n_fds; i++)
        if (dup2(high[i], 3 + (int) i) < 0)
            child_fail(SPAWN_EXIT_FDS, "descriptors");
}

static void child_leave_protection(const struct spawn *spawn)
{
    struct rlimit limit;

    (void) umask(spawn->means->umask);
    if (spawn->cgroup_fd >= 0 && write(spawn->cgroup_fd, "0", 1) != 1)
        child_fail(SPAWN_EXIT_CGROUP, "entering the control group");
    if (spawn->cgroup_fd >= 0 && spawn->means->protected_by_oom) {
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd >= 0 && write(fd, "0", 1) < 0) {
            /* raising it is always allowed; without /proc there is nothing to do */
        }
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = spawn->means->nofile;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* setuid keeps the capabilities when neither user is root, and clears PDEATHSIG: so in this order.
 */
static void child_drop_privileges(const struct spawn *spawn, pid_t parent)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
    const struct spawn_user *user = spawn->user;

    if (user && (setgroups(user->n_groups, user->groups) < 0 ||
                 setresgid(user->gid, user->gid, user->gid) < 0))
        child_fail(SPAWN_EXIT_GROUP, "setting its groups");
    if (user && setresuid(user->uid, user->uid, user->uid) < 0)
        child_fail(SPAWN_EXIT_USER, "setting its user");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        child_fail(SPAWN_EXIT_CAPABILITIES, "clearing ambient capabilities");
    if (syscall(SYS_capset, &header, none) < 0)
        child_fail(SPAWN_EXIT_CAPABILITIES, "clearing capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        child_fail(SPAWN_EXIT_CAPABILITIES, "setting no_new_privs");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != parent)
        _exit(SPAWN_EXIT_EXEC); /* the parent is gone already: nobody to tell */
}

/* Without leading zeros: sd_listen_fds(3) would read those as octal. */
static void child_write_pid(const struct spawn *spawn, const char *prefix)
{
    const size_t length = strlen(prefix);
    char digits[PID_ROOM + 1] = "";
    size_t at = PID_ROOM;

    for (unsigned pid = (unsigned) getpid(); pid > 0; pid /= 10)
        digits[--at] = (char) ('0' + pid % 10);
    for (size_t i = 0; i < spawn->n_environment; i++)
        if (strncmp(spawn->environment[i], prefix, length) == 0)
            memcpy(spawn->environment[i] + length, digits + at, sizeof(digits) - at);
}

static _Noreturn void child_run(const struct spawn *spawn, pid_t parent)
{
    (void) setpgid(0, 0);
    child_reset_signals();
    child_place_fds(spawn);
    child_leave_protection(spawn);
    child_drop_privileges(spawn, parent);
    if (chdir(spawn->directory[0] ? spawn->directory : "/") < 0)
        child_fail(SPAWN_EXIT_CHDIR, spawn->directory);
    child_write_pid(spawn, LISTEN_PID_PREFIX);
    child_write_pid(spawn, WATCHDOG_PID_PREFIX);
    execve(spawn->argv[0], spawn->argv, spawn->environment);
    child_fail(SPAWN_EXIT_EXEC, spawn->argv[0]);
}

pid_t spawn_run(struct spawn *spawn)
{
    pid_t parent = getpid();

    if (spawn->error < 0)
        return spawn->error;
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        child_run(spawn, parent);
    (void) setpgid(pid, pid); /* both sides do: whoever comes first, a kill of the group finds it */
    return pid;
}

pid_t spawn_launch(struct spawn *spawn)
{
    spawn_add_standard(spawn);
    pid_t pid = spawn_run(spawn);
    spawn_done(spawn);
    return pid;
}
