/* SPDX-License-Identifier: Apache-2.0 */
/* visitor-board: a public guest book, run by agentd as a worker or by hand. */
#include "config.h"

#include "apps/visitor-board/board.h"
#include "apps/visitor-board/create-table.h"
#include "apps/visitor-board/store-open.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/net/worker-runtime.h"
#include "common/schema/contract.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define CONNECTIONS_MAX 2048u
#define IDLE_TIMEOUT_S  75u /* longer than the load balancer's 60 s */
#define DEFAULT_PORT    "3000"

static const char help[] =
    "Usage: visitor-board [create-table|--help|--version]\n"
    "\n"
    "A page where visitors leave messages. agentd starts it with a listening socket; by hand it\n"
    "listens on 127.0.0.1. create-table makes the DynamoDB table.\n"
    "\n"
    "Environment:\n"
    "  PORT              port to listen on without agentd (" DEFAULT_PORT ")\n"
    "  INSTANCE_ID       name of this node, shown on the page (the host's name)\n"
    "  BOARD_ACCESS_LOG  1: one log line a request (0)\n" STORE_HELP;

struct settings {
    char listen[32];
    bool access_log;
    struct store_settings store;
};

static const char *environment(const char *name, const char *fallback)
{
    const char *value = getenv(name);

    return value && *value ? value : fallback;
}

static int read_settings(struct settings *settings)
{
    const char *port_text = environment("PORT", DEFAULT_PORT);
    const char *access_log = environment("BOARD_ACCESS_LOG", "0");
    uint64_t port;

    if (text_parse_u64(port_text, 1, 65535, &port) < 0) {
        log_error("PORT is \"%s\", must be a number from 1 to 65535", port_text);
        return EXIT_CODE_USAGE;
    }
    if (strcmp(access_log, "0") != 0 && strcmp(access_log, "1") != 0) {
        log_error("BOARD_ACCESS_LOG is \"%s\", must be 0 or 1", access_log);
        return EXIT_CODE_USAGE;
    }
    snprintf(settings->listen, sizeof(settings->listen), "127.0.0.1:%u", (unsigned) port);
    settings->access_log = *access_log == '1';
    return store_settings_read(&settings->store, NULL, NULL) < 0 ? EXIT_CODE_USAGE : EXIT_CODE_OK;
}

/* The runtime comes before the store: it blocks signals, the store starts threads. It goes first
 * too, with the requests that still point into the board. */
static int serve(const struct settings *settings)
{
    CLEANUP(sd_event_unrefp) sd_event *event = NULL;
    CLEANUP(board_freep) struct board *board = NULL;
    CLEANUP(worker_runtime_freep) struct worker_runtime *runtime = NULL;
    struct worker_runtime_options options = {
        .routes = board_routes,
        .fallback_listen = settings->listen,
        .connections_max = CONNECTIONS_MAX,
        .idle_timeout_s = IDLE_TIMEOUT_S,
        .access_log = settings->access_log,
    };
    struct store *store;
    int r = sd_event_default(&event);

    if (r >= 0)
        r = board_new(&board, event);
    if (r < 0) {
        log_error_errno(-r, "Can't start: %m");
        return EXIT_CODE_FAILED;
    }
    options.userdata = board;
    r = worker_runtime_new(&runtime, event, &options);
    if (r < 0)
        return EXIT_CODE_FAILED; /* it has said why */
    r = store_open(&store, event, &settings->store);
    if (r < 0)
        return EXIT_CODE_FAILED; /* it has said why */
    r = board_start(board, store, worker_runtime_instance(runtime));
    if (r >= 0)
        r = worker_runtime_ready(runtime);
    if (r < 0) {
        log_error_errno(-r, "Can't start: %m");
        return EXIT_CODE_FAILED;
    }
    return worker_runtime_run(runtime);
}

/* A worker's lines carry its own name, as what it prints does. */
static void open_log(void)
{
    const char *app = getenv(ENV_APP), *slot = getenv(ENV_SLOT);
    char identifier[64];

    snprintf(identifier, sizeof(identifier), "%s.%s", app ? app : "", slot ? slot : "");
    log_open(app && slot ? identifier : "visitor-board");
}

int main(int argc, char *argv[])
{
    struct settings settings;
    bool create;
    int r;

    open_log();
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return EXIT_CODE_OK;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("visitor-board " PACKAGE_VERSION);
        return EXIT_CODE_OK;
    }
    create = argc == 2 && strcmp(argv[1], "create-table") == 0;
    if (argc != 1 && !create) {
        log_error("Unknown argument \"%s\"; see visitor-board --help", argv[1]);
        return EXIT_CODE_USAGE;
    }
    signal(SIGXFSZ, SIG_IGN); /* a size limit on the database is an error, not a death */
    r = read_settings(&settings);
    if (r != EXIT_CODE_OK)
        return r;
    return create ? create_table(&settings.store) : serve(&settings);
}
