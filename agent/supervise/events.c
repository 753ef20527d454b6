/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/supervise/events.h"

#include "common/base/log.h"
#include "common/base/macro.h"
#include "common/base/text.h"
#include "common/schema/events.h"

#include <stdio.h>
#include <string.h>

static void clean(char *text, size_t size)
{
    text[size - 1] = '\0';
    text_replace_controls(text, '?');
}

static void write_log(const struct event *event)
{
    const struct event_entry *entry = event_find(event->name);
    char name[64], app[64], slot[32], pid[32], id[64];
    const char *fields[6] = {name};
    size_t n = 1;

    snprintf(name, sizeof(name), "EVENT=%s", event->name);
    if (entry) {
        snprintf(id, sizeof(id), "MESSAGE_ID=%s", entry->id);
        fields[n++] = id;
    }
    if (event->app[0]) {
        snprintf(app, sizeof(app), "APP=%s", event->app);
        fields[n++] = app;
    }
    if (event->slot) {
        snprintf(slot, sizeof(slot), "SLOT=%u", event->slot);
        fields[n++] = slot;
    }
    if (event->pid) {
        snprintf(pid, sizeof(pid), "WORKER_PID=%d", event->pid);
        fields[n++] = pid;
    }
    if (event->app[0] && event->slot && event->pid)
        log_fields(event->level, fields, "%s.%u[%d] %s", event->app, event->slot, event->pid,
                   event->text);
    else if (event->app[0] && event->slot)
        log_fields(event->level, fields, "%s.%u %s", event->app, event->slot, event->text);
    else if (event->app[0])
        log_fields(event->level, fields, "%s: %s", event->app, event->text);
    else
        log_fields(event->level, fields, "%s", event->text);
}

void events_add(struct event_ring *ring, const struct event *event, uint64_t realtime_us)
{
    uint64_t id = ring->last_id + 1;
    struct event *place = &ring->events[id % EVENTS_MAX];

    /* The id goes in last: a core that is killed here leaves an empty place, not a torn event. */
    place->id = 0;
    __atomic_signal_fence(__ATOMIC_RELEASE);
    struct event copy = *event;
    copy.id = 0;
    copy.realtime_us = realtime_us;
    clean(copy.app, sizeof(copy.app));
    clean(copy.name, sizeof(copy.name));
    clean(copy.text, sizeof(copy.text));
    *place = copy;
    __atomic_signal_fence(__ATOMIC_RELEASE);
    place->id = id;
    ring->last_id = id;
    write_log(place);
}

void events_note(struct event_ring *ring, int level, const char *name, const char *text,
                 uint64_t realtime_us)
{
    struct event event = {.level = level};

    text_copy(event.name, sizeof(event.name), name);
    text_copy(event.text, sizeof(event.text), text);
    events_add(ring, &event, realtime_us);
}

bool events_next(const struct event_ring *ring, uint64_t after, struct event *ret)
{
    uint64_t last = ring->last_id;
    uint64_t oldest = last >= EVENTS_MAX ? last - EVENTS_MAX + 1 : 1;

    if (after >= last)
        return false;
    for (uint64_t left = last - MAX(after, oldest - 1); left > 0; left--) {
        uint64_t id = last - left + 1;
        const struct event *place = &ring->events[id % EVENTS_MAX];

        if (place->id != id)
            continue;
        *ret = *place;
        clean(ret->app, sizeof(ret->app));
        clean(ret->name, sizeof(ret->name));
        clean(ret->text, sizeof(ret->text));
        return true;
    }
    return false;
}

void events_attach(struct event_ring *ring, uint64_t id, const char *text)
{
    struct event_detail *detail = &ring->details[ring->n_details % EVENT_DETAILS_MAX];

    detail->id = 0; /* as in events_add() */
    __atomic_signal_fence(__ATOMIC_RELEASE);
    text_copy(detail->text, sizeof(detail->text), text);
    __atomic_signal_fence(__ATOMIC_RELEASE);
    detail->id = id;
    ring->n_details++;
}

bool events_detail(const struct event_ring *ring, uint64_t id, char text[EVENT_DETAIL_BYTES])
{
    for (size_t i = 0; id && i < EVENT_DETAILS_MAX; i++) {
        if (ring->details[i].id != id)
            continue;
        memcpy(text, ring->details[i].text, EVENT_DETAIL_BYTES);
        text[EVENT_DETAIL_BYTES - 1] = '\0';
        return true;
    }
    return false;
}
