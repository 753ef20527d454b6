/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A spool directory made from arbitrary bytes, opened, read, marked, appended to and opened again.
 * Checksums keep random bytes out, so the input is a list of things to write, some of them right:
 *
 *     0  bytes as they are         1  a header, right but for the next bytes' first number
 *     2  a record, its number      3  a slot of the marks
 *        and data from the input   4  the next file
 */
#include "agent/publish/spool-segment-file.h"
#include "common/base/files.h"
#include "common/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FIRST UINT64_C(1000)
#define NOW   UINT64_C(2000000)
/* Segments a hundred numbers apart. */
#define FILES_MAX  4u
#define FILE_BYTES 32768u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
};

struct file {
    uint8_t bytes[FILE_BYTES];
    size_t length;
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static uint8_t take_byte(struct input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

static const uint8_t *take(struct input *input, size_t *length)
{
    const uint8_t *data = input->data;

    *length = MIN(*length, input->size);
    input->data += *length;
    input->size -= *length;
    return data;
}

static void put(struct file *file, const void *data, size_t length)
{
    length = MIN(length, sizeof(file->bytes) - file->length);
    if (length > 0)
        memcpy(file->bytes + file->length, data, length);
    file->length += length;
}

static void put_record(struct file *file, struct input *input, uint64_t first)
{
    uint64_t number = first + take_byte(input);
    uint8_t flags = take_byte(input);
    size_t length = take_byte(input);
    const uint8_t *content = take(input, &length);
    struct spool_record record;

    require(spool_record_pack(&record, content, length, number) == 0);
    spool_record_seal(&record, number, flags & 1);
    put(file, &record.header, sizeof(record.header));
    put(file, record.data,
        flags & 2 ? record.header.stored_length / 2 : record.header.stored_length);
    spool_record_done(&record);
}

static void put_slot(struct file *file, struct input *input)
{
    size_t index = take_byte(input);
    uint32_t slot = spool_segment_slot_of_state((enum spool_state)(take_byte(input) & 3));

    memcpy(file->bytes + sizeof(struct spool_segment_head) + index * sizeof(slot), &slot,
           sizeof(slot));
}

static void put_head(struct file *file, struct input *input, uint64_t first)
{
    uint8_t count = take_byte(input);

    spool_segment_head_init((struct spool_segment_head *) file->bytes, first, NOW, count);
    file->length = MAX(file->length, (size_t) SPOOL_SEGMENT_EMPTY_BYTES);
}

/* Fills one file until the input says that the next begins. */
static void make_file(struct file *file, struct input *input, uint64_t first)
{
    memset(file, 0, sizeof(*file));
    while (input->size > 0) {
        size_t length;
        const uint8_t *bytes;

        switch (take_byte(input) % 5) {
        case 0:
            length = take_byte(input);
            bytes = take(input, &length);
            put(file, bytes, length);
            break;
        case 1:
            put_head(file, input, first);
            break;
        case 2:
            put_record(file, input, first);
            break;
        case 3:
            put_slot(file, input);
            break;
        default:
            return;
        }
    }
}

static void write_files(const char *directory, struct input input)
{
    static struct file file;

    for (unsigned i = 0; i < FILES_MAX && input.size > 0; i++) {
        char name[SPOOL_SEGMENT_NAME_MAX], path[128];
        int fd;

        make_file(&file, &input, FIRST + 100 * i);
        spool_segment_name(name, FIRST + 100 * i);
        snprintf(path, sizeof(path), "%s/%s", directory, name);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        require(fd >= 0 && fd_write_all(fd, file.bytes, file.length) == 0);
        close(fd);
    }
}

/* What can be read: the numbers, rising, up to |max|. */
static size_t read_all(struct spool *spool, uint64_t numbers[], size_t max)
{
    uint64_t number = 0, realtime_us;
    size_t n = 0;

    while (spool_next(spool, number, &number) == 0) {
        size_t length;
        char *data;
        int r = spool_read(spool, number, &data, &length, &realtime_us);

        require(number < spool_next_number(spool) && spool_has(spool, number));
        require(r == 0 || r == -EBADMSG);
        if (r == 0) {
            require(n < max);
            numbers[n++] = number;
            free(data);
        }
        number++;
    }
    return n;
}

static struct spool *reopen(struct spool *spool, const char *directory)
{
    const struct spool_settings settings = {.directory = directory, .limit_bytes = 1 << 20};
    struct spool_counts counts;

    spool_free(spool);
    require(spool_open(&spool, &settings, NOW) == 0);
    spool_counts(spool, &counts);
    require(!counts.in_memory);
    return spool;
}

static void use(const char *directory)
{
    static uint64_t before[FILES_MAX * SPOOL_SEGMENT_RECORDS_MAX],
        after[FILES_MAX * SPOOL_SEGMENT_RECORDS_MAX + 1];
    const struct spool_part part = {"hello", 5};
    struct spool *spool = reopen(NULL, directory);
    size_t n = read_all(spool, before, ARRAY_SIZE(before)), n_after;
    uint64_t next = spool_next_number(spool);

    require(!spool_has(spool, next));
    require(spool_append(spool, 1, &part, 1, NOW) == 0);
    spool = reopen(spool, directory);
    n_after = read_all(spool, after, ARRAY_SIZE(after));
    require(n_after == n + 1 && after[n] == next);
    require(memcmp(before, after, n * sizeof(*before)) == 0);
    require(!spool_is_ambiguous(spool, next));

    spool_mark_sending(spool, 0, UINT64_MAX);
    spool = reopen(spool, directory);
    for (size_t i = 0; i < n_after; i++)
        require(spool_is_ambiguous(spool, after[i]));
    spool_mark_done(spool, 0, UINT64_MAX);
    spool = reopen(spool, directory);
    require(read_all(spool, before, ARRAY_SIZE(before)) == 0);
    require(spool_next_number(spool) == next + 1);
    spool_free(spool);
}

static void remove_files(const char *directory)
{
    DIR *stream = opendir(directory);
    const struct dirent *entry;

    require(stream);
    while ((entry = readdir(stream)))
        unlinkat(dirfd(stream), entry->d_name, 0);
    closedir(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char directory[] = "/dev/shm/agentd-fuzz.XXXXXX";

    if (size > 4096)
        return 0;
    log_set_level(LOG_CRIT);
    require(mkdtemp(directory));
    write_files(directory, (struct input){data, size});
    use(directory);
    remove_files(directory);
    require(rmdir(directory) == 0);
    return 0;
}
