/* SPDX-License-Identifier: Apache-2.0 */
/* What a visitor wrote, made the text that is stored; the same for the form and the API. Pure. */
#pragma once

#include <stddef.h>

enum post_text_result {
    POST_TEXT_OK,
    POST_TEXT_EMPTY,
    POST_TEXT_TOO_LONG,   /* more than MESSAGE_TEXT_CHARACTERS */
    POST_TEXT_CHARACTERS, /* control characters other than tab and new line; they are taken out */
};

/*
 * Works in place on |*length| bytes of UTF-8, behind which is room for a NUL: line ends become \n,
 * white space at both ends goes. The result is what to do with it; the text is good for a draft in
 * every case.
 */
enum post_text_result post_text_clean(char *text, size_t *length);
