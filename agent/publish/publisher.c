/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request at a time: take a shipment, make its marks durable, send it, settle it.
 */
#include "agent/publish/publisher.h"

#include "agent/publish/outbox.h"
#include "agent/publish/publish-log.h"
#include "agent/publish/uplink.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/siphash.h"
#include "common/base/text.h"
#include "common/net/offload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A disk that takes longer to sync than this doesn't hold up the sending. */
#define SYNC_WAIT_US   (2 * USEC_PER_SEC)
#define SYNC_QUEUE_MAX 4u

struct publisher {
    sd_event *event;
    const struct config *config;
    struct publisher_owner owner;
    char host_name[CONFIG_STRING_MAX + 1];
    char spool_dir[CONFIG_STRING_MAX + 1];
    struct uplink *uplink;
    struct outbox *outbox;
    struct offload *offload;
    struct flush_plan plan;
    struct publish_log log;
    struct shipment shipment;
    bool shipping; /* |shipment| is being synced or sent */
    bool sending;
    bool syncing;
    bool in_memory; /* as last told */
    uint64_t dropped_told;
    sd_event_source *timer;
    sd_event_source *sync_timer;
    sd_event_source *finish_timer;
    void (*finish_done)(void *userdata); /* not NULL: it is finishing */
    void *finish_userdata;
};

static void arm(struct publisher *publisher);
static bool begin_sync(struct publisher *publisher);
static void send_shipment(struct publisher *publisher);

/* --- syncing: on a thread, so that a slow disk doesn't hold up the loop --------------------------
 */

struct sync_job {
    struct offload_job job;
    struct publisher *publisher;
    size_t n;
    int fds[SPOOL_SYNC_MAX];
};

static void sync_run(struct offload_job *job)
{
    struct sync_job *sync = (struct sync_job *) job;

    for (size_t i = 0; i < sync->n; i++) {
        (void) fsync(sync->fds[i]); /* what a disk can't keep, the spool will see when it writes */
        close(sync->fds[i]);
    }
}

static void sync_done(struct offload_job *job)
{
    struct sync_job *sync = (struct sync_job *) job;
    struct publisher *publisher = sync->publisher;

    free(sync);
    publisher->syncing = false;
    /* The marks of a shipment may have come after this sync began. */
    if (publisher->shipping && !publisher->sending && !begin_sync(publisher))
        send_shipment(publisher);
}

/* True if a sync is under way, and send_shipment() will be called. */
static bool begin_sync(struct publisher *publisher)
{
    struct sync_job *sync;

    if (publisher->syncing)
        return true;
    sync = calloc(1, sizeof(*sync));
    if (!sync)
        return false;
    *sync = (struct sync_job){.job = {.run = sync_run, .done = sync_done}, .publisher = publisher};
    sync->n = outbox_take_dirty(publisher->outbox, sync->fds);
    if (sync->n == 0 || offload_submit(publisher->offload, &sync->job) < 0) {
        for (size_t i = 0; i < sync->n; i++)
            close(sync->fds[i]);
        free(sync);
        return false;
    }
    publisher->syncing = true;
    return true;
}

/* --- sending ------------------------------------------------------------------------------------
 */

/* The service calls the data wrong: the same again would be refused again. */
static bool is_refusal(const struct aws_result *result)
{
    static const char *const codes[] = {
        "InvalidParameterValue",  "InvalidParameterCombination",
        "MissingParameter",       "MissingRequiredParameter",
        "ValidationError",        "ValidationException",
        "SerializationException", "MalformedInput",
        "InvalidFormat",          "InvalidParameterValueException",
        "RequestEntityTooLarge",
    };

    if (result->error != -EREMOTEIO || result->retry_class != RETRY_NEVER)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        if (strcmp(result->code, codes[i]) == 0)
            return true;
    return result->status == 413;
}

static enum shipment_fate fate_of(const struct aws_result *result)
{
    if (result->error == 0)
        return SHIPMENT_STORED;
    if (result->ambiguous > 0)
        return SHIPMENT_UNKNOWN;
    return is_refusal(result) ? SHIPMENT_REFUSED : SHIPMENT_NOT_STORED;
}

static enum flush_outcome outcome_of(const struct aws_result *result)
{
    if (result->error == 0)
        return FLUSH_SUCCEEDED;
    return result->retry_class == RETRY_THROTTLE ? FLUSH_THROTTLED : FLUSH_FAILED;
}

static void count(struct publisher *publisher, enum publisher_count what, uint64_t n)
{
    if (n > 0)
        publisher->owner.count(what, n, publisher->owner.userdata);
}

static void note(struct publisher *publisher, int level, const char *name, const char *text)
{
    publisher->owner.note(level, name, text, publisher->owner.userdata);
}

static void tell_result(struct publisher *publisher, const struct aws_result *result)
{
    char text[PUBLISH_LOG_TEXT_MAX];

    switch (publish_log_result(&publisher->log, result, clock_realtime_us(), text)) {
    case PUBLISH_LOG_FAILED:
        note(publisher, LOG_ERR, "publish-failed", text);
        break;
    case PUBLISH_LOG_RECOVERED:
        note(publisher, LOG_NOTICE, "publish-recovered", text);
        break;
    case PUBLISH_LOG_NOTHING:
        break;
    }
}

static void tell_dropped(struct publisher *publisher, const struct shipment *shipment,
                         const struct aws_result *result)
{
    char text[PUBLISH_LOG_TEXT_MAX];

    if (shipment->n_records > 1)
        return; /* they go one by one now */
    count(publisher, PUBLISHER_DROPPED, 1);
    snprintf(text, sizeof(text), "CloudWatch refuses a window for good, dropped it: %.60s: %.120s",
             result->code, result->message);
    note(publisher, LOG_ERR, "publish-refused", text);
}

/* Sent or not: what is left is said. */
static void end_finish(struct publisher *publisher)
{
    void (*done)(void *) = TAKE(publisher->finish_done);
    struct outbox_counts counts;

    sd_event_source_disable_unref(TAKE(publisher->finish_timer));
    outbox_counts(publisher->outbox, &counts);
    if (counts.spool.records > 0 && counts.spool.in_memory)
        log_warning("%" PRIu64 " windows could not be sent and are lost: the spool has no disk",
                    counts.spool.records);
    else if (counts.spool.records > 0)
        log_notice("%" PRIu64 " windows could not be sent yet: they wait in %s",
                   counts.spool.records, publisher->spool_dir);
    if (done)
        done(publisher->finish_userdata);
}

static void publisher_on_result(const struct aws_result *result, void *userdata)
{
    struct publisher *publisher = userdata;
    enum shipment_fate fate = fate_of(result);
    enum flush_kind kind = publisher->shipment.kind;

    outbox_settle(publisher->outbox, &publisher->shipment, fate);
    if (fate == SHIPMENT_STORED)
        count(publisher, PUBLISHER_WRITTEN, publisher->shipment.n_records);
    else
        count(publisher, PUBLISHER_ERRORS, 1);
    if (fate == SHIPMENT_REFUSED)
        tell_dropped(publisher, &publisher->shipment, result);
    tell_result(publisher, result);
    shipment_done(&publisher->shipment);
    publisher->shipping = publisher->sending = false;
    /* What is refused is out of the way, or will be: no reason to slow down. */
    flush_plan_ended(&publisher->plan, kind,
                     fate == SHIPMENT_REFUSED ? FLUSH_SUCCEEDED : outcome_of(result),
                     outbox_has_fresh(publisher->outbox), result->retry_after_us, random_u64(),
                     clock_monotonic_us(), clock_realtime_us());
    if (publisher->finish_done && (fate == SHIPMENT_NOT_STORED || fate == SHIPMENT_UNKNOWN ||
                                   !outbox_has_fresh(publisher->outbox))) {
        end_finish(publisher);
        return;
    }
    arm(publisher);
}

static void send_shipment(struct publisher *publisher)
{
    struct aws_result failed;
    int r;

    (void) sd_event_source_set_enabled(publisher->sync_timer, SD_EVENT_OFF);
    publisher->sending = true; /* whatever it does, its marks are made */
    publish_log_call(&publisher->log, clock_monotonic_us());
    r = uplink_send(publisher->uplink, publisher->shipment.text, publisher->shipment.length,
                    publisher_on_result, publisher);
    if (r >= 0)
        return;
    failed = (struct aws_result){.error = r};
    publisher_on_result(&failed, publisher);
}

static int publisher_on_sync_late(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct publisher *publisher = userdata;

    if (publisher->shipping && !publisher->sending) {
        log_debug("the spool's disk is slow, sending before it has synced");
        send_shipment(publisher);
    }
    return 0;
}

static struct body_settings body_settings(const struct publisher *publisher)
{
    const struct config *config = publisher->config;
    const struct identity *identity = uplink_identity(publisher->uplink);

    return (struct body_settings){
        .namespace_ = config->namespace_,
        .asg_name = identity_group(identity) ?: "",
        .instance_id = identity_instance_id(identity) ?: publisher->host_name,
        .per_instance = config->per_instance,
    };
}

/* Begins a request of that kind. True if one is under way. */
static bool ship(struct publisher *publisher, enum flush_kind kind)
{
    struct body_settings settings = body_settings(publisher);
    int r;

    r = outbox_take(publisher->outbox, kind, &settings, &publisher->shipment);
    if (r <= 0) {
        if (r < 0)
            log_error_errno(-r, "can't read the spool: %m");
        return false;
    }
    publisher->shipping = true;
    count(publisher, PUBLISHER_AMBIGUOUS, publisher->shipment.n_ambiguous); /* before it is sent */
    if (!begin_sync(publisher))
        send_shipment(publisher);
    else if (sd_event_source_set_time_relative(publisher->sync_timer, SYNC_WAIT_US) < 0 ||
             sd_event_source_set_enabled(publisher->sync_timer, SD_EVENT_ONESHOT) < 0)
        send_shipment(publisher);
    return true;
}

/* --- when ---------------------------------------------------------------------------------------
 */

static void maintain(struct publisher *publisher)
{
    struct outbox_counts counts;
    uint64_t dropped;
    char text[160];

    outbox_maintain(publisher->outbox, clock_realtime_us());
    outbox_counts(publisher->outbox, &counts);
    dropped = counts.spool.dropped_age + counts.spool.dropped_size + counts.spool.dropped_bad;
    if (dropped > publisher->dropped_told) {
        count(publisher, PUBLISHER_DROPPED, dropped - publisher->dropped_told);
        snprintf(text, sizeof(text),
                 "%" PRIu64 " windows were dropped: older than publish.spool_age, over "
                 "publish.spool_limit, or damaged on disk",
                 dropped - publisher->dropped_told);
        note(publisher, LOG_WARNING, "spool-dropped", text);
        publisher->dropped_told = dropped;
    }
    if (counts.spool.in_memory != publisher->in_memory) {
        publisher->in_memory = counts.spool.in_memory;
        snprintf(text, sizeof(text),
                 publisher->in_memory ? "the spool is in memory: %s" : "the spool is on disk again",
                 strerror(counts.spool.disk_error));
        note(publisher, publisher->in_memory ? LOG_WARNING : LOG_NOTICE,
             publisher->in_memory ? "spool-in-memory" : "spool-on-disk", text);
    }
}

/* When the timer should ring next; it may be past. FLUSH_NEVER: not at all. */
static uint64_t next_us(const struct publisher *publisher)
{
    uint64_t at_us = FLUSH_NEVER;

    if (outbox_has_fresh(publisher->outbox))
        at_us = flush_plan_fresh_us(&publisher->plan);
    if (outbox_has_backlog(publisher->outbox))
        at_us = MIN(at_us, flush_plan_backlog_us(&publisher->plan));
    return at_us;
}

static void arm(struct publisher *publisher)
{
    uint64_t at_us = next_us(publisher);

    if (publisher->shipping || !uplink_is_ready(publisher->uplink))
        return;
    if (publisher->finish_done)
        at_us = clock_monotonic_us();
    if (at_us == FLUSH_NEVER) {
        (void) sd_event_source_set_enabled(publisher->timer, SD_EVENT_OFF);
        return;
    }
    if (sd_event_source_set_time(publisher->timer, at_us) < 0 ||
        sd_event_source_set_enabled(publisher->timer, SD_EVENT_ONESHOT) < 0)
        log_error("no timer: metrics wait for the next window");
}

static int publisher_on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct publisher *publisher = userdata;
    uint64_t now_us = clock_monotonic_us();
    bool finishing = publisher->finish_done;

    if (publisher->shipping || !uplink_is_ready(publisher->uplink))
        return 0;
    if ((finishing || flush_plan_fresh_us(&publisher->plan) <= now_us) &&
        ship(publisher, FLUSH_FRESH))
        return 0;
    if (finishing) {
        end_finish(publisher);
        return 0;
    }
    if (flush_plan_backlog_us(&publisher->plan) <= now_us && ship(publisher, FLUSH_BACKLOG))
        return 0;
    /* Nothing went out though it was time (no memory, no client): with the next window again. */
    return 0;
}

static void publisher_on_uplink(void *userdata)
{
    arm(userdata);
}

/* --- the interface ------------------------------------------------------------------------------
 */

uint64_t publisher_next_number(const struct publisher *publisher)
{
    return outbox_next_number(publisher->outbox);
}

bool publisher_has(const struct publisher *publisher, uint64_t number)
{
    return outbox_has(publisher->outbox, number);
}

int publisher_append(struct publisher *publisher, const char *window, size_t length,
                     uint64_t start_realtime_us, double cpu_percent)
{
    uint64_t now_realtime_us = clock_realtime_us();
    int r = outbox_append(publisher->outbox, window, length, start_realtime_us, now_realtime_us);

    if (r < 0)
        return r;
    flush_plan_window(&publisher->plan, cpu_percent, clock_monotonic_us(), now_realtime_us);
    maintain(publisher);
    (void) begin_sync(publisher);
    arm(publisher);
    return 0;
}

static int publisher_on_finish_late(sd_event_source *source, uint64_t usec, void *userdata)
{
    end_finish(userdata);
    return 0;
}

void publisher_finish(struct publisher *publisher, void (*done)(void *userdata), void *userdata)
{
    /* Who isn't known can't send, whatever the time. */
    uint64_t wait_us =
        uplink_is_ready(publisher->uplink) ? publisher->config->publish_stop_s * USEC_PER_SEC : 0;

    publisher->finish_done = done;
    publisher->finish_userdata = userdata;
    if (sd_event_add_time_relative(publisher->event, &publisher->finish_timer, CLOCK_MONOTONIC,
                                   wait_us, 0, publisher_on_finish_late, publisher) < 0) {
        end_finish(publisher);
        return;
    }
    arm(publisher);
}

const char *publisher_instance_id(const struct publisher *publisher)
{
    return identity_instance_id(uplink_identity(publisher->uplink));
}

int publisher_print_bodies(const struct publisher *publisher, const char *window, size_t length,
                           struct buffer *out)
{
    struct body_settings settings = body_settings(publisher);

    return body_print_all(&settings, window, length, out);
}

void publisher_view(const struct publisher *publisher, struct publish_view *view)
{
    const struct identity *identity = uplink_identity(publisher->uplink);
    struct outbox_counts counts;
    uint64_t at_us = next_us(publisher);

    outbox_counts(publisher->outbox, &counts);
    publish_log_view(&publisher->log, view, clock_monotonic_us());
    view->sink = CONFIG_SINK_CLOUDWATCH;
    view->queued = counts.spool.records;
    view->queued_bytes = counts.spool.bytes;
    view->spool_in_memory = counts.spool.in_memory;
    view->next_us = at_us == FLUSH_NEVER ? 0 : at_us;
    text_copy(view->target, sizeof(view->target), publisher->config->namespace_);
    text_copy(view->waiting_for, sizeof(view->waiting_for), uplink_why(publisher->uplink));
    text_copy(view->region, sizeof(view->region), identity_region(identity) ?: "");
    text_copy(view->asg_name, sizeof(view->asg_name), identity_group(identity) ?: "");
    text_copy(view->instance_type, sizeof(view->instance_type),
              identity_instance_type(identity) ?: "");
    text_copy(view->credentials, sizeof(view->credentials),
              uplink_credentials_source(publisher->uplink));
    text_copy(view->spool, sizeof(view->spool), publisher->spool_dir);
}

/* --- life cycle ---------------------------------------------------------------------------------
 */

/* Without a secret: a node's moment within the minute must not change with its restarts. */
static uint64_t hash_name(const char *name)
{
    static const struct siphash_key none = {0, 0};

    return siphash(&none, name, strlen(name));
}

static struct flush_plan_settings plan_settings(const struct publisher *publisher,
                                                const struct config *config)
{
    return (struct flush_plan_settings){
        .flush_s = config->flush_s,
        .window_s = config->window_s,
        .scaling_target_percent = config->scaling_target_percent,
        .node = hash_name(publisher->host_name),
    };
}

static int open_outbox(struct publisher *publisher)
{
    const struct config *config = publisher->config;
    const struct spool_settings settings = {
        .directory = publisher->spool_dir,
        .limit_bytes = (uint64_t) config->spool_limit_mib * 1024 * 1024,
        .age_limit_us = (uint64_t) config->spool_age_h * 3600 * USEC_PER_SEC,
    };
    struct outbox_counts counts;
    int r = outbox_open(&publisher->outbox, &settings, clock_realtime_us());

    if (r < 0)
        return log_error_errno(-r, "can't use the spool %s: %m", publisher->spool_dir);
    outbox_counts(publisher->outbox, &counts);
    publisher->in_memory = counts.spool.in_memory;
    if (counts.spool.records > 0)
        log_info("%" PRIu64 " windows wait in %s", counts.spool.records, publisher->spool_dir);
    return 0;
}

static int add_timer(struct publisher *publisher, sd_event_source **ret, const char *description,
                     sd_event_time_handler_t handler)
{
    int r = sd_event_add_time(publisher->event, ret, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, handler,
                              publisher);

    if (r < 0)
        return r;
    (void) sd_event_source_set_description(*ret, description);
    return sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

int publisher_new(struct publisher **ret, sd_event *event, const struct config *config,
                  const char *host_name, const struct publisher_owner *owner)
{
    CLEANUP(publisher_freep) struct publisher *publisher = calloc(1, sizeof(*publisher));
    struct flush_plan_settings settings;
    int r;

    if (!publisher)
        return -ENOMEM;
    publisher->event = event;
    publisher->config = config;
    publisher->owner = *owner;
    text_copy(publisher->host_name, sizeof(publisher->host_name), host_name);
    if (config->spool_dir[0])
        text_copy(publisher->spool_dir, sizeof(publisher->spool_dir), config->spool_dir);
    else
        snprintf(publisher->spool_dir, sizeof(publisher->spool_dir), "%.240s/spool",
                 config->state_dir);
    settings = plan_settings(publisher, config);
    flush_plan_init(&publisher->plan, &settings);
    r = open_outbox(publisher);
    if (r >= 0)
        r = offload_new(&publisher->offload, event, 1, SYNC_QUEUE_MAX);
    if (r >= 0)
        r = add_timer(publisher, &publisher->timer, "publish", publisher_on_timer);
    if (r >= 0)
        r = add_timer(publisher, &publisher->sync_timer, "publish-sync", publisher_on_sync_late);
    if (r >= 0)
        r = uplink_new(&publisher->uplink, event, config, publisher->host_name, publisher_on_uplink,
                       publisher);
    if (r < 0)
        return r;
    *ret = TAKE(publisher);
    return 0;
}

struct publisher *publisher_free(struct publisher *publisher)
{
    if (!publisher)
        return NULL;
    publisher->uplink = uplink_free(publisher->uplink); /* ends a call without a result */
    if (publisher->shipping)
        shipment_done(&publisher->shipment);
    publisher->shipping = publisher->sending = false;
    sd_event_source_disable_unref(publisher->finish_timer);
    sd_event_source_disable_unref(publisher->sync_timer);
    sd_event_source_disable_unref(publisher->timer);
    offload_free(publisher->offload);
    outbox_free(publisher->outbox);
    free(publisher);
    return NULL;
}

int publisher_configure(struct publisher *publisher, const struct config *config)
{
    struct flush_plan_settings settings = plan_settings(publisher, config);
    int r = uplink_configure(publisher->uplink, config);

    if (r < 0)
        return r;
    publisher->config = config;
    flush_plan_configure(&publisher->plan, &settings);
    arm(publisher);
    return 0;
}
