/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exec of another version of the own program, in the same process, with a record of its state.
 * Pid, children and their exit statuses, capabilities that are ambient, and pending signals stay;
 * of the descriptors those in the record and 0 to 2, if the caller has all others O_CLOEXEC.
 */
#pragma once

#include "common/base/record.h"

/* Writes |record| and becomes |program|, which finds it by the variable |variable|. Returns only on
 * failure, a negative errno, with everything as before. */
int reexec(struct record *record, const char *variable, const char *program, char *const argv[]);

/*
 * The other side: 1, 0 if there is no such variable, or as record_read(); then with one line in
 * |error|. The variable is gone afterwards. |dry| goes to the record.
 */
int reexec_read(struct record *record, const char *variable, uint32_t magic, uint32_t newest,
                bool dry, char error[256]);
