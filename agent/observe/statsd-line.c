/* SPDX-License-Identifier: Apache-2.0 */
/* From left to right: name, values, type, and the fields behind them. */
#include "agent/observe/statsd-line.h"

#include "common/base/text.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define NUMBER_MAX       64u /* bytes; a double needs 25 */
#define FAST_DIGITS_MAX  15u /* so many fit a double exactly */
#define TYPE_MAX         8u
#define EVENT_PREFIX     "_e{"
#define CHECK_PREFIX     "_sc|"
#define IS_DIGIT(c)      ((c) >= '0' && (c) <= '9')
#define IS_BLANK(c)      ((c) == ' ' || (c) == '\t' || (c) == '\r')
#define IS_PRINTABLE(c)  ((c) >= ' ' && (c) <= '~')
#define IS_LOWER_CASE(c) ((c) >= 'a' && (c) <= 'z')

static bool text_equals(const struct statsd_text *text, const char *string)
{
    return text->length == strlen(string) && memcmp(text->data, string, text->length) == 0;
}

static bool text_begins(const struct statsd_text *text, const char *prefix)
{
    return text->length >= strlen(prefix) && memcmp(text->data, prefix, strlen(prefix)) == 0;
}

static void trim(struct statsd_text *text)
{
    while (text->length > 0 && IS_BLANK(text->data[text->length - 1]))
        text->length--;
    while (text->length > 0 && IS_BLANK(text->data[0])) {
        text->data++;
        text->length--;
    }
}

bool statsd_text_next(struct statsd_text *rest, char separator, struct statsd_text *ret)
{
    const char *end;

    if (!rest->data)
        return false;
    end = memchr(rest->data, separator, rest->length);
    *ret = (struct statsd_text){rest->data, end ? (size_t) (end - rest->data) : rest->length};
    if (end)
        *rest = (struct statsd_text){end + 1, rest->length - ret->length - 1};
    else
        *rest = (struct statsd_text){NULL, 0};
    return true;
}

/* --- numbers ------------------------------------------------------------------------------------
 */

static size_t count_digits(const char *at)
{
    size_t n = 0;

    while (IS_DIGIT(at[n]))
        n++;
    return n;
}

/* [digits][.digits][e[+-]digits] to the end, with a digit before the exponent. strtod() alone would
 * take "nan", "inf", "0x10" and " 1". */
static bool is_decimal(const char *at)
{
    size_t digits = count_digits(at);

    at += digits;
    if (*at == '.') {
        size_t decimals = count_digits(++at);

        at += decimals;
        digits += decimals;
    }
    if (digits == 0)
        return false;
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '+' || *at == '-';
        digits = count_digits(at);
        at += digits;
    }
    return digits > 0 && *at == '\0';
}

bool statsd_number_parse(const struct statsd_text *text, double *ret, bool *ret_has_sign)
{
    char copy[NUMBER_MAX + 1], *digits = copy;
    uint64_t whole = 0;
    size_t n;

    if (text->length == 0 || text->length > NUMBER_MAX)
        return false;
    memcpy(copy, text->data, text->length);
    copy[text->length] = '\0'; /* a NUL in the middle ends the number: no decimal of this length */
    if (strlen(copy) != text->length)
        return false;
    *ret_has_sign = copy[0] == '+' || copy[0] == '-';
    digits += *ret_has_sign;
    n = count_digits(digits);
    if (n > 0 && n <= FAST_DIGITS_MAX && digits[n] == '\0') {
        for (size_t i = 0; i < n; i++)
            whole = whole * 10 + (uint64_t) (digits[i] - '0');
        *ret = copy[0] == '-' ? -(double) whole : (double) whole;
        return true;
    }
    if (!is_decimal(digits))
        return false;
    *ret = strtod(copy, NULL); /* infinite if it is too large */
    if (fabs(*ret) < STATSD_MAGNITUDE_MIN)
        *ret = 0;
    return fabs(*ret) <= STATSD_MAGNITUDE_MAX;
}

/* --- names --------------------------------------------------------------------------------------
 */

int statsd_clean(const struct statsd_text *text, char *target, size_t size)
{
    struct statsd_text rest = *text;
    size_t n = 0, step;

    trim(&rest);
    for (; rest.length > 0; rest.data += step, rest.length -= step) {
        bool keep = IS_PRINTABLE(rest.data[0]);

        step = keep ? 1 : text_utf8_sequence(rest.data, rest.length);
        step += step == 0; /* no UTF-8 either */
        if (n + 1 >= size)
            return -ENOSPC;
        target[n++] = keep ? rest.data[0] : '_';
    }
    target[n] = '\0';
    return (int) n;
}

/* --- lines --------------------------------------------------------------------------------------
 */

static enum statsd_line_type parse_type(const struct statsd_text *text, enum statsd_kind *ret)
{
    static const struct {
        const char *name;
        enum statsd_kind kind;
    } types[] = {
        {"c", STATSD_COUNTER},   {"g", STATSD_GAUGE},     {"ms", STATSD_TIMER},
        {"h", STATSD_HISTOGRAM}, {"d", STATSD_HISTOGRAM}, {"s", STATSD_SET},
    };
    size_t letters = 0;

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (text_equals(text, types[i].name)) {
            *ret = types[i].kind;
            return STATSD_LINE_METRIC;
        }
    while (letters < text->length && IS_LOWER_CASE(text->data[letters]))
        letters++;
    return letters > 0 && letters == text->length && letters <= TYPE_MAX ? STATSD_LINE_OTHER
                                                                         : STATSD_LINE_BAD;
}

/* Rate, tags, and what others have added: a container's id, a timestamp (a line counts when it
 * comes), a cardinality. */
static bool parse_field(const struct statsd_text *field, struct statsd_line *line)
{
    struct statsd_text rest = {field->data + 1, field->length - 1};
    double rate;
    bool has_sign;

    if (field->length == 0)
        return true;
    if (field->data[0] == '#')
        line->tags = rest;
    if (field->data[0] != '@')
        return true;
    if (!statsd_number_parse(&rest, &rate, &has_sign) || rate < STATSD_RATE_MIN || rate > 1)
        return false;
    line->weight = 1 / rate;
    return true;
}

/* All or nothing: half of a line is nobody's number. */
static bool are_good_values(const struct statsd_line *line)
{
    struct statsd_text rest = line->values, value;
    double number;
    bool has_sign;

    if (line->kind == STATSD_SET)
        return line->values.length > 0;
    while (statsd_text_next(&rest, ':', &value))
        if (!statsd_number_parse(&value, &number, &has_sign))
            return false;
    return true;
}

enum statsd_line_type statsd_line_parse(const char *data, size_t length, struct statsd_line *ret)
{
    struct statsd_text rest = {data, length}, head, name, type, field;
    enum statsd_line_type line_type;

    trim(&rest);
    if (rest.length == 0)
        return STATSD_LINE_EMPTY;
    if (text_begins(&rest, EVENT_PREFIX) || text_begins(&rest, CHECK_PREFIX))
        return STATSD_LINE_OTHER;
    *ret = (struct statsd_line){.weight = 1};
    (void) statsd_text_next(&rest, '|', &head);
    (void) statsd_text_next(&head, ':', &name);
    ret->values = head;
    if (!head.data || !statsd_text_next(&rest, '|', &type))
        return STATSD_LINE_BAD;
    line_type = parse_type(&type, &ret->kind);
    if (line_type != STATSD_LINE_METRIC)
        return line_type;
    if (statsd_clean(&name, ret->name, sizeof(ret->name)) <= 0 || !are_good_values(ret))
        return STATSD_LINE_BAD;
    while (statsd_text_next(&rest, '|', &field))
        if (!parse_field(&field, ret))
            return STATSD_LINE_BAD;
    return STATSD_LINE_METRIC;
}
