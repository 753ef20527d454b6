/* SPDX-License-Identifier: Apache-2.0 */
/* What store.h promises, as tests that any kind of store can be run through. */
#pragma once

#include "apps/visitor-board/store.h"

#include <systemd/sd-event.h>

struct store_kind {
    const char *name;
    /* What stands behind it is slower than the store's deadline when 1,000 posts come at once. */
    bool is_slow;
    /* What is needed once before the first store is opened there; NULL: nothing. */
    void (*prepare)(const char *directory);
    /* Opens a store whose messages are those of |directory|, which is empty at first. Several may
     * be open at once, also in several processes. */
    int (*open)(struct store **ret, sd_event *event, const char *directory);
    /* Every text that was ever stored there, oldest first: how many; the caller frees each and the
     * array. Called while no store is open. */
    size_t (*all_texts)(const char *directory, char ***ret);
};

/* Runs them all: the number of failures. */
int store_contract_run(const struct store_kind *kind);
