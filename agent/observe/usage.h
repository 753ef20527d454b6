/* SPDX-License-Identifier: Apache-2.0 */
/* What a process or a control group uses, as one sample tells. */
#pragma once

struct usage {
    double cpu_percent;  /* of one CPU since its last sample; NAN at the first one */
    double memory_bytes; /* anonymous and shared; NAN: not known */
};
