/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of the HTTP client: a server on a thread of its own that does as a script says,
 * right or wrong, and what to wait for an answer with.
 */
#pragma once

#include "tests/unit/unit.h"

#include "common/net/http-client.h"

#include <pthread.h>
#include <stdatomic.h>

#define PEER_URL_MAX         128
#define PEER_CONNECTIONS_MAX 64 /* in its life */

struct peer;

/* Serves one connection, on a thread of its own; the descriptor is closed afterwards. */
typedef void (*peer_script)(struct peer *peer, int fd);

struct peer {
    int listen_fd;
    unsigned short port;
    peer_script script;
    const void *userdata;
    pthread_t thread;
    pthread_mutex_t lock;
    int connection_fds[PEER_CONNECTIONS_MAX]; /* -1: closed */
    pthread_t connection_threads[PEER_CONNECTIONS_MAX];
    atomic_uint connections, requests; /* so far */
    char *request; /* the newest, whole; to be read when the peer stopped or the call ended */
};

void peer_start(struct peer *peer, peer_script script, const void *userdata);
void peer_stop(struct peer *peer); /* and frees |request| */

/* Reads a whole request. False when the connection ends before. */
bool peer_read(struct peer *peer, int fd);
/* As send(), all of it; whether it went. */
bool peer_send(int fd, const void *data, size_t length);
bool peer_say(int fd, const char *text);
/* Waits until the client closes, or the peer is stopped. */
void peer_wait_close(int fd);

/* "http://127.0.0.1:PORT" and |path|. Returns |buffer|. */
const char *peer_url(char buffer[PEER_URL_MAX], const char *scheme, unsigned short port,
                     const char *path);

/* An answer as it came. */
struct answer {
    unsigned times; /* that the callback came */
    int error;
    bool sent;
    unsigned status;
    char text[256];
    char *body;
    size_t body_length;
    char date[64], type[64]; /* headers */
};

void answer_on_done(const struct http_client_response *response, void *userdata);
void answer_done(struct answer *answer);

struct bench { /* a loop with a client */
    sd_event *event;
    struct http_client *client;
};

void bench_start(struct bench *bench);
void bench_stop(struct bench *bench);
void bench_turn(struct bench *bench, unsigned ms);
/* Runs the loop until it has come; fails after a minute, which is no measure, but no hang. */
void bench_wait(struct bench *bench, const struct answer *answer);
/* GET |url| with 10 s and 1 MiB, waited for. */
void bench_get(struct bench *bench, const char *url, struct answer *ret);
struct http_client_request bench_request(const char *url);
