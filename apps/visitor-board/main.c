/* SPDX-License-Identifier: Apache-2.0 */
/* visitor-board: a public guest book, run by agentd as a worker or by hand. */
#include "config.h"

#include "apps/visitor-board/board.h"
#include "apps/visitor-board/create-table.h"
#include "apps/visitor-board/settings.h"
#include "apps/visitor-board/zone.h"
#include "common/base/log.h"
#include "common/net/worker-runtime.h"
#include "common/schema/contract.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define CONNECTIONS_MAX 2048u
#define IDLE_TIMEOUT_S  75u /* longer than the load balancer's 60 s */

static const char help[] =
    "Usage: visitor-board [--help|--version|create-table]\n"
    "\n"
    "A page where visitors leave messages. agentd starts it with a listening socket; by hand it\n"
    "listens on 127.0.0.1. create-table makes the DynamoDB table that TABLE_NAME names, unless it\n"
    "is there, and ends.\n"
    "\n"
    "Environment, with defaults in parentheses:\n";

static int start_board(struct board *board, struct store *take_store,
                       const struct settings *settings, const char *instance)
{
    const struct board_options options = {
        .instance = instance,
        .zone = settings->zone,
        .name = settings->store.dynamodb.board,
        .posts_per_minute = settings->posts_per_minute,
        .proxies = settings->proxies,
        .statsd_host = settings->statsd_host,
        .statsd_port = settings->statsd_port,
    };

    return board_start(board, take_store, &options);
}

static void on_zone(const char *zone, void *userdata)
{
    board_set_zone(userdata, zone);
}

/* Where the store is AWS's, libcurl is there anyway; elsewhere a page without it is well. */
static void ask_zone(struct zone **ret, sd_event *event, struct board *board,
                     const struct settings *settings)
{
    int r;

    if (*settings->zone || !*settings->store.dynamodb.table)
        return;
    r = zone_ask(ret, event, on_zone, board);
    if (r < 0)
        log_debug_errno(-r, "Can't ask for the availability zone: %m, ignoring");
}

/* The runtime comes before the store: it blocks signals, the store starts threads. It goes first
 * too, with the requests that still point into the board. */
static int serve(const struct settings *settings)
{
    CLEANUP(sd_event_unrefp) sd_event *event = NULL;
    CLEANUP(board_freep) struct board *board = NULL;
    CLEANUP(worker_runtime_freep) struct worker_runtime *runtime = NULL;
    CLEANUP(zone_freep) struct zone *zone = NULL;
    struct worker_runtime_options options = {
        .routes = board_routes,
        .fallback_listen = settings->listen,
        .connections_max = CONNECTIONS_MAX,
        .idle_timeout_s = IDLE_TIMEOUT_S,
        .error_page = board_error_page,
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
    if (store_open(&store, event, &settings->store) < 0)
        return EXIT_CODE_FAILED; /* it has said why */
    r = start_board(board, store, settings, worker_runtime_instance(runtime));
    if (r >= 0)
        ask_zone(&zone, event, board, settings);
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

    open_log();
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        fputs(settings_help, stdout);
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
    if (settings_read(&settings) < 0)
        return EXIT_CODE_USAGE;
    return create ? create_table(&settings.store) : serve(&settings);
}
