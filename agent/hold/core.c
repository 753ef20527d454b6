/* SPDX-License-Identifier: Apache-2.0 */
/* The core's life: start, ready, silence, death, and the link's messages. */
#include "agent/hold/core.h"

#include "agent/hold/holder.h"
#include "common/base/child.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define CORE_EXIT_TIMEOUT_US (2 * USEC_PER_SEC) /* from its end of the link to its exit */
#define MESSAGES_A_WAKEUP    32
#define TIMER_ACCURACY_US    1000 /* waits of 100 ms are meant */

enum core_state {
    CORE_WAITING,  /* none runs; the timer starts the next */
    CORE_STARTING, /* the timer kills it */
    CORE_READY,    /* same, when it is silent */
    CORE_DYING,    /* killed, not reaped yet */
};

static const char *const state_names[] = {"waiting", "starting", "ready", "dying"};

struct core {
    struct holder *holder;
    struct core_past *past; /* the holder's */
    enum core_state state;
    bool synced; /* it was told everything, and from now on gets changes */
    bool was_ready;
    pid_t pid;
    int link_fd;
    sd_event_source *io, *child, *timer;
};

static int core_on_child(sd_event_source *source, const siginfo_t *info, void *userdata);
static int core_on_io(sd_event_source *source, int fd, uint32_t events, void *userdata);

static void core_set_state(struct core *core, enum core_state state)
{
    if (core->state != state)
        log_debug("core: %s -> %s", state_names[core->state], state_names[state]);
    core->state = state;
}

static void core_arm(struct core *core, uint64_t wait_us)
{
    (void) sd_event_source_set_time_relative(core->timer, wait_us);
    (void) sd_event_source_set_enabled(core->timer, SD_EVENT_ONESHOT);
}

pid_t core_pid(const struct core *core)
{
    return core->pid;
}

bool core_is_alive(const struct core *core)
{
    return core->state != CORE_WAITING;
}

bool core_is_over(const struct core *core)
{
    const struct holder *holder = core->holder;

    if (core->state != CORE_WAITING || holder->state == HOLDER_RUNNING)
        return false;
    return holder->state == HOLDER_LEAVING || (holder->slots.running == 0 && !core->was_ready);
}

void core_hang_up(struct core *core)
{
    core->past->hang_up = core->state != CORE_READY; /* before that, nothing may catch it */
    if (!core->past->hang_up)
        (void) kill(core->pid, SIGHUP);
}

void core_kill(struct core *core, const char *why)
{
    if (core->state != CORE_STARTING && core->state != CORE_READY)
        return;
    if (why)
        log_error("core %d %s, killing it", core->pid, why);
    (void) kill(core->pid, SIGKILL);
    core_set_state(core, CORE_DYING);
    core->io = sd_event_source_disable_unref(core->io);
    (void) sd_event_source_set_enabled(core->timer, SD_EVENT_OFF);
}

static pid_t core_spawn(struct core *core, int peer_fd)
{
    const struct holder *holder = core->holder;
    struct holder_options *options = (struct holder_options *) holder->options;
    /* The files only to say precisely what is wrong with one at reload; what it runs by is the
     * image. */
    char *argv[] = {options->core_program,     (char *) "--runtime-dir",
                    holder->runtime_dir,       (char *) "--config",
                    options->config_path,      (char *) "--config-dir",
                    options->config_directory, (char *) "--holder",
                    options->program,          NULL};
    struct spawn spawn;

    spawn_init(&spawn, &holder->means, argv, holder->null_fd);
    spawn_add_journal(&spawn);
    spawn_add_aws(&spawn);
    spawn_give(&spawn, FDNAME_LINK, peer_fd);
    spawn_give(&spawn, FDNAME_NOTIFY, holder->notify_fd);
    spawn_give(&spawn, FDNAME_LEDGER, holder->ledger_fd);
    spawn_give(&spawn, FDNAME_CONFIG, holder->config_fd);
    listeners_give_core(&holder->listeners, &spawn);
    return spawn_launch(&spawn);
}

static int core_start(struct core *core)
{
    sd_event *event = core->holder->event;
    CLEANUP_CLOSE int peer_fd = -1;
    struct hold_message hello;
    int pair[2], r;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return -errno;
    core->link_fd = pair[0];
    peer_fd = pair[1];
    r = core->pid = core_spawn(core, peer_fd);
    if (r < 0)
        goto failed;
    core->synced = core->was_ready = false;
    r = child_watch(event, &core->child, core->pid, "core", core_on_child, core);
    if (r >= 0)
        r = sd_event_add_io(event, &core->io, core->link_fd, EPOLLIN, core_on_io, core);
    if (r < 0) {
        (void) kill(core->pid, SIGKILL);
        goto failed;
    }
    (void) sd_event_source_set_description(core->io, "core's link");
    /* What it said before it died is read before: an upgrade is a core's last word. */
    (void) sd_event_source_set_priority(core->child, SD_EVENT_PRIORITY_NORMAL + 1);
    core_set_state(core, CORE_STARTING);
    core_arm(core, CORE_READY_TIMEOUT_US);
    hold_message_init(&hello, HOLD_HELLO);
    hello.argument = core->past->starts++;
    hello.started_at_us = core->past->holder_started_at_us;
    text_copy(hello.text, sizeof(hello.text), PACKAGE_VERSION);
    (void) hold_message_send(core->link_fd, &hello, -1); /* an empty socket takes it */
    slots_forget_told(&core->holder->slots);
    core_tell_slots(core);
    return 0;

failed:
    core->link_fd = fd_close(core->link_fd);
    core->child = sd_event_source_disable_unref(core->child);
    return r;
}

/* Returns in how many ms. */
static uint64_t core_start_later(struct core *core)
{
    uint64_t wait_us = restart_wait_us(&core->past->restart, core->was_ready, clock_monotonic_us());

    core_set_state(core, CORE_WAITING);
    core_arm(core, wait_us);
    return wait_us / USEC_PER_MSEC;
}

static int core_on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct core *core = userdata;

    if (core->state == CORE_WAITING) {
        core->was_ready = false;
        int r = core_start(core);
        if (r < 0) {
            log_error_errno(-r, "could not start the core: %m");
            core_start_later(core);
        }
    } else {
        core_kill(core, !core->io                   ? "hung up and does not exit"
                        : core->state == CORE_READY ? "is silent"
                                                    : "did not become ready in time");
    }
    return 0;
}

static int core_on_child(sd_event_source *source, const siginfo_t *info, void *userdata)
{
    struct core *core = userdata;
    struct holder *holder = core->holder;

    (void) kill(-core->pid, SIGKILL); /* what it may have started; it is not reaped yet */
    core->io = sd_event_source_disable_unref(core->io);
    core->child = sd_event_source_unref(core->child);
    core->link_fd = fd_close(core->link_fd);
    core->synced = false;
    core_set_state(core, CORE_WAITING);
    (void) sd_event_source_set_enabled(core->timer, SD_EVENT_OFF);
    if (holder->is_upgrading && holder->state == HOLDER_RUNNING) {
        (void) waitpid(core->pid, NULL, WNOHANG); /* sd-event does it after this only */
        handover_exec(holder);
    }
    holder->is_upgrading = false;
    if (!core_is_over(core))
        log_warning("core %d ended with %s %d, the next starts in %" PRIu64 " ms", core->pid,
                    info->si_code == CLD_EXITED ? "exit status" : "signal", info->si_status,
                    core_start_later(core));
    holder_child_gone(holder);
    return 0;
}

static void core_on_sent(struct core *core, int r)
{
    if (r < 0 && r != -EPIPE && r != -ECONNRESET) /* those: it is dying, its end will be seen */
        core_kill(core, r == -EAGAIN ? "does not read" : "can't be told");
}

void core_send(struct core *core, const struct hold_message *message, int fd)
{
    if (core->synced)
        core_on_sent(core, hold_message_send(core->link_fd, message, fd));
}

void core_send_plain(struct core *core, enum hold_message_type type, int fd)
{
    struct hold_message message;

    hold_message_init(&message, type);
    core_send(core, &message, fd);
}

void core_tell_slots(struct core *core)
{
    struct hold_message message;
    struct slot *slot;
    int r;

    if (core->state != CORE_STARTING && core->state != CORE_READY)
        return;
    while ((slot = slots_next_untold(&core->holder->slots, &message))) {
        r = hold_message_send(core->link_fd, &message, slot->scoreboard_fd);
        if (r == -EAGAIN && !core->synced) { /* more slots than a socket takes: as it reads */
            (void) sd_event_source_set_io_events(core->io, EPOLLIN | EPOLLOUT);
            return;
        }
        core_on_sent(core, r);
        if (r < 0)
            return;
        slot->told = true;
    }
    if (core->synced)
        return;
    core->synced = true;
    if (core->holder->upgraded.serial)
        core_send(core, &core->holder->upgraded, -1);
    (void) sd_event_source_set_io_events(core->io, EPOLLIN);
    /* First, so that it starts no worker. */
    if (core->holder->state != HOLDER_RUNNING)
        core_send_plain(core, HOLD_STOPPING, -1);
    core_send_plain(core, HOLD_SYNCED, -1);
}

/* One message. 0, 1 if there was none, or a negative errno: the link is of no use any more. */
static int core_read(struct core *core)
{
    CLEANUP_CLOSE int fd = -1;
    struct hold_message message;
    int length = hold_message_receive(core->link_fd, &message, &fd);
    if (length == -EAGAIN)
        return 1;
    if (length <= 0)
        return length < 0 ? length : -ECONNRESET;

    int r = hold_message_check(&message, (size_t) length, true);
    if (r < 0 || fd >= 0)
        return -EPROTO;
    if (message.type == HOLD_READY) {
        core->was_ready = true;
        core->holder->upgraded.argument = false; /* no news any more */
        core_set_state(core, CORE_READY);
        if (core->past->hang_up)
            core_hang_up(core);
    }
    if (core->state == CORE_READY)
        core_arm(core, core->holder->config->core_silence_s * USEC_PER_SEC);
    if (!core->synced && message.type != HOLD_READY && message.type != HOLD_PING)
        return -EPROTO; /* it can't know yet what it asks for */
    r = holder_on_request(core->holder, &message);
    return core->holder->is_upgrading ? -ECONNRESET : r; /* it has said its last word */
}

static int core_on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct core *core = userdata;
    int r = 0;

    if (events & EPOLLOUT)
        core_tell_slots(core);
    for (int i = 0; i < MESSAGES_A_WAKEUP && r == 0 && core->io; i++)
        r = core_read(core);
    if (r == -EPROTO)
        log_warning("protocol errors of cores so far: %u", ++core->past->protocol_errors);
    if (r == -ECONNRESET) { /* it leaves by itself, and its exit status is worth waiting for */
        core->io = sd_event_source_disable_unref(core->io);
        core_arm(core, CORE_EXIT_TIMEOUT_US);
    } else if (r < 0) {
        core_kill(core, r == -EPROTO ? "broke the protocol" : "can't be heard");
    }
    return 0;
}

int core_new(struct core **ret, struct holder *holder)
{
    struct core *core = calloc(1, sizeof(*core));
    if (!core)
        return -ENOMEM;
    *core = (struct core){.holder = holder,
                          .past = &holder->core_past,
                          .link_fd = -1,
                          .was_ready = holder->core_past.starts > 0};
    if (!core->was_ready)
        core->past->holder_started_at_us = clock_monotonic_us();
    int r = sd_event_add_time_relative(holder->event, &core->timer, CLOCK_MONOTONIC, 0,
                                       TIMER_ACCURACY_US, core_on_timer, core);
    if (r < 0) {
        free(core);
        return r;
    }
    (void) sd_event_source_set_description(core->timer, "core's timer");
    /* After the link: what it said while the holder itself was stopped counts. */
    (void) sd_event_source_set_priority(core->timer, SD_EVENT_PRIORITY_IDLE);
    *ret = core;
    return 0;
}

void core_walk(struct core_past *past, struct record *record)
{
    RECORD_NUMBERS(record, past->starts, past->protocol_errors, past->holder_started_at_us,
                   past->restart.spent, past->restart.failures, past->restart.refilled_at_us);
    record_bool(record, &past->hang_up);
}

struct core *core_free(struct core *core)
{
    if (!core)
        return NULL;
    sd_event_source_disable_unref(core->io);
    sd_event_source_disable_unref(core->child);
    sd_event_source_disable_unref(core->timer);
    fd_close(core->link_fd);
    free(core);
    return NULL;
}
