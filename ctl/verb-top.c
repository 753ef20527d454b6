/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl top: the node, its workers and the last ten minutes on one screen that follows; or,
 * where there is no terminal, as text, once or every so often.
 *
 * The loop waits for three things at once: keys, signals and the daemon's answers. The first answer
 * is waited for before the terminal is touched, so that what is wrong at the start is said as by
 * every other verb; a daemon that goes away later is waited for.
 */
#include "common/base/clock.h"
#include "common/base/files.h"
#include "ctl/session.h"
#include "ctl/top-feed.h"
#include "ctl/top-screen.h"
#include "ctl/top-view.h"

#include <errno.h>
#include <langinfo.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#define INTERVAL_US     (UINT64_C(1000) * 1000)
#define INTERVAL_MIN_US (UINT64_C(200) * 1000)
#define INTERVAL_MAX_US (UINT64_C(3600) * 1000 * 1000)
#define CLOCK_US        (UINT64_C(1000) * 1000) /* the clock in the corner goes on */

struct top {
    struct session *session;
    struct top_model *model;
    struct top_state state;
    struct graph_look look;
    struct top_feed *feed;
    struct top_screen *screen;
    int signal_fd;
    unsigned page; /* rows of workers in sight */
    int ended_by;  /* a signal */
};

static bool has_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* --- As text --------------------------------------------------------------------------------- */

static void strip_empty_lines(struct buffer *out)
{
    while (out->length >= 2 && out->data[out->length - 1] == '\n' &&
           out->data[out->length - 2] == '\n')
        out->data[--out->length] = '\0';
}

static enum exit_code print_view(struct top *top)
{
    struct session *session = top->session;
    CLEANUP(grid_done) struct grid grid = {.cells = NULL};

    top->model->now_realtime_us = clock_realtime_us();
    if (grid_init(&grid, session->display.columns, top_view_rows(top->model)) < 0)
        return session_fail(EXIT_CODE_FAILED, "out of memory");
    top_view(&grid, &top->look, top->model, &top->state);
    grid_fill(&grid, grid.rows - 1, 0, grid.columns, TOP_STYLE_PLAIN); /* no keys here */
    grid_print(&grid, &session->out);
    strip_empty_lines(&session->out);
    return EXIT_CODE_OK;
}

/* The rest of a round, after its status. What is missing shows as unknown. */
static void ask_more(struct top *top)
{
    CLEANUP(answer_done) struct answer events = {.body = NULL}, history = {.body = NULL};
    char path[TOP_EVENTS_PATH_MAX];

    if (session_try(top->session, top_events_path(path, top->model), NULL, SESSION_ASK_US,
                    &events) == 0 &&
        events.status == 200)
        top_model_take_events(top->model, events.body);
    if (session_try(top->session, "/v1/history", NULL, SESSION_ASK_US, &history) == 0 &&
        history.status == 200)
        top_model_take_history(top->model, history.body);
}

static enum exit_code print_once(struct top *top, const struct json_object *status, bool again)
{
    enum exit_code code = EXIT_CODE_OK;

    if (session_has(top->session, VERB_OPTION_JSON))
        return session_print_json(top->session, status, again);
    top_model_take_status(top->model, status, clock_realtime_us());
    ask_more(top);
    code = print_view(top);
    return code == EXIT_CODE_OK ? session_flush(top->session) : code;
}

/* Every so often, until somebody ends it. A daemon that is away is waited for; it is said once. */
static enum exit_code print_again(struct top *top, uint64_t interval_us)
{
    bool away = false;

    for (;;) {
        CLEANUP(answer_done) struct answer answer = {.body = NULL};
        enum exit_code code;

        session_sleep(interval_us);
        int r = session_try(top->session, "/v1/status", NULL, SESSION_ASK_US, &answer);
        if (r < 0 || answer.status == 503) {
            if (!away)
                session_fail(EXIT_CODE_UNREACHABLE, "agentd does not answer; waiting for it");
            if (!away)
                top_model_lose(top->model, "");
            away = true;
            continue;
        }
        away = false;
        code = session_judge(top->session, &answer);
        if (code == EXIT_CODE_OK && !session_has(top->session, VERB_OPTION_JSON))
            buffer_append_string(&top->session->out, "\n");
        if (code == EXIT_CODE_OK)
            code = print_once(top, answer.body, true);
        if (code != EXIT_CODE_OK)
            return code;
    }
}

/* --- On the terminal ------------------------------------------------------------------------- */

static bool is_live(const struct session *session)
{
    return session->display.terminal && isatty(STDIN_FILENO) == 1 &&
           !session_has(session, VERB_OPTION_ONCE) && !session_has(session, VERB_OPTION_JSON);
}

/* Signals become something that can be read; ncurses' handlers for them never run. */
static int open_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGWINCH);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        return -errno;
    int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* Returns false if it is over. */
static bool read_signals(struct top *top)
{
    struct signalfd_siginfo info;

    while (read(top->signal_fd, &info, sizeof(info)) == sizeof(info))
        if (info.ssi_signo != SIGWINCH) {
            top->ended_by = (int) info.ssi_signo;
            return false;
        }
    return true;
}

static bool read_keys(struct top *top)
{
    int key;

    while ((key = top_screen_key(top->screen)) >= 0) {
        uint64_t now_us = clock_monotonic_us();
        enum top_action action;

        if (key == 12) { /* Ctrl-L, for a screen that somebody else has written on */
            top_screen_forget(top->screen);
            continue;
        }
        action = top_state_key(&top->state, top->model, key, top->page, now_us);
        if (action == TOP_QUIT)
            return false;
        if (action != TOP_NOTHING)
            top_feed_do(top->feed, action, &top->state, now_us);
    }
    return true;
}

/* Returns false when the terminal is gone. */
static bool draw(struct top *top)
{
    CLEANUP(grid_done) struct grid grid = {.cells = NULL};
    unsigned columns, rows;

    if (!top_screen_size(top->screen, &columns, &rows))
        return false;
    if (grid_init(&grid, columns, rows) < 0)
        return true;
    top->model->now_realtime_us = clock_realtime_us();
    top->page = top_view(&grid, &top->look, top->model, &top->state);
    top_screen_show(top->screen, &grid);
    return true;
}

static void follow(struct top *top)
{
    const int fds[] = {STDIN_FILENO, top->signal_fd};
    bool goes_on = true;

    while (goes_on) {
        uint64_t now_us = clock_monotonic_us();
        uint64_t next_us = top_feed_run(top->feed, top->model, &top->state, now_us);

        top_state_refresh(&top->state, top->model, now_us);
        if (!draw(top))
            return;
        next_us = MIN(next_us > now_us ? next_us : now_us + CLOCK_US, now_us + CLOCK_US);
        if (client_wait(top->session->client, fds, ARRAY_SIZE(fds), next_us - now_us) < 0)
            return;
        goes_on = read_signals(top) && read_keys(top);
    }
}

static enum exit_code run_live(struct top *top, uint64_t interval_us)
{
    CLEANUP(top_screen_freep) struct top_screen *screen = NULL;
    CLEANUP(top_feed_freep) struct top_feed *feed = NULL;
    CLEANUP_CLOSE int signal_fd = open_signals();
    const char *term = getenv("TERM");
    int r = signal_fd < 0 ? signal_fd : top_feed_new(&feed, top->session->client, interval_us);

    if (r < 0)
        return session_fail(EXIT_CODE_FAILED, "can't watch: %s", strerror(-r));
    r = top_screen_new(&screen, top->session->display.color);
    if (r < 0)
        return session_fail(EXIT_CODE_FAILED,
                            "this terminal (TERM=%s) can't show it; use agentctl top --once",
                            term ? term : "");
    /* The Linux console's font has no eighths of blocks. */
    if (term && strcmp(term, "linux") == 0)
        top->look.ascii = true;
    top->look.color = top->session->display.color;
    top->feed = feed;
    top->screen = screen;
    top->signal_fd = signal_fd;
    follow(top);
    return EXIT_CODE_OK;
}

/* Ctrl-C is a way to leave; by the others it ends as if it had not caught them. */
static enum exit_code end_by_signal(int number)
{
    sigset_t signals;

    if (number == 0 || number == SIGINT)
        return EXIT_CODE_OK;
    sigemptyset(&signals);
    sigaddset(&signals, number);
    signal(number, SIG_DFL);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
    return EXIT_CODE_OK;
}

enum exit_code verb_top(struct session *session)
{
    CLEANUP_JSON struct json_object *status = NULL;
    CLEANUP_FREE struct top_model *model = calloc(1, sizeof(*model));
    struct top top = {.session = session, .model = model, .look = {.ascii = !has_utf8()}};
    uint64_t interval_us =
        arguments_duration_us(&session->arguments, VERB_OPTION_INTERVAL, INTERVAL_US);
    enum exit_code code;

    if (interval_us < INTERVAL_MIN_US || interval_us > INTERVAL_MAX_US)
        return session_fail(EXIT_CODE_USAGE, "top: --interval wants 200ms to 1h");
    if (!model)
        return session_fail(EXIT_CODE_FAILED, "out of memory");
    top_model_init(model);
    top_state_init(&top.state);
    code = session_ask(session, "/v1/status", NULL, &status);
    if (code != EXIT_CODE_OK)
        return code;
    if (is_live(session)) {
        top_model_take_status(model, status, clock_realtime_us());
        code = run_live(&top, interval_us);
        return code == EXIT_CODE_OK ? end_by_signal(top.ended_by) : code;
    }
    code = print_once(&top, status, session_has(session, VERB_OPTION_INTERVAL));
    if (code == EXIT_CODE_OK && session_has(session, VERB_OPTION_INTERVAL) &&
        !session_has(session, VERB_OPTION_ONCE))
        code = print_again(&top, interval_us);
    return code;
}
