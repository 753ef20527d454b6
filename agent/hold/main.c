/* SPDX-License-Identifier: Apache-2.0 */
/* agentd's command line. */
#include "agent/hold/core.h"
#include "agent/hold/holder.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "Usage: agentd [OPTION]...\n"
    "Keeps the app's worker processes up, says how the node is, and shows the fleet scale.\n"
    "\n"
    "  --config FILE      configuration (default " AGENTD_SYSCONFDIR "/agentd/agentd.conf)\n"
    "  --config-dir DIR   its *.conf are merged onto it (default: conf.d beside FILE)\n"
    "  --libexec DIR      where " CORE_PROGRAM " is (default " AGENTD_LIBEXECDIR ")\n"
    "  --check            check the configuration, say ok or what is wrong, and exit\n"
    "  --version          print the version and exit\n"
    "  --help             print this and exit\n"
    "\n"
    "Exit status: 0 stopped as asked, 1 failed (a port in use), 2 bad usage or configuration.\n"
    "Runs in the foreground. SIGTERM or SIGINT: drain and stop; a second one: at once.\n"
    "SIGHUP: reload the configuration. See agentd(8), agentd.conf(5) and agentctl(1).\n";

enum { OPT_CONFIG, OPT_DIRECTORY, OPT_LIBEXEC, OPT_CHECK, OPT_VERSION, OPT_HELP };

static int check(const struct holder_options *options)
{
    CLEANUP(config_freep) struct config *config = NULL;
    CLEANUP_CLOSE int fd = -1;
    char error[CONFIG_ERROR_MAX];

    if (holder_read_config(options, &config, &fd, error) < 0) {
        fprintf(stderr, "agentd: %s\n", error);
        return EXIT_CODE_USAGE;
    }
    puts("ok");
    return EXIT_CODE_OK;
}

static int run(struct holder_options *options)
{
    CLEANUP_FREE char *core = NULL, *libexec = realpath(options->libexec_directory, NULL);

    log_open("agentd");
    if (fd_open_standard() < 0 ||
        asprintf(&core, "%s/" CORE_PROGRAM, libexec ? libexec : options->libexec_directory) < 0)
        return EXIT_CODE_FAILED;
    if (!libexec || access(core, X_OK) < 0) { /* before anything is begun */
        log_last_word("can't run %s: %s", core, strerror(errno));
        return EXIT_CODE_FAILED;
    }
    options->libexec_directory = libexec; /* children start in "/" */
    return holder_run(options);
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"config", required_argument, NULL, OPT_CONFIG},
        {"config-dir", required_argument, NULL, OPT_DIRECTORY},
        {"libexec", required_argument, NULL, OPT_LIBEXEC},
        {"check", no_argument, NULL, OPT_CHECK},
        {"version", no_argument, NULL, OPT_VERSION},
        {"help", no_argument, NULL, OPT_HELP},
        {}};
    struct holder_options options = {.config_path = AGENTD_SYSCONFDIR "/agentd/agentd.conf",
                                     .libexec_directory = AGENTD_LIBEXECDIR};
    const char **const texts[] = {&options.config_path, &options.config_directory,
                                  &options.libexec_directory};
    CLEANUP_FREE char *directory = NULL, *copy = NULL;
    bool only_check = false;
    int option;

    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        switch (option) {
        case OPT_CONFIG:
        case OPT_DIRECTORY:
        case OPT_LIBEXEC:
            *texts[option] = optarg;
            break;
        case OPT_CHECK:
            only_check = true;
            break;
        case OPT_VERSION:
            puts("agentd " PACKAGE_VERSION);
            return EXIT_CODE_OK;
        case OPT_HELP:
            fputs(help, stdout);
            return EXIT_CODE_OK;
        default: /* getopt_long has said what is wrong */
            return EXIT_CODE_USAGE;
        }
    if (optind < argc) {
        fprintf(stderr, "agentd: unexpected argument '%s'; see agentd --help\n", argv[optind]);
        return EXIT_CODE_USAGE;
    }
    if (!options.config_directory) {
        copy = strdup(options.config_path);
        if (!copy || asprintf(&directory, "%s/conf.d", dirname(copy)) < 0)
            return EXIT_CODE_FAILED;
        options.config_directory = directory;
    }
    return only_check ? check(&options) : run(&options);
}
