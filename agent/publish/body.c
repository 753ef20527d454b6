/* SPDX-License-Identifier: Apache-2.0 */
/* Copies lines into JSON, each with the node's dimensions before its own. */
#include "agent/publish/body.h"

#include "agent/publish/record.h"
#include "common/base/json.h"

#include <errno.h>
#include <string.h>

#define BODY_END "]}"
/* Two datums fit behind a full body, so that a refusal of the buffer always means no memory. */
#define BUFFER_SLACK_BYTES (4u * RECORD_LINE_MAX)

struct line {
    const char *dimensions, *members;
    size_t dimensions_length, members_length;
};

static bool is_set(const char *text)
{
    return text && *text;
}

void body_begin(struct body *body, const struct body_settings *settings)
{
    *body = (struct body){.settings = *settings};
    if (body->settings.limit_bytes == 0)
        body->settings.limit_bytes = BODY_LIMIT_BYTES;
    if (body->settings.datums_max == 0)
        body->settings.datums_max = BODY_DATUMS_MAX;
    buffer_init(&body->text, body->settings.limit_bytes + BUFFER_SLACK_BYTES);
    buffer_append_string(&body->text, "{\"Namespace\":");
    json_append_string(&body->text, settings->namespace_ ?: "");
    buffer_append_string(&body->text, ",\"MetricData\":[");
}

void body_done(struct body *body)
{
    buffer_done(&body->text);
}

/* How often each datum is printed. */
static size_t dimension_sets(const struct body_settings *settings)
{
    return is_set(settings->asg_name) && is_set(settings->instance_id) && settings->per_instance
               ? 2
               : 1;
}

static void append_dimension(struct buffer *out, const char *name, const char *value, bool *first)
{
    if (!is_set(value))
        return;
    buffer_printf(out, "%s{\"Name\":\"%s\",\"Value\":", *first ? "" : ",", name);
    json_append_string(out, value);
    buffer_append(out, "}", 1);
    *first = false;
}

static void append_datum(struct body *body, const struct line *line, size_t set)
{
    const struct body_settings *settings = &body->settings;
    bool grouped = is_set(settings->asg_name), first = true;
    struct buffer *out = &body->text;

    buffer_append_string(out, body->n_datums > 0 ? ",{\"Dimensions\":[" : "{\"Dimensions\":[");
    append_dimension(out, "AutoScalingGroupName", settings->asg_name, &first);
    if (!grouped || set == 1)
        append_dimension(out, "InstanceId", settings->instance_id, &first);
    if (line->dimensions_length > 0 && !first)
        buffer_append(out, ",", 1);
    buffer_append(out, line->dimensions, line->dimensions_length);
    buffer_append_string(out, "],");
    buffer_append(out, line->members, line->members_length);
    buffer_append(out, "}", 1);
    body->n_datums++;
}

/* The line at |text|; false if it is none. |*ret_length| counts its newline. */
static bool split_line(const char *text, size_t length, struct line *ret, size_t *ret_length)
{
    const char *newline = memchr(text, '\n', length), *tab;

    *ret_length = newline ? (size_t) (newline - text) + 1 : length;
    tab = newline ? memchr(text, '\t', *ret_length) : NULL;
    if (!tab || newline - tab < 3)
        return false;
    *ret = (struct line){text, tab + 1, (size_t) (tab - text), (size_t) (newline - tab) - 1};
    return *ret_length <= RECORD_LINE_MAX;
}

static bool is_within(const struct body *body)
{
    return body->text.length + strlen(BODY_END) <= body->settings.limit_bytes &&
           body->n_datums <= body->settings.datums_max;
}

int body_add(struct body *body, const char *record, size_t length, size_t *offset,
             size_t *ret_skipped)
{
    size_t sets = dimension_sets(&body->settings);

    while (*offset < length) {
        size_t before_length = body->text.length, before_datums = body->n_datums, line_length;
        struct line line;
        bool fits = true;

        if (split_line(record + *offset, length - *offset, &line, &line_length)) {
            for (size_t set = 0; set < sets; set++)
                append_datum(body, &line, set);
            if (body->text.failed)
                return -ENOMEM;
            fits = is_within(body);
            if (!fits) {
                body->text.length = before_length;
                body->text.data[before_length] = '\0';
                body->n_datums = before_datums;
                if (before_datums > 0)
                    return 0;
            }
        } else {
            fits = false;
        }
        if (!fits && ret_skipped)
            ++*ret_skipped;
        *offset += line_length;
    }
    return 0;
}

const char *body_end(struct body *body, size_t *ret_length)
{
    if (body->n_datums == 0 || buffer_append_string(&body->text, BODY_END) < 0)
        return NULL;
    *ret_length = body->text.length;
    return body->text.data;
}

int body_print_all(const struct body_settings *settings, const char *record, size_t length,
                   struct buffer *out)
{
    size_t offset = 0;
    int r = buffer_append(out, "[", 1);

    for (unsigned n = 0; offset < length && r >= 0; n++) {
        struct body body;
        const char *text;
        size_t text_length;

        body_begin(&body, settings);
        r = body_add(&body, record, length, &offset, NULL);
        text = r < 0 ? NULL : body_end(&body, &text_length);
        if (text && n > 0)
            buffer_append(out, ",", 1);
        if (text)
            r = buffer_append(out, text, text_length);
        body_done(&body);
    }
    return r < 0 ? r : buffer_append(out, "]", 1);
}
