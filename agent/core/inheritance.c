/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/core/inheritance.h"

#include "common/base/files.h"
#include "common/base/macro.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <systemd/sd-daemon.h>

/* False if it has another name, or there are too many of it. */
static bool take_one_of(const char *name, int fd, const char *wanted, int *fds, size_t *n,
                        size_t max)
{
    if (strcmp(name, wanted) != 0 || *n == max)
        return false;
    fds[(*n)++] = fd;
    return true;
}

static void take_descriptor(struct inheritance *inheritance, const char *name, int fd)
{
    const struct {
        const char *name;
        int *place;
    } places[] = {
        {FDNAME_LINK, &inheritance->link_fd},       {FDNAME_NOTIFY, &inheritance->notify_fd},
        {FDNAME_LEDGER, &inheritance->ledger_fd},   {FDNAME_CONFIG, &inheritance->config_fd},
        {FDNAME_CONTROL, &inheritance->control_fd},
    };

    if (take_one_of(name, fd, FDNAME_HEALTH, inheritance->health_fds, &inheritance->n_health_fds,
                    INHERITANCE_LISTENERS_MAX) ||
        take_one_of(name, fd, FDNAME_PROMETHEUS, inheritance->prometheus_fds,
                    &inheritance->n_prometheus_fds, INHERITANCE_LISTENERS_MAX) ||
        take_one_of(name, fd, FDNAME_STATSD, inheritance->statsd_fds, &inheritance->n_statsd_fds,
                    STATSD_LISTENERS_MAX))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (strcmp(name, places[i].name) == 0 && *places[i].place < 0) {
            *places[i].place = fd;
            return;
        }
    close(fd);
}

int inheritance_take(struct inheritance *ret)
{
    struct inheritance inheritance = {.link_fd = -1,
                                      .notify_fd = -1,
                                      .ledger_fd = -1,
                                      .config_fd = -1,
                                      .control_fd = -1,
                                      .config_path = ret->config_path,
                                      .config_directory = ret->config_directory,
                                      .holder_program = ret->holder_program,
                                      .libexec_directory = ret->libexec_directory,
                                      .runtime_directory = ret->runtime_directory};
    char **names = NULL;
    int n = sd_listen_fds_with_names(true, &names);

    for (int i = 0; i < n; i++) {
        take_descriptor(&inheritance, names[i], SD_LISTEN_FDS_START + i);
        free(names[i]);
    }
    free(names);
    if (inheritance.link_fd < 0 || inheritance.notify_fd < 0 || inheritance.ledger_fd < 0 ||
        inheritance.config_fd < 0)
        return -EBADF;
    *ret = inheritance;
    return 0;
}

static void close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fd_close(fds[i]);
}

void inheritance_done(struct inheritance *inheritance)
{
    fd_close(inheritance->link_fd);
    fd_close(inheritance->notify_fd);
    fd_close(inheritance->ledger_fd);
    fd_close(inheritance->config_fd);
    fd_close(inheritance->control_fd);
    close_all(inheritance->health_fds, inheritance->n_health_fds);
    close_all(inheritance->prometheus_fds, inheritance->n_prometheus_fds);
    close_all(inheritance->statsd_fds, inheritance->n_statsd_fds);
}
