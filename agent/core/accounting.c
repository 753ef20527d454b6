/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/core/accounting.h"

#include "agent/observe/request-meter.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <assert.h>
#include <errno.h>
#include <math.h>

#define IN_FLIGHT_PLAUSIBLE (1u << 20) /* more than a process can have descriptors */

struct board {
    const struct scoreboard *memory; /* NULL: none */
    uint64_t serial;
    uint64_t requests; /* at the last sample */
};

struct account {
    struct request_meter
        *meter;           /* NULL until a scoreboard was seen, or the ledger has something of it */
    struct board *boards; /* APP_SLOTS_MAX */
    uint64_t restarts_closing;
};

struct accounting {
    struct ledger *ledger;
    bool closed; /* a window of this core's own waits for accounting_settle() */
    struct account apps[APPS_MAX];
    struct ledger_publish publish_closing; /* what the closed window has */
};

static struct account *account_of(struct accounting *accounting, unsigned app)
{
    struct account *account = &accounting->apps[app];
    const struct ledger_account *noted = &ledger_accounts(accounting->ledger)->apps[app];

    assert(app < APPS_MAX);
    if (account->meter)
        return account;
    if (!account->boards)
        account->boards = calloc(APP_SLOTS_MAX, sizeof(*account->boards));
    if (!account->boards ||
        request_meter_new(&account->meter, &noted->folded, &noted->emitted) < 0) {
        log_error("no memory to count the requests of %s",
                  ledger_app_name(accounting->ledger, app));
        return NULL;
    }
    return account;
}

/* NULL if nothing was ever counted for the app. What an earlier core had noted counts too: its
 * workers may all be gone. */
static struct request_meter *meter_of(struct accounting *accounting, unsigned app)
{
    const struct ledger_account *noted = &ledger_accounts(accounting->ledger)->apps[app];
    struct account *account = &accounting->apps[app];

    if (!account->meter && tally_requests(&noted->folded) > 0)
        account = account_of(accounting, app);
    return account ? account->meter : NULL;
}

static struct board *board_of(const struct accounting *accounting, unsigned app, unsigned slot)
{
    assert(app < APPS_MAX && slot >= 1 && slot <= APP_SLOTS_MAX);
    return accounting->apps[app].boards ? &accounting->apps[app].boards[slot - 1] : NULL;
}

int accounting_new(struct accounting **ret, struct ledger *ledger)
{
    struct accounting *accounting = calloc(1, sizeof(*accounting));

    if (!accounting)
        return -ENOMEM;
    accounting->ledger = ledger;
    *ret = accounting;
    return 0;
}

struct accounting *accounting_free(struct accounting *accounting)
{
    if (!accounting)
        return NULL;
    for (unsigned app = 0; app < APPS_MAX; app++) {
        struct account *account = &accounting->apps[app];

        for (unsigned i = 0; account->boards && i < APP_SLOTS_MAX; i++)
            scoreboard_unmap_readonly(account->boards[i].memory);
        free(account->boards);
        request_meter_free(account->meter);
    }
    free(accounting);
    return NULL;
}

/* --- boards -------------------------------------------------------------------------------------
 */

static bool is_folded(const struct accounting *accounting, unsigned app, unsigned slot,
                      uint64_t serial)
{
    return ledger_accounts(accounting->ledger)->apps[app].folded_serial[slot - 1] == serial;
}

void accounting_open(struct accounting *accounting, unsigned app, unsigned slot, uint64_t serial,
                     int take_fd)
{
    CLEANUP_CLOSE int fd = take_fd;
    struct account *account;
    struct board *board;
    int r;

    if (fd < 0 || is_folded(accounting, app, slot, serial) ||
        !(account = account_of(accounting, app)))
        return;
    board = &account->boards[slot - 1];
    if (board->memory && board->serial == serial)
        return;
    board->memory = scoreboard_unmap_readonly(board->memory);
    r = scoreboard_map_readonly(fd, &board->memory);
    if (r < 0)
        log_warning_errno(-r,
                          "can't read the scoreboard of %s.%u: %m; its requests are not counted",
                          ledger_app_name(accounting->ledger, app), slot);
    board->serial = serial;
    board->requests = 0;
}

/* Moves the board's numbers to those of the dead, notes that, and reads it no more. */
static void close_board(struct accounting *accounting, unsigned app, unsigned slot)
{
    struct account *account = &accounting->apps[app];
    struct board *board = &account->boards[slot - 1];
    struct ledger_accounts *accounts;

    request_meter_fold(account->meter, board->serial);
    accounts = ledger_begin(accounting->ledger);
    accounts->apps[app].folded = *request_meter_dead(account->meter);
    accounts->apps[app].folded_serial[slot - 1] = board->serial;
    ledger_commit(accounting->ledger);
    board->memory = scoreboard_unmap_readonly(board->memory);
}

static void sample_board(struct accounting *accounting, unsigned app, unsigned slot)
{
    struct account *account = &accounting->apps[app];
    struct board *board = &account->boards[slot - 1];
    struct tally tally;
    bool readable;

    if (!board->memory)
        return;
    readable = scoreboard_read(board->memory, &tally) >= 0;
    if (request_meter_update(account->meter, board->serial, readable ? &tally : NULL) ==
        REQUEST_METER_FROZEN) {
        struct event event = {.level = LOG_WARNING,
                              .slot = slot,
                              .name = "scoreboard-bad",
                              .text = "scribbled over its scoreboard: its requests count no more"};

        text_copy(event.app, sizeof(event.app), ledger_app_name(accounting->ledger, app));
        events_add(ledger_events(accounting->ledger), &event, clock_realtime_us());
        /* For good: a core after this one must not take the nonsense for numbers. */
        close_board(accounting, app, slot);
        return;
    }
    if (readable)
        board->requests = tally_requests(&tally);
}

void accounting_fold(struct accounting *accounting, unsigned app, unsigned slot, uint64_t serial,
                     int take_fd)
{
    struct board *board;

    accounting_open(accounting, app, slot, serial, take_fd);
    board = board_of(accounting, app, slot);
    if (!board || !board->memory || board->serial != serial)
        return;
    sample_board(accounting, app, slot);
    if (board->memory)
        close_board(accounting, app, slot);
}

void accounting_sample(struct accounting *accounting, uint64_t now_us)
{
    for (unsigned app = 0; app < APPS_MAX; app++) {
        if (!meter_of(accounting, app))
            continue;
        for (unsigned slot = 1; slot <= APP_SLOTS_MAX; slot++)
            sample_board(accounting, app, slot);
        request_meter_tick(accounting->apps[app].meter, now_us);
    }
}

/* --- windows ------------------------------------------------------------------------------------
 */

static void close_publish(struct accounting *accounting, struct windows *windows)
{
    const struct ledger_publish *emitted = &ledger_accounts(accounting->ledger)->publish_emitted;
    const struct ledger_publish *now = &accounting->publish_closing;

    accounting->publish_closing = *ledger_publish(accounting->ledger);
    windows_count(windows, METRIC_PUBLISH_ERRORS, WINDOW_NO_APP,
                  (double) (now->errors - MIN(emitted->errors, now->errors)));
    windows_count(windows, METRIC_PUBLISH_AMBIGUOUS, WINDOW_NO_APP,
                  (double) (now->ambiguous - MIN(emitted->ambiguous, now->ambiguous)));
    windows_count(windows, METRIC_PUBLISH_DROPPED, WINDOW_NO_APP,
                  (double) (now->dropped - MIN(emitted->dropped, now->dropped)));
}

void accounting_close(struct accounting *accounting, struct windows *windows,
                      const uint64_t restarts[APPS_MAX])
{
    accounting->closed = true;
    close_publish(accounting, windows);
    for (unsigned app = 0; app < APPS_MAX; app++) {
        struct account *account = &accounting->apps[app];
        const struct ledger_account *noted = &ledger_accounts(accounting->ledger)->apps[app];
        int index = (int) app;
        struct tally delta;

        if (ledger_app_name(accounting->ledger, app)[0] == '\0')
            continue;
        account->restarts_closing = restarts[app];
        windows_count(windows, METRIC_WORKER_RESTARTS, index,
                      (double) (restarts[app] - MIN(noted->restarts_emitted, restarts[app])));
        if (!meter_of(accounting, app))
            continue;
        for (unsigned slot = 1; slot <= APP_SLOTS_MAX; slot++)
            sample_board(accounting, app, slot);
        request_meter_close(account->meter, &delta);
        windows_count(windows, METRIC_REQUEST_COUNT, index, (double) tally_requests(&delta));
        windows_count(windows, METRIC_ERRORS_4XX, index, (double) delta.requests[SCOREBOARD_4XX]);
        windows_count(windows, METRIC_ERRORS_5XX, index, (double) delta.requests[SCOREBOARD_5XX]);
        if (windows_distribution(windows, METRIC_REQUEST_LATENCY, index, &delta.latency) < 0)
            log_error("no memory for the latencies of %s: this window goes without",
                      ledger_app_name(accounting->ledger, app));
    }
}

void accounting_intend(struct accounting *accounting, const struct ledger_intent *intent,
                       uint64_t window_start_realtime_us)
{
    struct ledger_accounts *accounts = ledger_begin(accounting->ledger);

    accounts->intent = *intent;
    accounts->window_start_realtime_us = window_start_realtime_us;
    accounts->publish_emitting = accounting->publish_closing;
    for (unsigned app = 0; app < APPS_MAX; app++) {
        if (ledger_app_name(accounting->ledger, app)[0] == '\0')
            continue;
        if (accounting->apps[app].meter)
            accounts->apps[app].emitting = *request_meter_closing(accounting->apps[app].meter);
        accounts->apps[app].restarts_emitting = accounting->apps[app].restarts_closing;
    }
    ledger_commit(accounting->ledger);
}

void accounting_settle(struct accounting *accounting, bool written)
{
    struct ledger_accounts *accounts = ledger_begin(accounting->ledger);

    accounts->intent = (struct ledger_intent){.length = 0};
    if (written) {
        if (accounting->closed)
            accounts->publish_emitting = accounting->publish_closing;
        accounts->publish_emitted = accounts->publish_emitting;
    }
    for (unsigned app = 0; written && app < APPS_MAX; app++) {
        const struct account *account = &accounting->apps[app];
        struct ledger_account *noted = &accounts->apps[app];

        if (ledger_app_name(accounting->ledger, app)[0] == '\0')
            continue;
        /* Without a file sink nothing was intended; an earlier core's intent is all in the ledger.
         */
        if (accounting->closed && account->meter)
            noted->emitting = *request_meter_closing(account->meter);
        if (accounting->closed)
            noted->restarts_emitting = account->restarts_closing;
        noted->emitted = noted->emitting;
        noted->restarts_emitted = noted->restarts_emitting;
        if (accounting->closed && account->meter)
            request_meter_commit(account->meter);
    }
    ledger_commit(accounting->ledger);
    accounting->closed = false;
}

/* --- views --------------------------------------------------------------------------------------
 */

bool accounting_has_app(const struct accounting *accounting, unsigned app)
{
    assert(app < APPS_MAX);
    return accounting->apps[app].meter;
}

const struct tally *accounting_total(const struct accounting *accounting, unsigned app)
{
    return accounting_has_app(accounting, app) ? request_meter_total(accounting->apps[app].meter)
                                               : NULL;
}

double accounting_rate_per_s(const struct accounting *accounting, unsigned app)
{
    return accounting_has_app(accounting, app)
               ? request_meter_rate_per_s(accounting->apps[app].meter)
               : 0;
}

double accounting_quantile_ms(const struct accounting *accounting, unsigned app, unsigned permille)
{
    return accounting_has_app(accounting, app)
               ? request_meter_quantile_ms(accounting->apps[app].meter, permille)
               : (double) NAN;
}

uint32_t accounting_in_flight(const struct accounting *accounting, unsigned app, unsigned slot)
{
    const struct board *board = board_of(accounting, app, slot);
    uint32_t in_flight = board && board->memory ? scoreboard_in_flight(board->memory) : 0;

    return in_flight <= IN_FLIGHT_PLAUSIBLE ? in_flight : 0;
}

uint64_t accounting_requests(const struct accounting *accounting, unsigned app, unsigned slot)
{
    const struct board *board = board_of(accounting, app, slot);

    return board && board->memory ? board->requests : 0;
}
