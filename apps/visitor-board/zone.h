/* SPDX-License-Identifier: Apache-2.0 */
/* This instance's availability zone from IMDS, asked once; for the page, which does without it. */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

#define ZONE_MAX 64u /* bytes with NUL */

struct zone;

/* |done| is called once with the zone, or never: outside of EC2 there is none. It is called from
 * the loop, until zone_free(). 0 or a negative errno. */
int zone_ask(struct zone **ret, sd_event *event, void (*done)(const char *zone, void *userdata),
             void *userdata);
struct zone *zone_free(struct zone *zone);
DEFINE_CLEANUP(struct zone *, zone_free)

/* Whether |text| may be shown as one: "eu-west-1a". */
bool zone_is_sound(const char *text);
