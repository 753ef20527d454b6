/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/dynamodb-items.h"

#include "common/aws/dynamodb.h"
#include "common/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECONDS_PER_DAY     UINT64_C(86400)
#define ACTIVITY_LIFETIME_S 7200u
#define ID_BYTES_MAX        64u
#define TIMESTAMP_BYTES_MAX 32u
#define SORT_KEY_TEXT_MAX   300u /* of the activity: a bucket, an instance, a shard */

/* --- names ----------------------------------------------------------------------------------- */

bool items_is_board_name(const char *name)
{
    size_t length = strlen(name);

    if (length == 0 || length >= ITEMS_BOARD_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char) name[i]) && !strchr("_.-", name[i]))
            return false;
    return true;
}

bool items_day(char ret[ITEMS_DAY_SIZE], const char *timestamp)
{
    static const char pattern[] = "dddd-dd-dd";

    for (size_t i = 0; i < sizeof(pattern) - 1; i++)
        if (pattern[i] == 'd' ? !isdigit((unsigned char) timestamp[i]) : timestamp[i] != '-')
            return false;
    memcpy(ret, timestamp, ITEMS_DAY_SIZE - 1);
    ret[ITEMS_DAY_SIZE - 1] = '\0';
    return true;
}

/* Positions are made of these alone (store.h). */
static bool is_position_text(const char *text)
{
    for (; *text; text++)
        if (!isalnum((unsigned char) *text) && !strchr(":.#_-", *text))
            return false;
    return true;
}

bool items_sort_key(char ret[ITEMS_SORT_KEY_MAX], const struct message *message)
{
    return snprintf(ret, ITEMS_SORT_KEY_MAX, "%s#%s", message->timestamp, message->id) <
               (int) ITEMS_SORT_KEY_MAX &&
           is_position_text(ret);
}

static uint64_t ttl_of(const struct items *items, uint64_t now_s)
{
    return now_s + items->retention_days * SECONDS_PER_DAY;
}

static void add_key(struct buffer *body, const struct items *items, char kind, const char *rest,
                    const char *sort_key)
{
    char partition[8 + ITEMS_BOARD_MAX + STORE_KEY_MAX];

    snprintf(partition, sizeof(partition), "%c#%s%s%s", kind, items->board, rest ? "#" : "",
             rest ? rest : "");
    dynamodb_add_string(body, "pk", partition);
    dynamodb_add_string(body, "sk", sort_key);
}

/* --- a transaction --------------------------------------------------------------------------- */

bool items_batch_admits(const struct items_batch *batch, const struct post *post)
{
    char day[ITEMS_DAY_SIZE];

    if (batch->count == ITEMS_BATCH_MAX || !items_day(day, post->message.timestamp))
        return false;
    if (batch->count > 0 &&
        (strcmp(day, batch->day) != 0 ||
         strcmp(batch->posts[0]->message.instance, post->message.instance) != 0))
        return false;
    for (size_t i = 0; i < batch->count; i++) {
        const struct post *other = batch->posts[i];

        if (strcmp(other->message.id, post->message.id) == 0)
            return false;
        if (other->key && post->key && strcmp(other->key, post->key) == 0)
            return false;
    }
    return true;
}

enum items_action items_batch_action(const struct items_batch *batch, size_t position,
                                     size_t *ret_post)
{
    size_t at = ITEMS_MESSAGE;

    if (position < at)
        return (enum items_action) position;
    for (size_t i = 0; i < batch->count; i++) {
        *ret_post = i;
        if (position == at++)
            return ITEMS_MESSAGE;
        if (batch->posts[i]->key && position == at++)
            return ITEMS_KEY;
    }
    return ITEMS_NO_ACTION;
}

static void add_table(struct buffer *body, const struct items *items)
{
    (void) buffer_append_string(body, "\"TableName\":");
    (void) json_append_string(body, items->table);
}

static void add_message(struct buffer *body, const struct message *message)
{
    dynamodb_add_string(body, "id", message->id);
    dynamodb_add_string(body, "message", message->text);
    dynamodb_add_string(body, "timestamp", message->timestamp);
    dynamodb_add_string(body, "instanceId", message->instance);
}

static void add_put_message(struct buffer *body, const struct items *items, const char *day,
                            const struct message *message, uint64_t now_s)
{
    char sort_key[ITEMS_SORT_KEY_MAX] = "";

    (void) items_sort_key(sort_key, message); /* the store has refused those that have none */
    (void) buffer_append_string(body, ",{\"Put\":{");
    add_table(body, items);
    (void) buffer_append_string(body, ",\"Item\":{");
    add_key(body, items, 'M', day, sort_key);
    add_message(body, message);
    if (items->retention_days > 0)
        dynamodb_add_number(body, "ttl", ttl_of(items, now_s));
    (void) buffer_append_string(body, "},\"ConditionExpression\":\"attribute_not_exists(pk)\"}}");
}

/* A key that should have been deleted by now is as good as none. The failed condition brings the
 * earlier message. */
static void add_put_key(struct buffer *body, const struct items *items, const struct post *post,
                        uint64_t now_s)
{
    (void) buffer_append_string(body, ",{\"Put\":{");
    add_table(body, items);
    (void) buffer_append_string(body, ",\"Item\":{");
    add_key(body, items, 'K', post->key, "-");
    add_message(body, &post->message);
    dynamodb_add_number(body, "ttl", now_s + STORE_KEY_LIFETIME_S);
    (void) buffer_append_string(
        body, "},\"ConditionExpression\":\"attribute_not_exists(pk) OR #ttl < :now\","
              "\"ExpressionAttributeNames\":{\"#ttl\":\"ttl\"},"
              "\"ExpressionAttributeValues\":{");
    dynamodb_add_number(body, ":now", now_s);
    (void) buffer_append_string(body, "},\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\"}}");
}

static void add_counter(struct buffer *body, const struct items *items, unsigned shard,
                        size_t count)
{
    char sort_key[8];

    snprintf(sort_key, sizeof(sort_key), "%02u", shard);
    (void) buffer_append_string(body, "{\"Update\":{");
    add_table(body, items);
    (void) buffer_append_string(body, ",\"Key\":{");
    add_key(body, items, 'C', NULL, sort_key);
    (void) buffer_append_string(body, "},\"UpdateExpression\":\"ADD #n :n\","
                                      "\"ExpressionAttributeNames\":{\"#n\":\"n\"},"
                                      "\"ExpressionAttributeValues\":{");
    dynamodb_add_number(body, ":n", count);
    (void) buffer_append_string(body, "}}}");
}

static void add_activity(struct buffer *body, const struct items *items,
                         const struct items_batch *batch, unsigned shard, uint64_t now_s)
{
    char sort_key[SORT_KEY_TEXT_MAX];
    const char *instance = batch->posts[0]->message.instance;

    snprintf(sort_key, sizeof(sort_key), "%010" PRIu64 "#%.255s#%02u",
             now_s / STORE_ACTIVITY_BUCKET_S, instance, shard);
    (void) buffer_append_string(body, ",{\"Update\":{");
    add_table(body, items);
    (void) buffer_append_string(body, ",\"Key\":{");
    add_key(body, items, 'H', NULL, sort_key);
    (void) buffer_append_string(
        body, "},\"UpdateExpression\":\"ADD #n :n SET #i = :i, #ttl = :ttl\","
              "\"ExpressionAttributeNames\":{\"#n\":\"n\",\"#i\":\"instanceId\",\"#ttl\":\"ttl\"},"
              "\"ExpressionAttributeValues\":{");
    dynamodb_add_number(body, ":n", batch->count);
    dynamodb_add_string(body, ":i", instance);
    dynamodb_add_number(body, ":ttl", now_s + ACTIVITY_LIFETIME_S);
    (void) buffer_append_string(body, "}}}");
}

void items_transaction(struct buffer *body, const struct items *items,
                       const struct items_batch *batch, const char *token, unsigned shard,
                       uint64_t now_s)
{
    (void) buffer_append_string(body, "{\"ClientRequestToken\":");
    (void) json_append_string(body, token);
    (void) buffer_append_string(body, ",\"TransactItems\":[");
    add_counter(body, items, shard, batch->count);
    add_activity(body, items, batch, shard, now_s);
    for (size_t i = 0; i < batch->count; i++) {
        add_put_message(body, items, batch->day, &batch->posts[i]->message, now_s);
        if (batch->posts[i]->key)
            add_put_key(body, items, batch->posts[i], now_s);
    }
    (void) buffer_append_string(body, "]}");
}

/* --- the other requests ---------------------------------------------------------------------- */

static void begin(struct buffer *body, const struct items *items)
{
    (void) buffer_append_string(body, "{");
    add_table(body, items);
}

void items_put_day(struct buffer *body, const struct items *items, const char *day, uint64_t now_s)
{
    begin(body, items);
    (void) buffer_append_string(body, ",\"Item\":{");
    add_key(body, items, 'D', NULL, day);
    if (items->retention_days > 0) /* its last message is up to a day younger */
        dynamodb_add_number(body, "ttl", ttl_of(items, now_s) + 2 * SECONDS_PER_DAY);
    (void) buffer_append_string(body, "}}");
}

/* A Query of one partition, with a bound on the sort key ("": none) in |condition|. */
static void query(struct buffer *body, const struct items *items, char kind, const char *rest,
                  const char *condition, const char *bound)
{
    char partition[8 + ITEMS_BOARD_MAX + STORE_KEY_MAX];

    snprintf(partition, sizeof(partition), "%c#%s%s%s", kind, items->board, rest ? "#" : "",
             rest ? rest : "");
    begin(body, items);
    (void) buffer_printf(body,
                         ",\"ReturnConsumedCapacity\":\"TOTAL\",\"KeyConditionExpression\":"
                         "\"pk = :pk%s\",\"ExpressionAttributeValues\":{",
                         *bound ? condition : "");
    dynamodb_add_string(body, ":pk", partition);
    if (*bound)
        dynamodb_add_string(body, ":sk", bound);
    (void) buffer_append_string(body, "}");
}

static void end_newest_first(struct buffer *body, size_t limit, bool consistent)
{
    (void) buffer_printf(body, ",\"ScanIndexForward\":false,\"Limit\":%zu%s}", limit,
                         consistent ? ",\"ConsistentRead\":true" : "");
}

void items_query_messages(struct buffer *body, const struct items *items, const char *day,
                          const char *before, size_t limit, bool consistent)
{
    query(body, items, 'M', day, " AND sk < :sk", before);
    end_newest_first(body, limit, consistent);
}

void items_query_days(struct buffer *body, const struct items *items, const char *day,
                      bool consistent)
{
    query(body, items, 'D', NULL, " AND sk < :sk", day);
    end_newest_first(body, ITEMS_DAYS_PAGE, consistent);
}

void items_query_counter(struct buffer *body, const struct items *items)
{
    query(body, items, 'C', NULL, "", "");
    (void) buffer_append_string(body, ",\"ConsistentRead\":true}");
}

void items_query_activity(struct buffer *body, const struct items *items, const char *from,
                          uint64_t now_s)
{
    char bucket[24];

    snprintf(bucket, sizeof(bucket), "%010" PRIu64,
             now_s / STORE_ACTIVITY_BUCKET_S - STORE_ACTIVITY_BUCKETS + 1);
    if (*from)
        query(body, items, 'H', NULL, " AND sk > :sk", from);
    else
        query(body, items, 'H', NULL, " AND sk >= :sk", bucket);
    (void) buffer_append_string(body, "}");
}

void items_get_secret(struct buffer *body, const struct items *items, bool consistent)
{
    begin(body, items);
    (void) buffer_append_string(body, ",\"Key\":{");
    add_key(body, items, 'S', NULL, "-");
    (void) buffer_append_string(body, consistent ? "},\"ConsistentRead\":true}" : "}}");
}

void items_put_secret(struct buffer *body, const struct items *items,
                      const uint8_t secret[STORE_SECRET_BYTES])
{
    char hex[ITEMS_SECRET_HEX];

    for (size_t i = 0; i < STORE_SECRET_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", secret[i]);
    begin(body, items);
    (void) buffer_append_string(body, ",\"Item\":{");
    add_key(body, items, 'S', NULL, "-");
    dynamodb_add_string(body, "secret", hex);
    (void) buffer_append_string(body, "},\"ConditionExpression\":\"attribute_not_exists(pk)\"}");
    explicit_bzero(hex, sizeof(hex));
}

/* --- reading --------------------------------------------------------------------------------- */

static bool is_at_most(const char *text, size_t characters)
{
    size_t count = 0;

    for (; *text; text++)
        count += ((unsigned char) *text & 0xc0) != 0x80;
    return count <= characters;
}

int items_parse_message(const struct json_object *item, uint64_t now_s, struct message *ret)
{
    uint64_t ttl;
    int r = dynamodb_get_string(item, "id", &ret->id);

    if (r >= 0)
        r = dynamodb_get_string(item, "message", &ret->text);
    if (r >= 0)
        r = dynamodb_get_string(item, "timestamp", &ret->timestamp);
    if (r >= 0)
        r = dynamodb_get_string(item, "instanceId", &ret->instance);
    if (r < 0 || !*ret->id || strlen(ret->id) > ID_BYTES_MAX ||
        strlen(ret->timestamp) > TIMESTAMP_BYTES_MAX ||
        !is_at_most(ret->text, MESSAGE_TEXT_CHARACTERS) ||
        !is_at_most(ret->instance, MESSAGE_INSTANCE_CHARACTERS))
        return -EBADMSG;
    r = dynamodb_get_number(item, "ttl", &ttl);
    if (r == 0 && ttl < now_s)
        return -ESTALE;
    return r == -EBADMSG ? r : 0;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int) (at - digits) : -1;
}

int items_parse_secret(const struct json_object *item, uint8_t ret[STORE_SECRET_BYTES])
{
    const char *hex;

    if (dynamodb_get_string(item, "secret", &hex) < 0 || strlen(hex) != ITEMS_SECRET_HEX - 1)
        return -EBADMSG;
    for (size_t i = 0; i < STORE_SECRET_BYTES; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);

        if (high < 0 || low < 0)
            return -EBADMSG;
        ret[i] = (uint8_t) (high * 16 + low);
    }
    return 0;
}
