/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `visitor-board create-table`: makes the DynamoDB table, on demand, with point-in-time recovery
 * and TTL, and says what it did. What is there already stays; so it can be run again.
 */
#pragma once

#include "apps/visitor-board/store-open.h"

/* Blocks, up to some minutes. Prints to standard output; errors are logged. An exit code. */
int create_table(const struct store_settings *settings);
