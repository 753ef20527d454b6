/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control API: HTTP/1.1 and JSON on a unix socket, which agentctl and curl speak.
 *
 *   GET  /v1/status /v1/health /v1/metrics /v1/config /v1/version
 *   GET  /v1/metrics/bodies                                what CloudWatch would get for the last
 * full window; 409 before the first
 *   GET  /metrics                                          for Prometheus
 *   GET  /v1/events?since=ID&limit=N
 *   GET  /v1/history                                       the last ten minutes, in points of 5 s
 *   POST /v1/restart {"app", "slot"} or {"core": true}     202 with a token
 *   POST /v1/reload {"app"}                                200 with what changed, which rolls
 * follow, and a token; 409 with the configuration's error
 *   GET  /v1/restart/TOKEN                                 of both: done or not, why it failed, and
 * the worker to blame with its last lines
 *   POST /v1/scale {"app", "workers"}
 *   POST /v1/drain /v1/undrain
 *   GET  /v1/stress
 *   POST /v1/stress {"load", "seconds", "cores", "priority"}, none of which must be there, and
 *   POST /v1/stress/off                                    200 with what is on then
 *   POST /v1/upgrade                                       202 with versions and a token; 422 with
 * what the check of the new programs says
 *   GET  /v1/upgrade/TOKEN                                 done or not, and why it failed
 *
 * The socket's mode decides who may read; root, the agent's user and the admin group may change,
 * and only they see the values of apps.NAME.environment. Each change is logged with uid and pid.
 * Errors are {"error": "one line"}; those of HTTP itself (404, 405, 413) are plain text.
 */
#pragma once

#include "agent/core/snapshot.h"
#include "agent/observe/history.h"
#include "agent/observe/statsd.h"
#include "agent/serve/control-request.h"
#include "agent/stress/policy.h"
#include "agent/supervise/events.h"
#include "common/base/json.h"
#include "common/net/http-server.h"

struct control;

enum control_progress { CONTROL_UNKNOWN, CONTROL_RUNNING, CONTROL_DONE, CONTROL_FAILED };

/* Why a restart or reload has failed. */
struct control_failure {
    char why[256];              /* one line */
    char app[APP_NAME_MAX + 1]; /* whose worker is to blame; "": none is */
    unsigned slot;
    int pid;
    bool lines_due;                 /* its last lines are not there yet */
    char lines[EVENT_DETAIL_BYTES]; /* each with a newline; "": none */
};

/* The commands' way back to the root object, and what is shown. */
struct control_owner {
    const struct snapshot *(*snapshot)(void *userdata);
    const struct config *(*config)(void *userdata);
    const struct event_ring *(*events)(void *userdata);
    struct http_response *(*health)(void *userdata);
    const struct statsd *(*statsd)(void *userdata); /* NULL: it listens nowhere */
    const struct history *(*history)(void *userdata);
    /* Appends the bodies of the last full window, as a JSON array. 0, -EAGAIN before the first, or
     * a negative errno. */
    int (*print_bodies)(struct buffer *out, void *userdata);
    const char *(*log_directory)(void *userdata); /* NULL: the journal */
    /* How many workers will be replaced (0 for the core), and a token; -ENOENT, or -EBUSY while the
     * node stops. */
    int (*restart)(const struct control_restart *restart, uint64_t *ret_token, void *userdata);
    /* |ret| is filled in when it failed. */
    enum control_progress (*progress)(uint64_t token, struct control_failure *ret, void *userdata);
    /*
     * Begins a reload of |app| ("": all), whose end control_reload_done() tells: 0, or 1 if it
     * begins when the one under way ends. -ENOENT: there is no such app; -EINVAL with a line in
     * |why| for a bad file; -EBUSY while the node stops, or with a line in |why|.
     */
    int (*reload)(const char *app, char *why, size_t why_size, void *userdata);
    /* 0, -ENOENT or (both) -EBUSY while the node stops. */
    int (*scale)(const char *app, unsigned wanted, unsigned *ret_before, void *userdata);
    int (*drain)(bool drain, bool *ret_changed, void *userdata);
    /* Begins an upgrade's check, whose end control_upgrade_checked() tells. 0, or -EBUSY with a
     * line in |why|. */
    int (*upgrade)(const char **why, void *userdata);
    /* *ret_why is the caller's to free, set when it failed. */
    enum control_progress (*upgrade_progress)(uint64_t token, char **ret_why, void *userdata);
    /* Begins a stress or changes it: 0 or 1; -EINVAL (longer than allowed) or -EBUSY (not now),
     * with a line in |why|. */
    int (*stress_on)(const struct stress_order *order, const struct stress_asker *asker,
                     char why[STRESS_WHY_MAX], void *userdata);
    bool (*stress_off)(const struct stress_asker *asker, void *userdata); /* was it on */
    void *userdata;
};

int control_new(struct control **ret, sd_event *event, const struct control_owner *owner);
struct control *control_free(struct control *control);
DEFINE_CLEANUP(struct control *, control_free)

/* Another configuration is in force: looks its admin group up, once, as that may block. */
void control_take_config(struct control *control);

int control_listen(struct control *control, int listen_fd);

/* A reload's configuration is in force (|error| NULL; its rolls may go on), or is not.
 * |take_answer| is what who asked for it gets. */
void control_reload_done(struct control *control, const char *error,
                         struct json_object *take_answer);

/* The programs on disk were asked. |why| NULL: the upgrade begins in a moment, which is time to
 * answer. */
void control_upgrade_checked(struct control *control, const char *why, const char *version,
                             uint64_t token);
