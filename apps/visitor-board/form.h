/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The form's body (application/x-www-form-urlencoded, WHATWG URL standard section 5.1): finds the
 * field `message` and makes it the text that is stored. Pure and bounded; stricter than browsers
 * need: a percent sign without two hexadecimal digits is an error.
 */
#pragma once

#include "apps/visitor-board/message.h"

#define FORM_BODY_MAX   16384u /* bytes: 500 characters are at most 6,000 when encoded */
#define FORM_FIELDS_MAX 16u
#define FORM_TEXT_SIZE  (4u * MESSAGE_TEXT_CHARACTERS + 1u)
#define FORM_EMPTY_TEXT "(no text)"

enum form_result {
    FORM_OK,
    FORM_TOO_LONG,   /* more than MESSAGE_TEXT_CHARACTERS after trimming */
    FORM_CHARACTERS, /* control characters other than tab and new line */
    FORM_MALFORMED,  /* no form: bad percent-encoding, not UTF-8, too many fields or bytes */
};

/*
 * Writes the text of the first field `message`: line ends become \n, white space at both ends goes,
 * and what is then empty (or was not there) becomes FORM_EMPTY_TEXT. |text| is only written for
 * FORM_OK.
 */
enum form_result form_parse(const char *body, size_t length, char text[FORM_TEXT_SIZE]);
