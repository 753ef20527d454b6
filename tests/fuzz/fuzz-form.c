/* SPDX-License-Identifier: Apache-2.0 */
/* The form's parser against what its header promises of any text that it lets through; and its own
 * text, encoded and sent again, comes out the same. */
#include "apps/visitor-board/form.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "message="

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* The next code point, written so that only the shortest right form passes. */
static uint32_t decode_next(const unsigned char **next)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *s = *next;
    unsigned more = *s < 0x80 ? 0 : *s >= 0xf0 ? 3 : *s >= 0xe0 ? 2 : 1;
    uint32_t code = more == 0 ? *s : *s & (0x3fu >> more);

    require(*s < 0x80 || (*s >= 0xc0 && *s < 0xf8));
    for (unsigned i = 1; i <= more; i++) {
        require(s[i] >> 6 == 2);
        code = code << 6 | (s[i] & 0x3fu);
    }
    require(code >= least[more] && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000));
    *next = s + more + 1;
    return code;
}

static void check_text(const char *text)
{
    const unsigned char *next = (const unsigned char *) text;
    size_t characters = 0;
    uint32_t code = 0;

    require(*text != '\0' && !strchr(" \t\n", *text));
    for (; *next; characters++) {
        code = decode_next(&next);
        require(code == '\n' || code == '\t' || (code >= 0x20 && !(code >= 0x7f && code < 0xa0)));
    }
    require(code != ' ' && code != '\t' && code != '\n');
    require(characters <= MESSAGE_TEXT_CHARACTERS);
}

static void check_again(const char *text)
{
    char body[sizeof(PREFIX) + 3 * FORM_TEXT_SIZE] = PREFIX, again[FORM_TEXT_SIZE];
    char *next = body + strlen(PREFIX);

    for (const char *c = text; *c; c++)
        next += sprintf(next, "%%%02X", (unsigned char) *c);
    require(form_parse(body, (size_t) (next - body), again) == FORM_OK);
    require(strcmp(text, again) == 0);
}

static void check(const char *body, size_t size)
{
    char text[FORM_TEXT_SIZE];
    enum form_result result;

    memset(text, 'x', sizeof(text)); /* no NUL but the parser's own */
    result = form_parse(body, size, text);
    require(result <= FORM_MALFORMED);
    require(size <= FORM_BODY_MAX || result == FORM_MALFORMED);
    if (result == FORM_MALFORMED)
        return;
    require(memchr(text, '\0', sizeof(text)) != NULL);
    if (result != FORM_OK)
        return;
    check_text(text);
    check_again(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *field = malloc(strlen(PREFIX) + size);

    check((const char *) data, size);
    memcpy(field, PREFIX, strlen(PREFIX));
    memcpy(field + strlen(PREFIX), data, size);
    check(field, strlen(PREFIX) + size);
    free(field);
    return 0;
}
