/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl logs: the lines of agentd, of an app or of one worker.
 *
 * They live in the journal, or (without one) in a file a worker. This finds out which, and whose
 * lines are wanted; journalctl(1) knows the rest better than we would.
 */
#include "common/base/text.h"
#include "ctl/fields.h"
#include "ctl/log-file.h"
#include "ctl/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define IDENTIFIERS_MAX    (2 + APPS_MAX * APP_SLOTS_MAX)
#define IDENTIFIER_MAX     (APP_NAME_MAX + 8)
#define LOGS_POLL_US       (UINT64_C(250) * 1000)
#define LOGS_DIRECTORY_MAX 4096

/* Whose lines to show, as the journal's identifiers and the files' names are made. */
struct identifiers {
    size_t count;
    char names[IDENTIFIERS_MAX][IDENTIFIER_MAX];
};

/* Without a slot: a name of its own, as agentd has. */
static void add_identifier(struct identifiers *identifiers, const char *app, uint64_t slot)
{
    char *name;

    if (identifiers->count == IDENTIFIERS_MAX)
        return;
    name = identifiers->names[identifiers->count++];
    if (slot > 0)
        snprintf(name, IDENTIFIER_MAX, "%.*s.%" PRIu64, APP_NAME_MAX, app,
                 MIN(slot, UINT64_C(999)));
    else
        snprintf(name, IDENTIFIER_MAX, "%.*s", APP_NAME_MAX, app);
}

static void add_agent(struct identifiers *identifiers)
{
    add_identifier(identifiers, "agentd", 0);
    add_identifier(identifiers, "agentd-core", 0);
}

/* --- Whose lines ----------------------------------------------------------------------------- */

/* By the daemon's word: the slots that there are. */
static enum exit_code choose(const struct json_object *status, const struct target *target,
                             struct identifiers *identifiers)
{
    char names[256] = "";
    bool found = !target;

    if (!target)
        add_agent(identifiers);
    for (size_t i = 0; i < field_items(status, "apps"); i++) {
        const struct json_object *app = field_item(status, "apps", i);
        const char *name = field_text(app, "name", "");
        struct target checked;

        if (target_parse(name, &checked) < 0 || checked.slot > 0)
            continue;
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", *names ? ", " : "",
                 name);
        if (target && strcmp(target->app, name) != 0)
            continue;
        found = true;
        if (target && target->slot > 0)
            add_identifier(identifiers, name, target->slot);
        for (size_t w = 0; !(target && target->slot) && w < field_items(app, "workers"); w++)
            add_identifier(identifiers, name,
                           (uint64_t) MAX(field_int(field_item(app, "workers", w), "slot", 1), 1));
    }
    if (!found)
        return session_fail(EXIT_CODE_USAGE, "no app '%s'; there is: %s", target->app,
                            *names ? names : "none");
    return EXIT_CODE_OK;
}

/* Without the daemon: every slot that there could be. */
static void choose_blindly(const struct target *target, struct identifiers *identifiers)
{
    if (!target)
        add_agent(identifiers);
    for (unsigned slot = 1; target && slot <= APP_SLOTS_MAX; slot++)
        if (target->slot == 0 || target->slot == slot)
            add_identifier(identifiers, target->app, slot);
}

/* --- The journal ----------------------------------------------------------------------------- */

/* Does not return if it works. The pager, colours and the rights to read are journalctl's own
 * matter. */
static enum exit_code run_journalctl(const struct session *session,
                                     const struct identifiers *identifiers)
{
    char lines[32];
    size_t n = 0;
    CLEANUP_FREE const char **argv = calloc(2 * identifiers->count + 8, sizeof(*argv));

    if (!argv)
        return session_fail(EXIT_CODE_FAILED, "out of memory");
    snprintf(lines, sizeof(lines), "--lines=%" PRIu64,
             arguments_number(&session->arguments, VERB_OPTION_LINES, SESSION_LINES));
    argv[n++] = "journalctl";
    argv[n++] = lines;
    if (session_has(session, VERB_OPTION_FOLLOW))
        argv[n++] = "--follow";
    if (session_has(session, VERB_OPTION_JSON)) {
        argv[n++] = "--output=json";
        argv[n++] = "--output-fields=SYSLOG_IDENTIFIER,MESSAGE,PRIORITY,_PID";
    }
    for (size_t i = 0; i < identifiers->count; i++) {
        argv[n++] = "-t";
        argv[n++] = identifiers->names[i];
    }
    if (session->display.terminal && !session->display.color)
        setenv("SYSTEMD_COLORS", "0", 1);
    execvp(argv[0], (char *const *) argv);
    return session_fail(EXIT_CODE_FAILED, "can't run journalctl: %s", strerror(errno));
}

/* --- Files ----------------------------------------------------------------------------------- */

struct reader {
    struct session *session;
    bool several; /* then each line says whose it is */
};

/* Called for each line of a file, which anybody may have written. */
static void print_line(void *userdata, const char *identifier, const char *line)
{
    const struct reader *reader = userdata;
    struct buffer *out = &reader->session->out;

    if (session_has(reader->session, VERB_OPTION_JSON)) {
        CLEANUP_JSON struct json_object *object = json_object_new_object();

        json_add_string(object, "SYSLOG_IDENTIFIER", identifier);
        json_add_string(object, "MESSAGE", line);
        json_print(object, false, out);
    } else {
        if (reader->several) {
            display_paint(&reader->session->display, out, PAINT_FAINT, identifier);
            buffer_append_string(out, ": ");
        }
        display_clean(out, line, SIZE_MAX);
    }
    buffer_append_string(out, "\n");
}

/* One round over all files. Absent ones are passed over; *ret_found counts the others. */
static enum exit_code read_all(struct reader *reader, struct log_file *files[], size_t n_files,
                               bool first, size_t *ret_found)
{
    struct session *session = reader->session;
    bool final = !session_has(session, VERB_OPTION_FOLLOW);
    uint64_t lines = arguments_number(&session->arguments, VERB_OPTION_LINES, SESSION_LINES);

    *ret_found = 0;
    for (size_t i = 0; i < n_files; i++) {
        int r = first ? log_file_open_tail(files[i], lines) : 0;

        if (r == 0)
            r = log_file_read(files[i], final, print_line, reader);
        if (r == -ENOENT)
            continue;
        if (r < 0)
            return session_fail(r == -EACCES ? EXIT_CODE_NOT_PERMITTED : EXIT_CODE_FAILED,
                                "can't read the log of %s: %s", log_file_identifier(files[i]),
                                strerror(-r));
        (*ret_found)++;
        enum exit_code code = session_flush(session);
        if (code != EXIT_CODE_OK)
            return code;
    }
    return EXIT_CODE_OK;
}

/* What is there, and with --follow what comes, until interrupted. */
static enum exit_code show_files(struct session *session, const char *directory,
                                 struct log_file *files[], size_t n_files)
{
    struct reader reader = {.session = session, .several = n_files > 1};
    bool follow = session_has(session, VERB_OPTION_FOLLOW);
    size_t found;
    enum exit_code code = read_all(&reader, files, n_files, true, &found);

    if (code == EXIT_CODE_OK && found == 0 && !follow)
        return session_fail(EXIT_CODE_FAILED, "there is no such log in %s yet", directory);
    while (code == EXIT_CODE_OK && follow) {
        session_sleep(LOGS_POLL_US);
        code = read_all(&reader, files, n_files, false, &found);
    }
    return code;
}

static enum exit_code open_files(struct session *session, const char *directory,
                                 const struct identifiers *identifiers)
{
    CLEANUP_FREE struct log_file **files = calloc(identifiers->count + 1, sizeof(*files));
    enum exit_code code = EXIT_CODE_OK;
    size_t n_files = 0;

    for (size_t i = 0; files && i < identifiers->count; i++)
        if (log_file_new(&files[n_files], directory, identifiers->names[i]) == 0)
            n_files++;
    if (!files || n_files < identifiers->count)
        code = session_fail(EXIT_CODE_FAILED, "can't open the logs in %s: the path is too long",
                            directory);
    else
        code = show_files(session, directory, files, n_files);
    for (size_t i = 0; i < n_files; i++)
        log_file_free(files[i]);
    return code;
}

/* --- All ------------------------------------------------------------------------------------- */

enum exit_code verb_logs(struct session *session)
{
    CLEANUP(answer_done) struct answer answer = {.body = NULL};
    CLEANUP_FREE struct identifiers *identifiers = calloc(1, sizeof(*identifiers));
    struct target parsed, *target = NULL;
    enum exit_code code;

    if (!identifiers)
        return session_fail(EXIT_CODE_FAILED, "out of memory");
    if (session->arguments.n_words > 0 && target_parse(session->arguments.words[0], &parsed) == 0)
        target = &parsed;

    int r = session_try(session, "/v1/status", NULL, SESSION_ASK_US, &answer);

    if (r == -ENOENT || r == -ECONNREFUSED || r == -ETIMEDOUT || r == -ECONNRESET) {
        /* A daemon that is down is when its log is wanted most. */
        session_fail_transport(session, r);
        session_fail(EXIT_CODE_UNREACHABLE, "what the journal has of it follows");
        choose_blindly(target, identifiers);
        return run_journalctl(session, identifiers);
    }
    code = r < 0 ? session_fail_transport(session, r) : session_judge(session, &answer);
    if (code == EXIT_CODE_OK)
        code = choose(answer.body, target, identifiers);
    if (code != EXIT_CODE_OK)
        return code;

    const char *directory = field_text(answer.body, "log_directory", NULL);

    return directory ? open_files(session, directory, identifiers)
                     : run_journalctl(session, identifiers);
}
