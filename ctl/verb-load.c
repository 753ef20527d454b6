/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl load: a bounded number of requests to one address, and what became of them.
 *
 * Before the first one it says to whom they go. How it goes is shown on standard error, so that
 * standard output has the summary alone.
 */
#include "common/base/clock.h"
#include "common/base/files.h"
#include "ctl/live.h"
#include "ctl/load-report.h"
#include "ctl/session.h"
#include "ctl/url.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Where standard error is no terminal, a line each so often. */
#define PLAIN_LINE_TICKS 10u

struct view {
    const struct load_options *options;
    struct display display; /* standard error's */
    struct live live;
    unsigned ticks;
    bool no_color;
};

static void show(const struct load_state *state, void *userdata)
{
    CLEANUP(buffer_done) struct buffer line = {.data = NULL};
    struct view *view = userdata;

    buffer_init(&line, 4096);
    if (view->display.terminal)
        display_init(&view->display, STDERR_FILENO, view->no_color); /* it may have been resized */
    load_report_line(&line, view->options, state, &view->display);
    if (state->interrupted && state->in_flight > 0)
        buffer_printf(&line,
                      "Waits up to 10 s for what is under way (%u); Ctrl-C again gives it up.\n",
                      state->in_flight);
    if (view->display.terminal)
        live_draw(&view->live, line.data);
    else if (++view->ticks % PLAIN_LINE_TICKS == 0)
        fd_write_all(STDERR_FILENO, line.data, line.length);
}

/* --- The command line ------------------------------------------------------------------------ */

static enum exit_code refuse_number(enum verb_option option, uint64_t max)
{
    return session_fail(EXIT_CODE_USAGE, "--%s: 1 to %" PRIu64 " is allowed",
                        verb_option_info(option)->name, max);
}

/* With neither, a rate that hurts nobody; a rate alone may use all connections. */
static enum exit_code read_options(const struct session *session, const struct url *url,
                                   struct load_options *ret)
{
    const struct arguments *arguments = &session->arguments;
    bool has_rate = session_has(session, VERB_OPTION_RATE),
         has_connections = session_has(session, VERB_OPTION_CONNECTIONS);
    uint64_t rate = arguments_number(arguments, VERB_OPTION_RATE,
                                     has_connections ? 0 : LOAD_RATE_DEFAULT),
             connections =
                 arguments_number(arguments, VERB_OPTION_CONNECTIONS, LOAD_CONNECTIONS_MAX);

    *ret = (struct load_options){
        .url = url->text,
        .rate = rate,
        .own_connections = session_has(session, VERB_OPTION_NEW_CONNECTIONS),
        .data = arguments->options[VERB_OPTION_DATA],
        .for_us = arguments_duration_us(arguments, VERB_OPTION_FOR, LOAD_FOR_US),
    };
    if (rate > LOAD_RATE_MAX || (has_rate && rate == 0))
        return refuse_number(VERB_OPTION_RATE, LOAD_RATE_MAX);
    if (connections == 0 || connections > LOAD_CONNECTIONS_MAX)
        return refuse_number(VERB_OPTION_CONNECTIONS, LOAD_CONNECTIONS_MAX);
    if (ret->for_us < LOAD_FOR_MIN_US || ret->for_us > LOAD_FOR_MAX_US)
        return session_fail(EXIT_CODE_USAGE, "--for: 1s to 1h is allowed");
    if (ret->data && strlen(ret->data) > LOAD_DATA_MAX)
        return session_fail(EXIT_CODE_USAGE, "--data: up to %u bytes are allowed", LOAD_DATA_MAX);
    ret->connections = (unsigned) connections;
    return EXIT_CODE_OK;
}

/* --- The end --------------------------------------------------------------------------------- */

static enum exit_code fail_run(const struct load_options *options, int error)
{
    switch (error) {
    case -ELIBACC:
        return session_fail(EXIT_CODE_FAILED, "libcurl can't be loaded");
    case -EMFILE:
        return session_fail(EXIT_CODE_FAILED,
                            "%u connections want more descriptors than this process may have "
                            "(ulimit -Hn); take fewer with --connections",
                            options->connections);
    default:
        return session_fail(EXIT_CODE_FAILED, "can't send requests: %s", strerror(-error));
    }
}

static enum exit_code print(struct session *session, const struct load_options *options,
                            struct load_state *state)
{
    if (session_has(session, VERB_OPTION_JSON)) {
        CLEANUP_JSON struct json_object *object = NULL;

        instances_sort(&state->tally.instances);
        object = load_report_json(options, state);
        return session_print_json(session, object, false);
    }
    if (load_report_summary(&session->out, options, state, &session->display) < 0)
        session->out.failed = true;
    return session_flush(session);
}

static enum exit_code judge(const struct load_state *state)
{
    const struct load_tally *tally = &state->tally;

    if (tally->answered == 0 && load_tally_unanswered(tally) > 0)
        return EXIT_CODE_UNREACHABLE;
    return load_tally_failed(tally) > 0 || state->pace.unsent > 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}

static void say_plan(const struct view *view)
{
    CLEANUP(buffer_done) struct buffer plan = {.data = NULL}, lines = {.data = NULL};

    buffer_init(&plan, 4 * URL_MAX);
    buffer_init(&lines, 8 * URL_MAX);
    load_report_plan(&plan, view->options);
    if (view->display.terminal)
        display_wrap(&lines, plan.data, 0, 2, view->display.columns);
    else
        buffer_printf(&lines, "%s\n", plan.data);
    fd_write_all(STDERR_FILENO, lines.data, lines.length);
}

enum exit_code verb_load(struct session *session)
{
    CLEANUP_FREE struct load_state *state = NULL;
    struct view view = {.no_color = session_has(session, VERB_OPTION_NO_COLOR)};
    struct load_options options;
    struct url url;
    const char *fault;
    enum exit_code code;
    int r;

    if (url_read(session->arguments.words[0], "/", &url, &fault) < 0)
        return session_fail(EXIT_CODE_USAGE, "load '%s': %s", session->arguments.words[0], fault);
    code = read_options(session, &url, &options);
    if (code != EXIT_CODE_OK)
        return code;
    view.options = &options;
    live_init(&view.live, STDERR_FILENO);
    display_init(&view.display, STDERR_FILENO, view.no_color);
    say_plan(&view);
    r = load_run(&options, show, &view, &state);
    if (r < 0)
        return fail_run(&options, r);
    code = print(session, &options, state);
    return code != EXIT_CODE_OK ? code : judge(state);
}
