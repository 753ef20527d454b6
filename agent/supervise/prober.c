/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. It learns what happens to workers by looking at the supervisor's slots, so there
 * is no second account of them that could differ. */
#include "agent/supervise/prober.h"

#include "agent/supervise/probe-client.h"
#include "agent/supervise/probe.h"
#include "common/base/clock.h"
#include "common/base/listen.h"
#include "common/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <syslog.h>

/* A silence is judged after what was said meanwhile has been read; but a worker that floods the
 * notify socket can't put it off for longer than this. */
#define JUDGE_PRIORITY     (SD_EVENT_PRIORITY_NORMAL + 20)
#define JUDGE_ANYWAY_US    (5 * USEC_PER_SEC)
#define LOOK_INTERVAL_US   USEC_PER_SEC /* while there are watchdogs */
#define LATE_US            USEC_PER_SEC
#define WHY_MAX            64u
#define HOST_WITH_PORT_MAX (LISTEN_HOST_MAX + 10u)

struct target { /* a worker, or an app's own address */
    struct prober *prober;
    unsigned app, slot; /* slot 0: the app */
    uint64_t serial;    /* of the worker */
    bool ready;
    struct probe probe;
    struct watchdog watchdog;
    struct probe_client *client; /* a question is under way */
    uint64_t kill_at_us;         /* 0: nobody wants its end */
    char why[WHY_MAX];           /* of that; or how the last probe failed */
};

struct subject { /* what is asked of one app */
    enum config_probe kind;
    char path[CONFIG_STRING_MAX + 1];
    struct probe_policy policy;
    uint64_t watchdog_us;
    uint64_t ready_delay_us;
    bool delays; /* readiness by delay */
    union listen_address address;
    socklen_t address_length; /* 0: none */
    struct target own;
    struct target workers[APP_SLOTS_MAX];
};

struct prober {
    sd_event *event;
    sd_event_source *timer;
    struct link *link;
    struct ledger *ledger;
    struct supervisor *supervisor;
    const char *runtime_directory;
    void (*on_change)(void *userdata);
    void *userdata;
    struct subject *subjects[APPS_MAX];
    uint64_t look_at_us; /* when it wanted to look again */
    bool judging;        /* all that came in has been read */
    bool told;           /* the supervisor was */
};

static void note_event(const struct target *target, int level, const char *name, const char *text)
{
    struct prober *prober = target->prober;
    struct event event = {.level = level, .slot = target->slot};

    if (target->slot)
        event.pid = supervisor_slot(prober->supervisor, target->app, target->slot)->pid;
    text_copy(event.app, sizeof(event.app), ledger_app_name(prober->ledger, target->app));
    text_copy(event.name, sizeof(event.name), name);
    text_copy(event.text, sizeof(event.text), text);
    events_add(ledger_events(prober->ledger), &event, clock_realtime_us());
}

static void forget(struct target *target)
{
    target->client = probe_client_free(target->client);
    target->probe = (struct probe){.due_at_us = 0};
    target->ready = false;
}

/* --- what follows ------------------------------------------------------------------------------
 */

/* |target->why| says what from. */
static void end_worker(struct target *target, uint64_t now_us)
{
    struct prober *prober = target->prober;
    char text[WHY_MAX + 64];

    target->client = probe_client_free(target->client);
    target->kill_at_us = now_us + PROBER_KILL_AFTER_US;
    link_send_slot(prober->link, HOLD_SIGNAL, ledger_app_name(prober->ledger, target->app),
                   target->slot, target->serial, SIGABRT);
    snprintf(text, sizeof(text), "%s: gets SIGABRT", target->why);
    note_event(target, LOG_ERR, "worker-hung", text);
}

static void kill_worker(struct target *target, uint64_t now_us)
{
    struct prober *prober = target->prober;

    target->kill_at_us = now_us + PROBER_KILL_AFTER_US;
    link_send_slot(prober->link, HOLD_KILL, ledger_app_name(prober->ledger, target->app),
                   target->slot, target->serial, 0);
}

static void note_worker(struct target *target, const struct subject *subject, int status,
                        uint64_t now_us)
{
    bool passed = status > 0 && probe_status_passes((unsigned) status);
    enum probe_verdict verdict = probe_note(&target->probe, &subject->policy, passed, now_us);

    if (status > 0)
        target->watchdog.fed_at_us = now_us; /* its loop runs */
    if (verdict == PROBE_SAME)
        return;
    supervisor_on_probed(target->prober->supervisor, target->app, target->slot, passed, now_us);
    target->prober->told = true;
    if (passed)
        return;
    if (status > 0)
        snprintf(target->why, sizeof(target->why), "sick: %u probes failed, the last with %d",
                 target->probe.failed, status);
    else
        snprintf(target->why, sizeof(target->why), "hung: no answer to %u probes",
                 target->probe.failed);
    end_worker(target, now_us);
}

static void note_app(struct target *target, const struct subject *subject, int status,
                     uint64_t now_us)
{
    bool was_failing = target->probe.failing;
    enum probe_verdict verdict =
        probe_note(&target->probe, &subject->policy,
                   status > 0 && probe_status_passes((unsigned) status), now_us);
    char text[sizeof(subject->path) + WHY_MAX + 32];

    if (status > 0)
        snprintf(target->why, sizeof(target->why), "status %d", status);
    else
        snprintf(target->why, sizeof(target->why), "%s",
                 status == -ETIMEDOUT ? "no answer in time" : strerror(-status));
    if (verdict == PROBE_FAILED) {
        snprintf(text, sizeof(text), "%u probes of %.64s failed, the last: %s",
                 target->probe.failed, subject->path, target->why);
        note_event(target, LOG_WARNING, "app-probe-failed", text);
    } else if (verdict == PROBE_PASSED && was_failing) {
        note_event(target, LOG_NOTICE, "app-probe-passed", "its probe passes again");
    }
}

static void note(struct target *target, int status)
{
    const struct subject *subject = target->prober->subjects[target->app];

    (target->slot ? note_worker : note_app)(target, subject, status, clock_monotonic_us());
}

/* --- asking ------------------------------------------------------------------------------------
 */

static void prober_on_answer(int status, void *userdata)
{
    struct target *target = userdata;

    target->client = probe_client_free(target->client);
    note(target, status);
    target->prober->on_change(target->prober->userdata);
}

/* A path that is too long can't have been bound either. */
static bool find_worker(const struct target *target, struct sockaddr_un *ret)
{
    int n = snprintf(ret->sun_path, sizeof(ret->sun_path), PROBE_PATH_FORMAT,
                     target->prober->runtime_directory,
                     ledger_app_name(target->prober->ledger, target->app), target->slot);

    return n > 0 && (size_t) n < sizeof(ret->sun_path);
}

static void ask(struct target *target, const struct subject *subject)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    const struct sockaddr *address = &subject->address.any;
    socklen_t length = subject->address_length;
    int r = 0;

    if (target->slot) {
        address = (const struct sockaddr *) &path;
        length = sizeof(path);
        r = find_worker(target, &path) ? 0 : -ENOENT;
    }
    if (r == 0)
        r = probe_client_new(&target->client, target->prober->event, address, length, subject->path,
                             subject->policy.timeout_us, prober_on_answer, target);
    if (r == -ENOENT && target->slot) {
        /* It was started before the configuration wanted probes, and can't be asked. */
        target->probe.due_at_us = PROBE_NEVER;
        supervisor_on_probed(target->prober->supervisor, target->app, target->slot, true,
                             clock_monotonic_us());
        target->prober->told = true;
    } else if (r < 0) {
        note(target, r);
    }
}

/* --- looking -----------------------------------------------------------------------------------
 */

static void meet(struct target *target, const struct subject *subject,
                 const struct supervisor_slot *slot, uint64_t now_us)
{
    bool is_ready = slot->state == WORKER_READY && slot->pid > 0;

    if (target->serial != slot->serial) {
        forget(target);
        target->serial = slot->serial;
        target->kill_at_us = 0;
        /* What it was started with; one that an earlier core has started may know of another. */
        target->watchdog = (struct watchdog){.limit_us = subject->watchdog_us,
                                             .expected = slot->state == WORKER_STARTING};
    }
    if (is_ready && !target->ready)
        target->watchdog.fed_at_us = now_us;
    if (!is_ready)
        forget(target); /* a draining one has closed its socket, and has its deadline */
    target->ready = is_ready;
}

/* Acts on one worker; returns when it is to be looked at again. */
static uint64_t look_at_worker(struct target *target, const struct subject *subject,
                               uint64_t now_us)
{
    const struct supervisor_slot *slot =
        supervisor_slot(target->prober->supervisor, target->app, target->slot);
    uint64_t ready_at_us = slot->started_at_us + subject->ready_delay_us, due_us;

    meet(target, subject, slot, now_us);
    if (target->serial == 0 || slot->pid == 0)
        return PROBE_NEVER;
    if (target->kill_at_us) {
        if (now_us >= target->kill_at_us)
            kill_worker(target, now_us);
        return target->kill_at_us;
    }
    if (slot->state == WORKER_STARTING && subject->delays) {
        if (now_us < ready_at_us)
            return ready_at_us;
        supervisor_on_ready(target->prober->supervisor, target->app, target->slot, now_us);
        target->prober->told = true;
        return PROBE_NEVER; /* it is looked at again after the supervisor has run */
    }
    if (!target->ready)
        return PROBE_NEVER;
    due_us = watchdog_due_us(&target->watchdog);
    if (now_us >= due_us && (target->prober->judging || now_us >= due_us + JUDGE_ANYWAY_US)) {
        snprintf(target->why, sizeof(target->why), "hung: no watchdog for %" PRIu64 " s",
                 target->watchdog.limit_us / USEC_PER_SEC);
        end_worker(target, now_us);
        return target->kill_at_us;
    }
    if (due_us != PROBE_NEVER)
        due_us = MAX(MIN(due_us, now_us + LOOK_INTERVAL_US), now_us);
    if (subject->kind == CONFIG_PROBE_PRIVATE && !target->client) {
        if (now_us >= target->probe.due_at_us)
            ask(target, subject);
        due_us = target->client ? due_us : MIN(due_us, target->probe.due_at_us);
    }
    return due_us;
}

/* While an app has nobody to answer, that is what is said of it. */
static uint64_t look_at_app(struct target *target, const struct subject *subject, uint64_t now_us)
{
    if (subject->kind != CONFIG_PROBE_HTTP || subject->address_length == 0 ||
        supervisor_count(target->prober->supervisor, target->app, WORKER_READY) == 0) {
        forget(target);
        return PROBE_NEVER;
    }
    if (!target->client && now_us >= target->probe.due_at_us)
        ask(target, subject);
    return target->client ? PROBE_NEVER : target->probe.due_at_us;
}

/* Time in which this process did not run (it was stopped, or starved) is no worker's silence. */
static void forgive_lateness(struct prober *prober, uint64_t now_us)
{
    if (prober->look_at_us == PROBE_NEVER || now_us < prober->look_at_us + LATE_US)
        return;
    for (unsigned app = 0; app < APPS_MAX; app++)
        for (unsigned i = 0; prober->subjects[app] && i < APP_SLOTS_MAX; i++) {
            struct watchdog *watchdog = &prober->subjects[app]->workers[i].watchdog;

            watchdog->fed_at_us = MIN(watchdog->fed_at_us + (now_us - prober->look_at_us), now_us);
        }
}

bool prober_update(struct prober *prober, uint64_t now_us)
{
    uint64_t next_us = PROBE_NEVER;

    forgive_lateness(prober, now_us);
    prober->told = false;
    for (unsigned app = 0; app < APPS_MAX; app++) {
        struct subject *subject = prober->subjects[app];

        if (!subject)
            continue;
        next_us = MIN(next_us, look_at_app(&subject->own, subject, now_us));
        for (unsigned i = 0; i < APP_SLOTS_MAX; i++)
            next_us = MIN(next_us, look_at_worker(&subject->workers[i], subject, now_us));
    }
    prober->look_at_us = next_us;
    (void) sd_event_source_set_time(prober->timer, next_us);
    (void) sd_event_source_set_enabled(prober->timer,
                                       next_us == PROBE_NEVER ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
    return prober->told;
}

static int prober_on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct prober *prober = userdata;

    prober->judging = true;
    prober->on_change(prober->userdata);
    prober->judging = false;
    return 0;
}

void prober_on_watchdog(struct prober *prober, unsigned app, unsigned slot, uint64_t now_us)
{
    struct subject *subject = prober->subjects[app];

    if (!subject)
        return;
    subject->workers[slot - 1].watchdog.fed_at_us = now_us;
    subject->workers[slot - 1].watchdog.expected = true;
}

const char *prober_cause(const struct prober *prober, unsigned app, unsigned slot, uint64_t serial)
{
    const struct subject *subject = prober->subjects[app];
    const struct target *target = subject ? &subject->workers[slot - 1] : NULL;

    return target && target->serial == serial && target->kill_at_us ? target->why : NULL;
}

const char *prober_app_failure(const struct prober *prober, unsigned app)
{
    const struct subject *subject = prober->subjects[app];

    return subject && subject->own.probe.failing ? subject->own.why : NULL;
}

/* --- life cycle --------------------------------------------------------------------------------
 */

/* Where a client on this host finds the app: its first address. */
static void find_app_address(struct subject *subject, const char *listen)
{
    char host[LISTEN_HOST_MAX], text[HOST_WITH_PORT_MAX];
    unsigned port;

    subject->address_length = 0;
    if (listen && listen_client_address(listen, host, &port)) {
        snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
        listen = text;
    }
    if (listen && listen_parse(listen, &subject->address, &subject->address_length) < 0)
        subject->address_length = 0;
}

static struct subject *free_subject(struct subject *subject)
{
    if (!subject)
        return NULL;
    probe_client_free(subject->own.client);
    for (unsigned i = 0; i < APP_SLOTS_MAX; i++)
        probe_client_free(subject->workers[i].client);
    free(subject);
    return NULL;
}

static struct subject *new_subject(struct prober *prober, unsigned app)
{
    struct subject *subject = calloc(1, sizeof(*subject));

    if (!subject)
        return NULL;
    subject->own = (struct target){.prober = prober, .app = app};
    for (unsigned i = 0; i < APP_SLOTS_MAX; i++)
        subject->workers[i] = (struct target){.prober = prober, .app = app, .slot = i + 1};
    return subject;
}

int prober_configure(struct prober *prober, unsigned app, const struct config_app *config)
{
    struct subject *subject = prober->subjects[app];

    if (!config || (config->probe == CONFIG_PROBE_NONE && config->watchdog_s == 0 &&
                    config->readiness == CONFIG_READINESS_NOTIFY)) {
        prober->subjects[app] = free_subject(subject);
        return 0;
    }
    if (!subject)
        subject = prober->subjects[app] = new_subject(prober, app);
    if (!subject)
        return -ENOMEM;
    subject->kind = config->probe;
    text_copy(subject->path, sizeof(subject->path), config->probe_path);
    subject->policy = (struct probe_policy){
        .interval_us = config->probe_interval_s * USEC_PER_SEC,
        .timeout_us = config->probe_timeout_s * USEC_PER_SEC,
        .failures = config->probe_failures,
    };
    subject->watchdog_us = config->watchdog_s * USEC_PER_SEC;
    subject->delays = config->readiness == CONFIG_READINESS_DELAY;
    subject->ready_delay_us = config->ready_delay_s * USEC_PER_SEC;
    find_app_address(subject, config->listen[0]);
    return 0;
}

int prober_new(struct prober **ret, sd_event *event, struct link *link, struct ledger *ledger,
               struct supervisor *supervisor, const char *runtime_directory,
               void (*on_change)(void *userdata), void *userdata)
{
    CLEANUP(prober_freep) struct prober *prober = calloc(1, sizeof(*prober));
    int r;

    if (!prober)
        return -ENOMEM;
    prober->event = event;
    prober->link = link;
    prober->ledger = ledger;
    prober->supervisor = supervisor;
    prober->runtime_directory = runtime_directory;
    prober->on_change = on_change;
    prober->userdata = userdata;
    prober->look_at_us = PROBE_NEVER;
    r = sd_event_add_time(event, &prober->timer, CLOCK_MONOTONIC, 0, 1000, prober_on_time, prober);
    if (r < 0)
        return r;
    (void) sd_event_source_set_description(prober->timer, "prober");
    r = sd_event_source_set_priority(prober->timer, JUDGE_PRIORITY);
    if (r >= 0)
        r = sd_event_source_set_enabled(prober->timer, SD_EVENT_OFF);
    if (r < 0)
        return r;
    *ret = TAKE(prober);
    return 0;
}

struct prober *prober_free(struct prober *prober)
{
    if (!prober)
        return NULL;
    for (unsigned app = 0; app < APPS_MAX; app++)
        free_subject(prober->subjects[app]);
    sd_event_source_disable_unref(prober->timer);
    free(prober);
    return NULL;
}
