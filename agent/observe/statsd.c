/* SPDX-License-Identifier: Apache-2.0 */
/* Series in a hash table of fixed size with a secret key, and in a list in order of their birth. */
#include "agent/observe/statsd.h"

#include "agent/observe/distribution.h"
#include "agent/observe/statsd-line.h"
#include "common/base/clock.h"
#include "common/base/siphash.h"
#include "common/base/text.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define SET_PLACES (2u * STATSD_SET_MAX) /* a power of two; half full at most */

/* Kind, name and the values of all dimensions, each with a NUL behind it. */
#define KEY_MAX (1u + STATSD_NAME_MAX + 1u + STATSD_DIMENSIONS_MAX * (STATSD_TAG_VALUE_MAX + 1u))

struct series {
    struct series *next_in_place, *next;
    uint64_t hash;
    enum statsd_kind kind;
    uint64_t idle_us;
    double gauge; /* a window's end doesn't change it */
    /* The open window; of a counter, gauge or set. */
    uint64_t count;
    double sum, minimum, maximum;
    struct distribution distribution;
    uint64_t *set; /* hashes of its values, SET_PLACES; 0 is none */
    struct statsd_view closed;
    const char *values[STATSD_DIMENSIONS_MAX]; /* in |key|, NULL: has none */
    char *label;                               /* "route=/,method=GET" */
    size_t key_length;
    char key[];
};

struct statsd {
    struct siphash_key secret;
    char *dimensions[STATSD_DIMENSIONS_MAX + 1]; /* NULL at the end */
    size_t n_dimensions;
    size_t series_max;
    struct series **places;
    size_t n_places; /* a power of two */
    struct series *first, **end;
    struct statsd_counts counts;
};

static const char *const units[STATSD_KINDS_] = {
    [STATSD_COUNTER] = "Count",  [STATSD_GAUGE] = "None", [STATSD_TIMER] = "Milliseconds",
    [STATSD_HISTOGRAM] = "None", [STATSD_SET] = "Count",
};

/* --- the table ----------------------------------------------------------------------------------
 */

static struct series *series_free(struct series *series)
{
    if (!series)
        return NULL;
    distribution_done(&series->distribution);
    free(series->set);
    free(series->label);
    free(series);
    return NULL;
}
DEFINE_CLEANUP(struct series *, series_free)

static char *new_label(const struct statsd *statsd, const struct series *series)
{
    struct buffer text;

    buffer_init(&text, SIZE_MAX / 2);
    buffer_append_string(&text, "");
    for (size_t i = 0; i < statsd->n_dimensions; i++)
        if (series->values[i])
            buffer_printf(&text, "%s%s=%s", text.length > 0 ? "," : "", statsd->dimensions[i],
                          series->values[i]);
    if (text.failed)
        buffer_done(&text);
    return text.data;
}

static int series_new(const struct statsd *statsd, const char *key, size_t length, uint64_t hash,
                      struct series **ret)
{
    CLEANUP(series_freep) struct series *series = calloc(1, sizeof(*series) + length);
    const char *at;

    if (!series)
        return -ENOMEM;
    series->kind = (enum statsd_kind) key[0];
    series->hash = hash;
    series->key_length = length;
    memcpy(series->key, key, length);
    at = series->key + 1;
    for (size_t i = 0; i < statsd->n_dimensions; i++) {
        at += strlen(at) + 1;
        series->values[i] = at[0] ? at : NULL;
    }
    series->label = new_label(statsd, series);
    if (!series->label)
        return -ENOMEM;
    *ret = TAKE(series);
    return 0;
}

static struct series **place_of(const struct statsd *statsd, uint64_t hash)
{
    return &statsd->places[hash & (statsd->n_places - 1)];
}

static struct series *find(const struct statsd *statsd, const char *key, size_t length,
                           uint64_t hash)
{
    struct series *series = *place_of(statsd, hash);

    while (series && (series->hash != hash || series->key_length != length ||
                      memcmp(series->key, key, length) != 0))
        series = series->next_in_place;
    return series;
}

/* NULL: there is no place for another, or no memory. */
static struct series *find_or_add(struct statsd *statsd, const char *key, size_t length)
{
    uint64_t hash = siphash(&statsd->secret, key, length);
    struct series *series = find(statsd, key, length, hash);
    struct series **place = place_of(statsd, hash);

    if (series)
        return series;
    if (statsd->counts.series >= statsd->series_max ||
        series_new(statsd, key, length, hash, &series) < 0)
        return NULL;
    series->next_in_place = *place;
    *place = series;
    *statsd->end = series;
    statsd->end = &series->next;
    statsd->counts.series++;
    return series;
}

/* The one that |link| of the list points to. */
static void forget(struct statsd *statsd, struct series **link)
{
    struct series *series = *link, **in_place = place_of(statsd, series->hash);

    while (*in_place != series)
        in_place = &(*in_place)->next_in_place;
    *in_place = series->next_in_place;
    *link = series->next;
    if (!series->next)
        statsd->end = link;
    statsd->counts.series--;
    series_free(series);
}

/* --- a line -------------------------------------------------------------------------------------
 */

/* Index of the tag's name in the list, or -1. */
static int find_dimension(const struct statsd *statsd, const struct statsd_text *name)
{
    for (size_t i = 0; i < statsd->n_dimensions; i++)
        if (strlen(statsd->dimensions[i]) == name->length &&
            memcmp(statsd->dimensions[i], name->data, name->length) == 0)
            return (int) i;
    return -1;
}

struct tag_values {
    char text[STATSD_DIMENSIONS_MAX][STATSD_TAG_VALUE_MAX + 1]; /* only the first byte is zeroed */
};

/* The first of a name counts. */
static void take_tags(struct statsd *statsd, const struct statsd_line *line,
                      struct tag_values *values)
{
    struct statsd_text rest = line->tags, tag, name;

    for (size_t i = 0; i < statsd->n_dimensions; i++)
        values->text[i][0] = '\0';
    while (statsd_text_next(&rest, ',', &tag)) {
        if (tag.length == 0)
            continue;
        (void) statsd_text_next(&tag, ':', &name);
        int i = tag.data ? find_dimension(statsd, &name) : -1;
        bool taken = i >= 0 && !values->text[i][0];
        if (taken && statsd_clean(&tag, values->text[i], sizeof(values->text[i])) <= 0) {
            values->text[i][0] = '\0'; /* it may be half of one that is too long */
            taken = false;
        }
        statsd->counts.tags_dropped += !taken;
    }
}

static struct series *find_series(struct statsd *statsd, const struct statsd_line *line)
{
    struct tag_values values;
    char key[KEY_MAX];
    size_t length = 0, size;

    take_tags(statsd, line, &values);
    key[length++] = (char) line->kind;
    size = strlen(line->name) + 1;
    memcpy(key + length, line->name, size);
    length += size;
    for (size_t i = 0; i < statsd->n_dimensions; i++) {
        size = strlen(values.text[i]) + 1;
        memcpy(key + length, values.text[i], size);
        length += size;
    }
    return find_or_add(statsd, key, length);
}

static void observe(struct series *series, double value)
{
    if (series->count++ == 0) {
        series->sum = series->minimum = series->maximum = value;
        return;
    }
    series->sum += value;
    series->minimum = MIN(series->minimum, value);
    series->maximum = MAX(series->maximum, value);
}

/* A counter's or a set's window is one number. */
static void set_total(struct series *series, double total)
{
    series->count = 1;
    series->sum = series->minimum = series->maximum = total;
}

static void change_gauge(struct series *series, double value, bool is_relative)
{
    double wanted = is_relative ? series->gauge + value : value;

    if (fabs(wanted) <= STATSD_MAGNITUDE_MAX)
        series->gauge = wanted;
    observe(series, series->gauge);
}

static int add_to_set(struct statsd *statsd, struct series *series, const struct statsd_text *value)
{
    uint64_t hash = siphash(&statsd->secret, value->data, value->length);
    size_t at = hash & (SET_PLACES - 1);

    hash += hash == 0;
    if (!series->set)
        series->set = calloc(SET_PLACES, sizeof(*series->set));
    if (!series->set)
        return -ENOMEM;
    if (series->count == 0)
        set_total(series, 0);
    while (series->set[at] && series->set[at] != hash)
        at = (at + 1) & (SET_PLACES - 1);
    if (series->set[at] == 0 && series->sum < STATSD_SET_MAX) {
        series->set[at] = hash;
        set_total(series, series->sum + 1);
    }
    return 0;
}

static int apply_value(struct series *series, double value, bool has_sign, double weight)
{
    switch (series->kind) {
    case STATSD_COUNTER:
        set_total(series, series->count > 0 ? series->sum + value * weight : value * weight);
        return 0;
    case STATSD_GAUGE:
        change_gauge(series, value, has_sign);
        return 0;
    default:
        return distribution_add(&series->distribution, value, weight);
    }
}

static int apply(struct statsd *statsd, struct series *series, const struct statsd_line *line)
{
    struct statsd_text rest = line->values, text;
    double value;
    bool has_sign;
    int r = 0;

    if (series->kind == STATSD_SET)
        return add_to_set(statsd, series, &line->values);
    while (r >= 0 && statsd_text_next(&rest, ':', &text))
        if (statsd_number_parse(&text, &value, &has_sign))
            r = apply_value(series, value, has_sign, line->weight);
    return r;
}

static void note_bad_line(struct statsd *statsd, const struct statsd_text *text)
{
    struct statsd_text begin = {text->data, MIN(text->length, STATSD_BAD_LINE_MAX)};

    statsd->counts.bad_lines++;
    (void) statsd_clean(&begin, statsd->counts.last_bad_line, sizeof(statsd->counts.last_bad_line));
}

static void feed_line(struct statsd *statsd, const struct statsd_text *text)
{
    struct statsd_line line;
    struct series *series;

    switch (statsd_line_parse(text->data, text->length, &line)) {
    case STATSD_LINE_EMPTY:
        return;
    case STATSD_LINE_OTHER:
        statsd->counts.passed_over++;
        return;
    case STATSD_LINE_BAD:
        note_bad_line(statsd, text);
        return;
    case STATSD_LINE_METRIC:
        series = find_series(statsd, &line);
        if (series && apply(statsd, series, &line) >= 0)
            statsd->counts.lines++;
        else
            statsd->counts.over_series_max++;
    }
}

void statsd_feed(struct statsd *statsd, const char *data, size_t length)
{
    struct statsd_text rest = {data, length}, line;

    while (statsd_text_next(&rest, '\n', &line))
        feed_line(statsd, &line);
}

void statsd_feed_cut(struct statsd *statsd, const char *data, size_t length)
{
    const char *end = memrchr(data, '\n', length);
    size_t whole = end ? (size_t) (end + 1 - data) : 0;

    statsd_feed(statsd, data, whole);
    note_bad_line(statsd, &(struct statsd_text){data + whole, length - whole});
}

/* --- a window's end -----------------------------------------------------------------------------
 */

struct writer {
    statsd_next_record next;
    void *userdata;
    struct buffer *record;
    bool asked; /* for a first one */
    uint64_t dropped;
};

static void write_datum(struct writer *writer, const struct record_datum *datum)
{
    int r = -ENOBUFS;

    if (writer->record)
        r = record_append(writer->record, datum);
    if (r == -ENOBUFS && (writer->record || !writer->asked)) {
        writer->record = writer->next(writer->userdata);
        writer->asked = true;
        if (writer->record)
            r = record_append(writer->record, datum);
    }
    writer->dropped += r < 0;
}

static void write_distribution(struct writer *writer, struct record_datum *datum,
                               const struct distribution *distribution)
{
    struct distribution_cursor cursor = {0};
    double values[RECORD_VALUES_MAX];
    uint64_t counts[RECORD_VALUES_MAX];

    datum->values = values;
    datum->counts = counts;
    for (;;) {
        datum->n_values =
            distribution_values(distribution, &cursor, values, counts, RECORD_VALUES_MAX);
        if (datum->n_values == 0)
            return;
        write_datum(writer, datum);
    }
}

static void write_series(const struct statsd *statsd, const struct series *series,
                         const struct record_datum *window, struct writer *writer)
{
    struct record_dimension dimensions[STATSD_DIMENSIONS_MAX];
    struct record_datum datum = *window;

    for (size_t i = 0; i < statsd->n_dimensions; i++)
        if (series->values[i])
            dimensions[datum.n_dimensions++] =
                (struct record_dimension){statsd->dimensions[i], series->values[i]};
    datum.dimensions = dimensions;
    datum.name = series->closed.name;
    datum.unit = series->closed.unit;
    if (series->distribution.n > 0) {
        write_distribution(writer, &datum, &series->distribution);
        return;
    }
    datum.count = series->closed.count;
    datum.sum = series->closed.sum;
    datum.minimum = series->closed.minimum;
    datum.maximum = series->closed.maximum;
    write_datum(writer, &datum);
}

static void sum_up(struct series *series)
{
    const struct distribution *distribution = &series->distribution;

    series->closed = (struct statsd_view){.name = series->key + 1,
                                          .unit = units[series->kind],
                                          .dimensions = series->label,
                                          .count = series->count,
                                          .sum = series->sum,
                                          .minimum = series->minimum,
                                          .maximum = series->maximum};
    if (distribution->n == 0)
        return;
    series->closed.count = (uint64_t) llround(distribution->count);
    series->closed.sum = distribution->sum;
    series->closed.minimum = distribution->minimum;
    series->closed.maximum = distribution->maximum;
}

/* Memory goes back where a window saw nothing: who was busy will be again. */
static void begin_window(struct series *series)
{
    series->count = 0;
    distribution_clear(&series->distribution);
    if (series->set)
        memset(series->set, 0, SET_PLACES * sizeof(*series->set));
}

static bool is_forgotten(const struct series *series)
{
    unsigned limit_s = series->kind == STATSD_GAUGE ? STATSD_IDLE_GAUGE_S : STATSD_IDLE_S;

    return series->idle_us > limit_s * USEC_PER_SEC;
}

void statsd_close(struct statsd *statsd, uint64_t start_realtime_us, uint64_t window_us,
                  statsd_next_record next, void *userdata, uint64_t *ret_dropped)
{
    const struct record_datum window = {.start_realtime_us = start_realtime_us,
                                        .window_us = window_us};
    struct writer writer = {.next = next, .userdata = userdata};

    for (struct series **link = &statsd->first; *link;) {
        struct series *series = *link;

        if (series->count > 0 || series->distribution.n > 0) {
            series->idle_us = 0;
            sum_up(series);
            write_series(statsd, series, &window, &writer);
            begin_window(series);
        } else {
            series->idle_us += window_us;
            series->closed.count = 0;
            distribution_done(&series->distribution);
            free(TAKE(series->set));
        }
        if (is_forgotten(series))
            forget(statsd, link);
        else
            link = &series->next;
    }
    *ret_dropped = writer.dropped;
}

/* --- life cycle and views -----------------------------------------------------------------------
 */

void statsd_counts(const struct statsd *statsd, struct statsd_counts *ret)
{
    *ret = statsd->counts;
}

void statsd_each(const struct statsd *statsd,
                 void (*each)(const struct statsd_view *view, void *userdata), void *userdata)
{
    for (const struct series *series = statsd->first; series; series = series->next)
        if (series->closed.count > 0)
            each(&series->closed, userdata);
}

/* What body.h adds to each datum: a second one of that name would be refused. */
static bool is_reserved(const char *dimension)
{
    return strcmp(dimension, "AutoScalingGroupName") == 0 || strcmp(dimension, "InstanceId") == 0;
}

static void forget_all(struct statsd *statsd)
{
    while (statsd->first)
        forget(statsd, &statsd->first);
}

static bool is_configured_so(const struct statsd *statsd, const char *const dimensions[],
                             size_t series_max)
{
    size_t n = 0;

    for (; *dimensions; dimensions++)
        if (!is_reserved(*dimensions) &&
            (n >= statsd->n_dimensions || strcmp(statsd->dimensions[n++], *dimensions) != 0))
            return false;
    return n == statsd->n_dimensions && statsd->series_max == series_max;
}

static void done(struct statsd *statsd)
{
    if (statsd->places)
        forget_all(statsd);
    free(statsd->places);
    for (size_t i = 0; i < statsd->n_dimensions; i++)
        free(statsd->dimensions[i]);
}

static int init(struct statsd *statsd, const char *const dimensions[], size_t series_max)
{
    size_t n = 0;

    *statsd =
        (struct statsd){.secret = siphash_key_random(), .series_max = series_max, .n_places = 1};
    while (statsd->n_places < series_max)
        statsd->n_places *= 2;
    for (; dimensions[n]; n++) {
        if (n == STATSD_DIMENSIONS_MAX)
            return -EINVAL;
        if (is_reserved(dimensions[n]))
            continue;
        statsd->dimensions[statsd->n_dimensions] = strdup(dimensions[n]);
        if (!statsd->dimensions[statsd->n_dimensions])
            return -ENOMEM;
        statsd->n_dimensions++;
    }
    statsd->places = calloc(statsd->n_places, sizeof(*statsd->places));
    return statsd->places ? 0 : -ENOMEM;
}

int statsd_configure(struct statsd *statsd, const char *const dimensions[], size_t series_max)
{
    struct statsd fresh;
    int r;

    if (is_configured_so(statsd, dimensions, series_max))
        return 0;
    r = init(&fresh, dimensions, series_max);
    if (r < 0) {
        done(&fresh);
        return r;
    }
    fresh.counts = statsd->counts;
    fresh.counts.series = 0;
    done(statsd);
    *statsd = fresh;
    statsd->end = &statsd->first;
    return 0;
}

int statsd_new(struct statsd **ret, const char *const dimensions[], size_t series_max)
{
    CLEANUP(statsd_freep) struct statsd *statsd = calloc(1, sizeof(*statsd));
    int r;

    if (!statsd)
        return -ENOMEM;
    r = init(statsd, dimensions, series_max);
    if (r < 0)
        return r;
    statsd->end = &statsd->first;
    *ret = TAKE(statsd);
    return 0;
}

struct statsd *statsd_free(struct statsd *statsd)
{
    if (!statsd)
        return NULL;
    done(statsd);
    free(statsd);
    return NULL;
}
