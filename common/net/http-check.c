/* SPDX-License-Identifier: Apache-2.0 */
/* Pure checks on a request's head and target. See the header for the sources of each rule. */
#include "common/net/http-check.h"

#include "common/base/macro.h"
#include "common/base/text.h"
#include "common/net/http-server.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define CONTENT_LENGTH_DIGITS_MAX 18 /* far past any body, and no overflow */

static bool is_token_character(char c)
{
    return isalnum((unsigned char) c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

bool http_is_token(const char *text)
{
    if (*text == '\0')
        return false;
    for (; *text; text++)
        if (!is_token_character(*text))
            return false;
    return true;
}

/* RFC 9110 section 8.6: digits and nothing else. "+4", "0x4", "4, 4" and "" are different numbers
 * to different servers. */
static bool parse_content_length(const char *text, uint64_t *ret)
{
    size_t n = strspn(text, "0123456789");
    uint64_t value = 0;

    if (n == 0 || n > CONTENT_LENGTH_DIGITS_MAX || text[n] != '\0')
        return false;
    for (size_t i = 0; i < n; i++)
        value = value * 10 + (uint64_t) (text[i] - '0');
    *ret = value;
    return true;
}

#define LINE_END_BYTES 2

void http_head_begin(struct http_head *head, const char *version)
{
    *head = (struct http_head){.next = version + strlen(version) + LINE_END_BYTES};
}

void http_head_end(struct http_head *head, const char *method, size_t head_bytes)
{
    if (head_bytes != HTTP_HEAD_BYTES_OLD)
        head->has_gap |= http_head_length(head, method) != head_bytes;
    else if (!head->has_gap)
        /* The end isn't known, but what lies there: LF, and the empty line's CR and LF. */
        head->has_gap = head->next[-1] || head->next[0] || head->next[1];
}

size_t http_head_length(const struct http_head *head, const char *method)
{
    return (size_t) (head->next - method) + LINE_END_BYTES;
}

void http_head_add(struct http_head *head, const char *name, const char *value)
{
    if (name != head->next)
        head->has_gap = true;
    if (!value)
        value = "";
    head->next = value + strlen(value) + LINE_END_BYTES;
    head->n_headers++;
    if (!http_is_token(name) || strchr(value, '\r'))
        head->bad_field = true;
    /* The first letter sorts out nearly all headers before a comparison. */
    switch (*name | 0x20) {
    case 'h':
        if (strcasecmp(name, "Host") == 0)
            head->n_hosts++;
        break;
    case 'c':
        if (strcasecmp(name, "Content-Length") == 0) {
            head->n_content_lengths++;
            if (!parse_content_length(value, &head->content_length))
                head->bad_length = true;
        }
        break;
    case 't':
        if (strcasecmp(name, "Transfer-Encoding") == 0) {
            head->n_transfer_encodings++;
            if (strcasecmp(value, "chunked") != 0)
                head->bad_encoding = true;
        }
        break;
    default:
        break;
    }
}

bool http_head_is_sound(const struct http_head *head, const char *version)
{
    if (strncmp(version, "HTTP/1.", 7) != 0 || !isdigit((unsigned char) version[7]) ||
        version[8] != '\0')
        return false;
    if (head->bad_field || head->bad_length || head->bad_encoding || head->n_hosts != 1)
        return false;
    if (head->n_content_lengths + head->n_transfer_encodings > 1)
        return false;
    /* HTTP/1.0 knows no Transfer-Encoding: an old proxy in front would take the body for the next
     * request. */
    return head->n_transfer_encodings == 0 || version[7] != '0';
}

bool http_head_has_body(const struct http_head *head)
{
    return head->n_transfer_encodings > 0 || head->content_length > 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool escapes_are_sound(const char *text)
{
    for (const char *p = strchr(text, '%'); p; p = strchr(p + 1, '%')) {
        int high = hex_value(p[1]);
        int low = high < 0 ? -1 : hex_value(p[2]);

        if (low < 0 || high + low == 0)
            return false;
    }
    return true;
}

long http_percent_decode(char *text)
{
    size_t length = strlen(text);
    char *end = text;

    if (!memchr(text, '%', length))
        return text_is_utf8(text, length) ? (long) length : -EINVAL;
    if (!escapes_are_sound(text))
        return -EINVAL;
    for (const char *p = text; *p; p++) {
        if (*p == '%') {
            *end++ = (char) (hex_value(p[1]) * 16 + hex_value(p[2]));
            p += 2;
        } else
            *end++ = *p;
    }
    *end = '\0';
    return text_is_utf8(text, (size_t) (end - text)) ? end - text : -EINVAL;
}

bool http_path_is_sound(const char *path)
{
    if (*path != '/')
        return false;
    for (; *path; path++)
        if (iscntrl((unsigned char) *path))
            return false;
    return true;
}

bool http_path_matches(const char *pattern, const char *path)
{
    size_t length = strlen(pattern);

    if (length > 0 && pattern[length - 1] == '*')
        return strncmp(pattern, path, length - 1) == 0;
    return strcmp(pattern, path) == 0;
}

static const struct {
    const char *name;
    unsigned method;
} METHODS[] = {
    {"GET", HTTP_GET}, {"HEAD", HTTP_GET},      {"POST", HTTP_POST},
    {"PUT", HTTP_PUT}, {"DELETE", HTTP_DELETE},
};

unsigned http_method_from_string(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(METHODS); i++)
        if (strcmp(METHODS[i].name, name) == 0) /* methods are case-sensitive, RFC 9110 9.1 */
            return METHODS[i].method;
    return 0;
}

const char *http_format_allow(char buffer[HTTP_ALLOW_MAX], unsigned methods)
{
    char *end = buffer;

    *end = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(METHODS); i++) {
        if (!(methods & METHODS[i].method))
            continue;
        if (end != buffer)
            end = stpcpy(end, ", ");
        end = stpcpy(end, METHODS[i].name);
    }
    return buffer;
}

void http_copy_printable(char *target, size_t size, const char *source)
{
    size_t n = 0;

    for (; source && *source && n + 1 < size; source++)
        if (*source >= 0x20 && *source < 0x7f)
            target[n++] = *source;
    target[n] = '\0';
}
