/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/supervise/obituary.h"

#include "common/base/clock.h"
#include "common/base/spawn.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char *spawn_exit_to_string(int status)
{
    switch (status) {
    case SPAWN_EXIT_CHDIR:
        return "200/CHDIR, its directory can't be entered";
    case SPAWN_EXIT_FDS:
        return "202/FDS, its descriptors could not be prepared";
    case SPAWN_EXIT_EXEC:
        return "203/EXEC, its command can't be executed";
    case SPAWN_EXIT_GROUP:
        return "216/GROUP, its group could not be taken";
    case SPAWN_EXIT_USER:
        return "217/USER, its user could not be taken";
    case SPAWN_EXIT_CAPABILITIES:
        return "218/CAPABILITIES, capabilities could not be dropped";
    case SPAWN_EXIT_CGROUP:
        return "219/CGROUP, its cgroup could not be entered";
    }
    return NULL;
}

const char *obituary_print(const struct obituary *obituary, char *text, size_t size)
{
    char uptime[CLOCK_TEXT_MAX];
    const char *not_started =
        obituary->code == CLD_EXITED ? spawn_exit_to_string(obituary->status) : NULL;
    const char *name = sigabbrev_np(obituary->status);
    const char *oom = obituary->oom ? " (out of memory)" : "";

    clock_format_duration(uptime, obituary->uptime_us);
    if (obituary->cause) {
        struct obituary end = *obituary;
        char how[128];

        end.cause = NULL;
        snprintf(text, size, "%s; %s", obituary->cause, obituary_print(&end, how, sizeof(how)));
    } else if (not_started)
        snprintf(text, size, "could not be started: %s", not_started);
    else if (obituary->code == CLD_EXITED)
        snprintf(text, size, "exited with status %d%s after %s", obituary->status, oom, uptime);
    else if (obituary->code == CLD_KILLED || obituary->code == CLD_DUMPED)
        snprintf(text, size, "%s SIG%s%s%s after %s",
                 obituary->code == CLD_DUMPED ? "dumped core on" : "killed by", name ? name : "",
                 name ? "" : "NAL of an unknown number", oom, uptime);
    else
        snprintf(text, size, "ended, nobody saw how, after %s", uptime);
    return text;
}
