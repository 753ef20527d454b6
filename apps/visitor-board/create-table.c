/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/create-table.h"

#include "apps/visitor-board/dynamodb-items.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/schema/contract.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CALL_TIMEOUT_US  (20 * USEC_PER_SEC)
#define READY_TIMEOUT_US (300 * USEC_PER_SEC) /* until the table is there: usually some seconds */
#define POLL_US          USEC_PER_SEC
#define BODY_MAX         4096u

struct maker {
    sd_event *event;
    struct link *link;
    const char *table;
    /* The call that is waited for. */
    bool done;
    int error;
    struct json_object *answer;
    char reason[LINK_REASON_MAX];
};

static void on_done(const struct dynamodb_result *result, void *userdata)
{
    struct maker *maker = userdata;

    maker->done = true;
    maker->error = result->error;
    (void) link_reason(maker->reason, result);
    json_object_put(maker->answer);
    maker->answer = json_object_get((struct json_object *) result->answer);
}

/* One operation on the table, with |more| in its body. Its answer or reason is in |maker|. */
static int perform(struct maker *maker, const char *operation, const char *more)
{
    struct link_call *call;
    struct buffer body;
    int r;

    buffer_init(&body, BODY_MAX);
    (void) buffer_append_string(&body, "{\"TableName\":");
    (void) json_append_string(&body, maker->table);
    (void) buffer_printf(&body, "%s}", more);
    maker->done = false;
    r = link_call(maker->link, operation, &body, clock_monotonic_us() + CALL_TIMEOUT_US, on_done,
                  maker, &call);
    if (r < 0) {
        snprintf(maker->reason, sizeof(maker->reason), "%s", strerror(-r));
        return r;
    }
    while (!maker->done) {
        r = sd_event_run(maker->event, UINT64_MAX);
        if (r < 0)
            return r;
    }
    return maker->error;
}

static int complain(const struct maker *maker, const char *what, int error)
{
    log_error("Can't %s table %s: %s", what, maker->table, maker->reason);
    return error;
}

static int make(struct maker *maker)
{
    int r = perform(maker, "CreateTable",
                    ",\"AttributeDefinitions\":["
                    "{\"AttributeName\":\"pk\",\"AttributeType\":\"S\"},"
                    "{\"AttributeName\":\"sk\",\"AttributeType\":\"S\"}],"
                    "\"KeySchema\":[{\"AttributeName\":\"pk\",\"KeyType\":\"HASH\"},"
                    "{\"AttributeName\":\"sk\",\"KeyType\":\"RANGE\"}],"
                    "\"BillingMode\":\"PAY_PER_REQUEST\"");

    if (r < 0 && r != -EBUSY)
        return complain(maker, "make", r);
    printf(r == 0 ? "Made table %s, on demand.\n" : "Table %s is there already.\n", maker->table);
    return 0;
}

/* Whether element |index| of the key schema is |name| in that role. */
static bool has_key(const struct json_object *table, size_t index, const char *name,
                    const char *type)
{
    struct json_object *schema, *element;
    const char *text;

    if (json_get_array(table, "KeySchema", &schema) < 0 || json_object_array_length(schema) != 2)
        return false;
    element = json_object_array_get_idx(schema, index);
    return json_get_string(element, "AttributeName", &text) == 0 && strcmp(text, name) == 0 &&
           json_get_string(element, "KeyType", &text) == 0 && strcmp(text, type) == 0;
}

/* 1: it is ready; 0: not yet. */
static int look(struct maker *maker)
{
    struct json_object *table;
    const char *status;
    int r = perform(maker, "DescribeTable", "");

    if (r == -ENOENT) /* CreateTable is not seen everywhere at once */
        return 0;
    if (r < 0)
        return complain(maker, "look at", r);
    if (!json_object_object_get_ex(maker->answer, "Table", &table) ||
        json_get_string(table, "TableStatus", &status) < 0) {
        snprintf(maker->reason, sizeof(maker->reason), "DescribeTable's answer has no status");
        return complain(maker, "look at", -EBADMSG);
    }
    if (!has_key(table, 0, "pk", "HASH") || !has_key(table, 1, "sk", "RANGE")) {
        snprintf(maker->reason, sizeof(maker->reason),
                 "it is another one: its keys are not pk and sk");
        return complain(maker, "use", -EBADMSG);
    }
    return strcmp(status, "ACTIVE") == 0;
}

static void pause_poll(void)
{
    const struct timespec pause = {.tv_sec = POLL_US / USEC_PER_SEC};

    nanosleep(&pause, NULL);
}

static int wait_until_ready(struct maker *maker)
{
    uint64_t end_us = clock_monotonic_us() + READY_TIMEOUT_US;
    int r;

    while ((r = look(maker)) == 0) {
        if (clock_monotonic_us() >= end_us) {
            snprintf(maker->reason, sizeof(maker->reason), "it is not ACTIVE after 5 minutes");
            return complain(maker, "use", -ETIMEDOUT);
        }
        pause_poll();
    }
    return r < 0 ? r : 0;
}

/* What local stand-ins for DynamoDB don't have is no error there. */
static int settle(struct maker *maker, const char *what, int error)
{
    if (error == 0 || !link_is_overridden(maker->link) ||
        (error != -EOPNOTSUPP && error != -EINVAL))
        return error == 0 ? 0 : complain(maker, what, error);
    printf("This endpoint does not know how to %s the table (%s), going on.\n", what,
           maker->reason);
    return 0;
}

static int protect(struct maker *maker)
{
    uint64_t end_us = clock_monotonic_us() + READY_TIMEOUT_US;
    int r;

    /* Refused for a while after the table was made. */
    while ((r = perform(maker, "UpdateContinuousBackups",
                        ",\"PointInTimeRecoverySpecification\":"
                        "{\"PointInTimeRecoveryEnabled\":true}")) == -EBUSY &&
           clock_monotonic_us() < end_us)
        pause_poll();
    if (r == 0)
        puts("Point-in-time recovery is on.");
    return settle(maker, "back up", r);
}

static int expire(struct maker *maker)
{
    struct json_object *description;
    const char *status, *attribute;
    int r = perform(maker, "DescribeTimeToLive", "");

    if (r == 0 && json_object_object_get_ex(maker->answer, "TimeToLiveDescription", &description) &&
        json_get_string(description, "TimeToLiveStatus", &status) == 0 &&
        (strcmp(status, "ENABLED") == 0 || strcmp(status, "ENABLING") == 0)) {
        if (json_get_string(description, "AttributeName", &attribute) == 0 &&
            strcmp(attribute, "ttl") == 0) {
            puts("TTL is on already.");
            return 0;
        }
        snprintf(maker->reason, sizeof(maker->reason), "its TTL is by another attribute");
        return complain(maker, "expire items of", -EBADMSG);
    }
    if (r == 0)
        r = perform(maker, "UpdateTimeToLive",
                    ",\"TimeToLiveSpecification\":{\"Enabled\":true,\"AttributeName\":\"ttl\"}");
    if (r == 0)
        puts("TTL is on, by the attribute ttl.");
    return settle(maker, "expire items of", r);
}

int create_table(const struct store_settings *settings)
{
    CLEANUP(sd_event_unrefp) sd_event *event = NULL;
    CLEANUP(link_freep) struct link *link = NULL;
    struct maker maker = {.table = settings->dynamodb.table};
    int r;

    if (!*maker.table) {
        log_error("create-table makes the table that TABLE_NAME says, which is not set");
        return EXIT_CODE_USAGE;
    }
    r = sd_event_default(&event);
    if (r >= 0)
        r = link_new(&link, event, &settings->dynamodb.link);
    if (r < 0) {
        log_error_errno(-r, "Can't use DynamoDB: %m");
        return EXIT_CODE_FAILED;
    }
    maker.event = event;
    maker.link = link;
    r = make(&maker);
    if (r >= 0)
        r = wait_until_ready(&maker);
    if (r >= 0)
        r = protect(&maker);
    if (r >= 0)
        r = expire(&maker);
    json_object_put(maker.answer);
    return r < 0 ? EXIT_CODE_FAILED : EXIT_CODE_OK;
}
