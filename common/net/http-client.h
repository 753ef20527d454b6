/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP client: libcurl's multi interface on an sd-event loop. Nothing blocks it: names are looked
 * up on curl's own thread.
 *
 * libcurl (and with it OpenSSL) is loaded when the first request starts: a node that sends nothing
 * doesn't pay for it. Connections are kept alive. Proxies and CA bundles come from the standard
 * environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY, AWS_CA_BUNDLE, SSL_CERT_FILE). Redirects are not
 * followed. It knows nothing of signing or retrying (common/aws/).
 *
 * No request is ever sent twice, whatever its method: not even on a kept connection that the server
 * closes at that moment, as libcurl would by itself. That is -ECONNRESET with |sent|.
 */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#define HTTP_CLIENT_HEADERS_MAX 32u
#define HTTP_CLIENT_CALLS_MAX   256u  /* at a time, unless set otherwise */
#define HTTP_CLIENT_CALLS_LIMIT 1024u /* that can be set */
/* Of the answer's head, all lines together: more fails the call with -EMSGSIZE. */
#define HTTP_CLIENT_HEAD_LIMIT_BYTES (64u * 1024)

struct http_client;
struct http_client_call; /* under way */

struct http_client_request {    /* all borrowed for http_client_start() only: it copies */
    const char *method;         /* "GET", "POST", "PUT", ... */
    const char *url;            /* http or https; sent as it stands, nothing is normalised */
    const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
    const void *body;
    size_t body_length;
    uint64_t timeout_us;         /* of all of it; 0 is refused with -EINVAL */
    uint64_t connect_timeout_us; /* of name look-up, connection and TLS; 0: as the whole */
    size_t response_limit_bytes; /* of the body: more fails the call with -EMSGSIZE */
    bool cut_body;               /* more doesn't fail it: the rest is read and dropped */
    bool own_connection;         /* opened for it, closed behind it */
    bool no_proxy;               /* whatever the environment says (IMDS) */
};

struct http_client_response { /* borrowed from the client, for the callback only */
    /*
     * 0: a whole answer. Else a negative errno, and |error_text| has curl's words:
     *     -ENOENT        the name can't be resolved       -ECONNREFUSED  nobody connects or listens
     *     -ETIMEDOUT     a deadline                       -EPROTO        not HTTP, or TLS failed
     *     -EBADMSG       the body broke off               -ECONNRESET    closed without an answer
     *     -EMSGSIZE      over a limit                     -ECANCELED     the client was freed
     *     -ELIBACC       libcurl can't be loaded          -EIO           anything else
     */
    int error;
    const char *error_text;
    bool sent; /* whether any byte of the request may have reached the server: false is certain */
    unsigned status;  /* 0: no status line came; may be set besides an error (-EBADMSG) */
    const char *body; /* never NULL; NUL behind its end; besides an error what had come of it */
    size_t body_length;
    uint64_t body_received;              /* with what |cut_body| dropped */
    const struct http_client_call *call; /* for http_client_header() */
};

/* May start and cancel calls (to cancel the one that ended does nothing) and free the client. */
typedef void (*http_client_done)(const struct http_client_response *response, void *userdata);

/* Loads nothing yet; certificates are chosen when it does. |user_agent| is copied. */
int http_client_new(struct http_client **ret, sd_event *event, const char *user_agent);
/*
 * For who makes many calls to one server: as many under way (HTTP_CLIENT_CALLS_LIMIT at most), and
 * a connection kept for each. To be called before the first one.
 */
void http_client_set_calls(struct http_client *client, unsigned calls_max);
/* Ends calls under way: their callbacks come with -ECANCELED before it returns. Within them nothing
 * can be started any more (-ECANCELED). */
struct http_client *http_client_free(struct http_client *client);
DEFINE_CLEANUP(struct http_client *, http_client_free)

/*
 * Starts a request. The callback comes exactly once, from the loop, never from in here. Returns 0,
 * -EINVAL, -EBUSY past the calls at a time, -ENOMEM, -ELIBACC where libcurl can't be loaded: then
 * there is no callback. |ret_call| (may be NULL) is valid until the callback.
 */
int http_client_start(struct http_client *client, const struct http_client_request *request,
                      http_client_done done, void *userdata, struct http_client_call **ret_call);

/* Ends it without a callback. */
void http_client_cancel(struct http_client_call *call);

/* The value of an answer's header, names compared without case; NULL if absent. The last one wins.
 */
const char *http_client_header(const struct http_client_response *response, const char *name);
