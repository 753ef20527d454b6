/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the contract's tests share. */
#pragma once

#include "tests/unit/store-contract.h"
#include "tests/unit/store-harness.h"
#include "tests/unit/unit.h"

#include <stdbool.h>

#define TEXT_SIZE 64

struct fixture {
    const struct store_kind *kind;
    char directory[PATH_MAX];
    sd_event *event;
    struct store *store;
};

void contract_open(const struct fixture *fixture, struct store **ret);
void contract_close(struct fixture *fixture);
void contract_post(struct fixture *fixture, const char *text);

/* Posts that don't wait for each other. |timestamp| NULL: now. */
struct contract_posts {
    unsigned begun, ended;
    bool done;
};
void contract_begin(struct fixture *fixture, struct contract_posts *posts, const char *timestamp,
                    const char *text);
void contract_end(struct fixture *fixture, const struct contract_posts *posts);

uint64_t contract_total(struct fixture *fixture);
void contract_free_texts(char **texts, size_t count);

void contract_pages(void **state);
void contract_days(void **state);
void contract_bad_positions(void **state);
void contract_stats(void **state);
void contract_many_instances(void **state);
void contract_keys(void **state);
void contract_same_key_at_once(void **state);
void contract_secret(void **state);
void contract_check(void **state);
