/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl events: what happened, from the ring in the daemon's memory. What it says is there for
 * longer in the log.
 */
#include "ctl/fields.h"
#include "ctl/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EVENT_COLUMN 16  /* columns of an event's time and the gap behind it */
#define EVENTS_ALL   256 /* no answer has more events */
#define HELD_LOOKS   2   /* at a death without its lines, before it is shown all the same */

/* The daemon has three: error, warning, info. */
static enum paint paint_of_severity(const char *severity)
{
    return strcmp(severity, "error") == 0     ? PAINT_BAD
           : strcmp(severity, "warning") == 0 ? PAINT_WARNING
                                              : PAINT_NONE;
}

/* "2026-11-21T22:25:16.123Z" -> "11-21 22:25:16"; any other text stays as it is. */
static void print_time(struct buffer *out, const char *time)
{
    char text[16];

    if (strlen(time) >= 20 && time[4] == '-' && time[7] == '-' && time[10] == 'T') {
        snprintf(text, sizeof(text), "%.5s %.8s", time + 5, time + 11);
        time = text;
    }
    display_clean(out, time, 24);
}

/* "TIME  EVENT APP.SLOT (pid N): TEXT"; wrapped on a terminal, one line elsewhere. */
static void print_event(struct session *session, const struct json_object *event)
{
    const char *app = field_text(event, "app", NULL);
    int64_t slot = field_int(event, "slot", 0), pid = field_int(event, "pid", 0);
    struct buffer *out = &session->out;
    CLEANUP(buffer_done) struct buffer rest = {.data = NULL};

    print_time(out, field_text(event, "time", "?"));
    buffer_append_string(out, "  ");
    display_paint(&session->display, out, paint_of_severity(field_text(event, "severity", "")),
                  field_text(event, "event", "?"));
    buffer_init(&rest, SESSION_OUT_LIMIT);
    if (app) {
        buffer_printf(&rest, " %s", app);
        if (slot > 0)
            buffer_printf(&rest, ".%" PRId64, slot);
    }
    if (pid > 0)
        buffer_printf(&rest, " (pid %" PRId64 ")", pid);
    buffer_printf(&rest, ": %s", field_text(event, "text", ""));
    if (session->display.terminal) {
        unsigned start = EVENT_COLUMN + display_width(field_text(event, "event", "?"));

        if (app || pid > 0)
            buffer_append_string(out, " ");
        display_wrap(out, rest.data ? rest.data : "", start + (app || pid > 0), EVENT_COLUMN + 2,
                     session->display.columns);
    } else {
        display_clean(out, rest.data ? rest.data : "", SIZE_MAX);
        buffer_append_string(out, "\n");
    }
}

/* Below a death what the worker wrote at last, set off so that no line of it looks like an event.
 */
static void print_lines(struct session *session, const struct json_object *event)
{
    for (size_t i = 0; i < field_items(event, "lines"); i++) {
        buffer_append_string(&session->out, "    | ");
        display_clean(&session->out, field_item_text(event, "lines", i), SIZE_MAX);
        buffer_append_string(&session->out, "\n");
    }
}

/* With --follow and --json an object a line, so that a reader need not wait for the end of a list.
 */
static enum exit_code print_events(struct session *session, const struct json_object *body,
                                   bool follow)
{
    int64_t lost = field_int(body, "lost", 0);
    size_t with_lines = 0;

    if (session_has(session, VERB_OPTION_JSON) && !follow)
        return session_print_json(session, body, false);
    if (lost > 0 && !session_has(session, VERB_OPTION_JSON))
        buffer_printf(&session->out, "(%" PRId64 " older events are no longer kept)\n", lost);
    for (size_t i = 0; i < field_items(body, "events"); i++) {
        const struct json_object *event = field_item(body, "events", i);

        if (session_has(session, VERB_OPTION_JSON)) {
            json_print(event, false, &session->out);
            buffer_append_string(&session->out, "\n");
        } else {
            print_event(session, event);
            with_lines += field_items(event, "lines") > 0;
            if (session_has(session, VERB_OPTION_VERBOSE))
                print_lines(session, event);
        }
    }
    if (with_lines > 0 && session->display.terminal && !follow &&
        !session_has(session, VERB_OPTION_VERBOSE))
        buffer_printf(&session->out, "(--verbose shows what %zu dead worker%s wrote at last)\n",
                      with_lines, with_lines == 1 ? "" : "s");
    return session_flush(session);
}

/* A death that has no lines yet, which the journal may give a moment later. */
struct held {
    int64_t id;
    unsigned looks;
};

/* Cuts the answer's events off before a death whose lines may still come, and returns the id of the
 * last one that is left; |last_id|: of the daemon's last. */
static int64_t hold_back(struct held *held, const struct json_object *body, int64_t last_id)
{
    struct json_object *events = NULL;

    (void) json_get_array(body, "events", &events); /* else there are none to look at */
    for (size_t i = 0; i < field_items(body, "events"); i++) {
        const struct json_object *event = field_item(body, "events", i);
        int64_t id = field_int(event, "id", 0);

        if (strcmp(field_text(event, "event", ""), "worker-died") != 0 ||
            field_items(event, "lines") > 0 || id < held->id)
            continue;
        if (id > held->id)
            *held = (struct held){.id = id};
        if (held->looks++ >= HELD_LOOKS)
            continue;
        json_object_array_del_idx(events, i, field_items(body, "events") - i);
        return id - 1;
    }
    return last_id;
}

/* Asks for what is new each second. A daemon that is away is waited for; it is said once. */
static enum exit_code follow_events(struct session *session, int64_t last_id)
{
    bool away = false;
    bool wants_lines =
        session_has(session, VERB_OPTION_JSON) || session_has(session, VERB_OPTION_VERBOSE);
    struct held held = {.id = 0};

    for (;;) {
        CLEANUP(answer_done) struct answer answer = {.body = NULL};
        enum exit_code code;
        char path[64];

        session_sleep(SESSION_FOLLOW_US);
        snprintf(path, sizeof(path), "/v1/events?since=%" PRId64 "&limit=%d", last_id, EVENTS_ALL);
        int r = session_try(session, path, NULL, SESSION_ASK_US, &answer);
        if (r < 0 || answer.status == 503) {
            if (!away)
                session_fail(EXIT_CODE_UNREACHABLE, "agentd does not answer; waiting for it");
            away = true;
            continue;
        }
        away = false;
        code = session_judge(session, &answer);
        if (code != EXIT_CODE_OK)
            return code;
        int64_t newest = field_int(answer.body, "last_id", last_id);
        if (newest < last_id) { /* agentd was started anew and counts from 1 again */
            last_id = held.id = 0;
            continue;
        }
        last_id = wants_lines ? hold_back(&held, answer.body, newest) : newest;
        code = print_events(session, answer.body, true);
        if (code != EXIT_CODE_OK)
            return code;
    }
}

enum exit_code verb_events(struct session *session)
{
    const struct arguments *arguments = &session->arguments;
    CLEANUP_JSON struct json_object *body = NULL;
    bool follow = session_has(session, VERB_OPTION_FOLLOW);
    char path[128];

    /* --since asks for all that came after; the newest few only where nothing else is said. */
    snprintf(
        path, sizeof(path), "/v1/events?since=%" PRIu64 "&limit=%" PRIu64,
        arguments_number(arguments, VERB_OPTION_SINCE, 0),
        arguments_number(arguments, VERB_OPTION_LINES,
                         session_has(session, VERB_OPTION_SINCE) ? EVENTS_ALL : SESSION_LINES));

    enum exit_code code = session_ask(session, path, NULL, &body);

    if (code == EXIT_CODE_OK)
        code = print_events(session, body, follow);
    if (code == EXIT_CODE_OK && follow)
        code = follow_events(session, field_int(body, "last_id", 0));
    return code;
}
