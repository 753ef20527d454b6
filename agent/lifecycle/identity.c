/* SPDX-License-Identifier: Apache-2.0 */
/* One question at a time, in order; each answer leads to the next. */
#include "agent/lifecycle/identity.h"

#include "common/aws/autoscaling.h"
#include "common/base/backoff.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ASK_AGAIN_BASE_US UINT64_C(500000)
#define ASK_AGAIN_CAP_US  UINT64_C(30000000)
#define TYPE_ATTEMPTS     8u
#define LOG_AT_FAILURES   6u /* some 10 s: a late IMDS at boot is no news */

enum step { STEP_REGION, STEP_INSTANCE, STEP_GROUP_TAG, STEP_GROUP_CALL, STEP_KNOWN };

struct identity {
    struct identity_options options;
    enum step step;
    char region[ENDPOINT_REGION_MAX];
    char instance_id[IDENTITY_TEXT_MAX + 1];
    char group[IDENTITY_TEXT_MAX + 1];
    char type[IDENTITY_TYPE_MAX + 1];
    char host_name[IDENTITY_TEXT_MAX + 1];
    char why[IDENTITY_WHY_MAX];
    bool group_known;
    unsigned failures; /* of this step */
    struct imds_call *imds_call;
    struct aws_client *autoscaling;
    struct aws_call *aws_call;
    sd_event_source *retry;
};

static void ask(struct identity *identity);
static void identity_on_type(int error, const char *value, size_t length, void *userdata);

static void step_to(struct identity *identity, enum step step)
{
    identity->step = step;
    identity->failures = 0;
    identity->why[0] = '\0';
}

/*
 * What kind of instance it is, is asked once all else is known, which doesn't wait for it: for
 * information only, so its absence is not said, and asked for a few times at most.
 */
static void ask_type(struct identity *identity)
{
    if (imds_get(identity->options.imds, "meta-data/instance-type", identity_on_type, identity,
                 &identity->imds_call) < 0)
        log_debug("the instance's type can't be asked for, ignoring");
}

/* The first step whose answer is not known. */
static void skip_known(struct identity *identity)
{
    if (identity->step == STEP_REGION && identity->region[0])
        step_to(identity, STEP_INSTANCE);
    if (identity->step == STEP_INSTANCE && identity->instance_id[0])
        step_to(identity, STEP_GROUP_TAG);
    if ((identity->step == STEP_GROUP_TAG || identity->step == STEP_GROUP_CALL) &&
        identity->group_known)
        step_to(identity, STEP_KNOWN);
}

static void failed(struct identity *identity, const char *what, const char *why)
{
    static const struct backoff backoff = {ASK_AGAIN_BASE_US, ASK_AGAIN_CAP_US};
    uint64_t wait_us = backoff_wait_us(&backoff, identity->failures++, random_u64());

    snprintf(identity->why, sizeof(identity->why), "%s is not known yet: %s", what, why);
    if (identity->failures == LOG_AT_FAILURES)
        log_warning("%s; asking again, metrics wait", identity->why);
    if (sd_event_source_set_time_relative(identity->retry, wait_us) < 0 ||
        sd_event_source_set_enabled(identity->retry, SD_EVENT_ONESHOT) < 0)
        log_error("no timer: this node's identity stays unknown");
    identity->options.on_change(identity->options.userdata);
}

static void answered(struct identity *identity)
{
    if (identity->failures >= LOG_AT_FAILURES)
        log_notice("known now after %u attempts", identity->failures);
    skip_known(identity);
    if (identity->step == STEP_KNOWN)
        log_info("this node is %s in %s, %s%s", identity->instance_id, identity->region,
                 identity->group[0] ? "Auto Scaling group " : "in no Auto Scaling group",
                 identity->group);
    identity->options.on_change(identity->options.userdata);
    ask(identity);
}

static const char *imds_error(int error, char buffer[96])
{
    if (error == -ENOENT)
        return "IMDS has no such value (404)";
    if (error == -EACCES)
        return "IMDS refuses (403): is it on, and the hop limit enough?";
    if (error == -EOPNOTSUPP)
        return "IMDS is turned off by AWS_EC2_METADATA_DISABLED";
    snprintf(buffer, 96, "IMDS does not answer (%s)", strerror(-error));
    return buffer;
}

/* An IMDS value that is plain, short text. */
static bool take_value(char *target, size_t size, const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (value[i] < ' ' || value[i] > '~')
            return false;
    return length > 0 && length < size && text_copy(target, size, value);
}

static void identity_on_imds(int error, const char *value, size_t length, void *userdata)
{
    struct identity *identity = userdata;
    static const char *const what[] = {"the Region", "the instance id",
                                       "the Auto Scaling group's name"};
    char text[96];
    bool good = false;

    identity->imds_call = NULL;
    if (error == 0 && identity->step == STEP_REGION)
        good = take_value(identity->region, sizeof(identity->region), value, length);
    else if (error == 0 && identity->step == STEP_INSTANCE)
        good = take_value(identity->instance_id, sizeof(identity->instance_id), value, length);
    else if (error == 0)
        good = identity->group_known =
            take_value(identity->group, sizeof(identity->group), value, length);
    if (good) {
        answered(identity);
        return;
    }
    if (error == -EOPNOTSUPP && identity->step == STEP_INSTANCE) {
        text_copy(identity->instance_id, sizeof(identity->instance_id), identity->host_name);
        answered(identity);
        return;
    }
    /* No such tag, tags are not in IMDS, or no IMDS: Auto Scaling knows. */
    if (identity->step == STEP_GROUP_TAG && (error == -ENOENT || error == -EOPNOTSUPP)) {
        step_to(identity, STEP_GROUP_CALL);
        ask(identity);
        return;
    }
    failed(identity, what[identity->step],
           error == 0 ? "IMDS answers nonsense" : imds_error(error, text));
}

static void identity_on_type(int error, const char *value, size_t length, void *userdata)
{
    static const struct backoff backoff = {ASK_AGAIN_BASE_US, ASK_AGAIN_CAP_US};
    struct identity *identity = userdata;

    identity->imds_call = NULL;
    if (error == 0 && take_value(identity->type, sizeof(identity->type), value, length))
        return;
    if (error == -ENOENT || error == -EOPNOTSUPP || ++identity->failures >= TYPE_ATTEMPTS)
        return;
    (void) sd_event_source_set_time_relative(
        identity->retry, backoff_wait_us(&backoff, identity->failures, random_u64()));
    (void) sd_event_source_set_enabled(identity->retry, SD_EVENT_ONESHOT);
}

static void identity_on_group(int error, const char *group, const struct aws_result *result,
                              void *userdata)
{
    struct identity *identity = userdata;
    char text[160];

    identity->aws_call = NULL;
    if (error == 0 && text_copy(identity->group, sizeof(identity->group), group)) {
        identity->group_known = true;
        answered(identity);
        return;
    }
    if (result && result->code[0])
        snprintf(text, sizeof(text),
                 "DescribeAutoScalingInstances: %.60s; set publish.asg_name, allow it, or turn on "
                 "tags in IMDS",
                 result->code);
    else
        snprintf(text, sizeof(text), "DescribeAutoScalingInstances: %s",
                 error == -ENOKEY ? "no credentials" : strerror(-error));
    failed(identity, "the Auto Scaling group's name", text);
}

static int new_autoscaling(struct identity *identity)
{
    const struct identity_options *options = &identity->options;
    const struct endpoint_query query = {
        .service = "autoscaling", .environment = "AUTO_SCALING", .region = identity->region};
    struct aws_client_options client = {
        .event = options->event,
        .http = options->http,
        .credentials = options->credentials,
        .service = "autoscaling",
        .region = identity->region,
        .getenv_function = options->getenv_function,
        .getenv_userdata = options->getenv_userdata,
    };
    int r = endpoint_resolve(&query, options->getenv_function, options->getenv_userdata,
                             &client.endpoint);

    return r < 0 ? r : aws_client_new(&identity->autoscaling, &client);
}

static int ask_autoscaling(struct identity *identity)
{
    if (!identity->autoscaling) {
        int r = new_autoscaling(identity);
        if (r < 0)
            return r;
    }
    return autoscaling_find_group(identity->autoscaling, identity->instance_id, identity_on_group,
                                  identity, &identity->aws_call);
}

static void ask(struct identity *identity)
{
    static const char *const paths[] = {
        [STEP_REGION] = "meta-data/placement/region",
        [STEP_INSTANCE] = "meta-data/instance-id",
        [STEP_GROUP_TAG] = "meta-data/tags/instance/aws:autoscaling:groupName",
    };
    int r;

    if (identity->step == STEP_KNOWN) {
        ask_type(identity);
        return;
    }
    if (identity->step == STEP_GROUP_CALL)
        r = ask_autoscaling(identity);
    else
        r = imds_get(identity->options.imds, paths[identity->step], identity_on_imds, identity,
                     &identity->imds_call);
    if (r < 0)
        failed(identity, "this node's identity", strerror(-r));
}

static int identity_on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
    ask(userdata);
    return 0;
}

int identity_new(struct identity **ret, const struct identity_options *options)
{
    CLEANUP(identity_freep) struct identity *identity = calloc(1, sizeof(*identity));
    const char *region;
    int r;

    if (!identity)
        return -ENOMEM;
    identity->options = *options;
    if (!identity->options.getenv_function)
        identity->options.getenv_function = endpoint_process_getenv;
    region = options->region && options->region[0]
                 ? options->region
                 : endpoint_region_from_environment(identity->options.getenv_function,
                                                    options->getenv_userdata);
    if (region)
        text_copy(identity->region, sizeof(identity->region), region);
    text_copy(identity->instance_id, sizeof(identity->instance_id), options->instance_id);
    text_copy(identity->group, sizeof(identity->group), options->asg_name);
    text_copy(identity->host_name, sizeof(identity->host_name), options->host_name);
    identity->group_known = identity->group[0] || !options->asg_lookup;
    r = sd_event_add_time_relative(options->event, &identity->retry, CLOCK_MONOTONIC, 0, 0,
                                   identity_on_retry, identity);
    if (r < 0)
        return r;
    (void) sd_event_source_set_description(identity->retry, "identity-retry");
    skip_known(identity);
    /* The first question is asked from the loop: on_change() must not come before we return. */
    r = sd_event_source_set_enabled(identity->retry, SD_EVENT_ONESHOT);
    if (r < 0)
        return r;
    if (identity->step != STEP_KNOWN)
        snprintf(identity->why, sizeof(identity->why), "asking who this node is");
    *ret = TAKE(identity);
    return 0;
}

struct identity *identity_free(struct identity *identity)
{
    if (!identity)
        return NULL;
    sd_event_source_disable_unref(identity->retry);
    if (identity->imds_call)
        imds_cancel(identity->imds_call);
    if (identity->aws_call)
        aws_call_cancel(identity->aws_call);
    aws_client_free(identity->autoscaling);
    free(identity);
    return NULL;
}

bool identity_is_known(const struct identity *identity)
{
    return identity->step == STEP_KNOWN;
}

const char *identity_region(const struct identity *identity)
{
    return identity->step > STEP_REGION ? identity->region : NULL;
}

const char *identity_instance_id(const struct identity *identity)
{
    return identity->step > STEP_INSTANCE ? identity->instance_id : NULL;
}

const char *identity_group(const struct identity *identity)
{
    return identity->group_known ? identity->group : NULL;
}

const char *identity_instance_type(const struct identity *identity)
{
    return identity->type[0] ? identity->type : NULL;
}

const char *identity_why(const struct identity *identity)
{
    return identity->why;
}
