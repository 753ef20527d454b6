/* SPDX-License-Identifier: Apache-2.0 */
/* agentctl stress: load on purpose, held at a target, that always ends. */
#include "common/base/clock.h"
#include "common/schema/stress.h"
#include "ctl/fields.h"
#include "ctl/session.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* --- What is on ------------------------------------------------------------------------------- */

/* "85 % of all CPUs for another 9 min 58 s, priority idle, asked for by uid 0" */
static void print_target(struct buffer *out, const struct json_object *stress)
{
    double left_s = field_double(stress, "seconds_left");
    int64_t cores = field_int(stress, "cores", 0);
    char text[CLOCK_TEXT_MAX];
    uint64_t left_us = left_s > 1 ? (uint64_t) left_s * USEC_PER_SEC : USEC_PER_SEC;

    buffer_printf(out, "%" PRId64 " %% of all CPUs", field_int(stress, "load", 0));
    if (cores > 0)
        buffer_printf(out, " by %" PRId64 " core%s", cores, cores > 1 ? "s" : "");
    buffer_printf(out, " for another %s, priority ", clock_format_duration(text, left_us));
    display_clean(out, field_text(stress, "priority", "?"), 8);
}

static void print_stress(struct buffer *out, const struct json_object *stress)
{
    double share = field_double(stress, "share");

    if (!field_bool(stress, "on")) {
        buffer_append_string(out, "stress is off\n");
        return;
    }
    buffer_append_string(out, "stress is on: ");
    print_target(out, stress);
    buffer_append_string(out, "\n  asked for by ");
    display_clean(out, field_text(stress, "started_by", "?"), 24);
    if (!field_bool(stress, "running"))
        buffer_append_string(out, ", starting");
    else
        buffer_printf(out, ", pid %" PRId64, field_int(stress, "pid", 0));
    if (isfinite(share))
        buffer_printf(out, ", makes %.1f %% now", share);
    buffer_append_string(out, "\n");
}

enum exit_code verb_stress_status(struct session *session)
{
    CLEANUP_JSON struct json_object *body = NULL;
    enum exit_code code = session_ask(session, "/v1/stress", NULL, &body);
    const struct json_object *stress = field_object(body, "stress");
    const char *last = field_text(stress, "last", "");

    if (code != EXIT_CODE_OK)
        return code;
    if (session_has(session, VERB_OPTION_JSON))
        return session_print_json(session, body, false);
    print_stress(&session->out, stress);
    if (*last) {
        buffer_append_string(&session->out, "  the last one ");
        display_wrap(&session->out, last, 15, 4, session->display.columns);
    }
    return session_flush(session);
}

/* --- Changes ---------------------------------------------------------------------------------- */

/* Done when the process that was asked for runs. A stress that has ended meanwhile won't. */
static enum session_progress look_running(struct session *session, void *userdata)
{
    CLEANUP(answer_done) struct answer answer = {.body = NULL};
    const struct json_object *stress;

    if (session_try(session, "/v1/stress", NULL, SESSION_ASK_US, &answer) < 0 ||
        answer.status != 200)
        return SESSION_GOES_ON;
    stress = field_object(answer.body, "stress");
    if (field_bool(stress, "on"))
        return field_bool(stress, "running") ? SESSION_DONE : SESSION_GOES_ON;
    session_fail(EXIT_CODE_FAILED, "stress has %s", field_text(stress, "last", "ended"));
    return SESSION_FAILED;
}

/* Done when no process is left. */
static enum session_progress look_gone(struct session *session, void *userdata)
{
    CLEANUP(answer_done) struct answer answer = {.body = NULL};

    return session_try(session, "/v1/stress", NULL, SESSION_ASK_US, &answer) >= 0 &&
                   answer.status == 200 && !field_bool(field_object(answer.body, "stress"), "alive")
               ? SESSION_DONE
               : SESSION_GOES_ON;
}

static enum exit_code change(struct session *session, const char *path,
                             const struct json_object *request, session_look look,
                             void (*print)(struct buffer *out, const struct json_object *body))
{
    CLEANUP_JSON struct json_object *body = NULL;
    uint64_t deadline_us = session_deadline_us(session);
    enum exit_code code = session_ask(session, path, request, &body);
    const char *warning = field_text(body, "warning", NULL);

    if (code != EXIT_CODE_OK)
        return code;
    if (session_has(session, VERB_OPTION_JSON)) {
        code = session_print_json(session, body, false);
    } else {
        print(&session->out, body);
        if (warning)
            display_wrap(&session->out, warning, 0, 2, session->display.columns);
        code = session_flush(session);
    }
    if (code == EXIT_CODE_OK && session_waits(session))
        code = session_wait(session, deadline_us, "the change", look, NULL);
    return code;
}

static void print_on(struct buffer *out, const struct json_object *body)
{
    buffer_append_string(out, field_bool(body, "was_on") ? "stress changed: " : "stress on: ");
    print_target(out, field_object(body, "stress"));
    buffer_append_string(out, "\n");
}

static void print_off(struct buffer *out, const struct json_object *body)
{
    buffer_append_string(out,
                         field_bool(body, "was_on") ? "stress off\n" : "stress is off already\n");
}

/* The number of an option into the request, if it was given; false: out of range, and said. */
static bool add_number(const struct session *session, struct json_object *request,
                       enum verb_option option, const char *key, uint64_t max)
{
    uint64_t number = arguments_number(&session->arguments, option, 1);

    if (number < 1 || number > max) {
        session_fail(EXIT_CODE_USAGE,
                     "stress on: --%s '%s': a number from 1 to %" PRIu64 " is wanted",
                     verb_option_info(option)->name, session->arguments.options[option], max);
        return false;
    }
    if (session_has(session, option))
        json_add_u64(request, key, number);
    return true;
}

static bool add_duration(const struct session *session, struct json_object *request)
{
    uint64_t us = arguments_duration_us(&session->arguments, VERB_OPTION_FOR,
                                        STRESS_SECONDS_DEFAULT * USEC_PER_SEC);

    if (us < USEC_PER_SEC || us > STRESS_SECONDS_MAX * USEC_PER_SEC || us % USEC_PER_SEC) {
        session_fail(EXIT_CODE_USAGE,
                     "stress on: --for '%s': whole seconds are wanted, from 1s to 24h",
                     session->arguments.options[VERB_OPTION_FOR]);
        return false;
    }
    json_add_u64(request, "seconds", us / USEC_PER_SEC);
    return true;
}

static bool add_priority(const struct session *session, struct json_object *request)
{
    const char *priority = session->arguments.options[VERB_OPTION_PRIORITY];

    if (!priority)
        return true;
    if (strcmp(priority, "idle") != 0 && strcmp(priority, "normal") != 0) {
        session_fail(EXIT_CODE_USAGE, "stress on: --priority '%s': idle or normal is wanted",
                     priority);
        return false;
    }
    json_add_string(request, "priority", priority);
    return true;
}

enum exit_code verb_stress_on(struct session *session)
{
    CLEANUP_JSON struct json_object *request = json_object_new_object();

    if (!add_number(session, request, VERB_OPTION_LOAD, "load", STRESS_LOAD_MAX) ||
        !add_number(session, request, VERB_OPTION_CORES, "cores", STRESS_CORES_MAX) ||
        !add_duration(session, request) || !add_priority(session, request))
        return EXIT_CODE_USAGE;
    return change(session, "/v1/stress", request, look_running, print_on);
}

enum exit_code verb_stress_off(struct session *session)
{
    CLEANUP_JSON struct json_object *request = json_object_new_object();

    return change(session, "/v1/stress/off", request, look_gone, print_off);
}
