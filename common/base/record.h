/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State on its way from one program image to the next: values, texts and descriptors in a sealed
 * memfd with magic, version and checksum.
 *
 * One function walks over an object's fields for both directions, so that writing and reading can't
 * drift apart:
 *
 *     RECORD_NUMBER(record, thing->count);
 *     record_text(record, thing->name, sizeof(thing->name));
 *     if (record->version >= 2)
 *         RECORD_NUMBER(record, thing->added_later);
 *
 * Values are written one by one, never as structs, each behind a byte for its kind. The reader
 * trusts nothing: a value that doesn't fit, a text too long, a descriptor that isn't open is
 * -EBADMSG. The first error sticks; what is read after it is zero, "" or -1.
 */
#pragma once

#include "common/base/buffer.h"

#define RECORD_LIMIT (1024u * 1024) /* bytes of a record */

struct record {
    bool writing;
    bool dry; /* read in another process: a look, and descriptors come out as -1 */
    uint32_t version;
    int error; /* sticky */
    struct buffer data;
    size_t at; /* of reading */
};

void record_write(struct record *record, uint32_t magic, uint32_t version);
/* A new sealed memfd with all of it, or a negative errno. */
int record_to_fd(struct record *record, const char *name);
/* While writing or after it: whether the descriptors written so far stay open over an exec. 0 or a
 * negative errno. */
int record_keep_fds(const struct record *record, bool keep);

/* 0, -EBADMSG, -EPROTONOSUPPORT for a version above |newest| (record->version says which), or a
 * negative errno. record_done() in any case. */
int record_read(struct record *record, int fd, uint32_t magic, uint32_t newest);
/* After the last field. 0, or what was wrong; -EBADMSG if something is left. */
int record_read_end(const struct record *record);

void record_done(struct record *record);

/* Of any integer type but bool; an enum's range is the caller's to check. */
#define RECORD_NUMBER(record, field)                                                               \
    record_number((record), &(field), sizeof(field), (__typeof__(field)) -1 < (__typeof__(field)) 1)
/* Several of them, up to 8. */
#define RECORD_NUMBERS(record, ...)                                                                \
    RECORD_PICK_(__VA_ARGS__, RECORD_8_, RECORD_7_, RECORD_6_, RECORD_5_, RECORD_4_, RECORD_3_,    \
                 RECORD_2_, RECORD_NUMBER)                                                         \
    (record, __VA_ARGS__)
#define RECORD_PICK_(a, b, c, d, e, f, g, h, chosen, ...) chosen
#define RECORD_2_(record, field, ...)                                                              \
    (RECORD_NUMBER(record, field), RECORD_NUMBER(record, __VA_ARGS__))
#define RECORD_3_(record, field, ...) (RECORD_NUMBER(record, field), RECORD_2_(record, __VA_ARGS__))
#define RECORD_4_(record, field, ...) (RECORD_NUMBER(record, field), RECORD_3_(record, __VA_ARGS__))
#define RECORD_5_(record, field, ...) (RECORD_NUMBER(record, field), RECORD_4_(record, __VA_ARGS__))
#define RECORD_6_(record, field, ...) (RECORD_NUMBER(record, field), RECORD_5_(record, __VA_ARGS__))
#define RECORD_7_(record, field, ...) (RECORD_NUMBER(record, field), RECORD_6_(record, __VA_ARGS__))
#define RECORD_8_(record, field, ...) (RECORD_NUMBER(record, field), RECORD_7_(record, __VA_ARGS__))
void record_number(struct record *record, void *value, size_t size, bool is_signed);
void record_bool(struct record *record, bool *value);
/* A fixed array: terminated, and zero to its end. */
void record_text(struct record *record, char *text, size_t size);
/* Allocated, up to |limit| bytes; NULL stays NULL. */
void record_string(struct record *record, char **text, size_t limit);
/*
 * A descriptor or -1. The number is handed over; the reader finds it open and makes it O_CLOEXEC
 * again, which also shows who claims one twice.
 */
void record_fd(struct record *record, int *fd);

/* What was read makes no sense. */
void record_fail(struct record *record);
