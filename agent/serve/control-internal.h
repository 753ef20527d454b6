/* SPDX-License-Identifier: Apache-2.0 */
/* The control API, for its own files: control.c (reading, answers) and control-changes.c (what
 * changes something). */
#pragma once

#include "agent/serve/control.h"
#include "agent/serve/peer.h"

#define CONTROL_PROGRESS_PREFIX "/v1/restart/"
#define CONTROL_UPGRADE_PREFIX  "/v1/upgrade/"
#define CONTROL_RELOADS_MAX     16u /* that wait for one answer */

struct control_waiting {
    struct http_request *requests[CONTROL_RELOADS_MAX];
    size_t n;
};

struct control {
    struct http_server *server;
    struct control_owner owner;
    struct control_waiting reloads[2]; /* for the reload under way; for the one after it */
    struct http_request *upgrading;    /* waits for the check's answer */
    gid_t admin_group;                 /* PEER_NO_GROUP: none */
};

void control_respond(struct http_request *request, unsigned status,
                     struct json_object *take_object);
void control_respond_error(struct http_request *request, unsigned status, const char *why);
struct json_object *control_new_answer(void);
/* Whether the peer may change something; if not, it was answered. Both ways it is logged. */
bool control_may_change(struct control *control, struct http_request *request, const char *what);
/* The same, and who it is. */
bool control_peer_may_change(struct control *control, struct http_request *request,
                             const char *what, struct peer *ret);
/* 409: not in this state, told apart from a configuration that is bad. */
void control_refuse(struct http_request *request, const char *why);

/* Routes; |userdata| is a struct control. */
void control_on_restart(struct http_request *request, void *userdata);
void control_on_progress(struct http_request *request, void *userdata);
void control_on_reload(struct http_request *request, void *userdata);
void control_on_scale(struct http_request *request, void *userdata);
void control_on_drain(struct http_request *request, void *userdata);
void control_on_undrain(struct http_request *request, void *userdata);
void control_on_upgrade(struct http_request *request, void *userdata);
void control_on_upgrade_progress(struct http_request *request, void *userdata);
void control_on_stress(struct http_request *request, void *userdata);
void control_on_stress_on(struct http_request *request, void *userdata);
void control_on_stress_off(struct http_request *request, void *userdata);
