/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. The client is made when the Region is known, and again after a new configuration.
 */
#include "agent/publish/uplink.h"

#include "common/aws/cloudwatch.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>

struct uplink {
    sd_event *event;
    char host_name[CONFIG_STRING_MAX + 1];
    char endpoint[CONFIG_STRING_MAX + 1]; /* configured */
    bool per_instance;
    void (*on_change)(void *userdata);
    void *userdata;
    struct http_client *http;
    struct imds *imds;
    struct credentials_provider *credentials;
    struct identity *identity;
    struct aws_client *client; /* NULL until one is needed */
    bool client_stale;         /* of an older configuration */
    struct aws_call *call;
    aws_done done;
    void *done_userdata;
};

static void uplink_on_identity(void *userdata)
{
    struct uplink *uplink = userdata;

    uplink->on_change(uplink->userdata);
}

static int new_identity(struct uplink *uplink, const struct config *config, struct identity **ret)
{
    const struct identity_options options = {
        .event = uplink->event,
        .http = uplink->http,
        .imds = uplink->imds,
        .credentials = uplink->credentials,
        .region = config->region,
        .instance_id = config->instance_id,
        .asg_name = config->asg_name,
        .asg_lookup = config->asg_lookup,
        .host_name = uplink->host_name,
        .getenv_function = endpoint_process_getenv,
        .on_change = uplink_on_identity,
        .userdata = uplink,
    };

    return identity_new(ret, &options);
}

static void uplink_on_stale_credentials(bool is_stale, const char *line, void *userdata)
{
    if (is_stale)
        log_warning("%s", line);
    else
        log_notice("%s", line);
}

int uplink_new(struct uplink **ret, sd_event *event, const struct config *config,
               const char *host_name, void (*on_change)(void *userdata), void *userdata)
{
    CLEANUP(uplink_freep) struct uplink *uplink = calloc(1, sizeof(*uplink));
    int r;

    if (!uplink)
        return -ENOMEM;
    /* From now on there may be credentials in memory: a core dump of this process is without it. */
    (void) file_write_small(AT_FDCWD, "/proc/self/coredump_filter", "0");
    uplink->event = event;
    uplink->on_change = on_change;
    uplink->userdata = userdata;
    text_copy(uplink->host_name, sizeof(uplink->host_name), host_name);
    text_copy(uplink->endpoint, sizeof(uplink->endpoint), config->endpoint);
    uplink->per_instance = config->per_instance;
    r = http_client_new(&uplink->http, event, "agentd/" PACKAGE_VERSION);
    if (r >= 0)
        r = imds_new(&uplink->imds, event, uplink->http, endpoint_process_getenv, NULL);
    if (r >= 0)
        r = credentials_provider_new(&uplink->credentials, event, uplink->http, uplink->imds,
                                     endpoint_process_getenv, NULL);
    if (r >= 0)
        r = new_identity(uplink, config, &uplink->identity);
    if (r < 0)
        return r;
    credentials_on_stale(uplink->credentials, uplink_on_stale_credentials, uplink);
    *ret = TAKE(uplink);
    return 0;
}

struct uplink *uplink_free(struct uplink *uplink)
{
    if (!uplink)
        return NULL;
    if (uplink->call)
        aws_call_cancel(uplink->call);
    aws_client_free(uplink->client);
    identity_free(uplink->identity);
    credentials_provider_free(uplink->credentials);
    imds_free(uplink->imds);
    http_client_free(uplink->http);
    free(uplink);
    return NULL;
}

int uplink_configure(struct uplink *uplink, const struct config *config)
{
    struct identity *identity = NULL;
    int r = new_identity(uplink, config, &identity);

    if (r < 0)
        return r;
    identity_free(uplink->identity);
    uplink->identity = identity;
    text_copy(uplink->endpoint, sizeof(uplink->endpoint), config->endpoint);
    uplink->per_instance = config->per_instance;
    uplink->client_stale = true;
    return 0;
}

bool uplink_is_ready(const struct uplink *uplink)
{
    const struct identity *identity = uplink->identity;
    const char *group = identity_group(identity);

    /* A group's series are without the instance's id. */
    return identity_region(identity) && group &&
           (identity_instance_id(identity) || (group[0] && !uplink->per_instance));
}

const char *uplink_why(const struct uplink *uplink)
{
    return uplink_is_ready(uplink) ? "" : identity_why(uplink->identity);
}

const struct identity *uplink_identity(const struct uplink *uplink)
{
    return uplink->identity;
}

const char *uplink_credentials_source(const struct uplink *uplink)
{
    return credentials_source(uplink->credentials);
}

/* --- sending ------------------------------------------------------------------------------------
 */

static int renew_client(struct uplink *uplink)
{
    const struct cloudwatch_options options = {
        .event = uplink->event,
        .http = uplink->http,
        .credentials = uplink->credentials,
        .region = identity_region(uplink->identity),
        .endpoint = uplink->endpoint,
        .attempts_max = 1, /* the flush plan decides on trying again */
        .getenv_function = endpoint_process_getenv,
    };
    struct aws_client *client = NULL;
    int r = cloudwatch_client_new(&client, &options);

    if (r < 0)
        return log_warning_errno(-r,
                                 "can't send metrics: publish.region \"%s\", "
                                 "publish.endpoint \"%s\": %m",
                                 options.region, options.endpoint);
    aws_client_free(uplink->client);
    uplink->client = client;
    uplink->client_stale = false;
    return 0;
}

static void uplink_on_result(const struct aws_result *result, void *userdata)
{
    struct uplink *uplink = userdata;
    struct aws_result judged = *result;

    uplink->call = NULL;
    /* A proxy or a hotel's portal says 200 to everything; CloudWatch puts its request's id there.
     */
    if (judged.error == 0 && judged.request_id[0] == '\0') {
        judged.error = -EBADMSG;
        judged.ambiguous = 1;
        text_copy(judged.code, sizeof(judged.code), "NotCloudWatch");
        text_copy(judged.message, sizeof(judged.message),
                  "an answer without a request id: a proxy or a portal?");
    }
    uplink->done(&judged, uplink->done_userdata);
}

int uplink_send(struct uplink *uplink, const char *body, size_t length, aws_done done,
                void *userdata)
{
    int r;

    if (uplink->call)
        return -EBUSY;
    if (!uplink_is_ready(uplink))
        return -EAGAIN;
    if (!uplink->client || uplink->client_stale) {
        r = renew_client(uplink);
        if (r < 0)
            return r;
    }
    uplink->done = done;
    uplink->done_userdata = userdata;
    return cloudwatch_put_metric_data(uplink->client, body, length, UPLINK_TIMEOUT_US,
                                      uplink_on_result, uplink, &uplink->call);
}
