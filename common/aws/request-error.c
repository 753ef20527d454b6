/* SPDX-License-Identifier: Apache-2.0 */
/* What an answer that is no success says. Pure. */
#include "common/aws/request-internal.h"

#include "common/aws/xml.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/text.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define RETRY_AFTER_MOST_MS (UINT64_C(24) * 3600 * 1000)
#define SKEW_LEAST_US       (UINT64_C(4) * 60 * USEC_PER_SEC)

static bool is_code(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

/* "com.amazonaws.dynamodb.v20120810#Throttling:http://..." -> "Throttling". "" for what is none. */
static void set_code(char code[AWS_ERROR_CODE_MAX], const char *text)
{
    const char *end = text + strcspn(text, ":;");
    const char *hash = memchr(text, '#', (size_t) (end - text));
    size_t length = 0;

    if (hash)
        text = hash + 1;
    while (text < end && *text == ' ')
        text++;
    while (text + length < end && is_code(text[length]) && length < AWS_ERROR_CODE_MAX - 1)
        length++;
    memcpy(code, text, length);
    code[length] = '\0';
}

/* One line; cut between characters. */
static void set_message(char message[AWS_ERROR_MESSAGE_MAX], const char *text)
{
    size_t used = 0;

    while (*text && used < AWS_ERROR_MESSAGE_MAX - 1) {
        size_t length = text_utf8_sequence(text, strlen(text));

        if (used + MAX(length, (size_t) 1) > AWS_ERROR_MESSAGE_MAX - 1)
            break;
        if (length == 0) {
            message[used++] = '?';
            text++;
            continue;
        }
        memcpy(message + used, text, length);
        used += length;
        text += length;
    }
    message[used] = '\0';
    text_replace_controls(message, ' ');
}

static void parse_json(const char *body, size_t length, char code[AWS_ERROR_CODE_MAX],
                       char message[AWS_ERROR_MESSAGE_MAX])
{
    static const char *const code_keys[] = {"__type", "code", "Code"};
    static const char *const message_keys[] = {"message", "Message", "errorMessage"};
    CLEANUP_JSON struct json_object *object = NULL;
    const char *text;

    if (json_parse(body, length, &object) < 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(code_keys) && !code[0]; i++)
        if (json_get_string(object, code_keys[i], &text) == 0)
            set_code(code, text);
    for (size_t i = 0; i < ARRAY_SIZE(message_keys) && !message[0]; i++)
        if (json_get_string(object, message_keys[i], &text) == 0)
            set_message(message, text);
}

static void parse_xml(const char *body, size_t length, char code[AWS_ERROR_CODE_MAX],
                      char message[AWS_ERROR_MESSAGE_MAX])
{
    char text[1024];
    struct xml xml;

    xml_init(&xml, body, length);
    /* A leaf with its decoded text, until the document ends or breaks off: what came stands. */
    for (int event = xml_next(&xml); event > XML_END; event = xml_next(&xml)) {
        if (event != XML_CLOSE || !xml.is_leaf)
            continue;
        if (!code[0] && xml_slice_is(xml.name, "Code") &&
            xml_decode(xml.text, text, sizeof(text)) == 0)
            set_code(code, text);
        if (!message[0] && xml_slice_is(xml.name, "Message")) {
            xml.text.length = MIN(xml.text.length, sizeof(text) - 1);
            if (xml_decode(xml.text, text, sizeof(text)) == 0)
                set_message(message, text);
        }
    }
}

void aws_parse_error(const char *body, size_t length, const char *error_header,
                     char ret_code[AWS_ERROR_CODE_MAX], char ret_message[AWS_ERROR_MESSAGE_MAX])
{
    char header_code[AWS_ERROR_CODE_MAX] = "";
    size_t start = 0;

    ret_code[0] = ret_message[0] = '\0';
    while (start < length && strchr(" \t\r\n", body[start]) && body[start])
        start++;
    if (start < length && body[start] == '{')
        parse_json(body + start, length - start, ret_code, ret_message);
    else if (start < length && body[start] == '<')
        parse_xml(body + start, length - start, ret_code, ret_message);
    if (error_header)
        set_code(header_code, error_header);
    if (header_code[0])
        memcpy(ret_code, header_code, sizeof(header_code));
}

/* --- Time --- */

static int find_month(const char *name)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int i = 0; i < 12; i++)
        if (strncmp(name, months + 3 * i, 3) == 0)
            return i;
    return -1;
}

/* |count| digits at |text|; -1 if they are none. */
static int number_at(const char *text, unsigned count)
{
    int value = 0;

    for (unsigned i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

int aws_parse_date(const char *text, uint64_t *ret_realtime_us)
{
    static const char shape[] = "xxx, xx xxx xxxx xx:xx:xx GMT";
    struct tm tm = {0};
    time_t seconds;

    if (strlen(text) != sizeof(shape) - 1)
        return -EBADMSG;
    for (size_t i = 0; i < sizeof(shape) - 1; i++)
        if (shape[i] != 'x' && shape[i] != text[i])
            return -EBADMSG;
    tm.tm_mday = number_at(text + 5, 2);
    tm.tm_mon = find_month(text + 8);
    tm.tm_year = number_at(text + 12, 4) - 1900;
    tm.tm_hour = number_at(text + 17, 2);
    tm.tm_min = number_at(text + 20, 2);
    tm.tm_sec = number_at(text + 23, 2);
    if (tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_mon < 0 || tm.tm_year < 70 || tm.tm_hour < 0 ||
        tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
        return -EBADMSG;
    seconds = timegm(&tm);
    if (seconds <= 0)
        return -EBADMSG;
    *ret_realtime_us = (uint64_t) seconds * USEC_PER_SEC;
    return 0;
}

bool aws_is_skewed(const char *code, const char *message, uint64_t signed_us, uint64_t date_us)
{
    static const char *const only[] = {"RequestTimeTooSkewed", "RequestExpired",
                                       "RequestInTheFuture"};
    static const char *const maybe[] = {"InvalidSignatureException", "SignatureDoesNotMatch",
                                        "AuthFailure"};

    for (size_t i = 0; i < ARRAY_SIZE(only); i++)
        if (strcmp(code, only[i]) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(maybe); i++) {
        if (strcmp(code, maybe[i]) != 0)
            continue;
        if (strstr(message, "Signature expired") || strstr(message, "Signature not yet current"))
            return true;
        return date_us != 0 &&
               (date_us > signed_us ? date_us - signed_us : signed_us - date_us) > SKEW_LEAST_US;
    }
    return false;
}

/* --- The rest --- */

bool aws_is_ambiguous(const struct http_client_response *response)
{
    if (response->error == 0)
        return response->status == 500 || response->status == 502 || response->status == 504;
    /* A refusal whose body broke off is still a refusal. */
    return response->sent && (response->status < 300 || response->status == 500 ||
                              response->status == 502 || response->status == 504);
}

uint64_t aws_parse_retry_after(const char *milliseconds, const char *seconds)
{
    uint64_t number;

    if (milliseconds && text_parse_u64(milliseconds, 0, RETRY_AFTER_MOST_MS, &number) == 0)
        return number * USEC_PER_MSEC;
    if (seconds && text_parse_u64(seconds, 0, RETRY_AFTER_MOST_MS / 1000, &number) == 0)
        return number * USEC_PER_SEC;
    return 0;
}
