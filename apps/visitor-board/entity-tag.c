/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/entity-tag.h"

#include <stdio.h>
#include <string.h>

void entity_tag_make(char tag[ENTITY_TAG_SIZE], const struct siphash_key *key, const void *data,
                     size_t length)
{
    snprintf(tag, ENTITY_TAG_SIZE, "\"%016llx\"", (unsigned long long) siphash(key, data, length));
}

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

bool entity_tag_is_listed(const char *list, const char *tag)
{
    size_t length = strlen(tag);

    if (!list)
        return false;
    list = skip_blanks(list);
    if (*list == '*')
        return *skip_blanks(list + 1) == '\0';
    for (;;) {
        const char *end;

        list += strspn(list, ", \t"); /* a list may have empty members (section 5.6.1) */
        if (strncmp(list, "W/", 2) == 0)
            list += 2;
        end = *list == '"' ? strchr(list + 1, '"') : NULL;
        if (!end)
            return false;
        if ((size_t) (end + 1 - list) == length && memcmp(list, tag, length) == 0)
            return true;
        list = skip_blanks(end + 1);
        if (*list != ',')
            return false;
    }
}
