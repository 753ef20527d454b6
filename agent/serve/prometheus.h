/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot as Prometheus reads it: text exposition format 0.0.4. Pure.
 *
 * Names begin with agentd_; units are seconds, bytes and ratios (1 is 100 %); what ends in _total
 * counts since agentd's start and goes on over cores. A number that is not known is left out.
 */
#pragma once

#include "agent/core/snapshot.h"
#include "common/base/buffer.h"

#define PROMETHEUS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Of the largest possible node: 16 apps with 6 kB each. */
#define PROMETHEUS_TEXT_MAX (256u * 1024)

/* Appends it. 0 or buffer_append()'s errors. */
int prometheus_print(const struct snapshot *snapshot, struct buffer *out);
