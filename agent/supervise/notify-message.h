/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker says on the notify socket (sd_notify(3)), read without trust: pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define NOTIFY_MESSAGE_MAX 2048 /* bytes; longer ones are refused whole */
#define NOTIFY_STATUS_MAX  79

struct notify_message {
    bool ready;
    bool watchdog;
    bool has_status;
    char status[NOTIFY_STATUS_MAX + 1]; /* UTF-8 without control characters, cut to fit */
    unsigned unknown;                   /* assignments that we don't know */
};

/* 0, or -EBADMSG: empty, NUL inside, or not UTF-8; then *ret is zero. */
int notify_message_parse(const char *data, size_t length, struct notify_message *ret);
