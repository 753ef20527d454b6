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
#define FORM_TEXT_SIZE  (FORM_BODY_MAX + 1u)
#define FORM_EMPTY_TEXT "(no text)"

enum form_result {
    FORM_OK,
    FORM_TOO_LONG,   /* POST_TEXT_TOO_LONG */
    FORM_CHARACTERS, /* POST_TEXT_CHARACTERS */
    FORM_MALFORMED,  /* no form: bad percent-encoding, not UTF-8, too many fields or bytes */
};

/*
 * Writes the text of the first field `message`, cleaned as post-text.h says; what is then empty (or
 * was not there) becomes FORM_EMPTY_TEXT. Of a refused text |text| is what to put back into the
 * field, so that nobody has to write it again; it is untouched for FORM_MALFORMED.
 */
enum form_result form_parse(const char *body, size_t length, char text[FORM_TEXT_SIZE]);
