/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the daemon's answers and the system's errors become lines on standard error and exit codes.
 *
 * All verbs fail through here, so that the same trouble reads the same and gives the same code.
 * Data goes to standard output and only that; it is written in one piece at the end, so that a
 * failed verb leaves no half table.
 */
#include "ctl/session.h"

#include "common/base/clock.h"
#include "common/base/files.h"
#include "ctl/fields.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define MESSAGE_MAX 1024

void session_init(struct session *session, const struct arguments *arguments)
{
    const char *variable = getenv("AGENTCTL_SOCKET");

    *session = (struct session){.arguments = *arguments};
    display_init(&session->display, STDOUT_FILENO, arguments_has(arguments, VERB_OPTION_NO_COLOR));
    session->socket_path = arguments->options[VERB_OPTION_SOCKET];
    if (!session->socket_path && variable && *variable)
        session->socket_path = variable;
    if (!session->socket_path)
        session->socket_path = AGENTD_RUNSTATEDIR "/agentd/control.sock";
    buffer_init(&session->out, SESSION_OUT_LIMIT);
}

void session_done(struct session *session)
{
    session->client = client_free(session->client);
    buffer_done(&session->out);
}

bool session_has(const struct session *session, enum verb_option option)
{
    return arguments_has(&session->arguments, option);
}

/* --- Printing -------------------------------------------------------------------------------- */

enum exit_code session_fail(enum exit_code code, const char *format, ...)
{
    char text[MESSAGE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    session_note("agentctl: %s", text);
    return code;
}

void session_note(const char *format, ...)
{
    CLEANUP(buffer_done) struct buffer line = {.data = NULL};
    char text[MESSAGE_MAX + 16];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    buffer_init(&line, 4 * sizeof(text));
    display_clean(&line, text, SIZE_MAX);
    fprintf(stderr, "%s\n", line.data ? line.data : "");
}

enum exit_code session_flush(struct session *session)
{
    int r = session->out.failed ? -ENOBUFS : 0;

    if (r == 0 && session->out.length > 0)
        r = fd_write_all(STDOUT_FILENO, session->out.data, session->out.length);
    buffer_clear(&session->out);
    if (r < 0)
        return session_fail(EXIT_CODE_FAILED, "can't write the output: %s", strerror(-r));
    return EXIT_CODE_OK;
}

enum exit_code session_print_json(struct session *session, const struct json_object *object,
                                  bool line)
{
    json_print(object, !line, &session->out); /* a failure sticks to |out| */
    buffer_append_string(&session->out, "\n");
    return session_flush(session);
}

/* --- Asking ---------------------------------------------------------------------------------- */

int session_try(struct session *session, const char *path, const struct json_object *body,
                uint64_t timeout_us, struct answer *ret)
{
    if (!session->client) {
        int r = client_new(&session->client, session->socket_path);

        if (r < 0)
            return r;
    }
    return client_request(session->client, path, body, MAX(timeout_us / USEC_PER_MSEC, UINT64_C(1)),
                          ret);
}

/* The group of the socket, or of the deepest directory above it that can be seen. "" if that is of
 * no use. */
static void find_group(const char *socket_path, char *name, size_t size)
{
    char path[PATH_MAX];
    struct stat status;
    char *slash = path;

    name[0] = '\0';
    snprintf(path, sizeof(path), "%s", socket_path);
    while (stat(path, &status) < 0) {
        slash = strrchr(path, '/');
        if (!slash || slash == path)
            return;
        *slash = '\0';
    }

    const struct group *group = status.st_gid ? getgrgid(status.st_gid) : NULL;

    if (group)
        snprintf(name, size, "%s", group->gr_name);
}

/* Who may not connect wants to know what to ask for. */
static enum exit_code fail_permission(const struct session *session)
{
    char group[64];

    find_group(session->socket_path, group, sizeof(group));
    if (*group)
        return session_fail(EXIT_CODE_NOT_PERMITTED,
                            "no permission to use %s: it wants root or a member of group %s",
                            session->socket_path, group);
    return session_fail(EXIT_CODE_NOT_PERMITTED,
                        "no permission to use %s: it wants root, or a member of its group",
                        session->socket_path);
}

enum exit_code session_fail_transport(const struct session *session, int error)
{
    const char *path = session->socket_path;

    switch (-error) {
    case EACCES:
    case EPERM:
        return fail_permission(session);
    case ENAMETOOLONG:
        return session_fail(EXIT_CODE_USAGE,
                            "--socket: the path is too long for a unix socket; 107 bytes are "
                            "allowed");
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
        return session_fail(EXIT_CODE_UNREACHABLE,
                            "agentd is not reachable at %s: %s; does it run? (systemctl status "
                            "agentd)",
                            path, strerror(-error));
    case ETIMEDOUT:
        return session_fail(EXIT_CODE_UNREACHABLE,
                            "agentd does not answer at %s; look at its log (agentctl logs)", path);
    case EBADMSG:
    case EPROTO:
    case EFBIG:
        return session_fail(EXIT_CODE_FAILED, "what answers at %s is not agentd: %s", path,
                            strerror(-error));
    case ENOMEM:
        return session_fail(EXIT_CODE_FAILED, "out of memory");
    default:
        return session_fail(EXIT_CODE_UNREACHABLE, "agentd is not reachable at %s: %s", path,
                            strerror(-error));
    }
}

/*
 * As the control API gives statuses: 404 is a name that there is not, so bad usage; 409 is the
 * wrong moment.
 */
static enum exit_code code_of_status(unsigned status)
{
    switch (status) {
    case 200:
    case 202:
        return EXIT_CODE_OK;
    case 400:
    case 404:
        return EXIT_CODE_USAGE;
    case 403:
        return EXIT_CODE_NOT_PERMITTED;
    case 409:
        return EXIT_CODE_REFUSED;
    case 503:
        return EXIT_CODE_UNREACHABLE;
    default:
        return EXIT_CODE_FAILED;
    }
}

enum exit_code session_judge(const struct session *session, const struct answer *answer)
{
    enum exit_code code = code_of_status(answer->status);
    int64_t schema = field_int(answer->body, "schema_version", SESSION_SCHEMA);

    if (code != EXIT_CODE_OK)
        return session_fail(code, "%s",
                            field_text(answer->body, "error", "agentd gives no reason"));
    if (schema != SESSION_SCHEMA)
        return session_fail(EXIT_CODE_FAILED,
                            "agentd speaks schema version %lld, this agentctl knows %d; use the "
                            "agentctl of its version",
                            (long long) schema, SESSION_SCHEMA);
    return EXIT_CODE_OK;
}

enum exit_code session_ask(struct session *session, const char *path,
                           const struct json_object *body, struct json_object **ret_body)
{
    CLEANUP(answer_done) struct answer answer = {.body = NULL};
    int r = session_try(session, path, body, body ? session_change_us(session) : SESSION_ASK_US,
                        &answer);
    enum exit_code code =
        r < 0 ? session_fail_transport(session, r) : session_judge(session, &answer);

    if (code == EXIT_CODE_OK)
        *ret_body = TAKE(answer.body);
    return code;
}

/* --- Waiting --------------------------------------------------------------------------------- */

bool session_waits(const struct session *session)
{
    return session_has(session, VERB_OPTION_WAIT) || session_has(session, VERB_OPTION_TIMEOUT);
}

uint64_t session_deadline_us(const struct session *session)
{
    return clock_monotonic_us() +
           arguments_duration_us(&session->arguments, VERB_OPTION_TIMEOUT, SESSION_WAIT_US);
}

uint64_t session_change_us(const struct session *session)
{
    return arguments_duration_us(&session->arguments, VERB_OPTION_TIMEOUT, SESSION_CHANGE_US);
}

void session_sleep(uint64_t duration_us)
{
    struct timespec time = {
        .tv_sec = (time_t) (duration_us / USEC_PER_SEC),
        .tv_nsec = (long) (duration_us % USEC_PER_SEC) * 1000,
    };

    nanosleep(&time, NULL);
}

enum exit_code session_wait(struct session *session, uint64_t deadline_us, const char *what,
                            session_look look, void *userdata)
{
    for (;;) {
        enum session_progress progress = look(session, userdata);
        uint64_t now_us = clock_monotonic_us();

        if (progress == SESSION_DONE)
            return EXIT_CODE_OK;
        if (progress == SESSION_FAILED)
            return EXIT_CODE_FAILED;
        if (now_us >= deadline_us)
            return session_fail(EXIT_CODE_TIMED_OUT,
                                "%s is not done in time; agentd goes on with it", what);
        session_sleep(MIN(SESSION_POLL_US, deadline_us - now_us));
    }
}
