/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot as JSON for the control API: pure. Keys are stable within a schema version: some may
 * be added, none changes its meaning. */
#pragma once

#include "agent/core/snapshot.h"
#include "agent/observe/history.h"
#include "agent/observe/statsd.h"
#include "agent/supervise/events.h"
#include "common/base/json.h"

#define STATUS_SCHEMA_VERSION 1

/* Each returns a new object, the caller's. |log_directory| NULL = the journal. */
struct json_object *status_json(const struct snapshot *snapshot, const char *log_directory);
/* Its part on stress. */
struct json_object *stress_json(const struct snapshot *snapshot);
/* |statsd|: its series too; NULL: none. */
struct json_object *metrics_json(const struct snapshot *snapshot, unsigned window_s,
                                 const struct statsd *statsd);
/* The newest |limit| events with an id above |since|, oldest first; "lost" says how many of those
 * above it are overwritten. */
struct json_object *events_json(const struct event_ring *ring, uint64_t since, size_t limit);
/* What a worker wrote at last, as events_detail() gives it: an array of lines. */
struct json_object *lines_json(const char *text);

/* Each series with its HISTORY_POINTS values, the oldest first; null: not known. */
struct json_object *history_json(const struct history *history);
