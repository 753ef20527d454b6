/* SPDX-License-Identifier: Apache-2.0 */
/* The check is a child with a time limit, whose first line is the answer. */
#include "agent/core/upgrade.h"

#include "common/base/child.h"
#include "common/base/clock.h"
#include "common/base/files.h"
#include "common/base/log.h"
#include "common/base/spawn.h"
#include "common/base/text.h"
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define CHECK_LIMIT_US (20 * USEC_PER_SEC)
#define LEAVE_DELAY_US (50 * USEC_PER_MSEC)
#define OUTPUT_MAX     4096

enum upgrade_state { UPGRADE_NONE, UPGRADE_ASKED, UPGRADE_CHECKING, UPGRADE_LEAVING };

struct upgrade {
    sd_event *event;
    struct link *link;
    const struct inheritance *inheritance;
    struct ledger *ledger;
    struct upgrade_owner owner;
    enum upgrade_state state;
    uint64_t token;
    pid_t pid;
    int output_fd;                     /* the pipe's end to read from */
    char cancelled[HOLD_TEXT_MAX + 1]; /* why, while its end is waited for */
    struct hold_message outcome;       /* of an earlier core's; serial 0: there was none */
    sd_event_source *child, *timer;
};

static int upgrade_on_end(sd_event_source *source, const siginfo_t *info, void *userdata);

int upgrade_new(struct upgrade **ret, sd_event *event, struct link *link,
                const struct inheritance *inheritance, struct ledger *ledger,
                const struct upgrade_owner *owner)
{
    struct upgrade *upgrade = calloc(1, sizeof(*upgrade));

    if (!upgrade)
        return -ENOMEM;
    *upgrade = (struct upgrade){.event = event,
                                .link = link,
                                .inheritance = inheritance,
                                .ledger = ledger,
                                .owner = *owner,
                                .output_fd = -1};
    *ret = upgrade;
    return 0;
}

/* Nothing is left of a check. One that still runs is killed, and reaped by nobody: this is the end
 * of the core, or its end was seen. */
static void end_check(struct upgrade *upgrade)
{
    if (upgrade->child)
        (void) kill(-upgrade->pid, SIGKILL);
    upgrade->child = sd_event_source_disable_unref(upgrade->child);
    upgrade->timer = sd_event_source_disable_unref(upgrade->timer);
    upgrade->output_fd = fd_close(upgrade->output_fd);
    upgrade->state = UPGRADE_NONE;
}

struct upgrade *upgrade_free(struct upgrade *upgrade)
{
    if (!upgrade)
        return NULL;
    end_check(upgrade);
    free(upgrade);
    return NULL;
}

int upgrade_check(struct upgrade *upgrade, const char **why)
{
    *why = "agentd doesn't know where its program is";
    if (!upgrade->inheritance->holder_program || !upgrade->inheritance->config_path)
        return -EBUSY;
    *why = "an upgrade is under way";
    if (upgrade->state != UPGRADE_NONE)
        return -EBUSY;
    upgrade->state = UPGRADE_ASKED;
    link_send_simple(upgrade->link, HOLD_SAVE);
    return 0;
}

static void refuse(struct upgrade *upgrade, const char *why)
{
    char text[UPGRADE_TEXT_MAX + 64];

    end_check(upgrade);
    snprintf(text, sizeof(text), "upgrade refused, %s goes on: %s", PACKAGE_VERSION, why);
    events_note(upgrade->owner.events, LOG_ERR, "upgrade-refused", text, clock_realtime_us());
    upgrade->owner.checked(why, NULL, 0, upgrade->owner.userdata);
}

void upgrade_cancel(struct upgrade *upgrade, const char *why)
{
    if (upgrade->state == UPGRADE_ASKED) {
        refuse(upgrade, why);
    } else if (upgrade->state == UPGRADE_CHECKING) {
        /* Its end is waited for, so that it is reaped. */
        text_copy(upgrade->cancelled, sizeof(upgrade->cancelled), why);
        (void) kill(-upgrade->pid, SIGKILL);
    }
}

static int upgrade_on_late(sd_event_source *source, uint64_t usec, void *userdata)
{
    upgrade_cancel(userdata, "the new agentd's check did not end in time");
    return 0;
}

static unsigned long own_nofile(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 1024;
}

/* The new agentd, with the paths that this one was given; the state is descriptor 3. */
static pid_t run_check(struct upgrade *upgrade, int state_fd, int output_fd, int null_fd)
{
    const struct inheritance *from = upgrade->inheritance;
    const struct spawn_means means = {.nofile = own_nofile(), .umask = 022};
    char *argv[] = {(char *) from->holder_program,
                    (char *) "--check-upgrade",
                    (char *) "--libexec",
                    (char *) from->libexec_directory,
                    (char *) "--config",
                    (char *) from->config_path,
                    (char *) "--config-dir",
                    (char *) from->config_directory,
                    NULL};
    struct spawn spawn;

    spawn_init(&spawn, &means, argv, null_fd);
    spawn.fds[spawn.n_fds++] = state_fd;
    spawn.output_fd = output_fd;
    spawn_add(&spawn, ENV_HANDOVER "=3");
    return spawn_launch(&spawn);
}

static int start_check(struct upgrade *upgrade, int state_fd)
{
    CLEANUP_CLOSE int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), output_fd = -1;
    int pair[2];

    /* What nobody reads while it runs stops in a full pipe, and the time limit ends it. */
    if (null_fd < 0 || pipe2(pair, O_CLOEXEC) < 0)
        return -errno;
    upgrade->output_fd = pair[0];
    output_fd = pair[1];
    int r = fd_set_nonblock(upgrade->output_fd, true);
    if (r >= 0)
        r = upgrade->pid = run_check(upgrade, state_fd, output_fd, null_fd);
    if (r < 0)
        return r;
    r = child_watch(upgrade->event, &upgrade->child, upgrade->pid, "upgrade's check",
                    upgrade_on_end, upgrade);
    if (r < 0) {
        (void) kill(-upgrade->pid, SIGKILL);
        return r;
    }
    r = sd_event_add_time_relative(upgrade->event, &upgrade->timer, CLOCK_MONOTONIC, CHECK_LIMIT_US,
                                   0, upgrade_on_late, upgrade);
    if (r < 0)
        return r;
    (void) sd_event_source_set_description(upgrade->timer, "upgrade's time limit");
    upgrade->state = UPGRADE_CHECKING;
    upgrade->cancelled[0] = '\0';
    return 0;
}

void upgrade_on_state(struct upgrade *upgrade, int take_fd)
{
    CLEANUP_CLOSE int state_fd = take_fd;
    char why[UPGRADE_TEXT_MAX];

    if (upgrade->state != UPGRADE_ASKED || state_fd < 0)
        return;
    int r = start_check(upgrade, state_fd);
    if (r < 0) {
        snprintf(why, sizeof(why), "the check can't be started: %s", strerror(-r));
        refuse(upgrade, why);
    }
}

/* The first line of what it said, printable; or "". */
static void read_answer(struct upgrade *upgrade, char text[UPGRADE_TEXT_MAX])
{
    char output[OUTPUT_MAX + 1];
    ssize_t length = read(upgrade->output_fd, output, OUTPUT_MAX);

    output[MAX(length, 0)] = '\0';
    output[strcspn(output, "\n")] = '\0';
    if (!text_is_utf8(output, strlen(output)))
        for (char *c = output; *c; c++)
            *c = *c & 0x80 ? '?' : *c;
    text_replace_controls(output, '?');
    if (!text_copy(text, UPGRADE_TEXT_MAX, output))
        memcpy(text + UPGRADE_TEXT_MAX - 4, "...", 4);
}

static void explain_end(const siginfo_t *info, const char *answer, char why[UPGRADE_TEXT_MAX])
{
    static const char prefix[] = "agentd: ";

    if (answer[0] && !(info->si_code == CLD_EXITED && info->si_status == 0))
        snprintf(why, UPGRADE_TEXT_MAX, "%s",
                 answer + (strncmp(answer, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0));
    else if (answer[0])
        snprintf(why, UPGRADE_TEXT_MAX, "the new agentd's check says: %.400s", answer);
    else
        snprintf(why, UPGRADE_TEXT_MAX, "the new agentd's check ended with %s %d",
                 info->si_code == CLD_EXITED ? "exit status" : "signal", info->si_status);
}

static int upgrade_on_leave(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct upgrade *upgrade = userdata;
    struct hold_message message;

    hold_message_init(&message, HOLD_UPGRADE);
    message.serial = upgrade->token;
    link_send(upgrade->link, &message);
    return sd_event_exit(upgrade->event, 0);
}

static int leave_later(struct upgrade *upgrade)
{
    int r = sd_event_add_time_relative(upgrade->event, &upgrade->timer, CLOCK_MONOTONIC,
                                       LEAVE_DELAY_US, 0, upgrade_on_leave, upgrade);

    if (r >= 0)
        upgrade->state = UPGRADE_LEAVING;
    return r;
}

static void accept_check(struct upgrade *upgrade, const char *version)
{
    char text[UPGRADE_TEXT_MAX];

    upgrade->token = commands_add(upgrade->ledger)->token;
    if (leave_later(upgrade) < 0) {
        refuse(upgrade, "out of memory");
        return;
    }
    snprintf(text, sizeof(text), "upgrade from %s to %.60s: checked, begins", PACKAGE_VERSION,
             version);
    events_note(upgrade->owner.events, LOG_NOTICE, "upgrade-started", text, clock_realtime_us());
    upgrade->owner.checked(NULL, version, upgrade->token, upgrade->owner.userdata);
}

static int upgrade_on_end(sd_event_source *source, const siginfo_t *info, void *userdata)
{
    struct upgrade *upgrade = userdata;
    char answer[UPGRADE_TEXT_MAX], why[UPGRADE_TEXT_MAX];

    (void) kill(-upgrade->pid, SIGKILL); /* what it may have started; it is not reaped yet */
    read_answer(upgrade, answer);
    upgrade->child = sd_event_source_disable_unref(upgrade->child);
    end_check(upgrade);
    if (upgrade->cancelled[0]) {
        refuse(upgrade, upgrade->cancelled);
    } else if (info->si_code == CLD_EXITED && info->si_status == 0 &&
               strncmp(answer, UPGRADE_YES, strlen(UPGRADE_YES)) == 0) {
        accept_check(upgrade, answer + strlen(UPGRADE_YES));
    } else {
        explain_end(info, answer, why);
        refuse(upgrade, why);
    }
    return 0;
}

void upgrade_on_outcome(struct upgrade *upgrade, const struct hold_message *message)
{
    char text[HOLD_TEXT_MAX + 64];

    upgrade->outcome = *message;
    if (!message->argument) /* an earlier core has said it */
        return;
    if (message->error)
        snprintf(text, sizeof(text), "%s goes on: %s", PACKAGE_VERSION, message->text);
    else
        snprintf(text, sizeof(text), "upgraded from %s to %s; workers and totals go on",
                 message->text, PACKAGE_VERSION);
    events_note(upgrade->owner.events, message->error ? LOG_ERR : LOG_NOTICE,
                message->error ? "upgrade-failed" : "upgrade-done", text, clock_realtime_us());
}

bool upgrade_is_news(const struct upgrade *upgrade)
{
    return upgrade->outcome.argument;
}

enum control_progress upgrade_look(const struct upgrade *upgrade, uint64_t token, char **ret_why)
{
    if (upgrade->state == UPGRADE_LEAVING && upgrade->token == token)
        return CONTROL_RUNNING;
    if (token == 0 || upgrade->outcome.serial != token)
        return CONTROL_UNKNOWN;
    if (!upgrade->outcome.error)
        return CONTROL_DONE;
    *ret_why = strdup(upgrade->outcome.text);
    return CONTROL_FAILED;
}
