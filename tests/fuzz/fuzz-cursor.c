/* SPDX-License-Identifier: Apache-2.0 */
/* No cursor is taken but the very text that this board has made; every position comes back. */
#include "apps/visitor-board/cursor.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct seal key = {.secret = {1, 2, 3}, .board = "main"};

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_FREE char *text = malloc(size + 1);
    char position[STORE_POSITION_MAX], cursor[CURSOR_SIZE];

    memcpy(text, data, size);
    text[size] = '\0';
    if (cursor_read(text, &key, position) == 0)
        require(strcmp(cursor_make(cursor, &key, position), text) == 0);
    if (*text && strlen(text) < STORE_POSITION_MAX) {
        cursor_make(cursor, &key, text);
        require(cursor_read(cursor, &key, position) == 0 && strcmp(position, text) == 0);
    }
    return 0;
}
