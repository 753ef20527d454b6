/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: a closed window as bodies of CloudWatch's PutMetricData, in its AWS JSON 1.0 shape.
 * Pure.
 *
 * A window becomes one body unless it is over a limit of the service; then several. Gauges and
 * counters go out as StatisticValues, distributions as Values and Counts (percentiles need them).
 *
 * Each series is printed once for each set of dimensions:
 *     an Auto Scaling group is known    {AutoScalingGroupName}; with per_instance also
 *                                       {AutoScalingGroupName, InstanceId}
 *     none                              {InstanceId}
 * and metrics of an app have App in addition.
 */
#pragma once

#include "agent/observe/windows.h"
#include "common/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/* CloudWatch's limits: of a request, in bytes and in datums; and of unique values in a datum. */
#define BATCH_BODY_LIMIT_BYTES 1000000u
#define BATCH_DATUMS_MAX       1000u
#define BATCH_VALUES_MAX       150u

struct batch_settings { /* strings are borrowed; NULL is the same as "" */
    const char *namespace_;
    const char *asg_name;    /* "": unknown */
    const char *instance_id; /* "": no such dimension */
    bool per_instance;
    const char *app_names[APPS_MAX]; /* NULL: that app's series are left out */
    /* 0: CloudWatch's */
    size_t body_limit_bytes;
    size_t datums_max;
};

struct batch { /* where printing has got to; plain value */
    const struct batch_settings *settings;
    const struct window *window;
    size_t series;       /* of the host's and agent's, then app by app */
    unsigned dimensions; /* which set */
    size_t bucket;       /* of a distribution: where the next datum starts */
};

/* Both must live as long as the batch is printed. */
void batch_init(struct batch *batch, const struct batch_settings *settings,
                const struct window *window);

/*
 * Prints the next body behind what |body| holds, without a newline. 1, or 0 if nothing is left (an
 * empty window has no body); -ENOBUFS if the buffer refused it (its limit, or no memory) or
 * -ENOMEM: then body and batch stay as they were. A datum that alone is over the limit of a body is
 * left out (names of such length can't be configured).
 */
int batch_next(struct batch *batch, struct buffer *body);
