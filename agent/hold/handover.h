/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The holder's upgrade: what it owns goes over an exec of its own program to the next version, in
 * the same process: with its children, descriptors, privileges and place with systemd.
 *
 * The core sees to it that the new programs have been checked, with a copy of this very state, and
 * leaves first. What comes after the exec starts a new core.
 */
#pragma once

#include "common/schema/config.h"

#include <stdbool.h>

struct holder;
struct record;

#define HANDOVER_MAGIC   UINT32_C(0x4f474741) /* "AGGO" */
#define HANDOVER_VERSION 3u                   /* raised with each field that comes or goes */

/* Every field, either way. One that came later is read only if the record's version has it. */
void handover_walk(struct holder *holder, struct record *record);

/* The state in a new sealed memfd, or a negative errno. */
int handover_save(struct holder *holder);

/* What a version before has left: 1, 0 if it is a plain start, or a negative errno with one line in
 * |error|. |dry|: in another process, where it is only looked at. */
int handover_restore(struct holder *holder, bool dry, char error[CONFIG_ERROR_MAX]);
/* Whether that would work: >= 0 also if nothing was handed over. */
int handover_check(char error[CONFIG_ERROR_MAX]);

/* Becomes the next version. Returns only if that fails: then nothing has changed. */
void handover_exec(struct holder *holder);
