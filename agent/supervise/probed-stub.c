/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing yet waits for a probe to pass: until rolls do. */
#include "agent/supervise/supervisor.h"

void supervisor_on_probed(struct supervisor *s, unsigned app, unsigned slot, bool passed,
                          uint64_t now_us)
{
}
