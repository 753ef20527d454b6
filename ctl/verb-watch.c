/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl watch: who answers at an address, as a table that is drawn again and again; where
 * standard output is no terminal, a line a poll and the table at the end.
 */
#include "common/base/clock.h"
#include "ctl/live.h"
#include "ctl/session.h"
#include "ctl/url.h"
#include "ctl/watch-report.h"

#include <errno.h>
#include <string.h>

struct view {
    struct session *session;
    const char *url;
    struct live live;
    bool failed; /* an output that can't be written; it was said */
};

/* --- Printing -------------------------------------------------------------------------------- */

static int draw(struct view *view, const struct watch_state *state)
{
    struct session *session = view->session;
    CLEANUP(buffer_done) struct buffer out = {.data = NULL};
    int r;

    display_init(&session->display, STDOUT_FILENO, session_has(session, VERB_OPTION_NO_COLOR));
    buffer_init(&out, SESSION_OUT_LIMIT);
    r = watch_report_table(&out, view->url, state, &session->display, live_rows(&view->live));
    return r < 0 ? r : live_draw(&view->live, out.data);
}

static int print_poll(struct view *view, const struct watch_state *state,
                      const struct watch_poll *poll)
{
    struct session *session = view->session;
    enum exit_code code;

    if (session_has(session, VERB_OPTION_JSON)) {
        CLEANUP_JSON struct json_object *object =
            watch_report_json(state, poll, clock_realtime_us());

        code = session_print_json(session, object, true);
    } else {
        watch_report_line(&session->out, poll, clock_realtime_us(), &session->display);
        code = session_flush(session);
    }
    view->failed = code != EXIT_CODE_OK;
    return view->failed ? -EPIPE : 0;
}

static bool is_live(const struct session *session)
{
    return session->display.terminal && !session_has(session, VERB_OPTION_JSON);
}

static int show(const struct watch_state *state, const struct watch_poll *poll, void *userdata)
{
    struct view *view = userdata;

    if (is_live(view->session))
        return draw(view, state);
    return poll ? print_poll(view, state, poll) : 0;
}

static enum exit_code print_end(struct view *view, const struct watch_state *state)
{
    struct session *session = view->session;

    if (session_has(session, VERB_OPTION_JSON))
        return EXIT_CODE_OK;
    if (is_live(session)) {
        if (draw(view, state) < 0)
            return session_fail(EXIT_CODE_FAILED, "can't write to the terminal");
        return EXIT_CODE_OK;
    }
    buffer_append_string(&session->out, "\n");
    if (watch_report_table(&session->out, view->url, state, &session->display,
                           INSTANCES_MAX + DISPLAY_COLUMNS_MIN) < 0)
        session->out.failed = true;
    return session_flush(session);
}

/* --- The verb -------------------------------------------------------------------------------- */

static enum exit_code read_options(const struct session *session, const struct url *url,
                                   struct watch_options *ret)
{
    const struct arguments *arguments = &session->arguments;

    *ret = (struct watch_options){
        .url = url->text,
        .interval_us = arguments_duration_us(arguments, VERB_OPTION_INTERVAL, WATCH_INTERVAL_US),
        .for_us = arguments_duration_us(arguments, VERB_OPTION_FOR, 0),
    };
    if (ret->interval_us < WATCH_INTERVAL_MIN_US || ret->interval_us > WATCH_INTERVAL_MAX_US)
        return session_fail(EXIT_CODE_USAGE, "--interval: 100ms to 60s is allowed");
    if (session_has(session, VERB_OPTION_FOR) &&
        (ret->for_us < WATCH_FOR_MIN_US || ret->for_us > WATCH_FOR_MAX_US))
        return session_fail(EXIT_CODE_USAGE, "--for: 1s to 24h is allowed");
    return EXIT_CODE_OK;
}

static enum exit_code fail_run(const struct view *view, int error)
{
    if (view->failed)
        return EXIT_CODE_FAILED;
    if (error == -ELIBACC)
        return session_fail(EXIT_CODE_FAILED, "libcurl can't be loaded");
    return session_fail(EXIT_CODE_FAILED, "can't watch: %s", strerror(-error));
}

enum exit_code verb_watch(struct session *session)
{
    struct view view = {.session = session};
    struct watch_options options;
    struct watch_state state;
    struct url url;
    const char *fault;
    enum exit_code code;
    int r;

    if (url_read(session->arguments.words[0], "/health", &url, &fault) < 0)
        return session_fail(EXIT_CODE_USAGE, "watch '%s': %s", session->arguments.words[0], fault);
    code = read_options(session, &url, &options);
    if (code != EXIT_CODE_OK)
        return code;
    view.url = url.text;
    live_init(&view.live, STDOUT_FILENO);
    r = watch_run(&options, show, &view, &state);
    if (r < 0)
        return fail_run(&view, r);
    code = print_end(&view, &state);
    if (code != EXIT_CODE_OK)
        return code;
    return state.answered > 0 || state.polls == 0 ? EXIT_CODE_OK : EXIT_CODE_UNREACHABLE;
}
