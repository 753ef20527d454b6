/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DynamoDB's answers as the board reads them, and positions that clients hand in. The first byte
 * chooses: a list's answers (one a line), CancellationReasons, a secret, a position. A list is
 * never longer than asked for, a walk ends, and a position that comes out goes in again.
 */
#include "apps/visitor-board/dynamodb-walk.h"
#include "common/aws/dynamodb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOW_S UINT64_C(1795300000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct items items = {.table = "t", .board = "b", .retention_days = 3650};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_position(struct walk *walk)
{
    char position[STORE_POSITION_MAX];
    struct walk again;

    require(strlen(walk_position(walk, position)) < STORE_POSITION_MAX);
    if (!*position)
        return;
    /* Keys that others have written may be no positions: then they are refused, no more. */
    if (walk_begin(&again, &items, position, 1, NOW_S) == 0)
        walk_done(&again);
}

static void fuzz_walk(char *text)
{
    struct walk walk;
    unsigned steps = 0;

    require(walk_begin(&walk, &items, NULL, 5, NOW_S) == 0);
    for (char *line; walk.step != WALK_DONE && (line = strsep(&text, "\n"));) {
        CLEANUP_JSON struct json_object *answer = NULL;
        int r;

        if (json_parse(line, strlen(line), &answer) < 0 || !answer)
            break;
        r = walk_take(&walk, answer);
        require(r == 0 || r == -EBADMSG || r == -ENOBUFS);
        require(++steps <= WALK_QUERIES_MAX);
        require(message_list_count(walk.list) <= 5);
        require(walk.wanted >= 1 && walk.wanted <= 6);
        if (r < 0)
            break;
    }
    check_position(&walk);
    walk_done(&walk);
}

static void fuzz_object(char kind, const char *text)
{
    CLEANUP_JSON struct json_object *object = NULL;
    struct dynamodb_reasons reasons;
    uint8_t secret[STORE_SECRET_BYTES];
    const char *key;

    if (json_parse(text, strlen(text), &object) < 0)
        return;
    if (kind == 's') {
        (void) items_parse_secret(object, secret);
        return;
    }
    (void) dynamodb_get_last_key(object, "sk", &key);
    if (dynamodb_parse_reasons(object, &reasons) == 0)
        require(reasons.count <= DYNAMODB_ACTIONS_MAX);
    for (size_t i = 0; i < reasons.count; i++) {
        struct message message;

        if (reasons.at[i].item && items_parse_message(reasons.at[i].item, NOW_S, &message) == 0)
            require(strlen(message.text) <= 4 * MESSAGE_TEXT_CHARACTERS);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct walk walk;
    char *text;

    if (size == 0)
        return 0;
    text = strndup((const char *) data + 1, size - 1);
    if (data[0] == 'w') {
        fuzz_walk(text);
    } else if (data[0] == 'p') {
        int r = walk_begin(&walk, &items, text, 5, NOW_S);

        require(r == 0 || r == -EINVAL);
        if (r == 0)
            walk_done(&walk);
    } else {
        fuzz_object((char) data[0], text);
    }
    free(text);
    return 0;
}
