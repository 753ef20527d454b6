/* SPDX-License-Identifier: Apache-2.0 */
/* agentd's command line. */
#include "agent/hold/holder.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "common/schema/config-source.h"
#include "common/schema/stress.h"
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
    "  --libexec DIR      where " CORE_PROGRAM " and " STRESS_PROGRAM " are\n"
    "                     (default " AGENTD_LIBEXECDIR ")\n"
    "  --check            check the configuration, say ok or what is wrong, and exit\n"
    "  --check-upgrade    the same for all that an upgrade to this program needs\n"
    "  --version          print the version and exit\n"
    "  --help             print this and exit\n"
    "\n"
    "Exit status: 0 stopped as asked, 1 failed (a port in use), 2 bad usage or configuration.\n"
    "Runs in the foreground. SIGTERM or SIGINT: drain and stop; a second one: at once.\n"
    "SIGHUP: reload the configuration. See agentd(8), agentd.conf(5) and agentctl(1).\n";

enum { OPT_CONFIG, OPT_DIRECTORY, OPT_LIBEXEC, OPT_CHECK, OPT_UPGRADE, OPT_VERSION, OPT_HELP };

/* For an upgrade also the state, and agentd-core, which has the last word: one file of the two may
 * be new already and the other not. */
static int check(const struct holder_options *options, bool upgrade)
{
    CLEANUP(config_freep) struct config *config = NULL;
    CLEANUP_CLOSE int fd = -1;
    char error[CONFIG_ERROR_MAX];

    if (config_load_files(options->config_path, options->config_directory, &config, &fd, error) <
        0) {
        fprintf(stderr, "agentd: %s\n", error);
        return EXIT_CODE_USAGE;
    }
    if (!upgrade) {
        puts("ok");
        return EXIT_CODE_OK;
    }
    if (handover_check(error) >= 0) {
        (void) execl(options->core_program, options->core_program, "--check", PACKAGE_VERSION,
                     (char *) NULL);
        snprintf(error, sizeof(error), "can't run %s: %s", CORE_PROGRAM, strerror(errno));
    }
    fprintf(stderr, "agentd: %s\n", error);
    return EXIT_CODE_FAILED;
}

static int run(const struct holder_options *options)
{
    log_open("agentd");
    if (fd_open_standard() < 0)
        return EXIT_CODE_FAILED;
    if (access(options->core_program, X_OK) < 0) { /* before anything is begun */
        log_last_word("can't run %s: %s", options->core_program, strerror(errno));
        return EXIT_CODE_FAILED;
    }
    return holder_run(options);
}

/* Children start in "/", and a next version shall find all at the same place: so paths are made
 * absolute, and symbolic links in them are left for that one to follow. */
static int complete(struct holder_options *options)
{
    CLEANUP_FREE char *copy = strdup(options->config_path);
    int r = path_of_program(options->argv[0], options->program);

    if (r >= 0)
        r = path_join(options->libexec_directory, CORE_PROGRAM, options->core_program);
    if (r >= 0)
        r = path_join(options->libexec_directory, STRESS_PROGRAM, options->stress_program);
    if (r >= 0 && !options->config_directory[0])
        r = copy ? path_join(dirname(copy), "conf.d", options->config_directory) : -ENOMEM;
    return r;
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"config", required_argument, NULL, OPT_CONFIG},
        {"config-dir", required_argument, NULL, OPT_DIRECTORY},
        {"libexec", required_argument, NULL, OPT_LIBEXEC},
        {"check", no_argument, NULL, OPT_CHECK},
        {"check-upgrade", no_argument, NULL, OPT_UPGRADE},
        {"version", no_argument, NULL, OPT_VERSION},
        {"help", no_argument, NULL, OPT_HELP},
        {}};
    struct holder_options options = {.config_path = AGENTD_SYSCONFDIR "/agentd/agentd.conf",
                                     .libexec_directory = AGENTD_LIBEXECDIR,
                                     .argv = argv};
    char *const paths[] = {options.config_path, options.config_directory,
                           options.libexec_directory};
    int option, only_check = 0, r = 0;

    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        switch (option) {
        case OPT_CONFIG:
        case OPT_DIRECTORY:
        case OPT_LIBEXEC:
            r = r < 0 ? r : path_absolute(optarg, paths[option]);
            break;
        case OPT_CHECK:
        case OPT_UPGRADE:
            only_check = option;
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
    if (r < 0 || (r = complete(&options)) < 0) {
        fprintf(stderr, "agentd: its paths: %s\n", strerror(-r));
        return EXIT_CODE_USAGE;
    }
    return only_check ? check(&options, only_check == OPT_UPGRADE) : run(&options);
}
