/* SPDX-License-Identifier: Apache-2.0 */
/* Records as they might come back from a disk: whatever is in them, bodies keep their limits and
 * the walk comes to an end. */
#include "agent/publish/body.h"

#include "common/base/macro.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct body_settings settings = {.namespace_ = "n",
                                           .asg_name = "g",
                                           .instance_id = "i",
                                           .per_instance = size % 2 == 0,
                                           .limit_bytes = 2048,
                                           .datums_max = 8};
    size_t offset = 0;

    while (offset < size) {
        size_t before = offset, length = 0, skipped = 0;
        struct body body;
        const char *text;

        body_begin(&body, &settings);
        if (body_add(&body, (const char *) data, size, &offset, &skipped) < 0) {
            body_done(&body);
            return 0;
        }
        text = body_end(&body, &length);
        assert(offset > before);
        assert(!text || (length <= settings.limit_bytes && body.n_datums <= settings.datums_max));
        assert(text || skipped > 0);
        body_done(&body);
    }
    return 0;
}
