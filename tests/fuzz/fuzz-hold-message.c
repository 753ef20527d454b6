/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes on the link: whatever passes the check is safe to use as the holder and the core do. */
#include "agent/hold/messages.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
    bool to_holder = hold_message_check(data, length, true) == 0;
    bool to_core = hold_message_check(data, length, false) == 0;
    struct hold_message m;

    require(!(to_holder && to_core));
    if (!to_holder && !to_core)
        return 0;
    require(length == sizeof(m));
    memcpy(&m, data, sizeof(m));
    require(m.app[APP_NAME_MAX] == '\0' && m.text[HOLD_TEXT_MAX] == '\0');
    require(!strpbrk(m.app, "./ \n") && !strpbrk(m.text, "\n\x1b"));
    require(m.slot <= APP_SLOTS_MAX && m.state <= HOLD_SLOT_DEAD && m.pid >= 0);
    if (m.type >= HOLD_START && m.type <= HOLD_RELEASE)
        require(m.slot >= 1 && m.app[0] && (m.type == HOLD_START || m.serial));
    if (m.type == HOLD_SIGNAL)
        require(hold_signal_allowed(m.argument));
    require(strcmp(hold_message_type_to_string(m.type), "unknown") != 0);
    return 0;
}
