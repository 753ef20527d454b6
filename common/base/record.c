/* SPDX-License-Identifier: Apache-2.0 */
/* Fields are a byte for their kind and 64 bits, little-endian; a text's bytes follow its length. */
#include "common/base/record.h"

#include "common/base/files.h"
#include "common/base/siphash.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define RECORD_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)
#define HEADER_BYTES (4 * sizeof(uint64_t)) /* magic, version, bytes after it, their checksum */

enum kind { KIND_NUMBER = 'n', KIND_TEXT = 't', KIND_FD = 'd' };

/* Against damage, not against forgery: the writer is the same process before its exec. */
static const struct siphash_key checksum_key = {UINT64_C(0x6167656e74642072),
                                                UINT64_C(0x65636f7264206b79)};

void record_write(struct record *record, uint32_t magic, uint32_t version)
{
    const uint64_t header[] = {htole64(magic), htole64(version), 0, 0};

    *record = (struct record){.writing = true, .version = version};
    buffer_init(&record->data, RECORD_LIMIT);
    (void) buffer_append(&record->data, header, sizeof(header));
}

void record_done(struct record *record)
{
    buffer_done(&record->data);
}

void record_fail(struct record *record)
{
    if (record->error == 0)
        record->error = -EBADMSG;
}

/* --- one field ----------------------------------------------------------------------------------
 */

static void put(struct record *record, enum kind kind, uint64_t value)
{
    const char kind_byte = (char) kind;

    value = htole64(value);
    (void) buffer_append(&record->data, &kind_byte, 1);
    (void) buffer_append(&record->data, &value, sizeof(value));
}

/* 0 after an error. */
static uint64_t take(struct record *record, enum kind kind)
{
    uint64_t value;

    if (record->error == 0 && (record->data.length - record->at < 1 + sizeof(value) ||
                               record->data.data[record->at] != (char) kind))
        record_fail(record);
    if (record->error < 0)
        return 0;
    memcpy(&value, record->data.data + record->at + 1, sizeof(value));
    record->at += 1 + sizeof(value);
    return le64toh(value);
}

/* Sign and width, for the 64 bits between are the same for all. */
static int64_t load(const void *value, size_t size, bool is_signed)
{
    union {
        int8_t s8;
        int16_t s16;
        int32_t s32;
        int64_t s64;
        uint8_t u8;
        uint16_t u16;
        uint32_t u32;
    } u;

    memcpy(&u, value, size);
    switch (size) {
    case 1:
        return is_signed ? u.s8 : u.u8;
    case 2:
        return is_signed ? u.s16 : u.u16;
    case 4:
        return is_signed ? u.s32 : (int64_t) u.u32;
    default:
        return u.s64;
    }
}

void record_number(struct record *record, void *value, size_t size, bool is_signed)
{
    if (record->writing) {
        put(record, KIND_NUMBER, (uint64_t) load(value, size, is_signed));
        return;
    }
    int64_t wanted = (int64_t) take(record, KIND_NUMBER);
    memset(value, 0, size);
#if __BYTE_ORDER == __LITTLE_ENDIAN
    memcpy(value, &wanted, size);
#else
    memcpy(value, (char *) &wanted + sizeof(wanted) - size, size);
#endif
    if (load(value, size, is_signed) != wanted) {
        memset(value, 0, size);
        record_fail(record);
    }
}

void record_bool(struct record *record, bool *value)
{
    uint8_t number = record->writing && *value;

    RECORD_NUMBER(record, number);
    if (number > 1)
        record_fail(record);
    *value = number == 1;
}

/* The length of the text that comes, which lies in the record and fits, or 0 and the error. */
static size_t take_text(struct record *record, size_t limit)
{
    uint64_t length = take(record, KIND_TEXT);

    if (length > limit || length > record->data.length - record->at ||
        memchr(record->data.data + record->at, '\0', length)) {
        record_fail(record);
        return 0;
    }
    record->at += length;
    return length;
}

void record_text(struct record *record, char *text, size_t size)
{
    if (record->writing) {
        size_t length = strnlen(text, size - 1);
        put(record, KIND_TEXT, length);
        (void) buffer_append(&record->data, text, length);
        return;
    }
    size_t length = take_text(record, size - 1);
    memset(text, 0, size);
    memcpy(text, record->data.data + record->at - length, length);
}

void record_string(struct record *record, char **text, size_t limit)
{
    bool is_set = record->writing && *text;

    if (!record->writing)
        *text = NULL;
    record_bool(record, &is_set);
    if (!is_set)
        return;
    if (record->writing) {
        record_text(record, *text, strlen(*text) + 1);
        return;
    }
    size_t length = take_text(record, limit);
    if (record->error == 0 && !(*text = strndup(record->data.data + record->at - length, length)))
        record->error = -ENOMEM;
}

void record_fd(struct record *record, int *fd)
{
    if (record->writing) {
        put(record, KIND_FD, (uint64_t) (int64_t) *fd);
        return;
    }
    int64_t number = (int64_t) take(record, KIND_FD);
    *fd = -1;
    if (record->error < 0 || number == -1)
        return;
    if (number < 0 || number > INT32_MAX) {
        record_fail(record);
        return;
    }
    if (record->dry)
        return;
    if (fcntl((int) number, F_GETFD) != 0 || fd_set_cloexec((int) number, true) < 0)
        record_fail(record);
    else
        *fd = (int) number;
}

int record_keep_fds(const struct record *record, bool keep)
{
    struct record walk = {.data = record->data, .at = HEADER_BYTES};
    int first_error = 0;

    while (walk.at < walk.data.length && walk.error == 0) {
        enum kind kind = (enum kind)(unsigned char) walk.data.data[walk.at];
        uint64_t value = take(&walk, kind);
        if (kind == KIND_TEXT)
            walk.at += value;
        int r = kind == KIND_FD && (int64_t) value >= 0 ? fd_set_cloexec((int) value, !keep) : 0;
        if (first_error == 0)
            first_error = r;
    }
    return first_error;
}

/* --- as a whole ---------------------------------------------------------------------------------
 */

int record_to_fd(struct record *record, const char *name)
{
    const size_t length = record->data.length - HEADER_BYTES;

    if (record->error < 0)
        return record->error;
    if (record->data.failed)
        return -ENOBUFS;
    const uint64_t rest[] = {
        htole64(length),
        htole64(siphash(&checksum_key, record->data.data + HEADER_BYTES, length)),
    };
    memcpy(record->data.data + HEADER_BYTES - sizeof(rest), rest, sizeof(rest));

    CLEANUP_CLOSE int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    int r = fd_write_all(fd, record->data.data, record->data.length);
    if (r < 0)
        return r;
    if (fcntl(fd, F_ADD_SEALS, RECORD_SEALS) < 0)
        return -errno;
    return TAKE_FD(fd);
}

/* All of a sealed memfd: nobody can change it under the reader's hands. */
static int load_fd(struct buffer *data, int fd)
{
    struct stat status;
    const int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || (seals & RECORD_SEALS) != RECORD_SEALS || fstat(fd, &status) < 0 ||
        status.st_size < (off_t) HEADER_BYTES || status.st_size > (off_t) RECORD_LIMIT)
        return -EBADMSG;
    const size_t length = (size_t) status.st_size;
    data->data = malloc(length);
    if (!data->data)
        return -ENOMEM;
    data->length = data->allocated = length;
    ssize_t n = pread(fd, data->data, length, 0);
    if (n < 0)
        return -errno;
    return (size_t) n == length ? 0 : -EBADMSG;
}

int record_read(struct record *record, int fd, uint32_t magic, uint32_t newest)
{
    uint64_t header[4];

    *record = (struct record){.at = HEADER_BYTES};
    buffer_init(&record->data, RECORD_LIMIT);
    int r = load_fd(&record->data, fd);
    if (r < 0)
        return record->error = r;
    memcpy(header, record->data.data, sizeof(header));
    const uint64_t version = le64toh(header[1]), length = le64toh(header[2]);
    if (le64toh(header[0]) != magic || version == 0 || version > UINT32_MAX)
        return record->error = -EBADMSG;
    record->version = (uint32_t) version;
    if (version > newest) /* before the rest, whose form may be another */
        return record->error = -EPROTONOSUPPORT;
    if (length != record->data.length - HEADER_BYTES ||
        le64toh(header[3]) != siphash(&checksum_key, record->data.data + HEADER_BYTES, length))
        return record->error = -EBADMSG;
    return 0;
}

int record_read_end(const struct record *record)
{
    if (record->error < 0)
        return record->error;
    return record->at == record->data.length ? 0 : -EBADMSG;
}
