/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the credentials share: one pass through the chain, its sources on disk and in
 * the environment, and the decision when to ask. Only they and their tests include it.
 */
#pragma once

#include "common/aws/credentials.h"
#include "common/base/buffer.h"

#define CREDENTIALS_WHY_MAX       4096u         /* bytes of the line that says why there are none */
#define CREDENTIALS_FILE_LIMIT    (256u * 1024) /* of a shared file */
#define CREDENTIALS_HOLD_LEAST_US (UINT64_C(5) * 60 * 1000000)
#define CREDENTIALS_HOLD_MOST_US  (UINT64_C(10) * 60 * 1000000)
/* In the advisory window a failed refresh is tried again after so long. */
#define CREDENTIALS_ADVISORY_RETRY_US (UINT64_C(60) * 1000000)

typedef uint64_t (*credentials_clock)(void *userdata); /* wall clock, microseconds */

/* For tests: time as they want it. */
void credentials_provider_set_clock(struct credentials_provider *provider, credentials_clock clock,
                                    void *userdata);
/* Counts the credentials that came: who signed with a number tells whether they are still those. */
uint64_t credentials_generation(const struct credentials_provider *provider);

/* --- when to ask: pure --- */

enum credentials_need {
    CREDENTIALS_USE,         /* what is in hand will do */
    CREDENTIALS_USE_AND_ASK, /* it will do, and it is time to ask for the next */
    CREDENTIALS_ASK,         /* wait for the answer */
};
struct credentials_state {
    bool have, rejected;          /* |rejected|: a service called them expired */
    uint64_t expires_realtime_us; /* 0: never */
    uint64_t hold_until_us;       /* static stability: not to be asked again before */
};
enum credentials_need credentials_decide(const struct credentials_state *state, uint64_t now_us);
/* When to ask again for what came just now and ends soon, or has ended. |random|: 64 bits. */
uint64_t credentials_hold_us(uint64_t expires_realtime_us, uint64_t now_us, uint64_t random);

/* --- values --- */

void credentials_move(struct credentials *to, struct credentials *from); /* wipes what |to| had */
/* Copies; 0, -EBADMSG for what can't be keys (empty, blanks, controls, too long) or -ENOMEM.
 * |token| may be NULL. */
int credentials_set(struct credentials *credentials, const char *access_key_id,
                    const char *secret_access_key, const char *token);
void credentials_wipe(char *text);

/* "2026-11-21T22:25:16Z", with a fraction, with an offset. 0 or -EBADMSG. */
int credentials_parse_time(const char *text, uint64_t *ret_realtime_us);

struct credentials_profile { /* what else the file said */
    bool is_there;
    const char *unsupported; /* the key of a way that isn't supported, "role_arn" first; or NULL */
    const char *missing;     /* of two keys the one that isn't there, or NULL */
    unsigned bad_line;       /* with -EBADMSG: where, from 1; 0: not a matter of a line */
};
int credentials_scan_profile(const char *text, size_t length, const char *profile, bool is_config,
                             struct credentials *ret, struct credentials_profile *ret_about);

/* Whether the URL of a container's credentials may be asked: https, or http to this host or to
 * ECS's and EKS's own addresses. */
bool credentials_container_url_is_allowed(const char *url);

/* --- sources that answer at once ---
 * 0 and credentials; -ENOENT: not configured, |why| says so; another error: configured but broken,
 * the chain ends. |why| always gets "<source>: <reason>". */

struct credentials_environment {
    endpoint_getenv getenv_function;
    void *userdata;
};
/* Appends to the line of reasons: "; " first, where there is one already. */
void credentials_note(struct buffer *why, const char *format, ...) PRINTF_LIKE(2, 3);
const char *credentials_getenv(const struct credentials_environment *environment,
                               const char *name); /* NULL also if it is empty */
int credentials_from_environment(const struct credentials_environment *environment,
                                 struct credentials *ret, struct buffer *why);
int credentials_from_files(const struct credentials_environment *environment,
                           struct credentials *ret, struct buffer *why);
/* A whole small file that is one line, as tokens are; a newline at the end is dropped. */
int credentials_read_token(const char *path, size_t limit, char **ret);

/* --- one pass through the chain --- */

struct credentials_chain;
/* |found|: taken by the receiver, or 0 members. |why|: what each step said. */
typedef void (*credentials_chain_done)(int error, struct credentials *found, const char *why,
                                       void *userdata);
int credentials_chain_new(struct credentials_chain **ret, sd_event *event, struct http_client *http,
                          struct imds *imds, const struct credentials_environment *environment,
                          credentials_chain_done done, void *userdata);
struct credentials_chain *credentials_chain_free(struct credentials_chain *chain);
/* The callback comes from the loop or from in here; it must not free the chain. */
void credentials_chain_start(struct credentials_chain *chain);
