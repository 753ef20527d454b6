/* SPDX-License-Identifier: Apache-2.0 */
/* Start, requests, reload and stop. */
#include "agent/hold/holder.h"

#include "agent/hold/store.h"
#include "common/base/cgroup.h"
#include "common/base/clock.h"
#include "common/base/event.h"
#include "common/base/files.h"
#include "common/base/listen.h"
#include "common/base/log.h"
#include "common/base/orphans.h"
#include "common/schema/config-source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

/* Beyond what the configuration lets it take: the core's grace (5 s) before it kills, and its end.
 */
#define STOP_MARGIN_S 7u
/* The core's time to exit by itself; then to be killed. */
#define LEAVE_STEP_US (2 * USEC_PER_SEC)

static int fail(char error[CONFIG_ERROR_MAX], int r, const char *what)
{
    snprintf(error, CONFIG_ERROR_MAX, "%s: %s", what, strerror(-r));
    return r;
}

static void put_in_force(struct holder *holder, struct config *take_config, int take_image_fd)
{
    config_free(holder->config);
    fd_close(holder->config_fd);
    holder->config = take_config;
    holder->config_fd = take_image_fd;
    log_set_level(take_config->log_level);
    fd_store_drop(STORE_CONFIG);
    fd_store_put(STORE_CONFIG, take_image_fd);
    malloc_trim(0); /* reading left more garbage than the rest of the holder is large */
}

/* At start: what a version before has handed over; the files; or what an earlier holder had in
 * force if they are bad now. */
static int first_config(struct holder *holder, char error[CONFIG_ERROR_MAX])
{
    CLEANUP_CLOSE int stored_fd = TAKE_FD(holder->stored_fd);
    const struct holder_options *options = holder->options;
    struct config *config;
    char ignored[CONFIG_ERROR_MAX];
    int fd, r = config_load_stored(holder->config_fd, &config, &fd, error);

    if (r < 0)
        r = config_load_files(options->config_path, options->config_directory, &config, &fd, error);
    if (r < 0) {
        if (config_load_stored(stored_fd, &config, &fd, ignored) < 0)
            return r;
        log_warning("%s; going on with the configuration of before", error);
    }
    config_keep_addresses(holder->config, config); /* of before an upgrade */
    put_in_force(holder, config, fd);
    return 0;
}

static int reconfigure(struct holder *holder, char error[CONFIG_ERROR_MAX])
{
    const struct holder_options *options = holder->options;
    CLEANUP(config_freep) struct config *config = NULL;
    CLEANUP_CLOSE int fd = -1;
    int r = config_load_files(options->config_path, options->config_directory, &config, &fd, error);

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
    uint64_t wait_us = (config_stop_s(holder->config) + STOP_MARGIN_S) * USEC_PER_SEC;

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

static int save(struct holder *holder, char error[CONFIG_ERROR_MAX])
{
    CLEANUP_CLOSE int fd = handover_save(holder);

    if (fd < 0)
        return fail(error, fd, "can't save the state");
    core_send_plain(holder->core, HOLD_SAVED, fd);
    return 0;
}

int holder_on_request(struct holder *holder, const struct hold_message *request)
{
    char text[CONFIG_ERROR_MAX];
    struct hold_message refused;
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
    case HOLD_SAVE:
        r = save(holder, text);
        break;
    case HOLD_UPGRADE: /* the rest when the core has left; a stop comes first */
        holder->is_upgrading = true;
        holder->upgraded.serial = request->serial;
        return 0;
    default:
        r = slots_request(&holder->slots, request, &why);
        if (r < 0) {
            snprintf(text, sizeof(text), "%s: %s", why, strerror(-r));
            log_warning("%s %s.%u refused: %s", hold_message_type_to_string(request->type),
                        request->app, request->slot, text);
        }
    }
    if (r < 0) {
        hold_message_init_refused(&refused, request, r, text);
        core_send(holder->core, &refused, -1);
    }
    return 0;
}

/* What systemd hands in: our own store, and a socket unit's. */
static void adopt_descriptor(int take_fd, const char *name, void *userdata)
{
    struct holder *holder = userdata;

    if (strcmp(name, STORE_CONFIG) == 0 && holder->stored_fd < 0)
        holder->stored_fd = take_fd;
    else if (strcmp(name, STORE_LEDGER) == 0 && holder->ledger_fd < 0)
        holder->ledger_fd = take_fd;
    else if (strncmp(name, STORE_SLOT, sizeof(STORE_SLOT) - 1) == 0)
        slots_adopt(&holder->slots, take_fd, name);
    else if (listeners_adopt(&holder->listeners, take_fd, name) < 0)
        log_warning("no memory to keep descriptor %s, ignoring", name);
}

static void share_control(const struct holder *holder)
{
    const char *group = holder->config->control_group;
    int r = group[0] ? file_share(holder->control_path, group) : 0;

    if (r == -ESRCH)
        log_warning("control.group %s does not exist; only the agent's own group may read", group);
    else if (r < 0)
        log_warning_errno(-r, "can't give %s to group %s: %m", holder->control_path, group);
}

/* All that can fail for reasons of the machine, before anything is started. */
static int open_all(struct holder *holder, char error[CONFIG_ERROR_MAX])
{
    const struct config *config = holder->config;
    int r;

    if (!holder->runtime_dir) /* else it was handed over, as others below */
        holder->runtime_dir = strdup(config->runtime_dir);
    if (!holder->runtime_dir ||
        asprintf(&holder->control_path, "%s/control.sock", holder->runtime_dir) < 0 ||
        asprintf(&holder->notify_path, "%s/notify.sock", holder->runtime_dir) < 0)
        return fail(error, -ENOMEM, "start");
    r = directory_make(holder->runtime_dir, 0755);
    if (r < 0)
        return fail(error, r, holder->runtime_dir);
    r = listeners_open(&holder->listeners, config, holder->control_path, error);
    if (r < 0)
        return r;
    slots_reconfigure(&holder->slots); /* what was handed in and nothing needs, is closed */
    if (holder->notify_fd < 0)         /* of any users' workers */
        r = holder->notify_fd = listen_open_notify(holder->notify_path, 0666);
    if (r < 0)
        return fail(error, r, holder->notify_path);
    share_control(holder);
    r = holder->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (r < 0)
        return fail(error, -errno, "/dev/null");
    r = holder->ledger_fd = memfd_keep_sealed(holder->ledger_fd, "agentd-ledger", HOLD_LEDGER_SIZE);
    if (r < 0)
        return fail(error, r, "ledger");
    fd_store_put(STORE_LEDGER, holder->ledger_fd);
    return 0;
}

static int open_loop(struct holder *holder, char error[CONFIG_ERROR_MAX])
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
    int r = event_new(&holder->event, signals, ARRAY_SIZE(signals), holder_on_signal, holder);

    if (r >= 0)
        r = sd_event_set_watchdog(holder->event, true);
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
    int r = orphans_adopt(holder->event, holder_on_child, holder);
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
    const int fds[] = {holder->config_fd, holder->stored_fd, holder->ledger_fd,
                       holder->notify_fd, holder->null_fd,   holder->cgroup_fd};
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
                            .stored_fd = -1,
                            .ledger_fd = -1,
                            .notify_fd = -1,
                            .null_fd = -1,
                            .cgroup_fd = -1};
    char error[CONFIG_ERROR_MAX] = "";
    int status = EXIT_CODE_FAILED;

    slots_init(&holder.slots, &holder);
    spawn_means_init(&holder.means);
    hold_message_init(&holder.upgraded, HOLD_UPGRADED);
    holder.upgraded.argument = true; /* news, if there was one */
    fd_store_take(adopt_descriptor, &holder);
    int r = open_loop(&holder, error);
    if (r >= 0)
        r = handover_restore(&holder, false, error);
    if (r == 0) /* else this is no configuration that stops a start, whatever is wrong */
        status = EXIT_CODE_USAGE;
    if (r >= 0)
        r = first_config(&holder, error);
    if (r >= 0) {
        status = EXIT_CODE_FAILED;
        r = open_all(&holder, error);
    }
    if (r < 0) {
        log_last_word("%s", error);
    } else {
        if (holder.cgroup_fd < 0)
            holder.cgroup_fd = cgroup_open();
        if (holder.cgroup_fd < 0)
            adopt_orphans(&holder);
        status = sd_event_loop(holder.event) == 0 ? 0 : EXIT_CODE_FAILED;
        slots_kill_all(&holder.slots); /* none is left, unless the loop has failed */
        fd_store_drop(STORE_CONFIG);   /* it is for recovery: a start that was asked for reads */
    }
    holder_done(&holder);
    return status;
}
