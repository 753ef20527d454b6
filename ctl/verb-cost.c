/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentctl cost: what a month of this node's metrics costs in CloudWatch, from the body that it
 * would send now and from its calls in the last hour.
 */
#include "common/schema/prices.h"
#include "ctl/fields.h"
#include "ctl/humanize.h"
#include "ctl/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ESTIMATE_CALLS_PER_HOUR 60u /* a calm node, adaptive: one a minute */

struct cost {
    uint64_t metrics;      /* series: name and dimensions */
    uint64_t per_instance; /* of them with InstanceId: each node has its own */
    uint64_t calls_per_hour;
    bool measured; /* calls: counted, not estimated */
    double metrics_usd, requests_usd;
};

/* A series as one text, to find those that are there twice (a distribution of many values). */
static char *series_key(const struct json_object *datum)
{
    char *key = NULL;
    size_t n = field_items(datum, "Dimensions");

    if (asprintf(&key, "%s", field_text(datum, "MetricName", "")) < 0)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        const struct json_object *dimension = field_item(datum, "Dimensions", i);
        CLEANUP_FREE char *before = key;

        if (asprintf(&key, "%s\t%s\t%s", before, field_text(dimension, "Name", ""),
                     field_text(dimension, "Value", "")) < 0)
            return NULL;
    }
    return key;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Counts the different series. 0 or -ENOMEM. */
static int count_metrics(const struct json_object *answer, struct cost *cost)
{
    size_t n = 0, all = 0;
    char **keys;
    int r = 0;

    for (size_t b = 0; b < field_items(answer, "bodies"); b++)
        all += field_items(field_item(answer, "bodies", b), "MetricData");
    keys = calloc(all + 1, sizeof(*keys));
    if (!keys)
        return -ENOMEM;
    for (size_t b = 0; b < field_items(answer, "bodies") && r == 0; b++) {
        const struct json_object *body = field_item(answer, "bodies", b);

        for (size_t i = 0; i < field_items(body, "MetricData") && r == 0; i++)
            if (!(keys[n++] = series_key(field_item(body, "MetricData", i))))
                r = -ENOMEM;
    }
    if (r == 0)
        qsort(keys, n, sizeof(*keys), compare_keys);
    for (size_t i = 0; i < n && r == 0; i++)
        if (i == 0 || strcmp(keys[i], keys[i - 1]) != 0) {
            cost->metrics++;
            cost->per_instance += strstr(keys[i], "\tInstanceId\t") != NULL;
        }
    for (size_t i = 0; i < n; i++)
        free(keys[i]);
    free(keys);
    return r;
}

/* Less than an hour's calls are not taken for an hour's. */
static void count_calls(const struct json_object *status, struct cost *cost)
{
    const struct json_object *cloudwatch =
        field_object(field_object(status, "publish"), "cloudwatch");
    int64_t uptime_s = field_int(field_object(status, "core"), "uptime_s", 0);

    cost->measured = cloudwatch && uptime_s >= 3600;
    cost->calls_per_hour = cost->measured
                               ? (uint64_t) MAX(field_int(cloudwatch, "calls_last_hour", 0), 0)
                               : ESTIMATE_CALLS_PER_HOUR;
}

static enum exit_code print_json(struct session *session, const struct cost *cost)
{
    CLEANUP_JSON struct json_object *object = json_object_new_object();

    json_add_u64(object, "schema_version", 1);
    json_add_string(object, "prices_date", PRICES_DATE);
    json_add_string(object, "prices_region", PRICES_REGION);
    json_add_u64(object, "metrics", cost->metrics);
    json_add_u64(object, "metrics_per_instance", cost->per_instance);
    json_add_double(object, "metrics_usd_month", cost->metrics_usd, 2);
    json_add_u64(object, "calls_per_hour", cost->calls_per_hour);
    json_add_bool(object, "calls_measured", cost->measured);
    json_add_double(object, "calls_usd_month", cost->requests_usd, 2);
    json_add_double(object, "usd_month", cost->metrics_usd + cost->requests_usd, 2);
    return session_print_json(session, object, false);
}

static void print_text(struct session *session, const struct cost *cost, const char *sink)
{
    uint64_t requests = (uint64_t) ((double) cost->calls_per_hour * PRICES_MONTH_HOURS);
    struct buffer *out = &session->out;
    char number[HUMANIZE_MAX];

    if (strcmp(sink, "cloudwatch") != 0)
        buffer_printf(out,
                      "publish.sink is \"%s\": nothing is sent, and nothing costs.\n"
                      "With \"cloudwatch\" it would be:\n",
                      sink);
    buffer_printf(out, "metrics   %6" PRIu64 "  %9.2f USD a month\n", cost->metrics,
                  cost->metrics_usd);
    buffer_printf(out, "  of the group or app, shared by all its nodes   %6" PRIu64 "\n",
                  cost->metrics - cost->per_instance);
    buffer_printf(out, "  with InstanceId, each node pays its own        %6" PRIu64 "\n",
                  cost->per_instance);
    buffer_printf(out, "requests  %6s  %9.2f USD a month (%" PRIu64 " an hour, %s)\n",
                  humanize_count(number, requests), cost->requests_usd, cost->calls_per_hour,
                  cost->measured ? "counted" : "estimated: agentd runs for less than an hour");
    buffer_printf(out, "together          %9.2f USD a month\n",
                  cost->metrics_usd + cost->requests_usd);
    buffer_printf(out,
                  "\nPublic prices of " PRICES_REGION " as known on " PRICES_DATE
                  ", without the account's free tier\n(%u metrics and %s requests a month).\n",
                  PRICES_FREE_METRICS, humanize_count(number, PRICES_FREE_REQUESTS));
}

enum exit_code verb_cost(struct session *session)
{
    CLEANUP_JSON struct json_object *status = NULL, *bodies = NULL;
    struct cost cost = {0};
    enum exit_code code = session_ask(session, "/v1/status", NULL, &status);

    if (code == EXIT_CODE_OK)
        code = session_ask(session, "/v1/metrics/bodies", NULL, &bodies);
    if (code != EXIT_CODE_OK)
        return code;
    if (count_metrics(bodies, &cost) < 0)
        return session_fail(EXIT_CODE_FAILED, "out of memory");
    count_calls(status, &cost);
    cost.metrics_usd = prices_metrics_usd(cost.metrics);
    cost.requests_usd =
        prices_requests_usd((uint64_t) ((double) cost.calls_per_hour * PRICES_MONTH_HOURS));
    if (session_has(session, VERB_OPTION_JSON))
        return print_json(session, &cost);
    print_text(session, &cost, field_text(field_object(status, "publish"), "sink", "none"));
    return session_flush(session);
}
