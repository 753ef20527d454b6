/* SPDX-License-Identifier: Apache-2.0 */
/* Notify messages from workers: any bytes. What comes out is terminated, printable and UTF-8. */
#include "agent/supervise/notify-message.h"
#include "common/base/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct notify_message message;

    if (notify_message_parse((const char *) data, size, &message) < 0)
        return 0;
    size_t length = strnlen(message.status, sizeof(message.status));
    if (length == sizeof(message.status) || !text_is_utf8(message.status, length))
        abort();
    for (size_t i = 0; i < length; i++) {
        const unsigned char *c = (const unsigned char *) &message.status[i];

        if (*c < ' ' || *c == 0x7f || (c[0] == 0xc2 && c[1] < 0xa0))
            abort();
    }
    return 0;
}
