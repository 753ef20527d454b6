/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl config show: every key with its value and where it comes from. The daemon's word is what
 * is in force; the files' is what a reload would bring.
 */
#include "ctl/config-files.h"
#include "ctl/fields.h"
#include "ctl/session.h"

#include <stdio.h>
#include <string.h>

#define CONFIG_TEXT_LIMIT (4u * 1024 * 1024)

/* Each line cleaned; the text itself is kept as it is for --json. */
static void print_lines(struct buffer *out, const char *text)
{
    while (*text) {
        CLEANUP_FREE char *line = strndup(text, strcspn(text, "\n"));

        text += strcspn(text, "\n");
        text += *text == '\n';
        display_clean(out, line ? line : "", SIZE_MAX);
        buffer_append_string(out, "\n");
    }
}

static enum exit_code print_text(struct session *session, const char *text)
{
    print_lines(&session->out, text);
    return session_flush(session);
}

static enum exit_code show_files(struct session *session)
{
    CLEANUP(config_freep) struct config *config = NULL;
    CLEANUP(buffer_done) struct buffer text = {.data = NULL};
    char error[CONFIG_ERROR_MAX];

    buffer_init(&text, CONFIG_TEXT_LIMIT);
    if (config_files_load(&session->arguments, &config, error) < 0) {
        fprintf(stderr, "%s\n", error);
        return EXIT_CODE_USAGE;
    }
    if (config_print(config, &text) < 0)
        return session_fail(EXIT_CODE_FAILED, "out of memory");
    if (session_has(session, VERB_OPTION_JSON)) {
        CLEANUP_JSON struct json_object *object = json_object_new_object();

        json_add_u64(object, "schema_version", SESSION_SCHEMA);
        json_add_string(object, "text", text.data);
        return session_print_json(session, object, false);
    }
    return print_text(session, text.data ? text.data : "");
}

enum exit_code verb_config_show(struct session *session)
{
    CLEANUP_JSON struct json_object *body = NULL;
    enum exit_code code;

    if (session_has(session, VERB_OPTION_CONFIG) || session_has(session, VERB_OPTION_CONFIG_DIR))
        return show_files(session);
    code = session_ask(session, "/v1/config", NULL, &body);
    if (code != EXIT_CODE_OK)
        return code;
    if (session_has(session, VERB_OPTION_JSON))
        return session_print_json(session, body, false);
    return print_text(session, field_text(body, "text", ""));
}
