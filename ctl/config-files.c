/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the configuration files as agentd does and reads them with the same code, so that what is
 * good here is good there. Asks no daemon and starts nothing.
 */
#include "ctl/config-files.h"

#include "common/schema/config-image.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

int config_files_load(const struct arguments *arguments, struct config **ret,
                      char error[CONFIG_ERROR_MAX])
{
    CLEANUP(config_image_freep) struct config_image *image = NULL;
    const char *file = arguments->options[VERB_OPTION_CONFIG];
    const char *directory = arguments->options[VERB_OPTION_CONFIG_DIR];
    char beside[PATH_MAX];

    if (!file)
        file = AGENTD_SYSCONFDIR "/agentd/agentd.conf";
    if (!directory) {
        const char *slash = strrchr(file, '/');
        int length = slash ? (int) (slash - file) + 1 : 0;

        if (snprintf(beside, sizeof(beside), "%.*sconf.d", length, file) >= (int) sizeof(beside)) {
            snprintf(error, CONFIG_ERROR_MAX, "%.100s...: the path is too long", file);
            return -ENAMETOOLONG;
        }
        directory = beside;
    }

    int r = config_image_read(file, directory, &image, error);

    return r < 0 ? r : config_load(image, ret, error);
}
