/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads a shared library at run time and fills a table of its functions: what is needed seldom
 * costs neither memory nor start-up before its first use. It does not unload, and remembers
 * nothing.
 */
#pragma once

#include <stddef.h>

struct library_symbol {
    const char *name;
    void **place; /* where its address goes */
};

/*
 * |soname| is searched as the linker would ("libcrypto.so.3"). All places are filled, or none.
 * Returns 0 or -ELIBACC (why is logged at debug). What was loaded stays, also on failure: libraries
 * such as OpenSSL don't bear being unloaded.
 */
int library_load(const char *soname, const struct library_symbol symbols[], size_t n);
