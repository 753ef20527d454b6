/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/store-open.h"

#include "apps/visitor-board/dynamodb-items.h"
#include "apps/visitor-board/store-sqlite.h"
#include "common/base/log.h"
#include "common/base/text.h"

#include <errno.h>
#include <string.h>

static const char *or_default(const char *value, const char *fallback)
{
    return value && *value ? value : fallback;
}

/* As DynamoDB has it: 3 to 255 of [a-zA-Z0-9_.-]. */
static bool is_table_name(const char *name)
{
    size_t length = strlen(name);

    return length >= 3 && length < DYNAMODB_TABLE_NAME_MAX &&
           strspn(name, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-") ==
               length;
}

int store_settings_read(struct store_settings *ret, endpoint_getenv get, void *userdata)
{
    const char *days;
    uint64_t number;

    if (!get)
        get = endpoint_process_getenv;
    days = or_default(get("BOARD_RETENTION_DAYS", userdata), "0");
    *ret = (struct store_settings){
        .database = or_default(get("BOARD_DATABASE", userdata), STORE_DEFAULT_DATABASE),
        .dynamodb =
            {
                .table = or_default(get("TABLE_NAME", userdata), ""),
                .board = or_default(get("BOARD_NAME", userdata), STORE_DEFAULT_BOARD),
                .link =
                    {
                        .endpoint = or_default(get("DYNAMODB_ENDPOINT_URL", userdata), ""),
                        .getenv_function = get,
                        .getenv_userdata = userdata,
                    },
            },
    };
    if (*ret->dynamodb.table && !is_table_name(ret->dynamodb.table)) {
        log_error("TABLE_NAME is \"%s\", must be 3 to 255 letters, digits, \"_\", \".\" or \"-\"",
                  ret->dynamodb.table);
        return -EINVAL;
    }
    if (!items_is_board_name(ret->dynamodb.board)) {
        log_error("BOARD_NAME is \"%s\", must be 1 to 64 letters, digits, \"_\", \".\" or \"-\"",
                  ret->dynamodb.board);
        return -EINVAL;
    }
    if (text_parse_u64(days, 0, STORE_RETENTION_MAX, &number) < 0) {
        log_error("BOARD_RETENTION_DAYS is \"%s\", must be a number from 0 to %u", days,
                  STORE_RETENTION_MAX);
        return -EINVAL;
    }
    ret->dynamodb.retention_days = (unsigned) number;
    return 0;
}

int store_open(struct store **ret, sd_event *event, const struct store_settings *settings)
{
    const struct store_dynamodb_options *dynamodb = &settings->dynamodb;
    int r;

    if (!*dynamodb->table) {
        r = store_sqlite_open(ret, event, settings->database, dynamodb->retention_days);
        if (r < 0)
            log_error_errno(-r, "Can't use %s as database: %m", settings->database);
        return r;
    }
    r = store_dynamodb_open(ret, event, dynamodb);
    if (r == -EINVAL)
        log_error("Can't use DynamoDB: AWS_REGION is no Region, or the endpoint is no URL");
    else if (r < 0)
        log_error_errno(-r, "Can't use DynamoDB: %m");
    return r;
}
