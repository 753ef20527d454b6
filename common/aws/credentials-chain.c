/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass through the chain of sources. A step that isn't configured adds its reason and the next
 * one begins; one that is configured but fails ends the pass, as in botocore: what comes behind it
 * would be somebody else. IMDS is the last, and nobody configures it.
 */
#include "common/aws/credentials-chain.h"
#include "common/base/backoff.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CHAIN_ATTEMPTS 3u
#define REASON_MAX     256u
#define ROLES_PATH     "meta-data/iam/security-credentials/"

static const struct backoff CHAIN_BACKOFF = {.base_us = 100000, .cap_us = 1000000};

const char *chain_getenv(const struct credentials_chain *chain, const char *name)
{
    return credentials_getenv(&chain->environment, name);
}

/* Text from outside in the line of reasons. */
void chain_note_clean(struct credentials_chain *chain, const char *what, const char *text)
{
    char line[REASON_MAX];

    text_copy(line, sizeof(line), text);
    text_replace_controls(line, ' ');
    credentials_note(&chain->why, "%s: %s", what, line);
}

/* --- Attempts of one HTTP request --- */

static int chain_on_timer(sd_event_source *source, uint64_t time_us, void *userdata)
{
    struct credentials_chain *chain = userdata;
    int r;

    chain->timer = sd_event_source_disable_unref(chain->timer);
    r = chain->send(chain);
    if (r != CHAIN_WAITS)
        chain_go_on(chain, r);
    return 0;
}

bool chain_again(struct credentials_chain *chain)
{
    uint64_t wait_us;

    if (chain->attempts >= CHAIN_ATTEMPTS)
        return false;
    wait_us = backoff_wait_us(&CHAIN_BACKOFF, chain->attempts - 1, random_u64());
    if (sd_event_add_time_relative(chain->event, &chain->timer, CLOCK_MONOTONIC, wait_us, 10000,
                                   chain_on_timer, chain) < 0)
        return false;
    sd_event_source_set_description(chain->timer, "credentials-retry");
    return true;
}

bool chain_is_worth_another(const struct http_client_response *response)
{
    if (response->error < 0)
        return response->error != -ECANCELED && response->error != -ELIBACC;
    return response->status == 429 || response->status >= 500;
}

int chain_send(struct credentials_chain *chain, const struct http_client_request *request,
               const char *what, http_client_done done)
{
    int r = http_client_start(chain->http, request, done, chain, &chain->http_call);

    chain->attempts++;
    if (r == 0)
        return CHAIN_WAITS;
    credentials_note(&chain->why, "%s: %s", what, strerror(-r));
    return r;
}

/* --- IMDS --- */

static void imds_failed(struct credentials_chain *chain, int error)
{
    const char *reason = strerror(-error);

    if (error == -ENOENT)
        reason = "no role is attached to this instance (404)";
    else if (error == -EACCES)
        reason = "refused (403: switched off for this instance, or its hop limit is too low)";
    else if (error == -EOPNOTSUPP)
        reason = "switched off by AWS_EC2_METADATA_DISABLED";
    else if (error == -EINVAL)
        reason = "AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL";
    else if (error == -EKEYREJECTED)
        reason = "the role can't be assumed by EC2 (its trust policy, or just attached)";
    else if (error == -EBADMSG)
        reason = "answers nonsense, or has no IMDSv2";
    else if (error == -EREMOTEIO)
        reason = "answers with errors (5xx or 429)";
    credentials_note(&chain->why, "IMDS: %s", reason);
    chain_go_on(chain, -ENOKEY);
}

static void imds_on_credentials(int error, const char *value, size_t length, void *userdata)
{
    struct credentials_chain *chain = userdata;

    chain->imds_call = NULL;
    if (error == 0)
        error = credentials_parse_json(value, length, &chain->found);
    if (error < 0) {
        imds_failed(chain, error);
        return;
    }
    chain->found.source = "IMDS";
    chain_go_on(chain, 0);
}

/* The first line names the role. */
static void imds_on_role(int error, const char *value, size_t length, void *userdata)
{
    struct credentials_chain *chain = userdata;
    char path[sizeof(ROLES_PATH) + 128];
    size_t name_length = strcspn(value, "\r\n");

    chain->imds_call = NULL;
    if (error == 0 && name_length == 0)
        error = -ENOENT;
    if (error == 0 && (name_length > 128 || memchr(value, '/', name_length)))
        error = -EBADMSG;
    if (error == 0) {
        snprintf(path, sizeof(path), "%s%.*s", ROLES_PATH, (int) name_length, value);
        error = imds_get(chain->imds, path, imds_on_credentials, chain, &chain->imds_call);
        if (error == -EINVAL)
            error = -EBADMSG;
    }
    if (error < 0)
        imds_failed(chain, error);
}

static int imds_begin(struct credentials_chain *chain)
{
    int r;

    if (!chain->imds) {
        credentials_note(&chain->why, "IMDS: not asked");
        return -ENOKEY;
    }
    r = imds_get(chain->imds, ROLES_PATH, imds_on_role, chain, &chain->imds_call);
    if (r == 0)
        return CHAIN_WAITS;
    credentials_note(&chain->why, "IMDS: %s", strerror(-r));
    return r;
}

/* --- The pass --- */

static int environment_begin(struct credentials_chain *chain)
{
    int r = credentials_from_environment(&chain->environment, &chain->found, &chain->why);

    return r == -ENOENT ? CHAIN_NEXT : r;
}

static int files_begin(struct credentials_chain *chain)
{
    int r = credentials_from_files(&chain->environment, &chain->found, &chain->why);

    return r == -ENOENT ? CHAIN_NEXT : r;
}

static int (*const CHAIN_BEGIN[STEPS])(struct credentials_chain *chain) = {
    [STEP_ENVIRONMENT] = environment_begin,
    [STEP_WEB_IDENTITY] = web_identity_begin,
    [STEP_FILES] = files_begin,
    [STEP_CONTAINER] = container_begin,
    [STEP_IMDS] = imds_begin,
};

void chain_go_on(struct credentials_chain *chain, int result)
{
    while (result == CHAIN_NEXT && chain->step + 1 < STEPS) {
        chain->step++;
        chain->attempts = 0;
        result = CHAIN_BEGIN[chain->step](chain);
    }
    if (result == CHAIN_WAITS)
        return;
    if (chain->why.failed) /* longer than the line may be: its start is there */
        chain->why.failed = false;
    chain->done(result == 0 ? 0 : -ENOKEY, &chain->found, chain->why.data ? chain->why.data : "",
                chain->userdata);
}

void credentials_chain_start(struct credentials_chain *chain)
{
    buffer_clear(&chain->why);
    credentials_done(&chain->found);
    chain->step = STEP_ENVIRONMENT;
    chain->attempts = 0;
    chain_go_on(chain, CHAIN_BEGIN[STEP_ENVIRONMENT](chain));
}

int credentials_chain_new(struct credentials_chain **ret, sd_event *event, struct http_client *http,
                          struct imds *imds, const struct credentials_environment *environment,
                          credentials_chain_done done, void *userdata)
{
    struct credentials_chain *chain = calloc(1, sizeof(*chain));

    if (!chain)
        return -ENOMEM;
    chain->event = sd_event_ref(event);
    chain->http = http;
    chain->imds = imds;
    chain->environment = *environment;
    chain->done = done;
    chain->userdata = userdata;
    buffer_init(&chain->why, CREDENTIALS_WHY_MAX);
    *ret = chain;
    return 0;
}

struct credentials_chain *credentials_chain_free(struct credentials_chain *chain)
{
    if (!chain)
        return NULL;
    if (chain->http_call)
        http_client_cancel(chain->http_call);
    if (chain->imds_call)
        imds_cancel(chain->imds_call);
    sd_event_source_disable_unref(chain->timer);
    credentials_done(&chain->found);
    buffer_done(&chain->why);
    sd_event_unref(chain->event);
    free(chain);
    return NULL;
}
