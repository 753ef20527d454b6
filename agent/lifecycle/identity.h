/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who this node is: its Region, its instance id, the Auto Scaling group that it is in. Each from
 * the configuration, else from where it can be had:
 *
 *     Region        AWS_REGION, else IMDS
 *     instance id   IMDS; the host's name where IMDS is turned off
 *     group         the instance's tags in IMDS, else DescribeAutoScalingInstances; none if the
 *                   instance is in none
 *
 * IMDS may come up late and permissions may come later still: it asks again and again, with
 * backoff, and never guesses.
 */
#pragma once

#include "common/aws/credentials.h"
#include "common/aws/imds.h"

#define IDENTITY_TEXT_MAX 255u
#define IDENTITY_WHY_MAX  200u
#define IDENTITY_TYPE_MAX 31u

struct identity;

struct identity_options { /* strings are copied, objects borrowed */
    sd_event *event;
    struct http_client *http;
    struct imds *imds;
    struct credentials_provider *credentials;
    const char *region, *instance_id, *asg_name; /* configured; "": to be found out */
    bool asg_lookup;                             /* false: in no group unless asg_name is set */
    const char *host_name;
    endpoint_getenv getenv_function; /* NULL: the process's environment */
    void *getenv_userdata;
    void (*on_change)(void *userdata); /* something is known now, or why it isn't has changed */
    void *userdata;
};

int identity_new(struct identity **ret, const struct identity_options *options);
struct identity *identity_free(struct identity *identity);
DEFINE_CLEANUP(struct identity *, identity_free)

/* Whether all is known. */
bool identity_is_known(const struct identity *identity);
/* NULL until known. The group is "" for a node in none. */
const char *identity_region(const struct identity *identity);
const char *identity_instance_id(const struct identity *identity);
const char *identity_group(const struct identity *identity);
/* "t3.micro"; NULL where IMDS doesn't tell. Asked for last, and never waited for. */
const char *identity_instance_type(const struct identity *identity);
/* What is missing and why, in one line; "" once all is known. */
const char *identity_why(const struct identity *identity);
