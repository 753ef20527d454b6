/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify(3) that never blocks: libsystemd's waits while the receiver's queue is full, and a
 * worker must go on serving when the agent is stopped or slow.
 */
#pragma once

#define NOTIFY_STATE_MAX 512 /* bytes a message */

/*
 * Sends "READY=1" or the like to NOTIFY_SOCKET (a path, or '@' and an abstract name). 0 if sent or
 * nobody wants to know (no NOTIFY_SOCKET), -EAGAIN if the queue is full, or a negative errno.
 */
int notify_send(const char *state);
