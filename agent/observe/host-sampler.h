/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the host is: CPU, memory, swap, disk, network and pressure, as the METRIC_HOST metrics of
 * common/schema/metrics.h.
 *
 * /proc's files are opened once and read in place: eight system calls a sample on a host with PSI.
 * Rates come from the difference to the sample before, so the first sample has none, and how often
 * it is called is the caller's choice.
 */
#pragma once

#include "common/base/macro.h"
#include "common/schema/metrics.h"

#include <stdint.h>

#define HOST_INTERFACES_MAX 256 /* those beyond are not counted */

struct host_sampler;

struct host_sample {
    uint64_t at_us;
    double value[METRIC_COUNT_]; /* NAN: absent; every metric but the host's is */
};

/*
 * |proc_root| is "/proc" but in tests. |disk_path| is any path on the file system to measure; it
 * should be local, as statfs(2) waits for a file server. A file that can't be opened (no PSI in
 * this kernel) makes its metrics absent for good. 0 or a negative errno: no such |proc_root|, or
 * no stat in it.
 */
int host_sampler_new(struct host_sampler **ret, const char *proc_root, const char *disk_path);
struct host_sampler *host_sampler_free(struct host_sampler *sampler);
DEFINE_CLEANUP(struct host_sampler *, host_sampler_free)

/*
 * Takes a sample. What can't be read is absent in it, and the next difference starts anew.
 *  - CPUUtilization, CPUSteal: shares of all CPUs' time since the last sample. A state whose
 *    counter went backwards (iowait and idle do) counts as nothing for this sample.
 *  - NetworkIn, NetworkOut: bytes since the last sample, interface by interface. A new one starts
 *    with its next sample; a 32-bit counter that wraps is followed; one that was reset counts from
 *    its next sample.
 *  - Pressure*: share of the time since the last sample, from the kernel's total (its avg10 is
 *    smoothed and lags).
 */
void host_sampler_sample(struct host_sampler *sampler, uint64_t now_us, struct host_sample *ret);
