/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Only pages in use cost memory, so unused apps are neither read nor copied. */
#include "agent/core/ledger.h"

#include "agent/hold/messages.h"
#include "common/base/files.h"
#include "common/base/text.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define LEDGER_MAGIC   UINT64_C(0x31305245474c4741) /* "AGLGER01" */
#define LEDGER_VERSION 6u

struct ledger_memory {
    uint64_t magic;
    uint32_t version;
    uint32_t size;
    uint32_t in_force; /* 0 or 1: which accounts */
    char app_names[APPS_MAX][APP_NAME_MAX + 1];
    uint64_t drain_at_us;
    uint64_t drained_at_us;
    uint32_t reload_apps;
    struct command_ring commands;
    struct supervisor_roll rolls[APPS_MAX];
    struct ledger_publish publish;
    struct stress_notes stress;
    struct event_ring events;
    struct ledger_accounts accounts[2];
    struct supervisor_slot slots[APPS_MAX][APP_SLOTS_MAX];
};
_Static_assert(sizeof(struct ledger_memory) <= HOLD_LEDGER_SIZE, "the holder's memfd is too small");

struct ledger {
    struct ledger_memory *memory;
    size_t mapped_bytes;
};

static bool is_sane(const struct ledger_memory *memory)
{
    if (memory->magic != LEDGER_MAGIC || memory->version != LEDGER_VERSION ||
        memory->size != sizeof(*memory) || memory->in_force > 1)
        return false;
    for (unsigned i = 0; i < APPS_MAX; i++)
        if (strnlen(memory->app_names[i], sizeof(memory->app_names[i])) > APP_NAME_MAX)
            return false;
    return true;
}

int ledger_open(struct ledger **ret, int fd)
{
    CLEANUP(ledger_freep) struct ledger *ledger = calloc(1, sizeof(*ledger));
    struct stat st;
    void *memory;

    if (!ledger)
        return -ENOMEM;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size < (off_t) sizeof(struct ledger_memory) ||
        !memfd_is_sealed(fd, (size_t) st.st_size))
        return -EBADMSG;
    memory = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return -errno;
    ledger->memory = memory;
    ledger->mapped_bytes = (size_t) st.st_size;

    bool fresh = !is_sane(ledger->memory);
    if (fresh) {
        /* Gives the pages back as well: a hole reads as zero. */
        if (madvise(memory, ledger->mapped_bytes, MADV_REMOVE) < 0)
            memset(memory, 0, sizeof(*ledger->memory));
        ledger->memory->version = LEDGER_VERSION;
        ledger->memory->size = sizeof(*ledger->memory);
        ledger->memory->magic = LEDGER_MAGIC;
    }
    *ret = TAKE(ledger);
    return fresh;
}

struct ledger *ledger_free(struct ledger *ledger)
{
    if (!ledger)
        return NULL;
    if (ledger->memory)
        munmap(ledger->memory, ledger->mapped_bytes);
    free(ledger);
    return NULL;
}

int ledger_app(struct ledger *ledger, const char *name)
{
    int unused = -ENOSPC;

    for (int i = 0; i < APPS_MAX; i++) {
        if (strcmp(ledger->memory->app_names[i], name) == 0)
            return i;
        if (unused < 0 && ledger->memory->app_names[i][0] == '\0')
            unused = i;
    }
    if (unused >= 0)
        text_copy(ledger->memory->app_names[unused], sizeof(ledger->memory->app_names[unused]),
                  name);
    return unused;
}

const char *ledger_app_name(const struct ledger *ledger, unsigned app)
{
    assert(app < APPS_MAX);
    return ledger->memory->app_names[app];
}

bool ledger_app_is_over(const struct ledger *ledger, unsigned app)
{
    const struct ledger_account *account = &ledger_accounts(ledger)->apps[app];

    assert(app < APPS_MAX);
    for (unsigned i = 0; i < APP_SLOTS_MAX; i++) {
        const struct supervisor_slot *slot = &ledger->memory->slots[app][i];

        if (slot->state != WORKER_STOPPED || slot->serial || slot->dead)
            return false;
    }
    return ledger_accounts(ledger)->intent.length == 0 &&
           memcmp(&account->folded, &account->emitted, sizeof(account->folded)) == 0;
}

void ledger_forget_app(struct ledger *ledger, unsigned app)
{
    assert(app < APPS_MAX);
    for (unsigned copy = 0; copy < 2; copy++)
        memset(&ledger->memory->accounts[copy].apps[app], 0,
               sizeof(ledger->memory->accounts[copy].apps[app]));
    memset(ledger->memory->slots[app], 0, sizeof(ledger->memory->slots[app]));
    memset(&ledger->memory->rolls[app], 0, sizeof(ledger->memory->rolls[app]));
    memset(ledger->memory->app_names[app], 0, sizeof(ledger->memory->app_names[app]));
}

void ledger_forget_gone(struct ledger *ledger, const struct config *config)
{
    for (unsigned app = 0; app < APPS_MAX; app++) {
        const char *name = ledger_app_name(ledger, app);

        if (name[0] && !config_find_app(config, name) && ledger_app_is_over(ledger, app))
            ledger_forget_app(ledger, app);
    }
}

uint64_t ledger_drain_at_us(const struct ledger *ledger)
{
    return ledger->memory->drain_at_us;
}

void ledger_set_drain_at_us(struct ledger *ledger, uint64_t at_us)
{
    ledger->memory->drain_at_us = at_us;
}

uint64_t ledger_drained_at_us(const struct ledger *ledger)
{
    return ledger->memory->drained_at_us;
}

void ledger_set_drained_at_us(struct ledger *ledger, uint64_t at_us)
{
    ledger->memory->drained_at_us = at_us;
}

uint32_t ledger_reload_apps(const struct ledger *ledger)
{
    return ledger->memory->reload_apps;
}

void ledger_set_reload_apps(struct ledger *ledger, uint32_t apps)
{
    ledger->memory->reload_apps = apps;
}

struct command_ring *ledger_commands(struct ledger *ledger)
{
    return &ledger->memory->commands;
}

struct supervisor_roll *ledger_rolls(struct ledger *ledger)
{
    return ledger->memory->rolls;
}

struct ledger_publish *ledger_publish(struct ledger *ledger)
{
    return &ledger->memory->publish;
}

struct stress_notes *ledger_stress(struct ledger *ledger)
{
    return &ledger->memory->stress;
}

struct event_ring *ledger_events(struct ledger *ledger)
{
    return &ledger->memory->events;
}

struct supervisor_slot (*ledger_slots(struct ledger *ledger))[APP_SLOTS_MAX]
{
    return ledger->memory->slots;
}

const struct ledger_accounts *ledger_accounts(const struct ledger *ledger)
{
    return &ledger->memory->accounts[ledger->memory->in_force];
}

struct ledger_accounts *ledger_begin(struct ledger *ledger)
{
    const struct ledger_accounts *old = ledger_accounts(ledger);
    struct ledger_accounts *new = &ledger->memory->accounts[1 - ledger->memory->in_force];

    new->intent = old->intent;
    new->publish_emitted = old->publish_emitted;
    new->publish_emitting = old->publish_emitting;
    new->window_start_realtime_us = old->window_start_realtime_us;
    for (unsigned app = 0; app < APPS_MAX; app++)
        if (ledger->memory->app_names[app][0] != '\0')
            new->apps[app] = old->apps[app];
    return new;
}

void ledger_commit(struct ledger *ledger)
{
    __atomic_store_n(&ledger->memory->in_force, 1 - ledger->memory->in_force, __ATOMIC_RELEASE);
}
