/* SPDX-License-Identifier: Apache-2.0 */
/* Workers in processes of their own, with what the holder would hand them; the test is the agent
 * and the clients. */
#pragma once

#include "tests/unit/unit.h"

#include <stdbool.h>
#include <sys/types.h>

#define GET(path)   "GET " path " HTTP/1.1\r\nHost: test\r\n\r\n"
#define PATIENCE_MS 5000

struct agent {
    char directory[PATH_MAX];
    char notify_path[PATH_MAX + 16], probe_path[PATH_MAX + 16], log_path[PATH_MAX + 16];
    int web_fd, probe_fd, notify_fd, gate_fd, log_fd;
    unsigned short port;
    int scoreboard_fd[3];
    pid_t pids[3]; /* by slot */
    /* Set between agent_start() and agent_spawn(). */
    const char *drain_s, *idle_s;
    const char *watchdog_us; /* NULL: none */
    unsigned connections_max;
    bool probed; /* workers get the probe's socket, too */
};

/*
 * The worker: GET / answers its identity, "<app> <slot> <instance>"; /sick 503; /slow answers
 * "slow" after 300 ms, /never does not answer. Returns the exit status.
 */
int worker_main(const char *fallback_listen, unsigned connections_max);

void agent_start(struct agent *a);
void agent_spawn(struct agent *a, unsigned slot);
void expect_notice(const struct agent *a, const char *text);
/* Returns the exit status; fails if it takes longer than |limit_ms|. */
int agent_wait(struct agent *a, unsigned slot, unsigned limit_ms);
void agent_stop(struct agent *a);

int client_connect(const struct agent *a);
int probe_connect(const struct agent *a);
void client_send(int fd, const char *request);
/* One answer, which the kernel gives in one piece on the loopback. "" at the end. */
const char *client_read(int fd, char *answer, size_t size);
void expect_body(int fd, const char *body, bool closes);
bool has_input(int fd, int wait_ms);
