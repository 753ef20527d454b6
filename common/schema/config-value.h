/* SPDX-License-Identifier: Apache-2.0 */
/* One value: from libconfig's setting into a field of struct config, checked as its key says. */
#pragma once

#include "common/schema/config.h"

#define CONFIG_WHY_MAX  192
#define CONFIG_ITEM_MAX 4096 /* bytes of an argument or a "NAME=value" */

struct config_setting_t;

struct config_problem {
    unsigned line;
    size_t item; /* of a list, from 1; 0: the whole value */
    char why[CONFIG_WHY_MAX];
};

/*
 * Reads |setting| into |key|'s field of |base| (a struct config or struct config_app). What the
 * field held is freed. 0, -ENOMEM, or -EINVAL with |problem| filled in and the field untouched.
 */
int config_value_read(const struct config_key *key, const struct config_setting_t *setting,
                      void *base, struct config_problem *problem);

/* Frees a list's items and empties it. */
void config_value_clear(const struct config_key *key, void *base);

/* |text| in quotes for an error line: printable ASCII only, cut short. Returns |buffer|. */
#define CONFIG_QUOTED_MAX 64
const char *config_quote(char buffer[CONFIG_QUOTED_MAX], const char *text);
