/* SPDX-License-Identifier: Apache-2.0 */
/* One run of agentctl: the command line, how to print, the way to the daemon. What every verb is
 * given, and where errors become exit codes. */
#pragma once

#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/display.h"

#define SESSION_ASK_US    (UINT64_C(5) * 1000 * 1000)  /* how long a plain answer may take */
#define SESSION_CHANGE_US (UINT64_C(15) * 1000 * 1000) /* that of a change: time for a new core */
#define SESSION_WAIT_US   (UINT64_C(60) * 1000 * 1000) /* --timeout's default */
#define SESSION_POLL_US   (UINT64_C(200) * 1000)       /* between two looks with --wait */
#define SESSION_FOLLOW_US (UINT64_C(1000) * 1000)
#define SESSION_OUT_LIMIT (32u * 1024 * 1024) /* bytes that are printed at once */
#define SESSION_LINES     50                  /* --lines' default */
#define SESSION_SCHEMA    1                   /* the schema_version that this agentctl knows */

struct session {
    struct arguments arguments;
    struct display display;
    const char *socket_path;
    struct client *client; /* made at the first request */
    struct buffer out;     /* what goes to standard output with session_flush() */
};

void session_init(struct session *session, const struct arguments *arguments);
void session_done(struct session *session);

bool session_has(const struct session *session, enum verb_option option);

/* "agentctl: TEXT" to standard error, cleaned. Returns |code|. */
enum exit_code session_fail(enum exit_code code, const char *format, ...) PRINTF_LIKE(2, 3);

/* One more line to standard error, cleaned, below what session_fail() has said. */
void session_note(const char *format, ...) PRINTF_LIKE(1, 2);

/* Writes |out| to standard output and empties it. EXIT_CODE_OK, or EXIT_CODE_FAILED and said. */
enum exit_code session_flush(struct session *session);

/* Prints an object as --json does, indented or (|line|) on one line. */
enum exit_code session_print_json(struct session *session, const struct json_object *object,
                                  bool line);

/*
 * Asks the daemon: a GET, or a POST if |body|. session_try() says nothing and returns
 * client_request()'s error; session_ask() also turns every failure and every status but 200 and 202
 * into a line on standard error and an exit code. *ret_body is the caller's.
 */
int session_try(struct session *session, const char *path, const struct json_object *body,
                uint64_t timeout_us, struct answer *ret);
enum exit_code session_ask(struct session *session, const char *path,
                           const struct json_object *body, struct json_object **ret_body);

/* The two halves of session_ask()'s judgement: of an errno, and of an answer's status. */
enum exit_code session_fail_transport(const struct session *session, int error);
enum exit_code session_judge(const struct session *session, const struct answer *answer);

/* --- For verbs that change something --------------------------------------------------------- */

/* Whether to wait, and until when (monotonic). */
bool session_waits(const struct session *session);
uint64_t session_deadline_us(const struct session *session);

/* How long the answer to a request for a change may take: --timeout, if it was given. */
uint64_t session_change_us(const struct session *session);

/*
 * Calls |done| each SESSION_POLL_US until it returns non-zero: 1 = done, 2 = failed (it has said
 * why). A daemon that can't be reached meanwhile is no failure: it may be what restarts. Returns
 * EXIT_CODE_OK, EXIT_CODE_FAILED or (and said) EXIT_CODE_TIMED_OUT.
 */
enum session_progress { SESSION_GOES_ON, SESSION_DONE, SESSION_FAILED };
typedef enum session_progress (*session_look)(struct session *session, void *userdata);
enum exit_code session_wait(struct session *session, uint64_t deadline_us, const char *what,
                            session_look look, void *userdata);

void session_sleep(uint64_t duration_us);

/* --- The verbs: one function each, in a file of its own --------------------------------------- */

#define SESSION_VERB_(identifier, function, ...)                                                   \
    enum exit_code verb_##function(struct session *session);
VERBS(SESSION_VERB_)
#undef SESSION_VERB_
