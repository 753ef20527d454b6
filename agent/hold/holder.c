/* SPDX-License-Identifier: Apache-2.0 */
/* Start, requests, reload and stop. */
#include "agent/hold/holder.h"

#include "agent/hold/core.h"
#include "agent/hold/store.h"
#include "common/base/cgroup.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/listen.h"
#include "common/base/log.h"
#include "common/base/orphans.h"
#include "common/base/text.h"
#include "common/schema/config-image.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

/* Beyond what lame duck and drain may take: the core's grace (5 s) before it kills, and its end. */
#define STOP_MARGIN_S 7u
/* The core's time to exit by itself; then to be killed. */
#define LEAVE_STEP_US (2 * USEC_PER_SEC)

static int fail(char error[CONFIG_ERROR_MAX], int r, const char *what)
{
    snprintf(error, CONFIG_ERROR_MAX, "%s: %s", what, strerror(-r));
    return r;
}

static int load_image(const struct config_image *image, struct config **ret, int *ret_image_fd,
                      char error[CONFIG_ERROR_MAX])
{
    int fd = config_image_to_fd(image);
    if (fd < 0)
        return fail(error, fd, "can't keep the configuration");
    int r = config_load(image, ret, error);
    *ret_image_fd = r < 0 ? fd_close(fd) : fd;
    return r;
}

int holder_read_config(const struct holder_options *options, struct config **ret, int *ret_image_fd,
                       char error[CONFIG_ERROR_MAX])
{
    CLEANUP(config_image_freep) struct config_image *image = NULL;
    int r = config_image_read(options->config_path, options->config_directory, &image, error);
    return r < 0 ? r : load_image(image, ret, ret_image_fd, error);
}

static void put_in_force(struct holder *holder, struct config *take_config, int take_image_fd)
{
    config_free(holder->config);
    fd_close(holder->config_fd);
    holder->config = take_config;
    holder->config_fd = take_image_fd;
    log_set_level(take_config->log_level);
    store_drop(STORE_CONFIG);
    store_put(STORE_CONFIG, take_image_fd);
    malloc_trim(0); /* reading left more garbage than the rest of the holder is large */
}

/* At start: the files, or what an earlier holder had in force if they are bad now. */
static int first_config(struct holder *holder, int stored_fd, char error[CONFIG_ERROR_MAX])
{
    CLEANUP(config_image_freep) struct config_image *image = NULL;
    struct config *config;
    char ignored[CONFIG_ERROR_MAX];
    int fd, r = holder_read_config(holder->options, &config, &fd, error);

    if (r < 0) {
        if (stored_fd < 0 || config_image_from_fd(stored_fd, &image) < 0 ||
            load_image(image, &config, &fd, ignored) < 0)
            return r;
        log_warning("%s; going on with the configuration of before", error);
    }
    put_in_force(holder, config, fd);
    return 0;
}

static int reconfigure(struct holder *holder, char error[CONFIG_ERROR_MAX])
{
    CLEANUP(config_freep) struct config *config = NULL;
    CLEANUP_CLOSE int fd = -1;
    int r = holder_read_config(holder->options, &config, &fd, error);

    if (r >= 0) {
        config_keep_addresses(holder->config, config);
        r = listeners_open(&holder->listeners, config, holder->control_path, error);
        if (r < 0)
            config_keep_addresses(holder->config, config); /* swaps them back */
    }
    if (r < 0) {
        log_error("reload refused, nothing changed: %s", error);
        return r;
    }
    put_in_force(holder, TAKE(config), TAKE_FD(fd));
    slots_reconfigure(&holder->slots);
    core_send_plain(holder->core, HOLD_CONFIG, holder->config_fd);
    return 0;
}

static void arm_deadline(struct holder *holder, uint64_t wait_us)
{
    (void) sd_event_source_set_time_relative(holder->deadline, wait_us);
    (void) sd_event_source_set_enabled(holder->deadline, SD_EVENT_ONESHOT);
}

/*
 * sd-event's child sources fire once. A process that somebody traces at its end (strace, gdb, the
 * leak sanitizer) can't be reaped yet when its pidfd says that it has ended, and sd-event would
 * never look again. So it shall look until there is something to reap.
 */
int holder_watch_child(struct holder *holder, sd_event_source **ret, pid_t pid,
                       sd_event_child_handler_t on_end, void *userdata)
{
    int r = sd_event_add_child(holder->event, ret, pid, WEXITED, on_end, userdata);

    if (r >= 0) /* from off, for it registers with epoll anew then only */
        r = sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
    return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_ON);
}

void holder_child_gone(struct holder *holder)
{
    if (holder->slots.running == 0 && core_is_over(holder->core))
        (void) sd_event_exit(holder->event, 0);
}

/* The end: nothing is waited for any more, but that the killed ones are gone. */
static void leave(struct holder *holder, bool kill_core)
{
    holder->state = HOLDER_LEAVING;
    slots_kill_all(&holder->slots);
    if (kill_core)
        core_kill(holder->core, NULL);
    arm_deadline(holder, LEAVE_STEP_US);
    holder_child_gone(holder);
}

static void stop(struct holder *holder)
{
    const struct config *config = holder->config;
    unsigned drain_s = 0;

    for (size_t i = 0; i < config->n_apps; i++)
        drain_s = MAX(drain_s, config_app_drain_s(&config->apps[i]));
    unsigned send_s = config->sink == CONFIG_SINK_CLOUDWATCH ? config->publish_stop_s : 0;
    uint64_t wait_us = (config->lame_duck_s + drain_s + send_s + STOP_MARGIN_S) * USEC_PER_SEC;

    log_info("stopping, %" PRIu64 " s at most", wait_us / USEC_PER_SEC);
    holder->state = HOLDER_STOPPING;
    sd_notifyf(false, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64, wait_us + 3 * LEAVE_STEP_US);
    arm_deadline(holder, wait_us);
    core_send_plain(holder->core, HOLD_STOPPING, -1);
    holder_child_gone(holder);
}

static int holder_on_deadline(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct holder *holder = userdata;

    if (holder->state == HOLDER_STOPPING) {
        log_warning("not stopped in time, killing what is left");
        leave(holder, true);
    } else if (core_is_alive(holder->core) && holder->slots.running == 0) {
        leave(holder, true); /* a second time: it had the time to exit by itself */
    } else {
        log_error("%u workers don't die, leaving them", holder->slots.running);
        (void) sd_event_exit(holder->event, 1);
    }
    return 0;
}

static int holder_on_signal(sd_event_source *source, const struct signalfd_siginfo *info,
                            void *userdata)
{
    struct holder *holder = userdata;

    if (info->ssi_signo == SIGHUP)
        core_hang_up(holder->core);
    else if (holder->state == HOLDER_RUNNING)
        stop(holder);
    else
        leave(holder, true);
    return 0;
}

static void refuse(struct holder *holder, const struct hold_message *request, int error,
                   const char *why)
{
    struct hold_message message;

    hold_message_init(&message, HOLD_REFUSED);
    memcpy(message.app, request->app, sizeof(message.app));
    message.slot = request->slot;
    message.argument = request->type;
    message.error = -error;
    (void) text_copy(message.text, sizeof(message.text), why);
    for (char *c = message.text; *c; c++) /* a cut may have split a character */
        *c = *c >= ' ' && *c < 0x7f ? *c : '?';
    core_send(holder->core, &message, -1);
}

int holder_on_request(struct holder *holder, const struct hold_message *request)
{
    char text[CONFIG_ERROR_MAX];
    const char *why = "";
    int r;

    switch (request->type) {
    case HOLD_PING:
        return 0;
    case HOLD_READY:
        if (!holder->announced)
            sd_notify(false, "READY=1");
        holder->announced = true;
        return 0;
    case HOLD_STATUS:
        sd_notifyf(false, "STATUS=%s", request->text);
        return 0;
    case HOLD_STOPPED:
        if (holder->state == HOLDER_RUNNING)
            return -EPROTO;
        leave(holder, false);
        return 0;
    case HOLD_RECONFIGURE:
        r = reconfigure(holder, text);
        break;
    default:
        r = slots_request(&holder->slots, request, &why);
        if (r < 0) {
            snprintf(text, sizeof(text), "%s: %s", why, strerror(-r));
            log_warning("%s %s.%u refused: %s", hold_message_type_to_string(request->type),
                        request->app, request->slot, text);
        }
    }
    if (r < 0)
        refuse(holder, request, r, text);
    return 0;
}

/* What systemd hands in: our own store, and a socket unit's. Returns the stored image or -1. */
static int adopt_descriptors(struct holder *holder)
{
    char **names = NULL;
    int config_fd = -1, n = sd_listen_fds_with_names(true, &names);

    for (int i = 0; i < n; i++) {
        int fd = SD_LISTEN_FDS_START + i;
        const char *name = names[i];
        if (strcmp(name, STORE_CONFIG) == 0 && config_fd < 0)
            config_fd = fd;
        else if (strcmp(name, STORE_LEDGER) == 0 && holder->ledger_fd < 0 &&
                 memfd_is_sealed(fd, HOLD_LEDGER_SIZE))
            holder->ledger_fd = fd;
        else if (strncmp(name, STORE_SLOT, sizeof(STORE_SLOT) - 1) == 0)
            slots_adopt(&holder->slots, fd, name);
        else if (listeners_adopt(&holder->listeners, fd, name) < 0)
            log_warning("no memory to keep descriptor %s, ignoring", name);
    }
    while (n > 0)
        free(names[--n]);
    free(names);
    return config_fd;
}

static int open_notify(struct holder *holder)
{
    const int on = 1;
    (void) unlink(holder->notify_path); /* no other agentd's: the control socket is ours */
    holder->notify_fd = listen_open_datagram(holder->notify_path, 0666); /* workers have users */
    if (holder->notify_fd < 0)
        return holder->notify_fd;
    return setsockopt(holder->notify_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ? -errno : 0;
}

static void share_control(const struct holder *holder)
{
    const char *name = holder->config->control_group;
    const struct group *group = name[0] ? getgrnam(name) : NULL;

    if (name[0] && !group)
        log_warning("control.group %s does not exist; only the agent's own group may read", name);
    else if (group && chown(holder->control_path, (uid_t) -1, group->gr_gid) < 0)
        log_warning_errno(errno, "can't give %s to group %s: %m", holder->control_path, name);
}

/* All that can fail for reasons of the machine, before anything is started. */
static int open_all(struct holder *holder, char error[CONFIG_ERROR_MAX])
{
    const struct config *config = holder->config;
    int r;

    holder->runtime_dir = strdup(config->runtime_dir);
    if (!holder->runtime_dir ||
        asprintf(&holder->control_path, "%s/control.sock", config->runtime_dir) < 0 ||
        asprintf(&holder->notify_path, "%s/notify.sock", config->runtime_dir) < 0)
        return fail(error, -ENOMEM, "start");
    r = directory_make(holder->runtime_dir, 0755);
    if (r < 0)
        return fail(error, r, holder->runtime_dir);
    r = listeners_open(&holder->listeners, config, holder->control_path, error);
    if (r < 0)
        return r;
    slots_reconfigure(&holder->slots); /* what was handed in and nothing needs, is closed */
    r = open_notify(holder);
    if (r < 0)
        return fail(error, r, holder->notify_path);
    share_control(holder);
    r = holder->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (r < 0)
        return fail(error, -errno, "/dev/null");
    if (holder->ledger_fd < 0)
        r = holder->ledger_fd = memfd_new_sealed("agentd-ledger", HOLD_LEDGER_SIZE);
    if (r < 0)
        return fail(error, r, "ledger");
    store_put(STORE_LEDGER, holder->ledger_fd);
    return 0;
}

static int open_loop(struct holder *holder, char error[CONFIG_ERROR_MAX])
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    sigset_t mask;
    int r;

    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD); /* sd-event wants it blocked, though it uses pidfds */
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        sigaddset(&mask, signals[i]);
    if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return fail(error, -errno, "signals");
    r = sd_event_new(&holder->event);
    if (r >= 0)
        r = sd_event_set_watchdog(holder->event, true);
    for (size_t i = 0; i < ARRAY_SIZE(signals) && r >= 0; i++)
        r = sd_event_add_signal(holder->event, NULL, signals[i], holder_on_signal, holder);
    if (r >= 0)
        r = sd_event_add_time(holder->event, &holder->deadline, CLOCK_MONOTONIC, 0, 0,
                              holder_on_deadline, holder);
    if (r >= 0)
        r = sd_event_source_set_enabled(holder->deadline, SD_EVENT_OFF);
    if (r >= 0)
        r = core_new(&holder->core, holder);
    return r < 0 ? fail(error, r, "event loop") : 0;
}

static int holder_on_child(sd_event_source *source, const struct signalfd_siginfo *info,
                           void *userdata)
{
    slots_sweep(&((struct holder *) userdata)->slots);
    return 0;
}

/* Without control groups. */
static void adopt_orphans(struct holder *holder)
{
    int r = sd_event_add_signal(holder->event, NULL, SIGCHLD, holder_on_child, holder);
    if (r >= 0)
        r = orphans_adopt();
    if (r < 0)
        log_warning_errno(-r, "can't adopt what dead workers leave, going on without: %m");
}

static void holder_done(struct holder *holder)
{
    if (holder->notify_fd >= 0)
        (void) unlink(holder->notify_path);
    if (!getenv("NOTIFY_SOCKET")) /* else the store keeps them for a restart */
        listeners_unlink(&holder->listeners);
    core_free(holder->core);
    slots_done(&holder->slots);
    listeners_done(&holder->listeners);
    sd_event_source_unref(holder->deadline);
    sd_event_unref(holder->event);
    config_free(holder->config);
    const int fds[] = {holder->config_fd, holder->ledger_fd, holder->notify_fd, holder->null_fd,
                       holder->cgroup_fd};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        fd_close(fds[i]);
    free(holder->runtime_dir);
    free(holder->control_path);
    free(holder->notify_path);
}

int holder_run(const struct holder_options *options)
{
    struct holder holder = {.options = options,
                            .config_fd = -1,
                            .ledger_fd = -1,
                            .notify_fd = -1,
                            .null_fd = -1,
                            .cgroup_fd = -1};
    char error[CONFIG_ERROR_MAX] = "";
    int status = EXIT_CODE_USAGE;

    slots_init(&holder.slots, &holder);
    spawn_means_init(&holder.means);
    CLEANUP_CLOSE int stored_fd = adopt_descriptors(&holder);
    int r = first_config(&holder, stored_fd, error);
    if (r >= 0) {
        status = EXIT_CODE_FAILED;
        r = open_all(&holder, error);
    }
    if (r >= 0)
        r = open_loop(&holder, error);
    if (r < 0) {
        log_last_word("%s", error);
    } else {
        holder.cgroup_fd = cgroup_open();
        if (holder.cgroup_fd < 0)
            adopt_orphans(&holder);
        status = sd_event_loop(holder.event) == 0 ? 0 : EXIT_CODE_FAILED;
        slots_kill_all(&holder.slots); /* none is left, unless the loop has failed */
        store_drop(STORE_CONFIG);      /* it is for recovery: a start that was asked for reads */
    }
    holder_done(&holder);
    return status;
}
