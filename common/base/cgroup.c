/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes only below the unit's own directory, and only if systemd says by its mark that it is
 * delegated (an extended attribute; systemd 251 and later).
 */
#include "common/base/cgroup.h"

#include "common/base/files.h"
#include "common/base/log.h"
#include "common/base/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define CGROUP_MOUNT "/sys/fs/cgroup"

static bool is_delegated(const char *path)
{
    static const char *const marks[] = {"user.delegate", "trusted.delegate"};
    char value[2];

    for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
        if (getxattr(path, marks[i], value, sizeof(value)) == 1 && value[0] == '1')
            return true;
    return false;
}

/* The unified hierarchy's line of /proc/self/cgroup: "0::/system.slice/agentd.service". */
static bool own_path(char path[PATH_MAX])
{
    char text[PATH_MAX];

    if (file_read_small(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text)) < 0)
        return false;
    char *line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
    if (!line)
        return false;
    line = strchr(line, '/');
    line[strcspn(line, "\n")] = '\0';
    return snprintf(path, PATH_MAX, CGROUP_MOUNT "%s", line) < PATH_MAX;
}

static int make_directory(int root_fd, const char *name)
{
    return mkdirat(root_fd, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static void enable_controllers(int root_fd)
{
    static const char *const controllers[] = {"+cpu", "+memory", "+pids"};
    static const char *const files[] = {"cgroup.subtree_control",
                                        CGROUP_WORKERS "/cgroup.subtree_control"};

    for (size_t f = 0; f < ARRAY_SIZE(files); f++)
        for (size_t c = 0; c < ARRAY_SIZE(controllers); c++) {
            int r = file_write_small(root_fd, files[f], controllers[c]);
            if (r < 0) /* Delegate= may name fewer */
                log_debug_errno(-r, "controller %s in %s: %m, ignoring", controllers[c], files[f]);
        }
}

int cgroup_open(void)
{
    char path[PATH_MAX];
    if (!own_path(path) || !is_delegated(path))
        return -1;

    CLEANUP_CLOSE int root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int r = root_fd < 0 ? -errno : make_directory(root_fd, CGROUP_HOLD);
    if (r >= 0)
        r = make_directory(root_fd, CGROUP_WORKERS);
    if (r >= 0) /* first out of the root: a group with processes of its own may enable nothing */
        r = file_write_small(root_fd, CGROUP_HOLD "/cgroup.procs", "0");
    if (r < 0) {
        log_warning_errno(-r, "can't use the delegated control group %s, going on without: %m",
                          path);
        return -1;
    }
    enable_controllers(root_fd);
    return TAKE_FD(root_fd);
}

bool cgroup_find(char path[PATH_MAX])
{
    char *end = own_path(path) ? strrchr(path, '/') : NULL;

    if (!end || strcmp(end + 1, CGROUP_HOLD) != 0)
        return false;
    *end = '\0';
    return true;
}

static void set_limit(int root_fd, const char *group, const char *file, uint64_t value)
{
    char path[NAME_MAX], text[24];

    snprintf(path, sizeof(path), "%s/%s", group, file);
    snprintf(text, sizeof(text), "%" PRIu64, value);
    int r = value ? file_write_small(root_fd, path, text) : 0;
    if (r < 0)
        log_warning_errno(-r, "can't set %s to %s: %m, going on without", path, text);
}

int cgroup_make(int root_fd, const char *path, const struct cgroup_limits *limits, int *ret_fd)
{
    char procs[NAME_MAX];

    *ret_fd = -1;
    if (root_fd < 0)
        return 0;
    cgroup_remove(root_fd, path); /* a leftover's counters (oom_kill) are not the new one's */
    int r = make_directory(root_fd, path);
    if (r < 0)
        return r;
    set_limit(root_fd, path, "memory.max", limits->memory_max_bytes);
    /* All of the worker or nothing: half of its processes would not serve. */
    set_limit(root_fd, path, "memory.oom.group", limits->memory_max_bytes > 0);
    set_limit(root_fd, path, "cpu.weight", limits->cpu_weight);
    set_limit(root_fd, path, "cpu.idle", limits->cpu_idle); /* then the weight means nothing */
    set_limit(root_fd, path, "pids.max", limits->pids_max);
    snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
    *ret_fd = openat(root_fd, procs, O_WRONLY | O_CLOEXEC);
    return *ret_fd < 0 ? -errno : 0;
}

void cgroup_kill(int root_fd, const char *path)
{
    char file[NAME_MAX];

    snprintf(file, sizeof(file), "%s/cgroup.kill", path);
    int r = root_fd >= 0 ? file_write_small(root_fd, file, "1") : 0;
    if (r < 0)
        log_warning_errno(-r, "could not write %s, ignoring: %m", file);
}

void cgroup_remove(int root_fd, const char *path)
{
    if (root_fd >= 0 && unlinkat(root_fd, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
        log_debug_errno(errno, "could not remove control group %s, ignoring: %m", path);
}
