/* SPDX-License-Identifier: Apache-2.0 */
/* Which store, as the environment says: DynamoDB where TABLE_NAME is set, else SQLite. */
#pragma once

#include "apps/visitor-board/store-dynamodb.h"

#define STORE_DEFAULT_DATABASE "./visitor-board.db"
#define STORE_DEFAULT_BOARD    "main"
#define STORE_RETENTION_MAX    36500u /* days */

#define STORE_HELP                                                                                 \
    "  TABLE_NAME             DynamoDB table of the messages; without it they are in SQLite\n"     \
    "  AWS_REGION             the table's Region (the instance's)\n"                               \
    "  DYNAMODB_ENDPOINT_URL  where DynamoDB is, if it is not AWS's\n"                             \
    "  BOARD_DATABASE         SQLite: its file, made if missing (" STORE_DEFAULT_DATABASE ")\n"    \
    "  BOARD_NAME             DynamoDB: the board in the table (" STORE_DEFAULT_BOARD ")\n"        \
    "  BOARD_RETENTION_DAYS   messages go after so many days (0: never)\n"

struct store_settings { /* borrowed from the environment */
    const char *database;
    struct store_dynamodb_options dynamodb; /* |table| "": SQLite */
};

/* 0, or -EINVAL: one line is logged that says what is wrong. NULL: the process's environment. */
int store_settings_read(struct store_settings *ret, endpoint_getenv getenv_function,
                        void *userdata);

/* 0 or a negative errno: one line is logged. Starts threads for SQLite: see store-sqlite.h. */
int store_open(struct store **ret, sd_event *event, const struct store_settings *settings);
