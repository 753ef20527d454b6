/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks workers whether they are well, and acts on what they say: the watchdog's silences, probes of
 * each worker on its own socket, probes of an app at its address, readiness by delay.
 *
 * A worker that hangs gets SIGABRT, for its core file, and after PROBER_KILL_AFTER_US SIGKILL; its
 * end is then the supervisor's to deal with, as any other. The probe of an app ends nobody: whoever
 * has answered, or not, is unknown.
 */
#pragma once

#include "agent/core/ledger.h"
#include "agent/core/link.h"

#include <systemd/sd-event.h>

#define PROBER_KILL_AFTER_US (5 * UINT64_C(1000000))

struct prober;

/* |supervisor| is borrowed, as are the others. |on_change| is called from the loop when
 * prober_update() wants to be called. */
int prober_new(struct prober **ret, sd_event *event, struct link *link, struct ledger *ledger,
               struct supervisor *supervisor, const char *runtime_directory,
               void (*on_change)(void *userdata), void *userdata);
struct prober *prober_free(struct prober *prober);
DEFINE_CLEANUP(struct prober *, prober_free)

/* What an app's workers are asked from now on; NULL: nothing. 0 or -ENOMEM. */
int prober_configure(struct prober *prober, unsigned app, const struct config_app *config);

/* Looks at the supervisor's slots, asks and judges what is due. Returns whether the supervisor was
 * told something and wants to run again. */
bool prober_update(struct prober *prober, uint64_t now_us);

/* The worker said WATCHDOG=1. */
void prober_on_watchdog(struct prober *prober, unsigned app, unsigned slot, uint64_t now_us);

/* Why the worker is being ended ("hung: no watchdog for 30 s"), or NULL: it isn't. */
const char *prober_cause(const struct prober *prober, unsigned app, unsigned slot, uint64_t serial);
/* How the app's own probe fails ("status 503"), or NULL: it passes, or there is none. */
const char *prober_app_failure(const struct prober *prober, unsigned app);
