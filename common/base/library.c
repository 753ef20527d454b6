/* SPDX-License-Identifier: Apache-2.0 */
/* dlopen with a table of symbols. See the header. */
#include "common/base/library.h"

#include "common/base/log.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

int library_load(const char *soname, const struct library_symbol symbols[], size_t n)
{
    /* RTLD_NOW: what the library itself lacks shows here, not as an abort in the middle of use. */
    void *handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

    if (!handle) {
        log_debug("can't load %s: %s", soname, dlerror());
        return -ELIBACC;
    }
    for (size_t i = 0; i < n; i++) {
        void *address = dlsym(handle, symbols[i].name);

        /* Bytes, not an assignment: the place is a pointer to a function, which a void * may not
         * alias. */
        memcpy(symbols[i].place, &address, sizeof(address));
        if (address)
            continue;
        log_debug("%s has no %s", soname, symbols[i].name);
        for (size_t k = 0; k < i; k++)
            memset(symbols[k].place, 0, sizeof(address));
        return -ELIBACC;
    }
    return 0;
}
