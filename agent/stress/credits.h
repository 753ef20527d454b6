/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a load costs on burstable instances, where CPU time above a baseline is paid for with CPU
 * credits: facts of AWS's user guide ("Key concepts for burstable performance instances") and of
 * its price list, Linux, 2025. One credit is one vCPU at 100 % for a minute.
 */
#pragma once

#define CREDITS_TEXT_MAX 320u

/* In one or two sentences; "" if |instance_type| is no burstable one. Returns |text|. */
const char *credits_print(const char *instance_type, unsigned load_percent,
                          char text[CREDITS_TEXT_MAX]);
