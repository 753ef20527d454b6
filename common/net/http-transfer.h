/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer as a libcurl easy handle: options set, answer collected within limits,
 * curl's outcome made the client's. Only http-client.c includes it; it knows no loop.
 */
#pragma once

#include "common/base/buffer.h"
#include "common/net/curl-library.h"
#include "common/net/http-answer.h"
#include "common/net/http-client.h"
#include "common/net/http-environment.h"
#include "common/net/http-sockets.h"

struct http_transfer_options { /* borrowed */
    const struct curl_library *curl;
    const struct http_trust *trust;
    struct http_sockets *sockets;
    const char *user_agent;
};

struct http_transfer {
    const struct curl_library *curl;
    struct http_sockets *sockets;
    CURL *easy;
    struct curl_slist *headers;
    char *request_body;
    struct http_answer answer; /* its head */
    struct buffer body;
    uint64_t body_received;
    bool cut_body;
    bool opened; /* a connection of its own, not a kept one */
    bool stale;  /* the kept one was closed before the request was sent */
    bool began;  /* libcurl was about to send the request */
    bool resend; /* it wanted to send it again */
    int refused; /* why we broke off; 0: we didn't */
    char error_text[CURL_ERROR_SIZE];
};

/* 0, -EINVAL or -ENOMEM. In place: libcurl keeps the address of |ret|. To be undone in each case.
 */
int http_transfer_init(struct http_transfer *ret, const struct http_transfer_options *options,
                       const struct http_client_request *request);
void http_transfer_done(struct http_transfer *transfer);

/*
 * Whether it ended because the kept connection was closed before anything was sent. Then it is made
 * ready to be added to the multi handle once more, with a connection of its own.
 */
bool http_transfer_again(struct http_transfer *transfer);

/* |code| is curl's outcome. The response borrows from the transfer; |call| is left alone. */
void http_transfer_result(struct http_transfer *transfer, CURLcode code,
                          struct http_client_response *ret);
/* Whether any byte of the request may have left. */
bool http_transfer_is_sent(const struct http_transfer *transfer);
