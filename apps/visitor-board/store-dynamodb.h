/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in a DynamoDB table that all nodes share (dynamodb-items.h says how it is laid out).
 *
 * Posts: those that wait when the last transaction is done become one, of up to ITEMS_BATCH_MAX
 * messages; so a worker has one transaction under way and never collides with itself. It is safe to
 * repeat: the same content goes with the same token, and each message is put on condition that it
 * is not there. A message that is found there was stored by an attempt whose answer was lost.
 *
 * Reads never scan. They are consistent for a while after a post of this process or store_expect(),
 * so that who has posted sees it; else eventually consistent, at half the price.
 */
#pragma once

#include "apps/visitor-board/dynamodb-link.h"
#include "apps/visitor-board/store.h"

#define STORE_DYNAMODB_PENDING_MAX 1024u /* posts that wait for the next transaction */
#define STORE_DYNAMODB_READS_MAX   32u   /* reads under way */

struct store_dynamodb_options { /* strings are copied */
    const char *table;
    const char *board;       /* of [A-Za-z0-9_.-], up to 64 */
    unsigned retention_days; /* 0: for ever */
    struct link_options link;
};

/* Asks nothing yet: a table that is missing, or missing credentials, are errors of the operations.
 * 0, -EINVAL or -ENOMEM. */
int store_dynamodb_open(struct store **ret, sd_event *event,
                        const struct store_dynamodb_options *options);

/* Of all reads so far: capacity units that DynamoDB said it has counted, and items that were
 * skipped because they could not be read. */
double store_dynamodb_read_units(const struct store *store);
uint64_t store_dynamodb_broken_items(const struct store *store);
