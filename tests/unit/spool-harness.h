/* SPDX-License-Identifier: Apache-2.0 */
/* A spool in a directory of its own, with records whose content follows from their number, and a
 * plain array that knows what should be in it. */
#pragma once

#include "agent/publish/spool.h"
#include "tests/unit/unit.h"

#define HARNESS_SECOND_US UINT64_C(1000000)
#define HARNESS_START_US  (UINT64_C(1763760000) * HARNESS_SECOND_US)
#define HARNESS_NAME_MAX  (PATH_MAX + 64)

enum expected { EXPECT_NEW, EXPECT_SENT, EXPECT_TWICE, EXPECT_DONE };

struct harness_record {
    uint64_t number, realtime_us;
    enum expected state;
    unsigned group;        /* counts the appends */
    uint64_t segment;      /* where it was put: the newest segment's number, */
    uint64_t group_offset; /* and its size before and after the append */
    uint64_t group_end;
};

struct harness {
    char directory[PATH_MAX]; /* the test's; the spool is in "spool" there */
    char path[HARNESS_NAME_MAX];
    struct spool *spool;
    struct spool_settings settings;
    uint64_t now_us;
    uint64_t random;
    struct harness_record *records;
    size_t n, allocated;
    unsigned groups;
    int saved_stderr, log_fd;
};

int harness_set_up(void **state);
int harness_tear_down(void **state);

uint64_t harness_random(struct harness *harness, uint64_t below);

/* (Re)opens the spool in |path| with |settings|. */
void harness_open(struct harness *harness);
/* The same of the directory |path|, for a copy. */
struct spool *harness_open_at(struct harness *harness, const char *path);

/* The content of a record: text or noise, up to 3 KB. Returns the length. */
#define HARNESS_DATA_MAX 3072u
size_t harness_data(uint64_t number, char data[HARNESS_DATA_MAX]);

/* Appends a group of |n| at |now_us| and notes it. */
void harness_append(struct harness *harness, size_t n);
void harness_append_at(struct harness *harness, size_t n, uint64_t realtime_us);

/* Marks a range in the spool and in the notes. */
void harness_mark_sending(struct harness *harness, uint64_t first, uint64_t last);
void harness_mark_failed(struct harness *harness, uint64_t first, uint64_t last);
void harness_mark_done(struct harness *harness, uint64_t first, uint64_t last);
enum expected harness_after_sending(enum expected state);
enum expected harness_after_failed(enum expected state);

/* The note of a number, or NULL. */
struct harness_record *harness_find(struct harness *harness, uint64_t number);

/* Reads one and holds its content against its number. */
void harness_check_record(struct spool *spool, uint64_t number, uint64_t realtime_us);
/* Everything that should be there is, in order, and nothing else; states and counts too. */
void harness_check(struct harness *harness);

/* The newest segment's number and its file's size; false if there is none. */
bool harness_newest(const char *path, uint64_t *ret_first, uint64_t *ret_size);
unsigned harness_count_files(const char *path, const char *suffix);
uint64_t harness_directory_bytes(const char *path);
void harness_segment_path(char name[HARNESS_NAME_MAX], const char *path, uint64_t first);
void harness_copy(const char *from, const char *to);
void harness_remove(const char *path);

void harness_put(const char *path, const void *data, size_t length);

/* Log lines between the two, whose number that hold |needle| is returned. */
void harness_log_start(struct harness *harness);
unsigned harness_log_count(struct harness *harness, const char *needle);
void harness_log_end(struct harness *harness);
