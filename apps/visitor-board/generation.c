/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/generation.h"

#include "common/base/clock.h"
#include "common/base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define FILE_BYTES 4096u
#define AWAITED_US 2000u /* a writer that said so this recently is still waiting */

struct page { /* the file's layout; zeroes are a file that was just made */
    _Atomic uint64_t counter;
    _Atomic uint64_t waiting_at_us; /* monotonic: the same for all processes of one boot */
};

struct generation {
    char *path;
    struct page *page;    /* never moves: generation_follow() maps over it, also under readers */
    pthread_mutex_t lock; /* of the two below */
    dev_t device;
    ino_t inode;
};

/* The whole file must have its blocks before it is mapped: a hole on a full disk, or what lies past
 * the end, is SIGBUS when written. */
static int open_file(const char *path, struct stat *ret_status)
{
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int r;

    if (fd < 0)
        return -errno;
    do
        r = posix_fallocate(fd, 0, FILE_BYTES);
    while (r == EINTR);
    if (r != 0)
        return -r;
    if (fstat(fd, ret_status) < 0)
        return -errno;
    return TAKE_FD(fd);
}

/* Maps |path|, over |at| if that is not NULL. */
static int map_file(const char *path, struct page *at, struct page **ret, struct stat *ret_status)
{
    CLEANUP_CLOSE int fd = open_file(path, ret_status);
    uint64_t none = 0;
    struct page *page;

    if (fd < 0)
        return fd;
    page = mmap(at, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0), fd, 0);
    if (page == MAP_FAILED)
        return -errno;
    atomic_compare_exchange_strong(&page->counter, &none, clock_realtime_us());
    *ret = page;
    return 0;
}

int generation_open(struct generation **ret, const char *path)
{
    CLEANUP(generation_freep) struct generation *generation = calloc(1, sizeof(*generation));
    struct stat status;
    int r;

    if (!generation)
        return -ENOMEM;
    pthread_mutex_init(&generation->lock, NULL);
    generation->path = strdup(path);
    if (!generation->path)
        return -ENOMEM;
    r = map_file(path, NULL, &generation->page, &status);
    if (r < 0)
        return r;
    generation->device = status.st_dev;
    generation->inode = status.st_ino;
    *ret = TAKE(generation);
    return 0;
}

struct generation *generation_free(struct generation *generation)
{
    if (!generation)
        return NULL;
    if (generation->page)
        munmap(generation->page, FILE_BYTES);
    pthread_mutex_destroy(&generation->lock);
    free(generation->path);
    free(generation);
    return NULL;
}

uint64_t generation_read(const struct generation *generation)
{
    return atomic_load_explicit(&generation->page->counter, memory_order_acquire);
}

void generation_advance(struct generation *generation)
{
    atomic_fetch_add_explicit(&generation->page->counter, 1, memory_order_release);
}

static int follow_locked(struct generation *generation)
{
    struct stat status;
    int r;

    if (stat(generation->path, &status) == 0 && status.st_dev == generation->device &&
        status.st_ino == generation->inode)
        return 0;
    r = map_file(generation->path, generation->page, &generation->page, &status);
    if (r < 0)
        return r;
    generation->device = status.st_dev;
    generation->inode = status.st_ino;
    return 1;
}

int generation_follow(struct generation *generation)
{
    int r;

    pthread_mutex_lock(&generation->lock);
    r = follow_locked(generation);
    pthread_mutex_unlock(&generation->lock);
    return r;
}

void generation_set_waiting(struct generation *generation, bool waiting)
{
    atomic_store_explicit(&generation->page->waiting_at_us, waiting ? clock_monotonic_us() : 0,
                          memory_order_relaxed);
}

bool generation_is_awaited(const struct generation *generation)
{
    uint64_t at_us = atomic_load_explicit(&generation->page->waiting_at_us, memory_order_relaxed);

    return at_us != 0 && clock_monotonic_us() - at_us < AWAITED_US;
}
