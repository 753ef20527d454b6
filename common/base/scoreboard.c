/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters in shared memory. A worker has one thread that counts, but others (offload threads) may
 * too, so it adds with atomic read-modify-writes; no order between counters is promised, and a
 * reader may see a request in its class before it sees its latency.
 */
#include "common/base/scoreboard.h"

#include "common/base/files.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

_Static_assert(sizeof(struct scoreboard) <= UINT32_MAX, "its size is a field of 32 bits");
_Static_assert(__atomic_always_lock_free(sizeof(uint64_t), 0), "a lock can't be shared like this");

static void add_u64(uint64_t *counter, uint64_t value)
{
    __atomic_fetch_add(counter, value, __ATOMIC_RELAXED);
}

static uint64_t load_u64(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static bool scoreboard_header_is_good(const struct scoreboard *scoreboard)
{
    return __atomic_load_n(&scoreboard->magic, __ATOMIC_RELAXED) == SCOREBOARD_MAGIC &&
           __atomic_load_n(&scoreboard->version, __ATOMIC_RELAXED) == SCOREBOARD_VERSION &&
           __atomic_load_n(&scoreboard->size, __ATOMIC_RELAXED) == sizeof(*scoreboard);
}

int scoreboard_new_fd(const char *name)
{
    CLEANUP_CLOSE int fd = memfd_new_sealed(name, sizeof(struct scoreboard));
    struct scoreboard header = {
        .magic = SCOREBOARD_MAGIC,
        .version = SCOREBOARD_VERSION,
        .size = sizeof(struct scoreboard),
    };
    ssize_t n;

    if (fd < 0)
        return fd;
    /* The rest is zero already; pwrite leaves the offset, which is shared with the worker, alone.
     */
    n = pwrite(fd, &header, offsetof(struct scoreboard, in_flight), 0);
    if (n < 0)
        return -errno;
    if ((size_t) n != offsetof(struct scoreboard, in_flight))
        return -EIO;
    return TAKE_FD(fd);
}

static int map(int fd, int protection, void **ret)
{
    void *address;

    if (!memfd_is_sealed(fd, sizeof(struct scoreboard)))
        return -EBADMSG;
    address = mmap(NULL, sizeof(struct scoreboard), protection, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED)
        return -errno;
    *ret = address;
    return 0;
}

int scoreboard_map(int fd, struct scoreboard **ret)
{
    void *address;
    int r = map(fd, PROT_READ | PROT_WRITE, &address);

    if (r < 0)
        return r;
    if (!scoreboard_header_is_good(address)) {
        scoreboard_unmap(address);
        return -EBADMSG;
    }
    *ret = address;
    return 0;
}

struct scoreboard *scoreboard_unmap(struct scoreboard *scoreboard)
{
    if (scoreboard)
        munmap(scoreboard, sizeof(*scoreboard));
    return NULL;
}

void scoreboard_begin(struct scoreboard *scoreboard)
{
    if (scoreboard)
        __atomic_fetch_add(&scoreboard->in_flight, 1, __ATOMIC_RELAXED);
}

static enum scoreboard_class class_of_status(unsigned status)
{
    if (status < 300)
        return SCOREBOARD_2XX;
    if (status < 400)
        return SCOREBOARD_3XX;
    return status < 500 ? SCOREBOARD_4XX : SCOREBOARD_5XX;
}

void scoreboard_end(struct scoreboard *scoreboard, unsigned status, uint64_t bytes,
                    uint64_t latency_us)
{
    if (!scoreboard)
        return;
    add_u64(&scoreboard->requests[class_of_status(status)], 1);
    add_u64(&scoreboard->bytes_sent, bytes);
    add_u64(&scoreboard->latency_sum_us, latency_us);
    add_u64(&scoreboard->latency.counts[histogram_bucket(latency_us)], 1);
    __atomic_fetch_sub(&scoreboard->in_flight, 1, __ATOMIC_RELAXED);
}

void scoreboard_abort(struct scoreboard *scoreboard)
{
    if (scoreboard)
        __atomic_fetch_sub(&scoreboard->in_flight, 1, __ATOMIC_RELAXED);
}

void scoreboard_connection(struct scoreboard *scoreboard, int change)
{
    if (scoreboard)
        __atomic_fetch_add(&scoreboard->connections, (uint32_t) change, __ATOMIC_RELAXED);
}

int scoreboard_map_readonly(int fd, const struct scoreboard **ret)
{
    void *address;
    int r = map(fd, PROT_READ, &address);

    if (r < 0)
        return r;
    *ret = address;
    return 0;
}

const struct scoreboard *scoreboard_unmap_readonly(const struct scoreboard *scoreboard)
{
    if (scoreboard)
        munmap((void *) scoreboard, sizeof(*scoreboard));
    return NULL;
}

int scoreboard_read(const struct scoreboard *scoreboard, struct tally *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (!scoreboard_header_is_good(scoreboard))
        return -EBADMSG;
    for (size_t i = 0; i < SCOREBOARD_CLASSES; i++)
        ret->requests[i] = load_u64(&scoreboard->requests[i]);
    ret->bytes_sent = load_u64(&scoreboard->bytes_sent);
    ret->latency_sum_us = load_u64(&scoreboard->latency_sum_us);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        ret->latency.counts[i] = load_u64(&scoreboard->latency.counts[i]);
    return 0;
}

uint32_t scoreboard_in_flight(const struct scoreboard *scoreboard)
{
    return __atomic_load_n(&scoreboard->in_flight, __ATOMIC_RELAXED);
}

uint64_t tally_requests(const struct tally *tally)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < SCOREBOARD_CLASSES; i++)
        sum += tally->requests[i];
    return sum;
}

void tally_add(struct tally *target, const struct tally *source)
{
    for (size_t i = 0; i < SCOREBOARD_CLASSES; i++)
        target->requests[i] += source->requests[i];
    target->bytes_sent += source->bytes_sent;
    target->latency_sum_us += source->latency_sum_us;
    histogram_merge(&target->latency, &source->latency);
}

static uint64_t subtract_to_zero(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

void tally_subtract(struct tally *target, const struct tally *earlier)
{
    for (size_t i = 0; i < SCOREBOARD_CLASSES; i++)
        target->requests[i] = subtract_to_zero(target->requests[i], earlier->requests[i]);
    target->bytes_sent = subtract_to_zero(target->bytes_sent, earlier->bytes_sent);
    target->latency_sum_us = subtract_to_zero(target->latency_sum_us, earlier->latency_sum_us);
    histogram_subtract(&target->latency, &earlier->latency);
}

bool tally_is_monotonic(const struct tally *earlier, const struct tally *later)
{
    for (size_t i = 0; i < SCOREBOARD_CLASSES; i++)
        if (later->requests[i] < earlier->requests[i])
            return false;
    if (later->bytes_sent < earlier->bytes_sent || later->latency_sum_us < earlier->latency_sum_us)
        return false;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (later->latency.counts[i] < earlier->latency.counts[i])
            return false;
    return true;
}
