/* SPDX-License-Identifier: Apache-2.0 */
/* What is made from the verbs' table: the help texts, the completion script for bash, the verbs'
 * part of the manual page. Pure. */
#pragma once

#include "common/base/buffer.h"
#include "common/schema/verbs.h"

/* All verbs with their summaries; one verb with all its options and exit codes. */
void reference_help(struct buffer *out, unsigned columns);
void reference_verb_help(struct buffer *out, enum verb verb, unsigned columns);

/* ctl/agentctl.bash, and what stands in docs/man/agentctl.1 between its two marks, in mdoc(7). */
void reference_completion(struct buffer *out);
void reference_man(struct buffer *out);
