/* SPDX-License-Identifier: Apache-2.0 */
/* What the config-*.c files share among themselves; nobody else includes it. */
#pragma once

#include "common/schema/config-image.h"
#include "common/schema/config-keys.h"
#include "common/schema/config.h"

#define CONFIG_COUNT_(...) +1
enum {
    CONFIG_N_NODE_KEYS = 0 CONFIG_NODE_KEYS(CONFIG_COUNT_), /* config_keys()[0] to ... */
    CONFIG_N_APP_KEYS = 0 CONFIG_APP_KEYS(CONFIG_COUNT_),   /* and these follow */
};
#undef CONFIG_COUNT_

#define CONFIG_KEY_TEXT_MAX 128 /* "apps.NAME.KEY[12]" with its NUL */

struct config_origin {
    unsigned file; /* index into |files| plus 1; 0: the default */
    unsigned line;
};

struct config_origins {
    char *files[CONFIG_FILES_MAX];
    size_t n_files;
    struct config_origin node[CONFIG_N_NODE_KEYS];
    struct config_origin app[APPS_MAX][CONFIG_N_APP_KEYS]; /* in the order of config->apps */
    struct config_origin app_begin[APPS_MAX];              /* where each app was first named */
};

/* Rules that span several keys, after all files are merged: an enabled app has a command, and no
 * address is listened on twice. 0, or -EINVAL with the line in |error|. */
int config_check(const struct config *config, char error[CONFIG_ERROR_MAX]);

/* Writes "FILE:LINE: KEY: TEXT", without what is not known: |file| NULL, |line| 0, |key| NULL.
 * Returns -EINVAL. */
int config_complain(char error[CONFIG_ERROR_MAX], const char *file, unsigned line, const char *key,
                    const char *format, ...) PRINTF_LIKE(5, 6);

/* "agent.log_level", "apps.NAME.workers". Returns |buffer|. */
const char *config_key_path(char buffer[CONFIG_KEY_TEXT_MAX], const struct config_key *key,
                            const char *app);

/* The candidate most like |word|, or NULL if none is close enough to be a misspelling of it. */
const char *config_nearest(const char *word, const char *const candidates[], size_t n_candidates);
