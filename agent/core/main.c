/* SPDX-License-Identifier: Apache-2.0 */
/* agentd-core: started by the holder, with everything it needs as inherited descriptors. It may die
 * at any time. */
#include "agent/core/agent.h"

#include "agent/core/upgrade.h"
#include "common/base/log.h"

#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

/* The end of `agentd --check-upgrade`, which becomes this: are the two of one version? */
static int check(const char *holder_version)
{
    if (strcmp(holder_version, PACKAGE_VERSION) != 0) {
        fprintf(stderr, "agentd-core is of version " PACKAGE_VERSION ", agentd of %s\n",
                holder_version);
        return EXIT_CODE_FAILED;
    }
    puts(UPGRADE_YES PACKAGE_VERSION);
    return EXIT_CODE_OK;
}

static int run(const struct inheritance *inheritance)
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
    sigaddset(&mask, SIGCHLD); /* sd-event wants it blocked, though it uses pidfds */
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
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},      {"config-dir", required_argument, NULL, 'd'},
        {"runtime-dir", required_argument, NULL, 'r'}, {"holder", required_argument, NULL, 'h'},
        {"check", required_argument, NULL, 'k'},       {NULL, 0, NULL, 0}};
    struct inheritance inheritance = {};
    CLEANUP_FREE char *path = NULL;
    int option, r;

    log_open("agentd-core");
    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
        if (option == 'c')
            inheritance.config_path = optarg;
        else if (option == 'd')
            inheritance.config_directory = optarg;
        else if (option == 'r')
            inheritance.runtime_directory = optarg;
        else if (option == 'h')
            inheritance.holder_program = optarg;
        else if (option == 'k')
            return check(optarg);
        else
            return EXIT_CODE_USAGE;
    path = strdup(argv[0]);
    if (!path)
        return EXIT_CODE_FAILED;
    inheritance.libexec_directory = dirname(path);
    if (inheritance_take(&inheritance) < 0) {
        fprintf(stderr, "agentd-core " PACKAGE_VERSION ": started by agentd, not by hand\n");
        return EXIT_CODE_USAGE;
    }
    r = run(&inheritance);
    if (r < 0)
        log_error_errno(-r, "leaving: %m");
    return r < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
