/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration both ways: parsed, and as the sealed image of the text that it was parsed from.
 */
#pragma once

#include "common/schema/config.h"

/* From the files. 0 and a new descriptor, or a negative errno with one line in |error|. */
int config_load_files(const char *path, const char *directory, struct config **ret,
                      int *ret_image_fd, char error[CONFIG_ERROR_MAX]);

/* The same from an image that somebody has kept; |fd| stays the caller's. */
int config_load_stored(int fd, struct config **ret, int *ret_image_fd,
                       char error[CONFIG_ERROR_MAX]);
