/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl: one verb a run.
 *
 * What a verb does is in its own file, and what verbs there are in common/schema/verbs.h; here the
 * two meet.
 */
#include "ctl/reference.h"
#include "ctl/session.h"

#include <locale.h>

/* A verb without a function does not link. */
static enum exit_code run(struct session *session)
{
    static enum exit_code (*const verbs[VERB_COUNT_])(struct session * session) = {
#define MAIN_VERB_(identifier, function, ...) [VERB_##identifier] = verb_##function,
        VERBS(MAIN_VERB_)
#undef MAIN_VERB_
    };

    return verbs[session->arguments.verb](session);
}

static enum exit_code help(struct session *session)
{
    if (session->arguments.has_verb)
        reference_verb_help(&session->out, session->arguments.verb, session->display.columns);
    else
        reference_help(&session->out, session->display.columns);
    return session_flush(session);
}

int main(int argc, char *argv[])
{
    CLEANUP(session_done) struct session session = {.client = NULL};
    struct arguments arguments;
    char error[ARGUMENTS_ERROR_MAX];

    setlocale(LC_CTYPE, ""); /* for the width of what is printed; numbers stay as in C */
    if (arguments_parse(argc, argv, &arguments, error) < 0)
        return session_fail(EXIT_CODE_USAGE, "%s", error);
    session_init(&session, &arguments);
    return session_has(&session, VERB_OPTION_HELP) ? help(&session) : run(&session);
}
