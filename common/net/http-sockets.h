/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP client's sockets: opened for libcurl, watched on the loop as it wishes, known by number.
 * Only the client's own files include it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* Events of epoll on a watched socket. May close it, or undo the whole: then it returns false. */
typedef bool (*http_sockets_ready)(int fd, uint32_t events, void *userdata);

struct http_socket;

/*
 * They have an epoll of their own, which is one source of the loop: sd-event asks epoll before each
 * single event that it hands on, and with hundreds of sockets ready that costs more than all else.
 */
struct http_sockets {
    sd_event *event; /* borrowed */
    http_sockets_ready ready;
    void *userdata;
    int epoll_fd; /* -1 until something is watched */
    sd_event_source *source;
    uint32_t serial;            /* of the socket that was added last */
    struct http_socket **by_fd; /* NULL: none of that number */
    size_t n_by_fd;
};

void http_sockets_init(struct http_sockets *sockets, sd_event *event, http_sockets_ready ready,
                       void *userdata);
/* Ends the watching; closes nothing. */
void http_sockets_done(struct http_sockets *sockets);

/* Returns a descriptor, CLOEXEC (libcurl's own aren't), or a negative errno. */
int http_sockets_open(struct http_sockets *sockets, int family, int type, int protocol);
int http_sockets_close(struct http_sockets *sockets, int fd);

/* |events| of epoll; 0 ends it. Also for sockets that were opened elsewhere. 0 or negative errno.
 */
int http_sockets_watch(struct http_sockets *sockets, int fd, uint32_t events);

/* Whether something came on the connection between these ports, or its end. On one that waits for
 * a request that means: the server has closed it. */
bool http_sockets_has_input(const struct http_sockets *sockets, int local_port, int remote_port);
