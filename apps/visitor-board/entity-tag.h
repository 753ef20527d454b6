/* SPDX-License-Identifier: Apache-2.0 */
/* Entity tags (RFC 9110, section 8.8.3): made from the bytes of an answer, and looked for in
 * If-None-Match. Pure. */
#pragma once

#include "common/base/siphash.h"

#include <stdbool.h>

#define ENTITY_TAG_SIZE 19 /* two quotation marks, 16 digits and the NUL */

/* |key| is secret, so that nobody can write a message that gives the same tag as another page. */
void entity_tag_make(char tag[ENTITY_TAG_SIZE], const struct siphash_key *key, const void *data,
                     size_t length);

/* Whether |list|, the value of If-None-Match or NULL, names |tag|, weak ones included, or is "*".
 * What is no list of tags names nothing. */
bool entity_tag_is_listed(const char *list, const char *tag);
