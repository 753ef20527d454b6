/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/post-queue.h"

#include "common/base/clock.h"

#include <errno.h>
#include <string.h>

static char *copy_string(char **target, const char *string)
{
    size_t size = strlen(string) + 1;
    char *copy = memcpy(*target, string, size);

    *target += size;
    return copy;
}

int post_new(struct post **ret, const struct message *message, const char *key,
             store_post_done done, void *userdata)
{
    size_t size = strlen(message->id) + strlen(message->text) + strlen(message->timestamp) +
                  strlen(message->instance) + 4 + (key ? strlen(key) + 1 : 0);
    struct post *post = malloc(sizeof(*post) + size);
    char *bytes;

    if (!post)
        return -ENOMEM;
    bytes = post->bytes;
    *post = (struct post){
        .done = done,
        .userdata = userdata,
        .deadline_us = clock_monotonic_us() + STORE_DEADLINE_US,
        .message.id = copy_string(&bytes, message->id),
        .message.text = copy_string(&bytes, message->text),
        .message.timestamp = copy_string(&bytes, message->timestamp),
        .message.instance = copy_string(&bytes, message->instance),
    };
    if (key)
        post->key = copy_string(&bytes, key);
    *ret = post;
    return 0;
}

void post_answer(struct post *take_post, int error)
{
    struct message stored = take_post->message;

    if (take_post->earlier)
        stored = message_list_get(take_post->earlier, 0);
    take_post->done(error, error < 0 ? NULL : &stored, error >= 0 && take_post->earlier,
                    take_post->userdata);
    message_list_free(take_post->earlier);
    free(take_post);
}

void post_queue_init(struct post_queue *queue)
{
    *queue = (struct post_queue){.last = &queue->first};
}

void post_queue_add(struct post_queue *queue, struct post *take_post)
{
    take_post->next = NULL;
    *queue->last = take_post;
    queue->last = &take_post->next;
    queue->count++;
}

struct post *post_queue_pop(struct post_queue *queue)
{
    struct post *post = queue->first;

    if (!post)
        return NULL;
    queue->first = post->next;
    queue->count--;
    if (!queue->first)
        queue->last = &queue->first;
    return post;
}

void post_queue_move(struct post_queue *to, struct post_queue *from)
{
    post_queue_init(to);
    if (from->first) {
        *to = *from;
        post_queue_init(from);
    }
}

void post_queue_answer(struct post_queue *queue, int error)
{
    struct post *post = queue->first;

    post_queue_init(queue);
    while (post) {
        struct post *next = post->next;

        post_answer(post, error);
        post = next;
    }
}
