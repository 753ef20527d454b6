/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks AWS's services what common/aws/ asks, once, and prints the answers, for the integration
 * tests: aws-probe WHAT..., in this order.
 *
 *     credentials   "credentials SOURCE ACCESS_KEY_ID EXPIRES" or "credentials: WHY"
 *     expire        calls them expired: the next "credentials" asks the chain
 *     imds:PATH     "imds VALUE" or "imds: ERROR"
 *     until:PATH    the same, asked again each 100 ms until there is a value
 *     group:ID      "group NAME" or "group: ERROR CODE", of the instance ID
 *     sleep:MS      waits
 *
 * Where all comes from is in the environment, as for agentd. Exit status: 1 if any answer was none.
 */
#include "common/aws/autoscaling.h"
#include "common/aws/credentials.h"
#include "common/aws/imds.h"
#include "common/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct probe {
    sd_event *event;
    struct http_client *http;
    struct imds *imds;
    struct credentials_provider *provider;
    bool is_done, has_failed, has_value;
};

static void failed(struct probe *probe, const char *what, int error, const char *more)
{
    printf("%s: %s%s%s\n", what, strerror(-error), *more ? " " : "", more);
    probe->has_failed = true;
    probe->is_done = true;
}

static void on_credentials(int error, const struct credentials *credentials, const char *why,
                           void *userdata)
{
    struct probe *probe = userdata;
    char expires[CLOCK_TEXT_MAX] = "never";

    probe->is_done = true;
    if (error < 0) {
        printf("credentials: %s\n", why);
        probe->has_failed = true;
        return;
    }
    if (credentials->expires_realtime_us != 0)
        clock_format_iso8601(expires, credentials->expires_realtime_us);
    printf("credentials %s %s %s\n", credentials->source, credentials->access_key_id, expires);
}

static void on_value(int error, const char *value, size_t length, void *userdata)
{
    struct probe *probe = userdata;

    if (error < 0) {
        failed(probe, "imds", error, "");
        return;
    }
    printf("imds %s\n", value);
    probe->has_value = true;
    probe->is_done = true;
}

static void on_group(int error, const char *group, const struct aws_result *result, void *userdata)
{
    struct probe *probe = userdata;

    if (error < 0) {
        failed(probe, "group", error, result->code[0] ? result->code : result->message);
        return;
    }
    printf("group %s\n", group);
    probe->is_done = true;
}

static int on_timer(sd_event_source *source, uint64_t time_us, void *userdata)
{
    ((struct probe *) userdata)->is_done = true;
    return 0;
}

static void run(struct probe *probe)
{
    while (!probe->is_done)
        if (sd_event_run(probe->event, UINT64_MAX) < 0)
            abort();
    fflush(stdout);
}

static int ask(struct probe *probe, const char *what);

static int ask_group(struct probe *probe, const char *instance_id)
{
    CLEANUP(aws_client_freep) struct aws_client *client = NULL;
    const struct endpoint_query query = {
        .service = AUTOSCALING_SERVICE,
        .environment = AUTOSCALING_ENVIRONMENT,
        .region = endpoint_region_from_environment(NULL, NULL),
    };
    struct aws_client_options options = {
        .event = probe->event,
        .http = probe->http,
        .credentials = probe->provider,
        .service = AUTOSCALING_SERVICE,
        .region = query.region,
    };
    int r = endpoint_resolve(&query, NULL, NULL, &options.endpoint);

    if (r < 0)
        return r;
    r = aws_client_new(&client, &options);
    if (r < 0)
        return r;
    r = autoscaling_find_group(client, instance_id, on_group, probe, NULL);
    if (r == 0)
        run(probe);
    return r;
}

static int ask_until(struct probe *probe, const char *path)
{
    int r = 0;

    while (r == 0 && !probe->has_value) {
        char imds[256];

        snprintf(imds, sizeof(imds), "imds:%s", path);
        r = ask(probe, imds);
        if (r == 0 && !probe->has_value)
            r = ask(probe, "sleep:100");
    }
    probe->has_failed = false;
    return r;
}

static int ask(struct probe *probe, const char *what)
{
    sd_event_source *timer = NULL;
    int r = 0;

    probe->is_done = probe->has_value = false;
    if (strcmp(what, "credentials") == 0) {
        r = credentials_get(probe->provider, on_credentials, probe, NULL);
    } else if (strcmp(what, "expire") == 0) {
        credentials_expire(probe->provider);
        probe->is_done = true;
    } else if (strncmp(what, "imds:", 5) == 0) {
        r = imds_get(probe->imds, what + 5, on_value, probe, NULL);
    } else if (strncmp(what, "until:", 6) == 0) {
        return ask_until(probe, what + 6);
    } else if (strncmp(what, "group:", 6) == 0) {
        return ask_group(probe, what + 6);
    } else if (strncmp(what, "sleep:", 6) == 0) {
        r = sd_event_add_time_relative(probe->event, &timer, CLOCK_MONOTONIC,
                                       strtoull(what + 6, NULL, 10) * USEC_PER_MSEC, 0, on_timer,
                                       probe);
    } else {
        r = -EINVAL;
    }
    if (r == 0)
        run(probe);
    sd_event_source_disable_unref(timer);
    return r;
}

static void on_stale(bool is_stale, const char *line, void *userdata)
{
    fprintf(stderr, "aws-probe: %s\n", line);
}

int main(int argc, char **argv)
{
    struct probe probe = {0};
    int r = 0;

    if (sd_event_new(&probe.event) < 0 ||
        http_client_new(&probe.http, probe.event, "aws-probe") < 0 ||
        imds_new(&probe.imds, probe.event, probe.http, NULL, NULL) < 0 ||
        credentials_provider_new(&probe.provider, probe.event, probe.http, probe.imds, NULL, NULL) <
            0)
        return EXIT_FAILURE;
    credentials_on_stale(probe.provider, on_stale, NULL);
    for (int i = 1; i < argc && r == 0; i++) {
        r = ask(&probe, argv[i]);
        if (r < 0)
            fprintf(stderr, "aws-probe: %s: %s\n", argv[i], strerror(-r));
    }
    credentials_provider_free(probe.provider);
    imds_free(probe.imds);
    http_client_free(probe.http);
    sd_event_unref(probe.event);
    return r < 0 || probe.has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
