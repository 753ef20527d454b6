/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/dynamodb-walk.h"

#include "common/aws/dynamodb.h"
#include "common/base/clock.h"
#include "common/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECONDS_PER_DAY UINT64_C(86400)

static void format_day(char ret[ITEMS_DAY_SIZE], uint64_t now_s)
{
    char text[CLOCK_TEXT_MAX];

    (void) items_day(ret, clock_format_iso8601(text, now_s * USEC_PER_SEC));
}

/* A position is a message's sort key; or a day, which means what is before it. */
static int read_position(struct walk *walk, const char *position)
{
    size_t length = strlen(position);

    if (!items_day(walk->day, position))
        return -EINVAL;
    if (length == ITEMS_DAY_SIZE - 1) {
        walk->step = WALK_DAYS;
        return 0;
    }
    if (!isupper((unsigned char) position[ITEMS_DAY_SIZE - 1]) || !strchr(position, '#') ||
        strspn(position, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:.#_-") !=
            length ||
        !text_copy(walk->before, sizeof(walk->before), position))
        return -EINVAL;
    return 0;
}

int walk_begin(struct walk *walk, const struct items *items, const char *position, size_t limit,
               uint64_t now_s)
{
    int r = 0;

    *walk =
        (struct walk){.step = WALK_MESSAGES, .limit = limit, .now_s = now_s, .cut_step = WALK_DONE};
    walk->wanted = limit + 1;
    if (position)
        r = read_position(walk, position);
    else
        format_day(walk->day, now_s);
    if (r < 0)
        return r;
    if (items->retention_days > 0 && now_s > items->retention_days * SECONDS_PER_DAY)
        format_day(walk->oldest_day, now_s - items->retention_days * SECONDS_PER_DAY);
    return message_list_new(&walk->list);
}

void walk_done(struct walk *walk)
{
    walk->list = message_list_free(walk->list);
}

/* On to the next day with messages, to the index, or to the end. */
static void next_day(struct walk *walk)
{
    walk->before[0] = '\0';
    if (walk->at < walk->n_days) {
        memcpy(walk->day, walk->days[walk->at++], sizeof(walk->day));
        walk->step = WALK_MESSAGES;
        if (strcmp(walk->day, walk->oldest_day) < 0)
            walk->step = WALK_DONE;
    } else {
        walk->step = walk->index_ended ? WALK_DONE : WALK_DAYS;
    }
}

/* One item of a day. What can't be read is skipped, not the end of the list. */
static int take_item(struct walk *walk, const struct json_object *item)
{
    struct message message;
    const char *sort_key;
    int r = items_parse_message(item, walk->now_s, &message);

    if (dynamodb_get_string(item, "sk", &sort_key) < 0)
        r = -EBADMSG;
    if (r == -ESTALE)
        return 0;
    if (r < 0) {
        walk->broken++;
        return 0;
    }
    if (message_list_count(walk->list) == walk->limit) {
        walk->more = true;
        return 0;
    }
    if (!text_copy(walk->last, sizeof(walk->last), sort_key)) {
        walk->broken++;
        return 0;
    }
    return message_list_add(walk->list, &message);
}

static int take_messages(struct walk *walk, const struct json_object *answer)
{
    struct json_object *items;
    const char *last_key;
    int r = dynamodb_get_items(answer, &items), more;

    if (r < 0)
        return r;
    for (size_t i = 0; r >= 0 && !walk->more && i < json_object_array_length(items); i++)
        r = take_item(walk, json_object_array_get_idx(items, i));
    more = dynamodb_get_last_key(answer, "sk", &last_key);
    if (r < 0 || more < 0)
        return r < 0 ? r : more;
    walk->wanted = walk->limit - message_list_count(walk->list) + 1;
    if (walk->more)
        walk->step = WALK_DONE;
    else if (more == 0)
        next_day(walk);
    else if (!text_copy(walk->before, sizeof(walk->before), last_key))
        return -EBADMSG;
    return 0;
}

static int take_days(struct walk *walk, const struct json_object *answer)
{
    struct json_object *items;
    const char *last_key;
    int r = dynamodb_get_items(answer, &items), more;

    if (r < 0)
        return r;
    more = dynamodb_get_last_key(answer, "sk", &last_key);
    if (more < 0)
        return more;
    walk->at = walk->n_days = 0;
    walk->index_ended = more == 0;
    for (size_t i = 0; i < json_object_array_length(items); i++) {
        const char *day = "";

        if (walk->n_days == ITEMS_DAYS_PAGE)
            break;
        (void) dynamodb_get_string(json_object_array_get_idx(items, i), "sk", &day);
        if (strlen(day) == ITEMS_DAY_SIZE - 1 && items_day(walk->days[walk->n_days], day))
            walk->n_days++;
        else
            walk->broken++;
    }
    if (walk->n_days == 0 && more > 0 && !items_day(walk->day, last_key))
        return -EBADMSG;
    next_day(walk);
    return 0;
}

int walk_take(struct walk *walk, const struct json_object *answer)
{
    int r = walk->step == WALK_MESSAGES ? take_messages(walk, answer) : take_days(walk, answer);

    if (r >= 0 && walk->step != WALK_DONE && ++walk->queries >= WALK_QUERIES_MAX) {
        walk->cut_step = walk->step;
        walk->step = WALK_DONE;
    }
    return r;
}

/* A list that was cut short goes on where it had come to: below a key, with a day, or before one.
 */
const char *walk_position(const struct walk *walk, char ret[STORE_POSITION_MAX])
{
    ret[0] = '\0';
    if (walk->more)
        (void) text_copy(ret, STORE_POSITION_MAX, walk->last);
    else if (walk->cut_step == WALK_DAYS)
        (void) text_copy(ret, STORE_POSITION_MAX, walk->day);
    else if (walk->cut_step == WALK_MESSAGES && *walk->before)
        (void) text_copy(ret, STORE_POSITION_MAX, walk->before);
    else if (walk->cut_step == WALK_MESSAGES)
        snprintf(ret, STORE_POSITION_MAX, "%sU#", walk->day); /* above all of its keys */
    return ret;
}
