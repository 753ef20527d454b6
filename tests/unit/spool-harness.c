/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "tests/unit/spool-harness.h"

#include "common/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>

int harness_set_up(void **state)
{
    struct harness *harness = calloc(1, sizeof(*harness));

    unit_directory_make(harness->directory);
    snprintf(harness->path, sizeof(harness->path), "%s/spool", harness->directory);
    harness->settings.directory = harness->path;
    harness->now_us = HARNESS_START_US;
    harness->random = 1;
    harness->saved_stderr = -1;
    log_set_level(LOG_ERR); /* of what is expected here, there are thousands of lines */
    *state = harness;
    return 0;
}

int harness_tear_down(void **state)
{
    struct harness *harness = *state;

    harness_log_end(harness);
    spool_free(harness->spool);
    unit_directory_remove(harness->directory);
    free(harness->records);
    free(harness);
    return 0;
}

/* xorshift64*: the same everywhere. */
static uint64_t step(uint64_t *random)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return *random * UINT64_C(2685821657736338717) >> 11;
}

uint64_t harness_random(struct harness *harness, uint64_t below)
{
    return step(&harness->random) % below;
}

struct spool *harness_open_at(struct harness *harness, const char *path)
{
    struct spool_settings settings = harness->settings;
    struct spool *spool = NULL;

    settings.directory = path;
    assert_int_equal(spool_open(&spool, &settings, harness->now_us), 0);
    return spool;
}

void harness_open(struct harness *harness)
{
    harness->spool = spool_free(harness->spool);
    assert_int_equal(spool_open(&harness->spool, &harness->settings, harness->now_us), 0);
}

size_t harness_data(uint64_t number, char data[HARNESS_DATA_MAX])
{
    uint64_t random = number * 2654435761u + 1;
    size_t length = step(&random) % (number % 3 == 0 ? 300 : HARNESS_DATA_MAX - 100), i = 0;

    if (number % 3 == 0) {
        for (i = 0; i < length; i++)
            data[i] = (char) step(&random);
        return length;
    }
    while (i < length) {
        static const char line[] = "{\"Name\":\"App\"}\t\"MetricName\":\"RequestCount\",\"Sum\":";
        uint64_t value = step(&random);

        memcpy(data + i, line, sizeof(line) - 1);
        i += sizeof(line) - 1;
        for (unsigned k = 0; k < 6; k++, value /= 10)
            data[i++] = (char) ('0' + value % 10);
    }
    return i;
}

static void note(struct harness *harness, const struct harness_record *record)
{
    if (harness->n == harness->allocated) {
        harness->allocated = harness->allocated * 2 + 64;
        harness->records =
            reallocarray(harness->records, harness->allocated, sizeof(*harness->records));
        assert_non_null(harness->records);
    }
    harness->records[harness->n++] = *record;
}

void harness_append_at(struct harness *harness, size_t n, uint64_t realtime_us)
{
    static char data[SPOOL_GROUP_MAX][HARNESS_DATA_MAX];
    struct spool_part parts[SPOOL_GROUP_MAX];
    struct harness_record record = {.realtime_us = realtime_us, .group = harness->groups++};
    uint64_t first = spool_next_number(harness->spool), before = 0, segment_before = 0;

    (void) harness_newest(harness->path, &segment_before, &before);
    assert_false(spool_has(harness->spool, first));
    for (size_t i = 0; i < n; i++) {
        parts[i].data = data[i];
        parts[i].length = harness_data(first + i, data[i]);
    }
    assert_int_equal(spool_append(harness->spool, realtime_us, parts, n, harness->now_us), 0);
    assert_int_equal(spool_next_number(harness->spool), first + n);
    if (harness_newest(harness->path, &record.segment, &record.group_end))
        record.group_offset = record.segment == segment_before ? before : 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(spool_has(harness->spool, first + i));
        record.number = first + i;
        note(harness, &record);
    }
}

void harness_append(struct harness *harness, size_t n)
{
    harness_append_at(harness, n, harness->now_us);
}

enum expected harness_after_sending(enum expected state)
{
    static const enum expected after[] = {EXPECT_SENT, EXPECT_TWICE, EXPECT_TWICE, EXPECT_DONE};

    return after[state];
}

enum expected harness_after_failed(enum expected state)
{
    static const enum expected after[] = {EXPECT_NEW, EXPECT_NEW, EXPECT_SENT, EXPECT_DONE};

    return after[state];
}

static enum expected after_done(enum expected state)
{
    return EXPECT_DONE;
}

static void note_mark(struct harness *harness, uint64_t first, uint64_t last,
                      enum expected (*after)(enum expected))
{
    for (size_t i = 0; i < harness->n; i++) {
        struct harness_record *record = &harness->records[i];

        if (record->number >= first && record->number <= last)
            record->state = after(record->state);
    }
}

void harness_mark_sending(struct harness *harness, uint64_t first, uint64_t last)
{
    spool_mark_sending(harness->spool, first, last);
    note_mark(harness, first, last, harness_after_sending);
}

void harness_mark_failed(struct harness *harness, uint64_t first, uint64_t last)
{
    spool_mark_failed(harness->spool, first, last);
    note_mark(harness, first, last, harness_after_failed);
}

void harness_mark_done(struct harness *harness, uint64_t first, uint64_t last)
{
    spool_mark_done(harness->spool, first, last);
    note_mark(harness, first, last, after_done);
}

struct harness_record *harness_find(struct harness *harness, uint64_t number)
{
    size_t low = 0, high = harness->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (harness->records[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < harness->n && harness->records[low].number == number ? &harness->records[low]
                                                                      : NULL;
}

void harness_check_record(struct spool *spool, uint64_t number, uint64_t realtime_us)
{
    char expected[HARNESS_DATA_MAX], *data;
    size_t length, expected_length = harness_data(number, expected);
    uint64_t read_realtime_us;

    assert_int_equal(spool_read(spool, number, &data, &length, &read_realtime_us), 0);
    assert_int_equal(length, expected_length);
    assert_memory_equal(data, expected, length);
    assert_int_equal(data[length], '\0');
    assert_int_equal(read_realtime_us, realtime_us);
    free(data);
}

void harness_check(struct harness *harness)
{
    struct spool_counts counts;
    uint64_t number = 0, pending = 0;
    char *data;
    size_t length;

    for (size_t i = 0; i < harness->n; i++) {
        const struct harness_record *record = &harness->records[i];

        assert_true(spool_has(harness->spool, record->number));
        assert_int_equal(spool_is_ambiguous(harness->spool, record->number),
                         record->state == EXPECT_SENT || record->state == EXPECT_TWICE);
        if (record->state == EXPECT_DONE) {
            assert_int_equal(spool_read(harness->spool, record->number, &data, &length, &number),
                             -ENOENT);
            continue;
        }
        pending++;
    }
    number = 0;
    for (size_t i = 0; i < harness->n; i++) {
        const struct harness_record *record = &harness->records[i];

        if (record->state == EXPECT_DONE)
            continue;
        assert_int_equal(spool_next(harness->spool, number, &number), 0);
        assert_int_equal(number, record->number);
        harness_check_record(harness->spool, number, record->realtime_us);
        number++;
    }
    assert_int_equal(spool_next(harness->spool, number, &number), -ENOENT);
    spool_counts(harness->spool, &counts);
    assert_int_equal(counts.records, pending);
    assert_int_equal(counts.bytes == 0, pending == 0);
}

bool harness_newest(const char *path, uint64_t *ret_first, uint64_t *ret_size)
{
    DIR *stream = opendir(path);
    const struct dirent *entry;
    struct stat status;
    bool found = false;

    *ret_first = 0;
    while (stream && (entry = readdir(stream))) {
        char *end;
        uint64_t first = strtoull(entry->d_name, &end, 16);

        if (strcmp(end, ".seg") != 0 || first < *ret_first)
            continue;
        assert_int_equal(fstatat(dirfd(stream), entry->d_name, &status, 0), 0);
        *ret_first = first;
        *ret_size = (uint64_t) status.st_size;
        found = true;
    }
    if (stream)
        closedir(stream);
    return found;
}

unsigned harness_count_files(const char *path, const char *suffix)
{
    DIR *stream = opendir(path);
    const struct dirent *entry;
    unsigned n = 0;

    assert_non_null(stream);
    while ((entry = readdir(stream))) {
        size_t length = strlen(entry->d_name), tail = strlen(suffix);

        n += length > tail && strcmp(entry->d_name + length - tail, suffix) == 0;
    }
    closedir(stream);
    return n;
}

uint64_t harness_directory_bytes(const char *path)
{
    DIR *stream = opendir(path);
    const struct dirent *entry;
    struct stat status;
    uint64_t total = 0;

    assert_non_null(stream);
    while ((entry = readdir(stream)))
        if (fstatat(dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode))
            total += (uint64_t) status.st_size;
    closedir(stream);
    return total;
}

void harness_segment_path(char name[HARNESS_NAME_MAX], const char *path, uint64_t first)
{
    snprintf(name, HARNESS_NAME_MAX, "%.*s/%016" PRIx64 ".seg", PATH_MAX, path, first);
}

void harness_put(const char *path, const void *data, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, data, length), 0);
    close(fd);
}

void harness_copy(const char *from, const char *to)
{
    DIR *stream = opendir(from);
    const struct dirent *entry;

    assert_non_null(stream);
    assert_int_equal(mkdir(to, 0700), 0);
    while ((entry = readdir(stream))) {
        char target[HARNESS_NAME_MAX + 256], *data;
        size_t length;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(target, sizeof(target), "%s/%s", to, entry->d_name);
        data = unit_file_read(dirfd(stream), entry->d_name, &length);
        harness_put(target, data, length);
        free(data);
    }
    closedir(stream);
}

void harness_remove(const char *path)
{
    unit_directory_remove(path);
}

void harness_log_start(struct harness *harness)
{
    log_set_level(LOG_INFO);
    harness->saved_stderr = dup(STDERR_FILENO);
    harness->log_fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(harness->log_fd >= 0);
    assert_true(dup2(harness->log_fd, STDERR_FILENO) >= 0);
}

unsigned harness_log_count(struct harness *harness, const char *needle)
{
    static char text[65536];
    ssize_t length = pread(harness->log_fd, text, sizeof(text) - 1, 0);
    unsigned n = 0;

    assert_true(length >= 0);
    text[length] = '\0';
    for (const char *at = text; (at = strstr(at, needle)); at++)
        n++;
    return n;
}

void harness_log_end(struct harness *harness)
{
    if (harness->saved_stderr < 0)
        return;
    log_set_level(LOG_ERR);
    dup2(harness->saved_stderr, STDERR_FILENO);
    close(harness->saved_stderr);
    close(harness->log_fd);
    harness->saved_stderr = -1;
}
