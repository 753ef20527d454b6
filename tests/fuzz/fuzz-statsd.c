/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams from anybody: every record that comes of them is what CloudWatch takes, and every line
 * is counted once. */
#include "agent/observe/statsd.h"

#include "common/base/json.h"

#include <math.h>
#include <string.h>

#define RECORD_LIMIT (1u << 20)
#define MAGNITUDE    0x1p360

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static struct buffer *next_record(void *userdata)
{
    struct buffer *record = userdata;

    return record->data ? NULL : record;
}

static void require_name(const char *name)
{
    require(name[0] && name[0] != ':');
    for (const char *c = name; *c; c++)
        require(*c >= ' ' && *c <= '~');
}

static void check_view(const struct statsd_view *view, void *userdata)
{
    require_name(view->name);
    require(strlen(view->name) <= STATSD_NAME_MAX);
    require(view->count > 0 && fabs(view->sum) <= MAGNITUDE);
    require(view->minimum <= view->maximum);
}

static void check_record(const struct buffer *record)
{
    const char *end;

    for (const char *line = record->data; line && *line; line = end + 1) {
        const char *tab = strchr(line, '\t');
        CLEANUP_JSON struct json_object *datum = NULL;
        struct buffer text;

        end = strchr(line, '\n');
        require(end && tab && tab < end);
        buffer_init(&text, RECORD_LIMIT);
        buffer_printf(&text, "{\"Dimensions\":[%.*s],%.*s}", (int) (tab - line), line,
                      (int) (end - tab - 1), tab + 1);
        require(json_parse(text.data, text.length, &datum) == 0);
        buffer_done(&text);
    }
}

static uint64_t sum_of(const struct statsd *statsd)
{
    struct statsd_counts counts;

    statsd_counts(statsd, &counts);
    return counts.lines + counts.bad_lines + counts.passed_over + counts.over_series_max;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const dimensions[] = {"route", "a", NULL};
    CLEANUP(statsd_freep) struct statsd *statsd = NULL;
    struct buffer record;
    uint64_t dropped, lines = 1;

    if (size > STATSD_DATAGRAM_MAX)
        return 0;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    require(statsd_new(&statsd, dimensions, 16) == 0);
    for (int window = 0; window < 2; window++) {
        statsd_feed(statsd, (const char *) data, size);
        require(sum_of(statsd) <= lines * (uint64_t) (window + 1));
        buffer_init(&record, RECORD_LIMIT);
        statsd_close(statsd, UINT64_C(1763760000000000), UINT64_C(10000000), next_record, &record,
                     &dropped);
        require(dropped == 0);
        check_record(&record);
        buffer_done(&record);
        statsd_each(statsd, check_view, NULL);
    }
    return 0;
}
