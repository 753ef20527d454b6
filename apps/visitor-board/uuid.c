/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/uuid.h"

#include "common/base/text.h"

#include <inttypes.h>
#include <stdio.h>

void uuid_new(char text[UUID_TEXT_SIZE])
{
    uint64_t high = random_u64();
    uint64_t low = random_u64();

    high = (high & ~UINT64_C(0xf000)) | UINT64_C(0x4000);     /* version 4 */
    low = (low & ~(UINT64_C(3) << 62)) | (UINT64_C(2) << 62); /* variant 10 */
    snprintf(text, UUID_TEXT_SIZE,
             "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64, high >> 32,
             (high >> 16) & 0xffff, high & 0xffff, low >> 48, low & UINT64_C(0xffffffffffff));
}
