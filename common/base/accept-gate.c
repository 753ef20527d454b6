/* SPDX-License-Identifier: Apache-2.0 */
/* The page of connection counts, and the question how long to leave the queue to a sibling. */
#include "common/base/accept-gate.h"

#include "common/base/files.h"

#include <errno.h>
#include <sys/mman.h>

#define ACCEPT_GATE_MAGIC UINT32_C(0x54474741) /* "AGGT" */
#define CACHE_LINE        64

/* A cache line each, so that one worker's writes don't slow another's. */
struct gate_slot {
    uint32_t ready;
    uint32_t connections;
    uint32_t accepts; /* since ever; only its changes mean something */
    uint8_t padding[CACHE_LINE - 3 * sizeof(uint32_t)];
};

struct gate_page {
    uint32_t magic;
    uint32_t slots;
    uint8_t padding[CACHE_LINE - 2 * sizeof(uint32_t)];
    struct gate_slot slot[ACCEPT_GATE_SLOTS];
};

_Static_assert(sizeof(struct gate_slot) == CACHE_LINE, "a slot is a cache line");
_Static_assert(offsetof(struct gate_page, slot) == CACHE_LINE, "slots begin on a cache line");

/* What this process has seen of a sibling. */
struct sibling {
    uint32_t accepts;
    uint32_t vain_us; /* the queue was left to it since its last accept */
};

struct accept_gate {
    struct gate_page *page;
    struct gate_slot *own;
    struct sibling siblings[ACCEPT_GATE_SLOTS];
};

int accept_gate_new_fd(void)
{
    CLEANUP_CLOSE int fd = memfd_new_sealed("agentd-accept-gate", sizeof(struct gate_page));
    const uint32_t header[2] = {ACCEPT_GATE_MAGIC, ACCEPT_GATE_SLOTS};
    ssize_t n;

    if (fd < 0)
        return fd;
    n = pwrite(fd, header, sizeof(header), 0);
    if (n < 0)
        return -errno;
    if (n != (ssize_t) sizeof(header))
        return -EIO;
    return TAKE_FD(fd);
}

int accept_gate_open(struct accept_gate **ret, int fd, unsigned slot)
{
    CLEANUP_FREE struct accept_gate *gate = NULL;
    struct gate_page *page;

    if (!memfd_is_sealed(fd, sizeof(*page)))
        return -EBADMSG;
    if (slot < 1 || slot > ACCEPT_GATE_SLOTS)
        return -ERANGE;
    gate = calloc(1, sizeof(*gate));
    if (!gate)
        return -ENOMEM;
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        return -errno;
    if (page->magic != ACCEPT_GATE_MAGIC || page->slots != ACCEPT_GATE_SLOTS) {
        munmap(page, sizeof(*page));
        return -EBADMSG;
    }
    gate->page = page;
    gate->own = &page->slot[slot - 1];
    /* A predecessor that was killed has left its last words here. */
    accept_gate_set_ready(gate, false);
    accept_gate_set_connections(gate, 0);
    accept_gate_count_accept(gate); /* who was stuck has a successor */
    *ret = TAKE(gate);
    return 0;
}

struct accept_gate *accept_gate_free(struct accept_gate *gate)
{
    if (!gate)
        return NULL;
    accept_gate_set_ready(gate, false);
    accept_gate_set_connections(gate, 0);
    munmap(gate->page, sizeof(*gate->page));
    free(gate);
    return NULL;
}

void accept_gate_clear(int fd, unsigned slot)
{
    struct accept_gate *gate;

    if (accept_gate_open(&gate, fd, slot) >= 0)
        accept_gate_free(gate);
}

void accept_gate_set_ready(struct accept_gate *gate, bool ready)
{
    __atomic_store_n(&gate->own->ready, ready ? 1 : 0, __ATOMIC_RELAXED);
}

void accept_gate_set_connections(struct accept_gate *gate, unsigned connections)
{
    __atomic_store_n(&gate->own->connections, connections, __ATOMIC_RELAXED);
}

void accept_gate_count_accept(struct accept_gate *gate)
{
    __atomic_fetch_add(&gate->own->accepts, 1, __ATOMIC_RELAXED);
}

static bool is_ready_sibling(const struct accept_gate *gate, size_t i)
{
    const struct gate_slot *slot = &gate->page->slot[i];

    return slot != gate->own && __atomic_load_n(&slot->ready, __ATOMIC_RELAXED) == 1;
}

/* How many connections fewer than |connections| it has; 0 also if it is not there, or stuck. */
static unsigned sibling_lead(struct accept_gate *gate, size_t i, unsigned connections)
{
    const struct gate_slot *slot = &gate->page->slot[i];
    struct sibling *sibling = &gate->siblings[i];
    uint32_t theirs, accepts;

    if (!is_ready_sibling(gate, i))
        return 0;
    accepts = __atomic_load_n(&slot->accepts, __ATOMIC_RELAXED);
    if (accepts != sibling->accepts)
        *sibling = (struct sibling){.accepts = accepts};
    theirs = __atomic_load_n(&slot->connections, __ATOMIC_RELAXED);
    if (theirs >= connections || sibling->vain_us >= ACCEPT_GATE_STUCK_US)
        return 0;
    return connections - theirs;
}

/* Grows with the square: what is chance costs little, and who is far ahead hardly gets further. */
static uint32_t yield_for_lead_us(unsigned lead)
{
    if (lead == 0)
        return 0;
    if (lead >= ACCEPT_GATE_LEAD_MAX)
        return ACCEPT_GATE_YIELD_MAX_US;
    return MAX(ACCEPT_GATE_YIELD_MIN_US, ACCEPT_GATE_YIELD_MAX_US * lead * lead /
                                             (ACCEPT_GATE_LEAD_MAX * ACCEPT_GATE_LEAD_MAX));
}

unsigned accept_gate_turn(struct accept_gate *gate, unsigned connections, uint64_t *ret_yield_us)
{
    bool is_left_to[ACCEPT_GATE_SLOTS];
    unsigned lead_max = 0;
    uint32_t yield_us;

    for (size_t i = 0; i < ACCEPT_GATE_SLOTS; i++) {
        unsigned lead = sibling_lead(gate, i, connections);

        is_left_to[i] = lead > 0;
        lead_max = MAX(lead_max, lead);
    }
    yield_us = yield_for_lead_us(lead_max);
    for (size_t i = 0; i < ACCEPT_GATE_SLOTS; i++)
        if (is_left_to[i])
            gate->siblings[i].vain_us += yield_us;
    *ret_yield_us = yield_us;
    return yield_us <= ACCEPT_GATE_YIELD_MIN_US ? ACCEPT_GATE_BATCH : 1;
}

bool accept_gate_has_sibling(const struct accept_gate *gate)
{
    for (size_t i = 0; i < ACCEPT_GATE_SLOTS; i++)
        if (is_ready_sibling(gate, i))
            return true;
    return false;
}
