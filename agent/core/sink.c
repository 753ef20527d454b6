/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/core/sink.h"

#include "agent/publish/body.h"
#include "agent/publish/file-sink.h"
#include "agent/publish/publisher.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct sink {
    sd_event *event;
    const struct config *config;
    const char *instance_id;
    struct ledger *ledger;
    struct accounting *accounting;
    struct file_sink *file;      /* opened at the first window */
    struct publisher *publisher; /* of the sink "cloudwatch" */
    /* Of "file"; the publisher has its own. */
    char path[CONFIG_STRING_MAX + 1];
    uint64_t written, errors, last_success_realtime_us;
    char last_error[160];
};

static void note_event(int level, const char *name, const char *text, void *userdata)
{
    struct sink *sink = userdata;
    struct event event = {.level = level};

    text_copy(event.name, sizeof(event.name), name);
    text_copy(event.text, sizeof(event.text), text);
    events_add(ledger_events(sink->ledger), &event, clock_realtime_us());
}

/* --- the file -----------------------------------------------------------------------------------
 */

static void set_path(struct sink *sink)
{
    const struct config *config = sink->config;

    sink->path[0] = '\0';
    if (config->sink != CONFIG_SINK_FILE)
        return;
    if (config->publish_file[0])
        text_copy(sink->path, sizeof(sink->path), config->publish_file);
    else
        snprintf(sink->path, sizeof(sink->path), "%.230s/metrics.jsonl", config->state_dir);
}

/* One line at its noted place. 0 or a negative errno. */
static int write_line(struct sink *sink, uint64_t start_realtime_us, struct body *body)
{
    struct ledger_intent intent;
    struct buffer *line = &body->text;
    int64_t offset;
    size_t length;

    if (!body_end(body, &length) || buffer_append(line, "\n", 1) < 0)
        return -ENOBUFS;
    offset = file_sink_offset(sink->file);
    if (offset < 0)
        return (int) offset;
    intent = (struct ledger_intent){
        .sink = CONFIG_SINK_FILE, .offset = (uint64_t) offset, .length = line->length};
    accounting_intend(sink->accounting, &intent, start_realtime_us);
    return file_sink_append(sink->file, line->data, line->length);
}

/* One line a window, whatever CloudWatch's limits: it is there as a whole or not at all. */
static int write_file(struct sink *sink, const struct sink_window *window)
{
    const struct body_settings settings = {
        .namespace_ = sink->config->namespace_,
        .asg_name = sink->config->asg_name,
        .instance_id = sink->instance_id,
        .per_instance = sink->config->per_instance,
        .limit_bytes = FILE_SINK_LINE_MAX - 1,
        .datums_max = SIZE_MAX,
    };
    struct body body;
    size_t offset = 0;
    int r = 0;

    if (!sink->file) {
        r = file_sink_open(&sink->file, sink->path, 0);
        if (r < 0)
            return r;
    }
    body_begin(&body, &settings);
    r = body_add(&body, window->text, window->length, &offset, NULL);
    if (r >= 0 && body.n_datums > 0)
        r = write_line(sink, window->start_realtime_us, &body);
    body_done(&body);
    return r;
}

static void file_ended(struct sink *sink, int r)
{
    if (r < 0) {
        bool first = sink->last_error[0] == '\0';

        sink->errors++;
        snprintf(sink->last_error, sizeof(sink->last_error), "can't write %.100s: %.40s",
                 sink->path, strerror(-r));
        if (first) { /* of a row of failures; the counter has them all */
            note_event(LOG_ERR, "publish-failed", sink->last_error, sink);
            log_error("samples of this window are lost; requests wait for the next one");
        }
        return;
    }
    if (sink->last_error[0])
        note_event(LOG_NOTICE, "publish-recovered", "metrics are written again", sink);
    sink->last_error[0] = '\0';
    sink->written++;
    sink->last_success_realtime_us = clock_realtime_us();
}

/* --- CloudWatch ---------------------------------------------------------------------------------
 */

static int write_spool(struct sink *sink, const struct sink_window *window)
{
    const struct ledger_intent intent = {.sink = CONFIG_SINK_CLOUDWATCH,
                                         .offset = publisher_next_number(sink->publisher),
                                         .length = 1};
    int r;

    accounting_intend(sink->accounting, &intent, window->start_realtime_us);
    r = publisher_append(sink->publisher, window->text, window->length, window->start_realtime_us,
                         window->cpu_percent);
    if (r < 0)
        log_error_errno(-r, "can't keep a window, its samples are lost; requests wait for the next "
                            "one: %m");
    return r;
}

/* --- both ---------------------------------------------------------------------------------------
 */

void sink_write(struct sink *sink, const struct sink_window *window)
{
    int r = 0;

    if (sink->config->sink == CONFIG_SINK_FILE) {
        r = write_file(sink, window);
        file_ended(sink, r);
    } else if (sink->publisher) {
        r = write_spool(sink, window);
    }
    accounting_settle(sink->accounting, r >= 0);
}

void sink_finish(struct sink *sink, void (*done)(void *userdata), void *userdata)
{
    if (sink->publisher)
        publisher_finish(sink->publisher, done, userdata);
    else
        done(userdata);
}

const char *sink_instance_id(const struct sink *sink)
{
    return sink->publisher ? publisher_instance_id(sink->publisher) : NULL;
}

int sink_print_bodies(const struct sink *sink, const char *text, size_t length, struct buffer *out)
{
    const struct body_settings settings = {
        .namespace_ = sink->config->namespace_,
        .asg_name = sink->config->asg_name,
        .instance_id = sink->instance_id,
        .per_instance = sink->config->per_instance,
    };

    return sink->publisher ? publisher_print_bodies(sink->publisher, text, length, out)
                           : body_print_all(&settings, text, length, out);
}

void sink_view(const struct sink *sink, struct publish_view *view)
{
    *view = (struct publish_view){.sink = sink->config->sink};
    if (sink->publisher) {
        publisher_view(sink->publisher, view);
        return;
    }
    view->windows_written = sink->written;
    view->errors = sink->errors;
    view->last_success_realtime_us = sink->last_success_realtime_us;
    text_copy(view->target, sizeof(view->target), sink->path);
    text_copy(view->last_error, sizeof(view->last_error), sink->last_error);
}

/* --- life cycle ---------------------------------------------------------------------------------
 */

static int new_publisher(struct sink *sink, const struct config *config, struct publisher **ret)
{
    const struct publisher_owner owner = {note_event, sink};

    return publisher_new(ret, sink->event, config, sink->instance_id, &owner);
}

/* Was the window that an earlier core noted written before it died? */
static void settle_old_intent(struct sink *sink)
{
    const struct ledger_intent *intent = &ledger_accounts(sink->ledger)->intent;
    bool written = false;

    if (intent->length == 0)
        return;
    if (intent->sink == CONFIG_SINK_FILE && sink->path[0] &&
        file_sink_open(&sink->file, sink->path, 0) >= 0)
        written = file_sink_settle(sink->file, intent->offset, intent->length) > 0;
    else if (intent->sink == CONFIG_SINK_CLOUDWATCH && sink->publisher)
        written = publisher_has(sink->publisher, intent->offset);
    log_debug("the last core died while it wrote a window, which %s",
              written ? "is there" : "is not there");
    accounting_settle(sink->accounting, written);
}

int sink_new(struct sink **ret, sd_event *event, const struct config *config,
             const char *instance_id, struct ledger *ledger, struct accounting *accounting)
{
    CLEANUP(sink_freep) struct sink *sink = calloc(1, sizeof(*sink));
    int r = 0;

    if (!sink)
        return -ENOMEM;
    sink->event = event;
    sink->config = config;
    sink->instance_id = instance_id;
    sink->ledger = ledger;
    sink->accounting = accounting;
    set_path(sink);
    if (config->sink == CONFIG_SINK_CLOUDWATCH)
        r = new_publisher(sink, config, &sink->publisher);
    if (r < 0)
        return r;
    settle_old_intent(sink);
    *ret = TAKE(sink);
    return 0;
}

struct sink *sink_free(struct sink *sink)
{
    if (!sink)
        return NULL;
    publisher_free(sink->publisher);
    file_sink_free(sink->file);
    free(sink);
    return NULL;
}

int sink_configure(struct sink *sink, const struct config *config)
{
    struct publisher *publisher = NULL;
    int r = 0;

    if (config->sink == CONFIG_SINK_CLOUDWATCH && sink->publisher)
        r = publisher_configure(sink->publisher, config);
    else if (config->sink == CONFIG_SINK_CLOUDWATCH)
        r = new_publisher(sink, config, &publisher);
    if (r < 0)
        return r;
    if (publisher)
        sink->publisher = publisher;
    else if (config->sink != CONFIG_SINK_CLOUDWATCH)
        sink->publisher = publisher_free(sink->publisher); /* what waits stays in the spool */
    sink->config = config;
    sink->file = file_sink_free(sink->file);
    set_path(sink);
    return 0;
}
