/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "ctl/failure.h"

#include <errno.h>

enum failure failure_of(int error)
{
    switch (error) {
    case -ENOENT:
        return FAILURE_NAME;
    case -ECONNREFUSED:
        return FAILURE_REFUSED;
    case -ECONNRESET:
        return FAILURE_RESET;
    case -ETIMEDOUT:
        return FAILURE_TIMED_OUT;
    case -EBADMSG:
        return FAILURE_BROKEN;
    case -EPROTO:
        return FAILURE_PROTOCOL;
    case -EMSGSIZE:
        return FAILURE_TOO_LARGE;
    case -ECANCELED:
        return FAILURE_GIVEN_UP;
    default:
        return FAILURE_OTHER;
    }
}

static const struct {
    const char *name, *key;
} failures[FAILURES_] = {
    [FAILURE_NAME] = {"name not found", "name_not_found"},
    [FAILURE_REFUSED] = {"refused", "refused"},
    [FAILURE_RESET] = {"reset", "reset"},
    [FAILURE_TIMED_OUT] = {"timed out", "timed_out"},
    [FAILURE_BROKEN] = {"broken off", "broken_off"},
    [FAILURE_PROTOCOL] = {"no HTTP or bad TLS", "protocol"},
    [FAILURE_TOO_LARGE] = {"head too large", "head_too_large"},
    [FAILURE_GIVEN_UP] = {"given up", "given_up"},
    [FAILURE_OTHER] = {"other", "other"},
};

const char *failure_name(enum failure failure)
{
    return failures[failure].name;
}

const char *failure_key(enum failure failure)
{
    return failures[failure].key;
}
