/* SPDX-License-Identifier: Apache-2.0 */
/* Random UUIDs (version 4, RFC 9562 section 5.4) as text. */
#pragma once

#define UUID_TEXT_SIZE 37 /* 36 characters and the NUL */

/* Fills |text| with a new one. */
void uuid_new(char text[UUID_TEXT_SIZE]);
