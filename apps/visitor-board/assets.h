/* SPDX-License-Identifier: Apache-2.0 */
/* The files that the page wants, inside the program. Their paths have a hash of the content, so
 * whoever has one may keep it for ever. Made by embed-assets. */
#pragma once

#include <stddef.h>

enum { ASSET_STYLE, ASSET_SCRIPT, ASSET_ICON, ASSETS }; /* as local.mk lists them */

struct asset {
    const char *path; /* "/assets/style.0123456789abcdef.css" */
    const char *content_type;
    const void *bytes;
    size_t length;
};

extern const struct asset assets[];
extern const size_t n_assets;
