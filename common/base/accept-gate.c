/* SPDX-License-Identifier: Apache-2.0 */
/* The page of connection counts, and the question whether to leave the queue to a sibling. */
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
    uint8_t padding[CACHE_LINE - 2 * sizeof(uint32_t)];
};

struct gate_page {
    uint32_t magic;
    uint32_t slots;
    uint8_t padding[CACHE_LINE - 2 * sizeof(uint32_t)];
    struct gate_slot slot[ACCEPT_GATE_SLOTS];
};

_Static_assert(sizeof(struct gate_slot) == CACHE_LINE, "a slot is a cache line");
_Static_assert(offsetof(struct gate_page, slot) == CACHE_LINE, "slots begin on a cache line");

struct accept_gate {
    struct gate_page *page;
    struct gate_slot *own;
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
    gate = malloc(sizeof(*gate));
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

void accept_gate_set_ready(struct accept_gate *gate, bool ready)
{
    __atomic_store_n(&gate->own->ready, ready ? 1 : 0, __ATOMIC_RELAXED);
}

void accept_gate_set_connections(struct accept_gate *gate, unsigned connections)
{
    __atomic_store_n(&gate->own->connections, connections, __ATOMIC_RELAXED);
}

bool accept_gate_should_yield(const struct accept_gate *gate, unsigned connections)
{
    for (size_t i = 0; i < ACCEPT_GATE_SLOTS; i++) {
        const struct gate_slot *slot = &gate->page->slot[i];

        if (slot != gate->own && __atomic_load_n(&slot->ready, __ATOMIC_RELAXED) == 1 &&
            __atomic_load_n(&slot->connections, __ATOMIC_RELAXED) < connections)
            return true;
    }
    return false;
}
