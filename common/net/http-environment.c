/* SPDX-License-Identifier: Apache-2.0 */
/* Environment variables and places of the distributions. See the header. */
#include "common/net/http-environment.h"

#include "common/base/macro.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The first of two variables that is set and not empty; "" for none. */
static const char *either(const char *first, const char *second)
{
    const char *value = getenv(first);

    if (!value || !*value)
        value = getenv(second);
    return value ? value : "";
}

const char *http_environment_proxy(const char *url)
{
    const char *proxy = strncasecmp(url, "https:", strlen("https:")) == 0
                            ? either("https_proxy", "HTTPS_PROXY")
                            : either("http_proxy", "HTTP_PROXY");

    return *proxy ? proxy : either("all_proxy", "ALL_PROXY");
}

const char *http_environment_no_proxy(void)
{
    return either("no_proxy", "NO_PROXY");
}

/* "5ed36f99.0", as `openssl rehash` names its links. */
static bool is_hash_name(const char *name)
{
    return strspn(name, "0123456789abcdef") == 8 && strcmp(name + 8, ".0") == 0;
}

/* Whether it has names by which OpenSSL finds certificates: a directory alone doesn't say so. */
static bool is_hash_directory(const char *path)
{
    DIR *directory = opendir(path);
    bool found = false;

    if (!directory)
        return false;
    for (struct dirent *entry = readdir(directory); entry && !found; entry = readdir(directory))
        found = is_hash_name(entry->d_name);
    closedir(directory);
    return found;
}

static int set(char **chosen, char **other, const char *path)
{
    char *copy = strdup(path);

    if (!copy)
        return -ENOMEM;
    *chosen = copy;
    *other = NULL;
    return 0;
}

int http_environment_trust(const char *directory, const char *file, struct http_trust *ret)
{
    const char *const directories[] = {
        directory, "/etc/ssl/certs",                      /* Debian, Ubuntu */
        "/etc/pki/ca-trust/extracted/pem/directory-hash", /* Amazon Linux, Fedora */
    };
    const char *const files[] = {
        file,
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/certs/ca-certificates.crt",
    };
    const char *chosen = either("AWS_CA_BUNDLE", "SSL_CERT_FILE");

    if (*chosen)
        return set(&ret->file, &ret->directory, chosen);
    for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
        if (directories[i] && is_hash_directory(directories[i]))
            return set(&ret->directory, &ret->file, directories[i]);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (files[i] && access(files[i], R_OK) == 0)
            return set(&ret->file, &ret->directory, files[i]);
    *ret = (struct http_trust){0};
    return 0;
}

void http_trust_done(struct http_trust *trust)
{
    free(TAKE(trust->file));
    free(TAKE(trust->directory));
}
