/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies: records (record.h) put together as requests of CloudWatch's PutMetricData, in its AWS
 * JSON 1.0 shape, within its limits. Pure.
 *
 * Each datum is printed once for each set of the node's dimensions:
 *     an Auto Scaling group is known    {AutoScalingGroupName}; with per_instance also
 *                                       {AutoScalingGroupName, InstanceId}
 *     none                              {InstanceId}
 */
#pragma once

#include "common/base/buffer.h"

#include <stdbool.h>
#include <stddef.h>

/* CloudWatch's limits of a request, a little below its 1 MB. */
#define BODY_LIMIT_BYTES 1000000u
#define BODY_DATUMS_MAX  1000u

struct body_settings { /* strings are borrowed; NULL is the same as "" */
    const char *namespace_;
    const char *asg_name;    /* "": none */
    const char *instance_id; /* "": no such dimension */
    bool per_instance;
    size_t limit_bytes; /* 0: CloudWatch's */
    size_t datums_max;  /* 0: CloudWatch's */
};

struct body { /* being put together */
    struct body_settings settings;
    struct buffer text;
    size_t n_datums;
};

void body_begin(struct body *body, const struct body_settings *settings);

/*
 * Adds a record from byte |*offset| on, as many of its lines as fit, and moves |*offset| behind
 * them (at |length|: all of it). A line that alone is over a limit, or is none, is passed over and
 * counted in |ret_skipped| (may be NULL). 0 or -ENOMEM.
 */
int body_add(struct body *body, const char *record, size_t length, size_t *offset,
             size_t *ret_skipped);

/* Ends the JSON and returns it, NUL-terminated, valid until body_done(); NULL if there is no datum
 * or no memory. */
const char *body_end(struct body *body, size_t *ret_length);
void body_done(struct body *body);

/* All bodies that a record makes, as a JSON array: appended to |out|. 0 or a negative errno. */
int body_print_all(const struct body_settings *settings, const char *record, size_t length,
                   struct buffer *out);
