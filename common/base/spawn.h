/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a process without capabilities, in a process group of its own, that dies with this one:
 * everything is made ready before the fork, and the child makes only async-signal-safe calls.
 *
 * Who dies needs the right to send the signal of its death, too: a child of another user outlives a
 * parent without CAP_KILL. In the unit systemd ends what the main process leaves.
 */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SPAWN_FDS_MAX    16
#define SPAWN_ENV_MAX    96
#define SPAWN_GROUPS_MAX 64
#define SPAWN_NAMES_MAX  255 /* of all descriptors, with ':' between them */

/* Exit statuses of a child that could not be started, as systemd.exec(5) numbers them. */
enum spawn_exit {
    SPAWN_EXIT_CHDIR = 200,
    SPAWN_EXIT_FDS = 202,
    SPAWN_EXIT_EXEC = 203,
    SPAWN_EXIT_GROUP = 216,
    SPAWN_EXIT_USER = 217,
    SPAWN_EXIT_CAPABILITIES = 218,
    SPAWN_EXIT_CGROUP = 219,
};

/* What this process may do for its children; found out once. */
struct spawn_means {
    bool switch_user;      /* has CAP_SETUID and CAP_SETGID */
    bool protected_by_oom; /* its own oom_score_adj is negative: children with a cgroup get 0 */
    unsigned long nofile;  /* the soft limit that children get; this process's own is raised */
    mode_t umask;          /* that children get; this process says modes where it makes files */
};

struct spawn_user {
    bool is_known;
    uid_t uid;
    gid_t gid;
    gid_t groups[SPAWN_GROUPS_MAX];
    size_t n_groups;
};

struct spawn { /* spawn_init(), then filled in; descriptors and strings borrowed unless said */
    const struct spawn_means *means;
    char *const *argv;                    /* [0] is an absolute path */
    char *environment[SPAWN_ENV_MAX + 1]; /* owned */
    size_t n_environment;
    int error;                     /* of spawn_add() and spawn_give(), sticky */
    const char *directory;         /* "" = / */
    const struct spawn_user *user; /* NULL: this process's */
    int fds[SPAWN_FDS_MAX];        /* become 3, 4, ... */
    size_t n_fds, n_listen_fds;    /* the first n_listen_fds are told as LISTEN_FDS */
    char fd_names[SPAWN_NAMES_MAX + 1];
    int null_fd;   /* stdin */
    int output_fd; /* stdout and stderr; -1: this process's */
    int cgroup_fd; /* a cgroup.procs, or -1 */
};

/* Also raises RLIMIT_NOFILE and sets the umask to 022. */
void spawn_means_init(struct spawn_means *means);

/*
 * Looks up a user with its groups ("": this process's, with |group| alone) and a group ("": the
 * user's); blocks on the name service. 0, -ESRCH, or another negative errno.
 */
int spawn_user_find(const char *user, const char *group, struct spawn_user *ret);

/*
 * The same for a child, looked up once: *ret is |known| or, for this process's own user, NULL. 1 if
 * that is so though another is wanted, for lack of privileges; -EPERM for root if this process
 * could not signal the child (kill_as_may()); or as spawn_user_find().
 */
int spawn_user_choose(const struct spawn_means *means, const char *user, const char *group,
                      struct spawn_user *known, const struct spawn_user **ret);

/* In "/", with this process's user, output and control group, and nothing in its environment. */
void spawn_init(struct spawn *spawn, const struct spawn_means *means, char *const *argv,
                int null_fd);

/* Adds "NAME=value"; if NAME is there already, nothing. */
void spawn_add(struct spawn *spawn, const char *format, ...) PRINTF_LIKE(2, 3);
/* Passes on what AWS's tools and libcurl read in this process's environment, as much as there is
 * room for: for the core alone. Workers get what their app's configuration says, and no
 * credentials.
 */
void spawn_add_aws(struct spawn *spawn);
/* The next of the child's LISTEN_FDS, by its name in LISTEN_FDNAMES. To be called before others are
 * put into |fds|. */
void spawn_give(struct spawn *spawn, const char *name, int fd);
/* What sd_watchdog_enabled(3) reads: the child itself shall say WATCHDOG=1 within |usec|. */
void spawn_add_watchdog(struct spawn *spawn, uint64_t usec);
/* What systemd.exec(5) says of a child whose output goes to the journal: by its own stream, or by
 * this process's. */
void spawn_add_journal(struct spawn *spawn);
/* PATH, LANG, and LISTEN_* of what was given. */
void spawn_add_standard(struct spawn *spawn);
void spawn_done(struct spawn *spawn);

/*
 * Forks and executes. The pid, or a negative errno. What fails in the child becomes one line on
 * its stderr and an exit status of enum spawn_exit.
 */
pid_t spawn_run(struct spawn *spawn);

/* spawn_add_standard(), spawn_run() and spawn_done(). */
pid_t spawn_launch(struct spawn *spawn);
