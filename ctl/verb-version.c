/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl version: this program's, and the running daemon's; after an upgrade they differ until it
 * is started anew.
 */
#include "config.h"

#include "common/base/clock.h"
#include "ctl/fields.h"
#include "ctl/session.h"

#include <string.h>

/* The version is told also when the daemon is down: then only this one is known. */
enum exit_code verb_version(struct session *session)
{
    CLEANUP(answer_done) struct answer answer = {.body = NULL};
    const char *daemon = NULL;
    int r = session_try(session, "/v1/status", NULL, USEC_PER_SEC, &answer);

    if (r == 0 && answer.status == 200)
        daemon = field_text(answer.body, "version", NULL);
    if (session_has(session, VERB_OPTION_JSON)) {
        CLEANUP_JSON struct json_object *object = json_object_new_object();

        json_add_u64(object, "schema_version", SESSION_SCHEMA);
        json_add_string(object, "agentctl", PACKAGE_VERSION);
        json_add_string(object, "agentd", daemon);
        return session_print_json(session, object, false);
    }
    buffer_printf(&session->out, "agentctl %s\nagentd   ", PACKAGE_VERSION);
    if (daemon)
        display_clean(&session->out, daemon, SIZE_MAX);
    else
        buffer_printf(&session->out, "not reachable%s%s", r < 0 ? ": " : "",
                      r < 0 ? strerror(-r) : "");
    buffer_append_string(&session->out, "\n");
    return session_flush(session);
}
