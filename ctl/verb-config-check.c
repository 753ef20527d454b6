/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl config check: would agentd take these files? For scripts that are about to put them in
 * place, so it must work where no daemon runs.
 */
#include "ctl/config-files.h"
#include "ctl/session.h"

#include <stdio.h>

static enum exit_code print_result(struct session *session, const struct config *config,
                                   const char *error)
{
    CLEANUP_JSON struct json_object *object = json_object_new_object();

    json_add_u64(object, "schema_version", SESSION_SCHEMA);
    json_add_bool(object, "ok", config != NULL);
    json_add(object, "apps", config ? json_object_new_int64((int64_t) config->n_apps) : NULL);
    json_add_string(object, "error", error);
    return session_print_json(session, object, false);
}

/* The bad line goes to standard error as it is, without "agentctl: ", so that an editor can jump
 * to it. */
enum exit_code verb_config_check(struct session *session)
{
    CLEANUP(config_freep) struct config *config = NULL;
    char error[CONFIG_ERROR_MAX];
    int r = config_files_load(&session->arguments, &config, error);

    if (session_has(session, VERB_OPTION_JSON)) {
        enum exit_code code = print_result(session, config, r < 0 ? error : NULL);

        return code != EXIT_CODE_OK ? code : r < 0 ? EXIT_CODE_USAGE : EXIT_CODE_OK;
    }
    if (r < 0) {
        fprintf(stderr, "%s\n", error);
        return EXIT_CODE_USAGE;
    }
    buffer_printf(&session->out, "ok: %zu app%s\n", config->n_apps, config->n_apps == 1 ? "" : "s");
    return session_flush(session);
}
