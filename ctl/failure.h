/* SPDX-License-Identifier: Apache-2.0 */
/* How a request can end without an answer, as load and watch count it. Pure. */
#pragma once

enum failure {
    FAILURE_NAME,      /* the host's name can't be looked up */
    FAILURE_REFUSED,   /* nobody connects or listens */
    FAILURE_RESET,     /* closed without an answer */
    FAILURE_TIMED_OUT, /* no whole answer in time */
    FAILURE_BROKEN,    /* the body broke off */
    FAILURE_PROTOCOL,  /* not HTTP, or TLS failed */
    FAILURE_TOO_LARGE, /* a head over the client's limit */
    FAILURE_GIVEN_UP,  /* by us, at the end */
    FAILURE_OTHER,
    FAILURES_
};

/* Of an error of http_client_response. */
enum failure failure_of(int error);

/* For people ("timed out") and for JSON ("timed_out"). */
const char *failure_name(enum failure failure);
const char *failure_key(enum failure failure);
