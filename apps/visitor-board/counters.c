/* SPDX-License-Identifier: Apache-2.0 */
#include "apps/visitor-board/counters.h"

#include "common/base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define PREFIX         "board."
#define INTERVAL_US    USEC_PER_SEC
#define DATAGRAM_BYTES 1024u /* all counters with the longest numbers */

struct counters {
    uint64_t total[COUNTERS];
    uint64_t told[COUNTERS];
    sd_event_source *timer; /* NULL: nobody listens */
    int fd;
};

static const char *const names[COUNTERS] = {
    [COUNT_STORE_TIMEOUT] = "store_timeout",
    [COUNT_STORE_THROTTLED] = "store_throttled",
    [COUNT_STORE_CREDENTIALS] = "store_credentials",
    [COUNT_STORE_MISSING] = "store_missing",
    [COUNT_STORE_UNREACHABLE] = "store_unreachable",
    [COUNT_STORE_FULL] = "store_full",
    [COUNT_STORE_BUSY] = "store_busy",
    [COUNT_STORE_OTHER] = "store_other",
    [COUNT_DEADLINE] = "deadline",
    [COUNT_OVERLOAD] = "overload",
    [COUNT_RATE_LIMITED] = "rate_limited",
    [COUNT_CROSS_ORIGIN] = "cross_origin",
    [COUNT_INVALID] = "invalid",
    [COUNT_BAD_CURSOR] = "bad_cursor",
};

const char *counter_name(enum counter counter)
{
    return names[counter];
}

enum counter counter_of_error(int error)
{
    switch (-error) {
    case ETIMEDOUT:
        return COUNT_STORE_TIMEOUT;
    case EAGAIN:
        return COUNT_STORE_THROTTLED;
    case ENOKEY:
    case EACCES:
    case EPERM:
        return COUNT_STORE_CREDENTIALS;
    case ENOENT:
        return COUNT_STORE_MISSING;
    case EHOSTUNREACH:
    case ECONNREFUSED:
    case ECONNRESET:
    case ENETUNREACH:
        return COUNT_STORE_UNREACHABLE;
    case ENOSPC:
    case EROFS:
    case EFBIG:
    case EDQUOT:
        return COUNT_STORE_FULL;
    case ENOBUFS:
    case EBUSY:
        return COUNT_STORE_BUSY;
    default:
        return COUNT_STORE_OTHER;
    }
}

static void tell(struct counters *counters)
{
    char datagram[DATAGRAM_BYTES];
    size_t used = 0;

    for (unsigned i = 0; i < COUNTERS; i++) {
        uint64_t more = counters->total[i] - counters->told[i];
        int n;

        if (more == 0)
            continue;
        n = snprintf(datagram + used, sizeof(datagram) - used, "%s" PREFIX "%s:%llu|c",
                     used > 0 ? "\n" : "", names[i], (unsigned long long) more);
        if (n < 0 || (size_t) n >= sizeof(datagram) - used)
            return;
        used += (size_t) n;
    }
    if (used > 0 &&
        send(counters->fd, datagram, used, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t) used)
        memcpy(counters->told, counters->total, sizeof(counters->told));
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct counters *counters = userdata;

    tell(counters);
    /* Off while nothing is left to tell: an idle worker wakes up for nobody. */
    if (memcmp(counters->told, counters->total, sizeof(counters->told)) == 0)
        sd_event_source_set_enabled(source, SD_EVENT_OFF);
    else
        sd_event_source_set_time_relative(source, INTERVAL_US);
    return 0;
}

static int open_socket(const char *host, unsigned port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port)};
    bool is_v4 = inet_pton(AF_INET, host, &v4.sin_addr) == 1;
    const struct sockaddr *address = is_v4 ? (const void *) &v4 : (const void *) &v6;
    int fd, r;

    if (!is_v4 && inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
        return -EINVAL;
    fd = socket(address->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, address, is_v4 ? sizeof(v4) : sizeof(v6)) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

int counters_new(struct counters **ret, sd_event *event, const char *host, unsigned port)
{
    CLEANUP(counters_freep) struct counters *counters = calloc(1, sizeof(*counters));
    int r;

    if (!counters)
        return -ENOMEM;
    counters->fd = -1;
    if (host) {
        counters->fd = r = open_socket(host, port);
        if (r >= 0)
            r = sd_event_add_time(event, &counters->timer, CLOCK_MONOTONIC, 0, INTERVAL_US / 4,
                                  on_timer, counters);
        if (r >= 0)
            r = sd_event_source_set_enabled(counters->timer, SD_EVENT_OFF);
        if (r < 0)
            return r;
        sd_event_source_set_description(counters->timer, "board-counters");
    }
    *ret = TAKE(counters);
    return 0;
}

struct counters *counters_free(struct counters *counters)
{
    if (!counters)
        return NULL;
    if (counters->timer)
        tell(counters);
    sd_event_source_disable_unref(counters->timer);
    if (counters->fd >= 0)
        close(counters->fd);
    free(counters);
    return NULL;
}

void counters_add(struct counters *counters, enum counter counter)
{
    counters->total[counter]++;
    if (counters->timer && sd_event_source_get_enabled(counters->timer, NULL) == 0) {
        sd_event_source_set_time_relative(counters->timer, INTERVAL_US);
        sd_event_source_set_enabled(counters->timer, SD_EVENT_ON);
    }
}

uint64_t counters_get(const struct counters *counters, enum counter counter)
{
    return counters->total[counter];
}
