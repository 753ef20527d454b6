/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps of the chain share. Only common/aws/credentials-*.c include it. */
#pragma once

#include "common/aws/credentials-internal.h"

#define CHAIN_ANSWER_LIMIT (64u * 1024)

enum chain_step {
    STEP_ENVIRONMENT,
    STEP_WEB_IDENTITY,
    STEP_FILES,
    STEP_CONTAINER,
    STEP_IMDS,
    STEPS,
};

/* What a step's begin returns beside 0 (found) and errors, which end the pass. */
enum {
    CHAIN_WAITS = 1, /* its answer comes later, to chain_go_on() */
    CHAIN_NEXT = 2,  /* not configured */
};

struct credentials_chain {
    sd_event *event;
    struct http_client *http;
    struct imds *imds;
    struct credentials_environment environment;
    credentials_chain_done done;
    void *userdata;

    enum chain_step step;
    struct credentials found;
    struct buffer why;
    struct http_client_call *http_call;
    struct imds_call *imds_call;
    sd_event_source *timer;
    unsigned attempts;
    int (*send)(struct credentials_chain *chain); /* the next attempt */
};

/* A step has ended with |result|: on to the next, or to the end. */
void chain_go_on(struct credentials_chain *chain, int result);
const char *chain_getenv(const struct credentials_chain *chain, const char *name);
/* Text from outside in the line of reasons: one line, bounded. */
void chain_note_clean(struct credentials_chain *chain, const char *what, const char *text);

/* One attempt: CHAIN_WAITS, or an error whose reason is noted. */
int chain_send(struct credentials_chain *chain, const struct http_client_request *request,
               const char *what, http_client_done done);
/* Whether another attempt will be made, by |send|. */
bool chain_again(struct credentials_chain *chain);
bool chain_is_worth_another(const struct http_client_response *response);

int web_identity_begin(struct credentials_chain *chain);
int container_begin(struct credentials_chain *chain);
