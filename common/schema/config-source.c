/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "common/schema/config-source.h"

#include "common/base/files.h"
#include "common/schema/config-image.h"

#include <stdio.h>
#include <string.h>

static int load_image(const struct config_image *image, struct config **ret, int *ret_image_fd,
                      char error[CONFIG_ERROR_MAX])
{
    CLEANUP_CLOSE int fd = config_image_to_fd(image);

    if (fd < 0) {
        snprintf(error, CONFIG_ERROR_MAX, "can't keep the configuration: %s", strerror(-fd));
        return fd;
    }
    int r = config_load(image, ret, error);
    if (r < 0)
        return r;
    *ret_image_fd = TAKE_FD(fd);
    return 0;
}

int config_load_files(const char *path, const char *directory, struct config **ret,
                      int *ret_image_fd, char error[CONFIG_ERROR_MAX])
{
    CLEANUP(config_image_freep) struct config_image *image = NULL;
    int r = config_image_read(path, directory, &image, error);

    return r < 0 ? r : load_image(image, ret, ret_image_fd, error);
}

int config_load_stored(int fd, struct config **ret, int *ret_image_fd, char error[CONFIG_ERROR_MAX])
{
    CLEANUP(config_image_freep) struct config_image *image = NULL;
    int r = config_image_from_fd(fd, &image);

    if (r < 0) {
        snprintf(error, CONFIG_ERROR_MAX, "the kept configuration: %s", strerror(-r));
        return r;
    }
    return load_image(image, ret, ret_image_fd, error);
}
