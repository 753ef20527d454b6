/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scoreboard's reader on arbitrary bytes. The first byte says what is done to the board: odd,
 * and its header stays as the holder made it, so that most inputs get past the check.
 */
#include "common/base/scoreboard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_quantiles(const struct histogram *histogram)
{
    uint64_t last = 0;

    for (unsigned permille = 0; permille <= 1000; permille += 125) {
        uint64_t value = histogram_quantile_us(histogram, permille);

        require(value >= last && value <= UINT64_C(1) << HISTOGRAM_MAX_BITS);
        last = value;
    }
}

static void check_sums(const struct tally *first, const struct tally *second)
{
    static struct tally sum, zero;
    bool grew = tally_is_monotonic(first, second);

    sum = *second;
    tally_subtract(&sum, first);
    require(tally_is_monotonic(&zero, &sum) && tally_is_monotonic(&sum, second));
    if (!grew)
        return;
    tally_add(&sum, first); /* what only grew can be put together again */
    require(memcmp(&sum, second, sizeof(sum)) == 0);
    (void) tally_requests(&sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t header = offsetof(struct scoreboard, in_flight);
    static struct tally first, second, zero;
    const struct scoreboard *reader = NULL;
    struct scoreboard *board = NULL;
    size_t offset, length;
    int fd, r;

    if (size < 1)
        return 0;
    fd = scoreboard_new_fd("fuzz");
    require(fd >= 0);
    require(scoreboard_map(fd, &board) == 0);
    require(scoreboard_map_readonly(fd, &reader) == 0);
    scoreboard_end(board, 200, 1000, 1000);
    require(scoreboard_read(reader, &first) == 0);

    offset = data[0] & 1 ? header : 0;
    length = MIN(size - 1, sizeof(*board) - offset);
    memcpy((char *) board + offset, data + 1, length);
    r = scoreboard_read(reader, &second);
    if (r < 0) {
        require(r == -EBADMSG && !(data[0] & 1));
        require(memcmp(&second, &zero, sizeof(zero)) == 0);
    } else {
        check_quantiles(&second.latency);
        check_sums(&first, &second);
        check_sums(&second, &first);
    }
    (void) scoreboard_in_flight(reader);
    /* A worker that goes on counting on top of its nonsense. */
    scoreboard_begin(board);
    scoreboard_end(board, data[0] * 3u, data[0], (uint64_t) data[0] << (data[0] & 31));
    scoreboard_connection(board, -(int) data[0]);
    scoreboard_unmap(board);
    scoreboard_unmap_readonly(reader);
    close(fd);
    return 0;
}
