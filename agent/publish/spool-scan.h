/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a segment's records in order, and finding them again behind a bad place: a record is
 * taken if its magic, both checksums and a number that is due agree, and behind a bad one the
 * search goes on right behind its header, for its length may be all that is left of it. Reads in
 * pieces, so that the memory is the same for any file.
 */
#pragma once

#include "agent/publish/spool-record.h"
#include "common/base/macro.h"

struct spool_scan;

/* Records of |fd| between the offsets |from| and |end|, of numbers from |first| up to below
 * |limit|. 0 or -ENOMEM. */
int spool_scan_new(struct spool_scan **ret, int fd, uint64_t from, uint64_t end, uint64_t first,
                   uint64_t limit);
struct spool_scan *spool_scan_free(struct spool_scan *scan);
DEFINE_CLEANUP(struct spool_scan *, spool_scan_free)

/* The next record and its offset. 1, 0 at the end, or a negative errno of reading. */
int spool_scan_next(struct spool_scan *scan, struct spool_record_header *ret, uint64_t *ret_offset);
