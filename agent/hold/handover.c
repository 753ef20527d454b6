/* SPDX-License-Identifier: Apache-2.0 */
/* The holder's own fields; what a module keeps, its own walk says. */
#include "agent/hold/handover.h"

#include "agent/hold/holder.h"
#include "common/base/log.h"
#include "common/base/reexec.h"
#include "common/base/text.h"
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

void handover_walk(struct holder *holder, struct record *record)
{
    RECORD_NUMBERS(record, holder->upgraded.serial, holder->means.nofile, holder->means.umask);
    record_text(record, holder->upgraded.text, sizeof(holder->upgraded.text));
    record_string(record, &holder->runtime_dir, CONFIG_STRING_MAX);
    record_fd(record, &holder->config_fd);
    record_fd(record, &holder->ledger_fd);
    record_fd(record, &holder->notify_fd);
    record_fd(record, &holder->cgroup_fd);
    config_walk_addresses(&holder->config, record);
    core_walk(&holder->core_past, record);
    listeners_walk(&holder->listeners, record);
    slots_walk(&holder->slots, record);
}

int handover_save(struct holder *holder)
{
    CLEANUP(record_done) struct record record;

    record_write(&record, HANDOVER_MAGIC, HANDOVER_VERSION);
    handover_walk(holder, &record);
    return record_to_fd(&record, "state");
}

int handover_restore(struct holder *holder, bool dry, char error[CONFIG_ERROR_MAX])
{
    CLEANUP(record_done) struct record record;
    int r = reexec_read(&record, ENV_HANDOVER, HANDOVER_MAGIC, HANDOVER_VERSION, dry, error);

    if (r <= 0)
        return r;
    handover_walk(holder, &record);
    r = record_read_end(&record);
    if (r < 0)
        snprintf(error, CONFIG_ERROR_MAX, "the running agentd's state: %s", strerror(-r));
    return r < 0 ? r : 1;
}

int handover_check(char error[CONFIG_ERROR_MAX])
{
    struct holder holder = {};

    slots_init(&holder.slots, &holder);
    int r = handover_restore(&holder, true, error);
    slots_done(&holder.slots);
    listeners_done(&holder.listeners);
    config_free(holder.config);
    free(holder.runtime_dir);
    return r;
}

void handover_exec(struct holder *holder)
{
    const char *program = holder->options->program;
    struct hold_message *upgraded = &holder->upgraded;
    CLEANUP(record_done) struct record record;

    text_copy(upgraded->text, sizeof(upgraded->text), PACKAGE_VERSION);
    log_notice("upgrade: goes on as %s", program);
    sd_notify(false, "RELOADING=1");
    record_write(&record, HANDOVER_MAGIC, HANDOVER_VERSION);
    handover_walk(holder, &record);
    upgraded->error = -reexec(&record, ENV_HANDOVER, program, holder->options->argv);
    sd_notify(false, "READY=1");
    upgraded->argument = true;
    snprintf(upgraded->text, sizeof(upgraded->text), "can't run the new agentd: %s",
             strerror(upgraded->error));
    log_error("upgrade failed, %s goes on: %s", PACKAGE_VERSION, upgraded->text);
}
