/* SPDX-License-Identifier: Apache-2.0 */
/* All strings of a list lie in one buffer; the entries hold offsets, because the buffer moves as it
 * grows. */
#include "apps/visitor-board/message.h"

#include "common/base/buffer.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* A character is up to 4 bytes; id and timestamp are short. */
#define MESSAGE_BYTES_MAX                                                                          \
    (4u * (MESSAGE_TEXT_CHARACTERS + MESSAGE_INSTANCE_CHARACTERS) + 4u * 64u + 4u)

struct entry {
    size_t id;
    size_t text;
    size_t timestamp;
    size_t instance;
};

struct message_list {
    size_t count;
    struct entry entries[MESSAGE_LIST_MAX];
    struct buffer bytes;
};

int message_list_new(struct message_list **ret)
{
    struct message_list *list = calloc(1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    buffer_init(&list->bytes, MESSAGE_LIST_MAX * MESSAGE_BYTES_MAX);
    *ret = list;
    return 0;
}

struct message_list *message_list_free(struct message_list *list)
{
    if (!list)
        return NULL;
    buffer_done(&list->bytes);
    free(list);
    return NULL;
}

static int add_string(struct message_list *list, const char *string, size_t *ret_offset)
{
    *ret_offset = list->bytes.length;
    return buffer_append(&list->bytes, string, strlen(string) + 1);
}

int message_list_add(struct message_list *list, const struct message *message)
{
    struct entry entry;
    int r;

    if (list->count == MESSAGE_LIST_MAX)
        return -ENOBUFS;
    r = add_string(list, message->id, &entry.id);
    if (r >= 0)
        r = add_string(list, message->text, &entry.text);
    if (r >= 0)
        r = add_string(list, message->timestamp, &entry.timestamp);
    if (r >= 0)
        r = add_string(list, message->instance, &entry.instance);
    if (r < 0)
        return r;
    list->entries[list->count++] = entry;
    return 0;
}

size_t message_list_count(const struct message_list *list)
{
    return list ? list->count : 0;
}

struct message message_list_get(const struct message_list *list, size_t index)
{
    const struct entry *entry;

    assert(index < list->count);
    entry = &list->entries[index];
    return (struct message){
        .id = list->bytes.data + entry->id,
        .text = list->bytes.data + entry->text,
        .timestamp = list->bytes.data + entry->timestamp,
        .instance = list->bytes.data + entry->instance,
    };
}
