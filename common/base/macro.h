/* SPDX-License-Identifier: Apache-2.0 */
/* The few macros that every file may use: cleanup attributes, ownership hand-over, array sizes. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define MIN(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) min_a_ = (a);                                                                \
        __typeof__(b) min_b_ = (b);                                                                \
        min_a_ < min_b_ ? min_a_ : min_b_;                                                         \
    })
#define MAX(a, b)                                                                                  \
    ({                                                                                             \
        __typeof__(a) max_a_ = (a);                                                                \
        __typeof__(b) max_b_ = (b);                                                                \
        max_a_ > max_b_ ? max_a_ : max_b_;                                                         \
    })

#define PRINTF_LIKE(format_index, args_index)                                                      \
    __attribute__((format(printf, format_index, args_index)))

/* Takes the value out of a variable and leaves zero in it: `*ret = TAKE(local)`. */
#define TAKE(variable)                                                                             \
    ({                                                                                             \
        __typeof__(variable) taken_ = (variable);                                                  \
        (variable) = (__typeof__(variable)) 0;                                                     \
        taken_;                                                                                    \
    })
/* The same for a file descriptor, whose "none" is -1. */
#define TAKE_FD(variable)                                                                          \
    ({                                                                                             \
        int taken_fd_ = (variable);                                                                \
        (variable) = -1;                                                                           \
        taken_fd_;                                                                                 \
    })

/* `CLEANUP(foo_freep) struct foo *f = NULL;` calls foo_free(f) at the end of the scope. */
#define CLEANUP(function) __attribute__((cleanup(function)))
#define DEFINE_CLEANUP(type, function)                                                             \
    static inline void function##p(type *variable)                                                 \
    {                                                                                              \
        if (*variable)                                                                             \
            function(*variable);                                                                   \
    }

static inline void free_cleanup(void *pointer)
{
    free(*(void **) pointer);
}

static inline void close_cleanup(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define CLEANUP_FREE  CLEANUP(free_cleanup)
#define CLEANUP_CLOSE CLEANUP(close_cleanup)
