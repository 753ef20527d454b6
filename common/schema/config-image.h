/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All configuration files as one immutable piece of memory, so that holder and core read the very
 * same text and a bad edit on disk can't hurt a recovery.
 *
 * The holder makes one at start and at each accepted reload, keeps it (a sealed memfd, also in
 * systemd's fd store) and hands it to each core. Layout: records of "PATH\0" "LENGTH\0" then LENGTH
 * bytes and a NUL; an empty path ends it.
 */
#pragma once

#include "common/base/macro.h"

#include <stdbool.h>

#define CONFIG_FILE_LIMIT  (256u * 1024) /* bytes a file */
#define CONFIG_FILES_MAX   64
#define CONFIG_IMAGE_LIMIT (1024u * 1024)

struct config_image;

/*
 * Reads |path|, then every *.conf in |directory| by name (NULL or absent: none). 0 or a negative
 * errno, with one line in |error| that names the file.
 */
int config_image_read(const char *path, const char *directory, struct config_image **ret,
                      char error[512]);

/* From and to a descriptor. from_fd: -EBADMSG if it is no image. to_fd: a new sealed memfd. */
int config_image_from_fd(int fd, struct config_image **ret);
int config_image_to_fd(const struct config_image *image);

/* One file's text under a name: for tests and fuzzing. */
int config_image_from_text(const char *path, const char *text, size_t length,
                           struct config_image **ret);

struct config_image *config_image_free(struct config_image *image);
DEFINE_CLEANUP(struct config_image *, config_image_free)

/* Walks the files: *cursor starts at 0. false at the end. The strings are borrowed; text is
 * NUL-terminated. */
bool config_image_next(const struct config_image *image, size_t *cursor, const char **ret_path,
                       const char **ret_text, size_t *ret_length);
