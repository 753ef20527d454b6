/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/board-json.h"

#include "apps/visitor-board/post-text.h"
#include "common/base/json.h"

#include <string.h>

static void append_member(struct buffer *buffer, const char *before, const char *value)
{
    (void) buffer_append_string(buffer, before);
    (void) json_append_string(buffer, value);
}

static void append_message(struct buffer *buffer, const struct message *message)
{
    append_member(buffer, "{\"id\":", message->id);
    append_member(buffer, ",\"message\":", message->text);
    append_member(buffer, ",\"timestamp\":", message->timestamp);
    append_member(buffer, ",\"instanceId\":", message->instance);
    (void) buffer_append_string(buffer, "}");
}

void board_json_message(struct buffer *buffer, const struct message *message)
{
    append_message(buffer, message);
    (void) buffer_append_string(buffer, "\n");
}

void board_json_messages(struct buffer *buffer, const struct message_list *messages, size_t limit,
                         const char *next)
{
    size_t n = MIN(message_list_count(messages), limit);

    (void) buffer_append_string(buffer, "{\"messages\":[");
    for (size_t i = 0; i < n; i++) {
        struct message message = message_list_get(messages, i);

        if (i > 0)
            (void) buffer_append_string(buffer, ",");
        append_message(buffer, &message);
    }
    if (*next)
        append_member(buffer, "],\"next\":", next);
    else
        (void) buffer_append_string(buffer, "],\"next\":null");
    (void) buffer_append_string(buffer, "}\n");
}

void board_json_stats(struct buffer *buffer, const struct store_stats *stats)
{
    (void) buffer_printf(buffer, "{\"total\":%llu,\"lastHour\":{\"instances\":[",
                         (unsigned long long) stats->total);
    for (size_t i = 0; i < stats->n_instances; i++) {
        append_member(buffer,
                      i > 0 ? ",{\"instanceId\":" : "{\"instanceId\":", stats->instances[i].name);
        (void) buffer_printf(buffer, ",\"messages\":%llu}",
                             (unsigned long long) stats->instances[i].count);
    }
    (void) buffer_printf(buffer, "],\"others\":%llu}}\n", (unsigned long long) stats->others);
}

/* --- posts ----------------------------------------------------------------------------------- */

static enum board_json_result clean(char *text)
{
    size_t length = strlen(text);

    switch (post_text_clean(text, &length)) {
    case POST_TEXT_EMPTY:
        return BOARD_JSON_EMPTY;
    case POST_TEXT_TOO_LONG:
        return BOARD_JSON_TOO_LONG;
    case POST_TEXT_CHARACTERS:
        return BOARD_JSON_CHARACTERS;
    case POST_TEXT_OK:
        break;
    }
    return BOARD_JSON_OK;
}

enum board_json_result board_json_read_post(const char *body, size_t length, char **ret)
{
    CLEANUP_JSON struct json_object *object = NULL;
    CLEANUP_FREE char *text = NULL;
    struct json_object *message;
    enum board_json_result result;

    if (json_parse(body, length, &object) < 0)
        return BOARD_JSON_MALFORMED;
    if (!json_object_is_type(object, json_type_object) ||
        !json_object_object_get_ex(object, "message", &message) ||
        !json_object_is_type(message, json_type_string))
        return BOARD_JSON_NO_MESSAGE;
    /* A NUL in it is a control character; behind it is the rest. */
    if (strlen(json_object_get_string(message)) != (size_t) json_object_get_string_len(message))
        return BOARD_JSON_CHARACTERS;
    text = strdup(json_object_get_string(message));
    if (!text)
        return BOARD_JSON_MALFORMED;
    result = clean(text);
    if (result == BOARD_JSON_OK)
        *ret = TAKE(text);
    return result;
}
