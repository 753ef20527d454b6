/* SPDX-License-Identifier: Apache-2.0 */
/* Slots from START over the worker's end to RELEASE. */
#include "agent/hold/slots.h"

#include "agent/hold/holder.h"
#include "agent/hold/store.h"
#include "common/base/cgroup.h"
#include "common/base/accept-gate.h"
#include "common/base/child.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/kill-as.h"
#include "common/base/listen.h"
#include "common/base/log.h"
#include "common/base/scoreboard.h"
#include "common/base/orphans.h"
#include "common/base/text.h"
#include "common/base/worker-output.h"
#include "common/schema/slot-cgroup.h"
#include "common/schema/stress.h"
#include "common/schema/worker-environment.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

_Static_assert(ACCEPT_GATE_SLOTS >= APP_SLOTS_MAX, "each slot has its place in the gate");

#define WORKER_NAME_MAX (APP_NAME_MAX + 12) /* "<app>.<slot>" */
#define STORE_NAME_MAX  (WORKER_NAME_MAX + 32)
#define PROBE_PATH_MAX  (CONFIG_STRING_MAX + WORKER_NAME_MAX + 8)

void slots_init(struct slots *slots, struct holder *holder)
{
    *slots = (struct slots){.holder = holder, .last_serial = clock_realtime_us()};
}

static void free_app(struct app *app)
{
    for (size_t i = 0; i < APP_SLOTS_MAX; i++) {
        sd_event_source_unref(app->slots[i].child);
        if (app->slots[i].state != HOLD_SLOT_EMPTY)
            fd_close(app->slots[i].scoreboard_fd);
    }
    fd_close(app->gate_fd);
    free(app);
}

void slots_done(struct slots *slots)
{
    while (slots->apps) {
        struct app *app = slots->apps;
        slots->apps = app->next;
        free_app(app);
    }
}

static struct app *find_app(const struct slots *slots, const char *name)
{
    struct app *app = slots->apps;
    while (app && strcmp(app->name, name) != 0)
        app = app->next;
    return app;
}

static struct app *find_or_add_app(struct slots *slots, const char *name)
{
    struct app *app = find_app(slots, name);
    int gate_fd = app ? -1 : accept_gate_new_fd();
    if (gate_fd < 0)
        return app;
    app = calloc(1, sizeof(*app));
    if (!app) {
        fd_close(gate_fd);
        return NULL;
    }
    app->next = slots->apps;
    app->holder = slots->holder;
    app->gate_fd = gate_fd;
    text_copy(app->name, sizeof(app->name), name);
    for (size_t i = 0; i < APP_SLOTS_MAX; i++)
        app->slots[i].app = app;
    return slots->apps = app;
}

static unsigned number_of(const struct slot *slot)
{
    return (unsigned) (slot - slot->app->slots) + 1;
}

static const char *name_of(const struct slot *slot, char name[WORKER_NAME_MAX])
{
    snprintf(name, WORKER_NAME_MAX, "%s.%u", slot->app->name, number_of(slot));
    return name;
}

static const char *cgroup_of(const struct slot *slot, char path[SLOT_CGROUP_MAX])
{
    return slot_cgroup(path, slot->app->name, number_of(slot));
}

static const char *store_name_of(const struct slot *slot, char name[STORE_NAME_MAX])
{
    snprintf(name, STORE_NAME_MAX, STORE_SLOT "%s.%u.%" PRIu64, slot->app->name, number_of(slot),
             slot->serial);
    return name;
}

static void fill_message(const struct slot *slot, struct hold_message *ret)
{
    hold_message_init(ret, HOLD_SLOT);
    text_copy(ret->app, sizeof(ret->app), slot->app->name);
    ret->slot = number_of(slot);
    ret->serial = slot->serial;
    ret->state = slot->state;
    ret->pid = slot->pid;
    ret->exit_code = slot->exit_code;
    ret->exit_status = slot->exit_status;
    ret->started_at_us = slot->started_at_us;
    ret->ended_at_us = slot->ended_at_us;
}

struct slot *slots_next_untold(struct slots *slots, struct hold_message *ret)
{
    for (struct app *app = slots->apps; app; app = app->next)
        for (size_t i = 0; i < APP_SLOTS_MAX && app->in_use > 0; i++) {
            struct slot *slot = &app->slots[i];
            if (slot->state == HOLD_SLOT_EMPTY || slot->told)
                continue;
            fill_message(slot, ret);
            return slot;
        }
    return NULL;
}

void slots_forget_told(struct slots *slots)
{
    for (struct app *app = slots->apps; app; app = app->next)
        for (size_t i = 0; i < APP_SLOTS_MAX; i++)
            app->slots[i].told = false;
}

bool slots_in_use(void *userdata, const char *name)
{
    const struct app *app = find_app(userdata, name);
    return app && app->in_use > 0;
}

void slots_reconfigure(struct slots *slots)
{
    struct holder *holder = slots->holder;

    for (struct app **at = &slots->apps; *at;) {
        struct app *app = *at;
        const struct config_app *config = config_find_app(holder->config, app->name);

        app->user.is_known = false;
        if (app->in_use > 0 || (config && config->enabled)) {
            at = &app->next;
        } else {
            *at = app->next;
            free_app(app);
        }
    }
    listeners_prune(&holder->listeners, slots_in_use, slots);
}

/* "slot.<app>.<slot>.<serial>" */
void slots_adopt(struct slots *slots, int take_fd, const char *name)
{
    CLEANUP_CLOSE int fd = take_fd;
    char app_name[APP_NAME_MAX + 1], number[8];
    struct app *app = NULL;
    uint64_t n, serial;
    int end = 0;

    if (sscanf(name, STORE_SLOT "%31[a-z0-9-].%7[0-9].%n", app_name, number, &end) == 2 && end &&
        text_parse_u64(number, 1, APP_SLOTS_MAX, &n) >= 0 &&
        text_parse_u64(name + end, 1, UINT64_MAX - 1, &serial) >= 0 &&
        memfd_is_sealed(fd, sizeof(struct scoreboard)))
        app = find_or_add_app(slots, app_name);
    if (!app || app->slots[n - 1].state != HOLD_SLOT_EMPTY) {
        fd_store_drop(name);
        return;
    }
    app->in_use++;
    app->slots[n - 1] = (struct slot){.app = app,
                                      .state = HOLD_SLOT_DEAD,
                                      .serial = serial,
                                      .scoreboard_fd = TAKE_FD(fd),
                                      .ended_at_us = clock_monotonic_us()};
    slots->last_serial = MAX(slots->last_serial, serial);
}

static const char *probe_path_of(const struct slot *slot, char path[PROBE_PATH_MAX])
{
    snprintf(path, PROBE_PATH_MAX, PROBE_PATH_FORMAT, slot->app->holder->runtime_dir,
             slot->app->name, number_of(slot));
    return path;
}

/* Gathers all that a worker gets, and starts it. The pid, or a negative errno with |why|. */
static pid_t run_worker(const struct slot *slot, const struct config_app *config, const char **why)
{
    struct app *app = slot->app;
    const struct holder *holder = app->holder;
    CLEANUP_CLOSE int output_fd = -1, cgroup_fd = -1, probe_fd = -1;
    char name[WORKER_NAME_MAX], path[PROBE_PATH_MAX], cgroup[SLOT_CGROUP_MAX];
    const struct cgroup_limits limits = {(uint64_t) config->memory_max_mib << 20,
                                         config->cpu_weight, config->pids_max, false};
    struct spawn spawn;
    int r;

    spawn_init(&spawn, &holder->means, config->command, holder->null_fd);
    spawn.directory = config->directory;
    *why = "its listener is missing";
    for (char *const *listen = config->listen; *listen; listen++) {
        int fd = listeners_find(&holder->listeners, *listen);
        if (fd < 0)
            return -ENOENT;
        spawn_give(&spawn, FDNAME_WEB, fd);
    }
    *why = "its probe's socket can't be made";
    if (config->probe == CONFIG_PROBE_PRIVATE) {
        r = probe_fd = listen_open_private(probe_path_of(slot, path));
        if (r < 0)
            return r;
        spawn_give(&spawn, FDNAME_PROBE, probe_fd);
    }
    spawn.fds[spawn.n_fds++] = app->gate_fd;
    if (config->scoreboard)
        spawn.fds[spawn.n_fds++] = slot->scoreboard_fd;
    *why = "its user or group can't be used";
    r = spawn_user_choose(&holder->means, config->user, config->group, &app->user, &spawn.user);
    if (r < 0)
        return r;
    if (r > 0)
        log_warning("%s runs as agentd's own user: no CAP_SETUID and CAP_SETGID", app->name);
    *why = "its log can't be opened";
    r = spawn.output_fd = output_fd = worker_output_open(holder->runtime_dir, name_of(slot, name));
    if (r < 0)
        return r;
    *why = "its control group can't be made";
    r = cgroup_make(holder->cgroup_fd, cgroup_of(slot, cgroup), &limits, &cgroup_fd);
    if (r < 0)
        return r;
    spawn.cgroup_fd = cgroup_fd;
    *why = "it can't be forked";
    worker_environment_add(
        &(struct worker_environment){holder->config, config, number_of(slot), holder->notify_path},
        &spawn);
    return spawn_launch(&spawn);
}

/*
 * As run_worker(). It gets nothing of ours, and yields by both its scheduling class and its control
 * group; where that can't be idle, the smallest weight is what comes nearest.
 */
static pid_t run_stress(const struct holder *holder, const char *text, const char **why)
{
    CLEANUP_CLOSE int cgroup_fd = -1;
    struct stress_command command;
    struct stress_order order;
    struct spawn spawn;

    *why = "its order can't be read";
    int r = stress_parse(text, &order);
    if (r < 0)
        return r;
    const bool idle = !order.normal_priority;
    const struct cgroup_limits limits = {.cpu_weight = idle, .cpu_idle = idle};
    *why = "its control group can't be made";
    r = cgroup_make(holder->cgroup_fd, STRESS_CGROUP, &limits, &cgroup_fd);
    if (r < 0)
        return r;
    *why = "it can't be forked";
    spawn_init(&spawn, &holder->means,
               stress_command(&order, holder->options->stress_program, &command), holder->null_fd);
    spawn.cgroup_fd = cgroup_fd;
    spawn_add_journal(&spawn);
    return spawn_launch(&spawn);
}

/*
 * To all that is left of a worker. Itself is not reaped yet, so its group's id can't be another's.
 * The group also where there is a control group: one just forked may not have entered it yet.
 */
static void kill_worker(const struct slot *slot)
{
    char path[SLOT_CGROUP_MAX];

    (void) kill_as(slot->uid, -slot->pid, SIGKILL);
    cgroup_kill(slot->app->holder->cgroup_fd, cgroup_of(slot, path));
}

static int slots_on_exit(sd_event_source *source, const siginfo_t *info, void *userdata)
{
    struct slot *slot = userdata;
    struct holder *holder = slot->app->holder;

    kill_worker(slot);
    accept_gate_clear(slot->app->gate_fd, number_of(slot));
    listeners_revive(&holder->listeners, slot->app->name);
    slot->state = HOLD_SLOT_DEAD;
    slot->ended_at_us = clock_monotonic_us();
    slot->exit_code = info->si_code;
    slot->exit_status = info->si_status;
    slot->told = false;
    slot->child = sd_event_source_unref(slot->child);
    holder->slots.running--;
    slots_sweep(&holder->slots);
    core_tell_slots(holder->core);
    holder_child_gone(holder);
    return 0;
}

static bool is_left(const char *name, unsigned number, void *userdata)
{
    const struct app *app = find_app(userdata, name);
    return number <= APP_SLOTS_MAX && (!app || app->slots[number - 1].state != HOLD_SLOT_RUNNING);
}

static bool is_known(pid_t pid, void *userdata)
{
    const struct slots *slots = userdata;
    bool known = pid == core_pid(slots->holder->core);

    for (const struct app *app = slots->apps; app; app = app->next)
        for (size_t i = 0; i < APP_SLOTS_MAX && app->in_use > 0; i++)
            known |= app->slots[i].pid == pid && app->slots[i].child;
    return known;
}

void slots_sweep(struct slots *slots)
{
    static const struct orphans_names names = {ENV_APP, ENV_SLOT};
    if (slots->holder->cgroup_fd < 0)
        orphans_sweep(&names, is_known, is_left, slots);
}

void slots_kill_all(struct slots *slots)
{
    for (struct app *app = slots->apps; app; app = app->next)
        for (size_t i = 0; i < APP_SLOTS_MAX; i++)
            if (app->slots[i].state == HOLD_SLOT_RUNNING)
                kill_worker(&app->slots[i]);
}

static int watch(struct slot *slot)
{
    return child_watch(slot->app->holder->event, &slot->child, slot->pid, "worker", slots_on_exit,
                       slot);
}

static void walk_slot(struct slot *slot, struct record *record)
{
    RECORD_NUMBERS(record, slot->state, slot->pid, slot->serial, slot->started_at_us,
                   slot->ended_at_us, slot->exit_code, slot->exit_status);
    if (slot->state == HOLD_SLOT_EMPTY)
        return;
    record_fd(record, &slot->scoreboard_fd);
    slot->uid = record->writing ? slot->uid : KILL_AS_SELF;
    if (record->version >= 3) /* what goes over from before has CAP_KILL until the next start */
        RECORD_NUMBER(record, slot->uid);
    if (record->writing)
        return;
    bool is_running = slot->state == HOLD_SLOT_RUNNING;
    slot->app->in_use++;
    slot->app->holder->slots.running += is_running;
    if (slot->state > HOLD_SLOT_DEAD || (is_running && slot->pid <= 1) ||
        (is_running && !record->dry && watch(slot) < 0))
        record_fail(record);
}

void slots_walk(struct slots *slots, struct record *record)
{
    struct app *app = slots->apps;
    char name[APP_NAME_MAX + 1];
    unsigned n = APP_SLOTS_MAX;

    RECORD_NUMBERS(record, slots->last_serial, n);
    if (n > APP_SLOTS_MAX)
        return record_fail(record);
    do { /* an empty name ends them */
        text_copy(name, sizeof(name), app && record->writing ? app->name : "");
        record_text(record, name, sizeof(name));
        if (!name[0])
            return;
        if (!record->writing && (find_app(slots, name) || !(app = find_or_add_app(slots, name))))
            return record_fail(record);
        if (!record->writing)
            app->gate_fd = fd_close(app->gate_fd);
        record_fd(record, &app->gate_fd);
        for (unsigned i = 0; i < n && record->error == 0; i++)
            walk_slot(&app->slots[i], record);
        app = app->next;
    } while (record->error == 0);
}

static int start(struct slots *slots, const struct hold_message *request, const char **why)
{
    struct holder *holder = slots->holder;
    const struct config_app *config = config_find_app(holder->config, request->app);
    char name[STORE_NAME_MAX];
    int r;

    *why = "the configuration names no such app";
    if (strcmp(request->app, STRESS_APP) != 0 && (!config || !config->enabled))
        return -ENOENT;
    *why = "no memory for the app";
    struct app *app = find_or_add_app(slots, request->app);
    if (!app)
        return -ENOMEM;
    struct slot *slot = &app->slots[request->slot - 1];
    *why = "the slot is in use";
    if (slot->state != HOLD_SLOT_EMPTY)
        return -EBUSY;

    struct slot next = {.app = app, .state = HOLD_SLOT_RUNNING, .serial = slots->last_serial + 1};
    *why = "no memory for its scoreboard";
    CLEANUP_CLOSE int scoreboard_fd = scoreboard_new_fd(name_of(slot, name));
    if (scoreboard_fd < 0)
        return scoreboard_fd;
    slot->scoreboard_fd = scoreboard_fd;
    next.started_at_us = clock_monotonic_us();
    r = next.pid = config ? run_worker(slot, config, why) : run_stress(holder, request->text, why);
    if (r < 0)
        return r;
    next.uid = app->user.is_known ? app->user.uid : KILL_AS_SELF;
    *slot = next;
    slot->scoreboard_fd = TAKE_FD(scoreboard_fd);
    slots->last_serial++;
    slots->running++;
    app->in_use++;
    if (config && config->scoreboard)
        fd_store_put(store_name_of(slot, name), slot->scoreboard_fd);
    r = watch(slot);
    if (r < 0) /* nobody would see its end: an end of ours, which takes it along, is better */
        return sd_event_exit(holder->event, r);
    core_tell_slots(holder->core);
    return 0;
}

static int release(struct slot *slot)
{
    struct app *app = slot->app;
    struct holder *holder = app->holder;
    const struct config_app *config = config_find_app(holder->config, app->name);
    struct hold_message message;
    char name[STORE_NAME_MAX], path[PROBE_PATH_MAX], cgroup[SLOT_CGROUP_MAX];

    fd_store_drop(store_name_of(slot, name));
    (void) unlink(probe_path_of(slot, path)); /* without it, the next one is not to be asked */
    cgroup_remove(holder->cgroup_fd, cgroup_of(slot, cgroup));
    fd_close(slot->scoreboard_fd);
    *slot = (struct slot){.app = app, .serial = slot->serial};
    fill_message(slot, &message);
    core_send(holder->core, &message, -1);
    app->in_use--;
    if (!config || !config->enabled)
        slots_reconfigure(&holder->slots);
    return 0;
}

static int signal_worker(const struct slot *slot, int number)
{
    struct holder *holder = slot->app->holder;

    int r = kill_as(slot->uid, slot->pid, number);

    /* The end of serving. Where no store keeps the listeners for a next run, who connects from now
     * on is refused instead of left waiting until we exit. */
    if (r == 0 && number == SIGTERM && holder->state == HOLDER_STOPPING && !getenv("NOTIFY_SOCKET"))
        listeners_close(&holder->listeners, slot->app->name);
    return r;
}

int slots_request(struct slots *slots, const struct hold_message *request, const char **why)
{
    if (request->type == HOLD_START)
        return start(slots, request, why);

    struct app *app = find_app(slots, request->app);
    struct slot *slot = app ? &app->slots[request->slot - 1] : NULL;
    *why = "no such worker";
    if (!slot || slot->state == HOLD_SLOT_EMPTY || slot->serial != request->serial)
        return -ESRCH;
    *why = request->type == HOLD_RELEASE ? "the worker still runs" : "the worker has ended";
    if ((slot->state == HOLD_SLOT_DEAD) != (request->type == HOLD_RELEASE))
        return -EBUSY;
    if (request->type == HOLD_RELEASE)
        return release(slot);
    if (request->type == HOLD_KILL)
        kill_worker(slot);
    *why = "the signal can't be sent";
    return request->type == HOLD_SIGNAL ? signal_worker(slot, request->argument) : 0;
}
