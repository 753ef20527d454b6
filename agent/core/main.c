/* SPDX-License-Identifier: Apache-2.0 */
/* agentd-core: started by the holder, with everything it needs as inherited descriptors. It may die
 * at any time. */
#include "agent/core/agent.h"

#include "common/base/log.h"

#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
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

static void take_descriptor(struct agent_inheritance *inheritance, const char *name, int fd)
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
                    AGENT_LISTENERS_MAX) ||
        take_one_of(name, fd, FDNAME_PROMETHEUS, inheritance->prometheus_fds,
                    &inheritance->n_prometheus_fds, AGENT_LISTENERS_MAX) ||
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

static int inherit(struct agent_inheritance *inheritance)
{
    char **names = NULL;
    int n = sd_listen_fds_with_names(true, &names);

    for (int i = 0; i < n; i++) {
        take_descriptor(inheritance, names[i], SD_LISTEN_FDS_START + i);
        free(names[i]);
    }
    free(names);
    if (inheritance->link_fd < 0 || inheritance->notify_fd < 0 || inheritance->ledger_fd < 0 ||
        inheritance->config_fd < 0)
        return -EBADF;
    return 0;
}

static int run(const struct agent_inheritance *inheritance)
{
    CLEANUP(sd_event_unrefp) sd_event *event = NULL;
    CLEANUP(agent_freep) struct agent *agent = NULL;
    sigset_t mask;
    int r;

    /* SIGINT is the terminal's, meant for the holder. It may also stop who writes to it from a
     * process group in the background (stty tostop), as this one is. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
        return -errno;
    r = sd_event_new(&event);
    if (r < 0)
        return r;
    r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
    if (r < 0)
        return r;
    r = agent_new(&agent, event, inheritance);
    if (r < 0)
        return r;
    return sd_event_loop(event);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"config-dir", required_argument, NULL, 'd'},
                                            {"runtime-dir", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    struct agent_inheritance inheritance = {
        .link_fd = -1, .notify_fd = -1, .ledger_fd = -1, .config_fd = -1, .control_fd = -1};
    int option, r;

    log_open("agentd-core");
    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
        if (option == 'c')
            inheritance.config_path = optarg;
        else if (option == 'd')
            inheritance.config_directory = optarg;
        else if (option == 'r')
            inheritance.runtime_directory = optarg;
        else
            return EXIT_CODE_USAGE;
    if (inherit(&inheritance) < 0) {
        fprintf(stderr, "agentd-core " PACKAGE_VERSION ": started by agentd, not by hand\n");
        return EXIT_CODE_USAGE;
    }
    r = run(&inheritance);
    if (r < 0)
        log_error_errno(-r, "leaving: %m");
    return r < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
