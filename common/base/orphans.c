/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's list of children (CONFIG_PROC_CHILDREN, which all distributions set) may miss one
 * while others end; the sweep after that end finds it. */
#include "common/base/orphans.h"

#include "common/base/files.h"
#include "common/base/macro.h"
#include "common/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define CHILDREN_BYTES (32u * 1024) /* some 4,000; who has more is swept over several ends */

int orphans_adopt(sd_event *event, sd_event_signal_handler_t on_child, void *userdata)
{
    int r = sd_event_add_signal(event, NULL, SIGCHLD, on_child, userdata);

    if (r < 0)
        return r;
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* As much as fits, ended with a NUL. Returns the bytes or a negative errno. */
static ssize_t read_some(const char *path, char *buffer, size_t size)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t used = 0;
    ssize_t n = fd < 0 ? -1 : 1;

    while (n > 0 && used < size - 1) {
        n = read(fd, buffer + used, size - 1 - used);
        used += n > 0 ? (size_t) n : 0;
    }
    buffer[used] = '\0';
    return n < 0 ? -errno : (ssize_t) used;
}

int orphans_environment(pid_t pid, const char *name, char *value, size_t size)
{
    char path[64], text[ORPHANS_ENVIRONMENT_MAX];
    const size_t length = strlen(name);

    snprintf(path, sizeof(path), "/proc/%d/environ", pid);
    ssize_t n = read_some(path, text, sizeof(text));
    if (n < 0)
        return (int) n;
    for (const char *at = text; at < text + n; at += strlen(at) + 1) {
        if (strncmp(at, name, length) != 0 || at[length] != '=')
            continue;
        if (strlen(at + length + 1) >= size)
            break;
        strcpy(value, at + length + 1);
        return 0;
    }
    return -ENOENT;
}

/* Its environment is a stranger's: what is no name or number is nobody's. */
static bool is_to_be_ended(pid_t pid, const struct orphans_names *names, orphans_is_left is_left,
                           void *userdata)
{
    char app[64], number[12];
    uint64_t slot;

    return orphans_environment(pid, names->app, app, sizeof(app)) == 0 &&
           orphans_environment(pid, names->slot, number, sizeof(number)) == 0 &&
           text_parse_u64(number, 1, UINT32_MAX, &slot) == 0 &&
           is_left(app, (unsigned) slot, userdata);
}

void orphans_sweep(const struct orphans_names *names, orphans_is_known is_known,
                   orphans_is_left is_left, void *userdata)
{
    char path[64], text[CHILDREN_BYTES], *next;

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    ssize_t n = read_some(path, text, sizeof(text));
    if (n < 0)
        return;
    for (char *at = text;; at = next) {
        siginfo_t info = {.si_pid = 0};
        pid_t pid = (pid_t) strtol(at, &next, 10);

        if (next == at || *next != ' ') /* the end; or a number that was cut */
            return;
        if (is_known(pid, userdata))
            continue;
        if (waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0 &&
            is_to_be_ended(pid, names, is_left, userdata))
            (void) kill(pid, SIGKILL); /* our own child, not reaped: the number is still its own */
    }
}
