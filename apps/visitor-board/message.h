/* SPDX-License-Identifier: Apache-2.0 */
/* A visitor's message, and the bounded list of the newest ones that a page shows. Plain values. */
#pragma once

#include "common/base/macro.h"

#include <stddef.h>

#define MESSAGE_TEXT_CHARACTERS     500u /* code points */
#define MESSAGE_INSTANCE_CHARACTERS 255u /* a host name's limit */
#define MESSAGE_LIST_MAX            50u

struct message {    /* all borrowed, NUL-terminated, never NULL */
    const char *id; /* UUID */
    const char *text;
    const char *timestamp; /* ISO 8601, UTC, milliseconds */
    const char *instance;  /* the node that took it in */
};

struct message_list;

int message_list_new(struct message_list **ret);
struct message_list *message_list_free(struct message_list *list);
DEFINE_CLEANUP(struct message_list *, message_list_free)

/* Copies |message| to the end. 0, -ENOBUFS past MESSAGE_LIST_MAX or the bytes for so many, or
 * -ENOMEM. */
int message_list_add(struct message_list *list, const struct message *message);
size_t message_list_count(const struct message_list *list); /* 0 for NULL */
/* Entry |index| below the count; valid until the list changes. */
struct message message_list_get(const struct message_list *list, size_t index);
