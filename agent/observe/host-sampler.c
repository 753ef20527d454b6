/* SPDX-License-Identifier: Apache-2.0 */
/* Reads /proc and statvfs(3), keeps the last counters, and makes percents and deltas of them. */
#include "agent/observe/host-sampler.h"

#include "agent/observe/procfs.h"
#include "common/base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include <sys/statvfs.h>

/* Only the first line of /proc/stat is wanted: ten numbers. */
#define STAT_BYTES     512u
#define MEMINFO_BYTES  4096u
#define PRESSURE_BYTES 512u
#define NETWORK_BYTES  (HOST_INTERFACES_MAX * 192u)

struct interface {
    struct procfs_interface last;
    bool seen; /* in the sample that is being taken */
};

struct pressure {
    int fd;
    enum metric metric;
    bool known;
    uint64_t some_us;
    uint64_t at_us;
};

struct host_sampler {
    int stat_fd, meminfo_fd, network_fd;
    char *disk_path;
    bool cpu_known;
    struct procfs_cpu cpu;
    bool network_known;
    size_t n_interfaces;
    struct interface interfaces[HOST_INTERFACES_MAX];
    struct pressure pressures[3];
    char text[NETWORK_BYTES]; /* what was read last; too big for the stack */
};

static int open_in(int root_fd, const char *path)
{
    int fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int host_sampler_new(struct host_sampler **ret, const char *proc_root, const char *disk_path)
{
    static const struct {
        const char *path;
        enum metric metric;
    } pressures[] = {
        {"pressure/cpu", METRIC_PRESSURE_CPU},
        {"pressure/memory", METRIC_PRESSURE_MEMORY},
        {"pressure/io", METRIC_PRESSURE_IO},
    };
    CLEANUP(host_sampler_freep) struct host_sampler *sampler = calloc(1, sizeof(*sampler));
    CLEANUP_CLOSE int root_fd = -1;

    if (!sampler)
        return -ENOMEM;
    sampler->stat_fd = sampler->meminfo_fd = sampler->network_fd = -1;
    for (size_t i = 0; i < ARRAY_SIZE(pressures); i++)
        sampler->pressures[i] = (struct pressure){.fd = -1, .metric = pressures[i].metric};
    sampler->disk_path = strdup(disk_path);
    if (!sampler->disk_path)
        return -ENOMEM;

    root_fd = open(proc_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0)
        return -errno;
    sampler->stat_fd = open_in(root_fd, "stat");
    if (sampler->stat_fd < 0)
        return sampler->stat_fd;
    sampler->meminfo_fd = open_in(root_fd, "meminfo");
    sampler->network_fd = open_in(root_fd, "net/dev");
    for (size_t i = 0; i < ARRAY_SIZE(pressures); i++)
        sampler->pressures[i].fd = open_in(root_fd, pressures[i].path);
    *ret = TAKE(sampler);
    return 0;
}

struct host_sampler *host_sampler_free(struct host_sampler *sampler)
{
    if (!sampler)
        return NULL;
    for (size_t i = ARRAY_SIZE(sampler->pressures); i-- > 0;)
        fd_close(sampler->pressures[i].fd);
    fd_close(sampler->network_fd);
    fd_close(sampler->meminfo_fd);
    fd_close(sampler->stat_fd);
    free(sampler->disk_path);
    free(sampler);
    return NULL;
}

/* One read from the start of the file: enough for what fits into a page. */
static bool read_start(struct host_sampler *sampler, int fd, size_t limit)
{
    ssize_t n;

    if (fd < 0)
        return false;
    n = pread(fd, sampler->text, limit - 1, 0);
    if (n <= 0)
        return false;
    sampler->text[n] = '\0';
    return true;
}

/* All of the file; it comes a page at a time. What is over the limit is cut off. */
static bool read_all(struct host_sampler *sampler, int fd)
{
    size_t length = 0;

    if (fd < 0)
        return false;
    while (length < sizeof(sampler->text) - 1) {
        ssize_t n =
            pread(fd, sampler->text + length, sizeof(sampler->text) - 1 - length, (off_t) length);

        if (n < 0)
            return false;
        if (n == 0)
            break;
        length += (size_t) n;
    }
    sampler->text[length] = '\0';
    return length > 0;
}

static void sample_cpu(struct host_sampler *sampler, struct host_sample *sample)
{
    struct procfs_cpu now, last = sampler->cpu;
    bool known = sampler->cpu_known;
    struct procfs_cpu_elapsed elapsed;

    sampler->cpu_known = read_start(sampler, sampler->stat_fd, STAT_BYTES) &&
                         procfs_parse_stat(sampler->text, &now) == 0;
    if (!sampler->cpu_known)
        return;
    sampler->cpu = now;
    if (!known)
        return;

    elapsed = procfs_cpu_elapsed(&last, &now);
    if (elapsed.all <= 0)
        return; /* called again within one tick */
    sample->value[METRIC_CPU_UTILIZATION] = 100.0 * elapsed.busy / elapsed.all;
    sample->value[METRIC_CPU_STEAL] = 100.0 * elapsed.steal / elapsed.all;
}

/* Percent of |whole| that is not |rest|, within 0 and 100. */
static double percent_used(uint64_t rest, uint64_t whole)
{
    if (rest >= whole)
        return 0.0;
    return 100.0 * (double) (whole - rest) / (double) whole;
}

static void sample_memory(struct host_sampler *sampler, struct host_sample *sample)
{
    struct procfs_memory memory;

    if (!read_start(sampler, sampler->meminfo_fd, MEMINFO_BYTES) ||
        procfs_parse_meminfo(sampler->text, &memory) < 0)
        return;
    sample->value[METRIC_MEMORY_UTILIZATION] =
        percent_used(memory.available_bytes, memory.total_bytes);
    sample->value[METRIC_SWAP_UTILIZATION] =
        percent_used(memory.swap_free_bytes, memory.swap_total_bytes);
}

/* As df(1): what is reserved for root belongs to neither side of used / (used + available). */
static void sample_disk(struct host_sampler *sampler, struct host_sample *sample)
{
    struct statvfs disk;
    double used;

    if (statvfs(sampler->disk_path, &disk) < 0 || disk.f_blocks == 0 ||
        disk.f_bfree > disk.f_blocks)
        return;
    used = (double) (disk.f_blocks - disk.f_bfree);
    if (used + (double) disk.f_bavail <= 0)
        return;
    sample->value[METRIC_DISK_UTILIZATION] = 100.0 * used / (used + (double) disk.f_bavail);
}

/*
 * What a counter gained. Below its last value it has wrapped, if it may be one of 32 bits and that
 * makes a small step; else it was reset, and how much it had gained before is not known.
 */
static uint64_t counter_gain(uint64_t earlier, uint64_t later)
{
    uint32_t wrapped = (uint32_t) later - (uint32_t) earlier;

    if (later >= earlier)
        return later - earlier;
    return earlier <= UINT32_MAX && wrapped < UINT32_MAX / 4 ? wrapped : 0;
}

static struct interface *find_interface(struct host_sampler *sampler, const char *name)
{
    for (size_t i = 0; i < sampler->n_interfaces; i++)
        if (strcmp(sampler->interfaces[i].last.name, name) == 0)
            return &sampler->interfaces[i];
    return NULL;
}

/* Forgets the interfaces that this sample did not show: one that comes back starts anew. */
static void drop_unseen_interfaces(struct host_sampler *sampler)
{
    size_t kept = 0;

    for (size_t i = 0; i < sampler->n_interfaces; i++) {
        if (!sampler->interfaces[i].seen)
            continue;
        sampler->interfaces[kept] = sampler->interfaces[i];
        sampler->interfaces[kept++].seen = false;
    }
    sampler->n_interfaces = kept;
}

static void sample_network(struct host_sampler *sampler, struct host_sample *sample)
{
    const char *cursor = sampler->text;
    struct procfs_interface now;
    uint64_t in = 0, out = 0;
    bool known = sampler->network_known;

    sampler->network_known = read_all(sampler, sampler->network_fd);
    if (!sampler->network_known) {
        sampler->n_interfaces = 0;
        return;
    }
    while (procfs_next_interface(&cursor, &now)) {
        struct interface *interface = find_interface(sampler, now.name);

        if (strcmp(now.name, "lo") == 0)
            continue;
        if (interface) {
            in += counter_gain(interface->last.received_bytes, now.received_bytes);
            out += counter_gain(interface->last.sent_bytes, now.sent_bytes);
        } else if (sampler->n_interfaces < HOST_INTERFACES_MAX) {
            interface = &sampler->interfaces[sampler->n_interfaces++];
        } else {
            continue;
        }
        *interface = (struct interface){.last = now, .seen = true};
    }
    drop_unseen_interfaces(sampler);
    if (!known)
        return;
    sample->value[METRIC_NETWORK_IN] = (double) in;
    sample->value[METRIC_NETWORK_OUT] = (double) out;
}

static void sample_pressure(struct host_sampler *sampler, struct pressure *pressure,
                            struct host_sample *sample)
{
    struct pressure last = *pressure;
    double percent;

    pressure->known = read_start(sampler, pressure->fd, PRESSURE_BYTES) &&
                      procfs_parse_pressure(sampler->text, &pressure->some_us) == 0;
    pressure->at_us = sample->at_us;
    if (!pressure->known || !last.known || pressure->some_us < last.some_us ||
        pressure->at_us <= last.at_us)
        return;
    percent = 100.0 * (double) (pressure->some_us - last.some_us) /
              (double) (pressure->at_us - last.at_us);
    /* The kernel's clock and ours are not read at the very same moment. */
    sample->value[pressure->metric] = fmin(percent, 100.0);
}

void host_sampler_sample(struct host_sampler *sampler, uint64_t now_us, struct host_sample *ret)
{
    ret->at_us = now_us;
    for (size_t i = 0; i < METRIC_COUNT_; i++)
        ret->value[i] = NAN;
    sample_cpu(sampler, ret);
    sample_memory(sampler, ret);
    sample_disk(sampler, ret);
    sample_network(sampler, ret);
    for (size_t i = 0; i < ARRAY_SIZE(sampler->pressures); i++)
        sample_pressure(sampler, &sampler->pressures[i], ret);
}
