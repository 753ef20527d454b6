/* SPDX-License-Identifier: Apache-2.0 */
/* What the API says and reads as JSON. Pure. */
#pragma once

#include "apps/visitor-board/store.h"
#include "common/base/buffer.h"

#define BOARD_JSON_BYTES_MAX (1024u * 1024u) /* above 50 messages of nothing but escapes */

/* Append an object and a new line. |buffer| remembers what failed. |next|: a cursor or "". */
void board_json_messages(struct buffer *buffer, const struct message_list *messages, size_t limit,
                         const char *next);
void board_json_message(struct buffer *buffer, const struct message *message);
void board_json_stats(struct buffer *buffer, const struct store_stats *stats);

enum board_json_result {
    BOARD_JSON_OK,
    BOARD_JSON_MALFORMED,  /* no JSON */
    BOARD_JSON_NO_MESSAGE, /* no object, or without a string `message` */
    BOARD_JSON_EMPTY,
    BOARD_JSON_TOO_LONG,
    BOARD_JSON_CHARACTERS,
};

/* Reads {"message": "..."}: *ret is the text to store, which the caller frees, for OK. */
enum board_json_result board_json_read_post(const char *body, size_t length, char **ret);
