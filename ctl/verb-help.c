/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl help: texts made from the verbs' table; and, for the build, the completion and the
 * manual page.
 */
#include "ctl/reference.h"
#include "ctl/session.h"

enum exit_code verb_help(struct session *session)
{
    const struct arguments *arguments = &session->arguments;
    enum verb verb;

    if (session_has(session, VERB_OPTION_COMPLETION))
        reference_completion(&session->out);
    else if (session_has(session, VERB_OPTION_MAN))
        reference_man(&session->out);
    else if (arguments->n_words == 0)
        reference_help(&session->out, session->display.columns);
    else if (verb_find(arguments->words, arguments->n_words, &verb) == arguments->n_words)
        reference_verb_help(&session->out, verb, session->display.columns);
    else {
        const char *nearest = verb_nearest(arguments->words[0]);

        return session_fail(EXIT_CODE_USAGE, "no verb '%.40s'; %s%s%s", arguments->words[0],
                            nearest ? "did you mean '" : "agentctl help lists all",
                            nearest ? nearest : "", nearest ? "'?" : "");
    }
    return session_flush(session);
}
