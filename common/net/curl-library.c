/* SPDX-License-Identifier: Apache-2.0 */
/* The table of libcurl's functions. See the header. */
#include "common/net/curl-library.h"

#include "common/base/library.h"
#include "common/base/log.h"
#include "common/base/macro.h"

#include <errno.h>

#define CURL_SONAME "libcurl.so.4"

/* Below it, options that http-transfer.c needs are missing. */
#define CURL_VERSION_FLOOR 0x075800

int curl_library_load(struct curl_library *ret)
{
    struct curl_library curl = {0};
#define CURL_SYMBOL(name) {"curl_" #name, (void **) &curl.name},
    const struct library_symbol symbols[] = {CURL_LIBRARY_FUNCTIONS(CURL_SYMBOL)};
#undef CURL_SYMBOL
    const curl_version_info_data *version;
    int r = library_load(CURL_SONAME, symbols, ARRAY_SIZE(symbols));

    if (r < 0)
        return r;
    version = curl.version_info(CURLVERSION_NOW);
    if (version->version_num < CURL_VERSION_FLOOR) {
        log_debug("%s is %s, too old", CURL_SONAME, version->version);
        return -ELIBACC;
    }
    if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return -ENOMEM;
    *ret = curl;
    return 0;
}
