/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/supervise/notify-message.h"

#include "common/base/macro.h"
#include "common/base/text.h"

#include <errno.h>
#include <string.h>

static bool is(const char *line, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(line, word, length) == 0;
}

static void copy_status(char *target, size_t size, const char *text, size_t length)
{
    size_t n = MIN(length, size - 1);

    /* Not in the middle of a character: continuation bytes are 10xxxxxx. */
    while (n > 0 && n < length && ((unsigned char) text[n] & 0xc0) == 0x80)
        n--;
    memcpy(target, text, n);
    target[n] = '\0';
    text_replace_controls(target, ' ');
}

static void take_line(struct notify_message *message, const char *line, size_t length)
{
    static const char status[] = "STATUS=";

    if (length == 0 || is(line, length, "STOPPING=1")) /* known, and nothing follows from it */
        return;
    if (is(line, length, "READY=1"))
        message->ready = true;
    else if (is(line, length, "WATCHDOG=1"))
        message->watchdog = true;
    else if (length >= strlen(status) && memcmp(line, status, strlen(status)) == 0) {
        message->has_status = true;
        copy_status(message->status, sizeof(message->status), line + strlen(status),
                    length - strlen(status));
    } else {
        message->unknown++;
    }
}

int notify_message_parse(const char *data, size_t length, struct notify_message *ret)
{
    struct notify_message message = {.ready = false};

    *ret = message;
    if (length == 0 || length > NOTIFY_MESSAGE_MAX || memchr(data, '\0', length) ||
        !text_is_utf8(data, length))
        return -EBADMSG;
    while (length > 0) {
        const char *end = memchr(data, '\n', length);
        size_t line = end ? (size_t) (end - data) : length;

        take_line(&message, data, line);
        line += end != NULL;
        data += line;
        length -= line;
    }
    *ret = message;
    return 0;
}
