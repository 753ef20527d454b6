/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's functions by pointer: compiled against its header, loaded when the first request is to
 * be sent. It brings OpenSSL and more: megabytes that an idle agent needn't have.
 */
#pragma once

#include <curl/curl.h>

/* What is called, without "curl_" before it. All are in 7.88, the floor. */
#define CURL_LIBRARY_FUNCTIONS(X)                                                                  \
    X(global_init)                                                                                 \
    X(version_info)                                                                                \
    X(easy_init)                                                                                   \
    X(easy_cleanup)                                                                                \
    X(easy_setopt)                                                                                 \
    X(easy_strerror)                                                                               \
    X(easy_getinfo)                                                                                \
    X(slist_append)                                                                                \
    X(slist_free_all)                                                                              \
    X(multi_init)                                                                                  \
    X(multi_cleanup)                                                                               \
    X(multi_setopt)                                                                                \
    X(multi_add_handle)                                                                            \
    X(multi_remove_handle)                                                                         \
    X(multi_socket_action)                                                                         \
    X(multi_info_read)

#define CURL_LIBRARY_FUNCTION(name) __typeof__(curl_##name) *name;
struct curl_library {
    CURL_LIBRARY_FUNCTIONS(CURL_LIBRARY_FUNCTION)
};
#undef CURL_LIBRARY_FUNCTION

/* Loads it and calls curl_global_init(), which counts: several users in a process are fine. 0,
 * -ELIBACC (why is logged at debug) or -ENOMEM. It stays until the process ends. */
int curl_library_load(struct curl_library *ret);
