/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sources that answer at once: the environment and the shared files. Regular files of some KiB
 * are read on the loop; what is no regular file is refused, a FIFO would stop it.
 *
 * What is configured but broken ends the chain, as in botocore: going on would silently act as
 * somebody else.
 */
#include "common/aws/credentials-internal.h"
#include "common/base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void credentials_note(struct buffer *why, const char *format, ...)
{
    va_list args;

    if (why->length > 0)
        buffer_append_string(why, "; ");
    va_start(args, format);
    buffer_vprintf(why, format, args);
    va_end(args);
}

const char *credentials_getenv(const struct credentials_environment *environment, const char *name)
{
    const char *value = environment->getenv_function(name, environment->userdata);

    return value && *value ? value : NULL;
}

int credentials_from_environment(const struct credentials_environment *environment,
                                 struct credentials *ret, struct buffer *why)
{
    const char *id = credentials_getenv(environment, "AWS_ACCESS_KEY_ID");
    const char *secret = credentials_getenv(environment, "AWS_SECRET_ACCESS_KEY");
    struct credentials found = {0};
    int r;

    if (!id) {
        credentials_note(why, "environment: AWS_ACCESS_KEY_ID is not set");
        return -ENOENT;
    }
    if (!secret) {
        credentials_note(why,
                         "environment: AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");
        return -ENOKEY;
    }
    r = credentials_set(&found, id, secret, credentials_getenv(environment, "AWS_SESSION_TOKEN"));
    if (r < 0) {
        credentials_note(why, "environment: %s",
                         r == -ENOMEM ? "out of memory"
                                      : "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or "
                                        "AWS_SESSION_TOKEN has blanks in it or is too long");
        return r;
    }
    found.source = "environment";
    *ret = found;
    return 0;
}

/* A regular file of up to |limit| bytes. -ENOENT, -EINVAL for what is no regular file, -EFBIG, ...
 */
static int read_file(const char *path, size_t limit, char **ret, size_t *ret_length)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    CLEANUP_FREE char *text = NULL;
    struct stat status;
    size_t length = 0;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    if (status.st_size < 0 || (uint64_t) status.st_size > limit)
        return -EFBIG;
    text = calloc(1, (size_t) status.st_size + 1);
    if (!text)
        return -ENOMEM;
    while (length < (size_t) status.st_size) {
        ssize_t n = read(fd, text + length, (size_t) status.st_size - length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        length += (size_t) n;
    }
    *ret = TAKE(text);
    *ret_length = length;
    return 0;
}

int credentials_read_token(const char *path, size_t limit, char **ret)
{
    char *text;
    size_t length;
    int r = read_file(path, limit, &text, &length);

    if (r < 0)
        return r;
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
        text[--length] = '\0';
    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~')
            r = -EBADMSG;
    if (r < 0 || length == 0) {
        credentials_wipe(text);
        return -EBADMSG;
    }
    *ret = text;
    return 0;
}

struct shared_file {
    char path[PATH_MAX];
    bool is_config;
    int result; /* of the scan, or why the file can't be read */
    struct credentials credentials;
    struct credentials_profile about;
};

static const char *file_error(int error)
{
    if (error == -EINVAL)
        return "not a regular file";
    if (error == -ENOENT)
        return "no such file";
    return strerror(-error);
}

/* Adds its reason if it has no keys. False: broken, the chain ends. */
static bool shared_file_scan(struct shared_file *file, const char *profile, struct buffer *why)
{
    char *text;
    size_t length;
    int r = read_file(file->path, CREDENTIALS_FILE_LIMIT, &text, &length);

    file->result = r;
    if (r < 0) {
        credentials_note(why, "shared file: %s: %s", file->path, file_error(r));
        return r == -ENOENT || r == -ENOTDIR || r == -EACCES;
    }
    r = credentials_scan_profile(text, length, profile, file->is_config, &file->credentials,
                                 &file->about);
    explicit_bzero(text, length);
    free(text);
    file->result = r;
    if (r == 0)
        return true;
    if (r == -ENOENT)
        credentials_note(why, "shared file: %s: %s profile %s", file->path,
                         file->about.is_there ? "no keys in" : "no", profile);
    else if (file->about.missing)
        credentials_note(why, "shared file: %s: profile %s has no %s", file->path, profile,
                         file->about.missing);
    else if (file->about.bad_line > 0)
        credentials_note(why, "shared file: %s: line %u is no setting", file->path,
                         file->about.bad_line);
    else
        credentials_note(why, "shared file: %s: profile %s has keys that can't be any", file->path,
                         profile);
    return r == -ENOENT;
}

static int shared_file_path(const struct credentials_environment *environment, const char *variable,
                            const char *name, struct shared_file *file)
{
    const char *path = credentials_getenv(environment, variable);
    const char *home = credentials_getenv(environment, "HOME");
    const char *rest = "";
    int length;

    if (path && strncmp(path, "~/", 2) == 0) {
        rest = path + 1;
        path = NULL;
    } else if (!path) {
        rest = name;
    }
    if (path)
        home = "";
    else if (!home)
        return -ENOENT;
    length = snprintf(file->path, sizeof(file->path), "%s%s", path ? path : home, rest);
    return length < (int) sizeof(file->path) ? 0 : -ENAMETOOLONG;
}

/* What the two files say together. */
static int shared_files_judge(struct shared_file files[2], const char *profile, bool is_named,
                              struct credentials *ret, struct buffer *why)
{
    const char *unsupported =
        files[0].about.unsupported ? files[0].about.unsupported : files[1].about.unsupported;
    bool have = files[0].result == 0 || files[1].result == 0;

    if (files[1].about.unsupported && strcmp(files[1].about.unsupported, "role_arn") == 0)
        unsupported = files[1].about.unsupported;
    if (unsupported && (!have || strcmp(unsupported, "role_arn") == 0)) {
        credentials_note(why, "shared file: profile %s uses %s, which is not supported here",
                         profile, unsupported);
        return -ENOKEY;
    }
    if (!have) {
        if (is_named && !files[0].about.is_there && !files[1].about.is_there)
            return -ENOKEY; /* the reasons are there already */
        return -ENOENT;
    }
    credentials_move(ret, &files[files[0].result == 0 ? 0 : 1].credentials);
    ret->source = "shared file";
    return 0;
}

int credentials_from_files(const struct credentials_environment *environment,
                           struct credentials *ret, struct buffer *why)
{
    static const char *const variables[] = {"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"};
    static const char *const names[] = {"/.aws/credentials", "/.aws/config"};
    const char *profile = credentials_getenv(environment, "AWS_PROFILE");
    bool is_named = profile != NULL;
    struct shared_file *files = calloc(2, sizeof(*files));
    int r = 0;

    if (!files)
        return -ENOMEM;
    if (!profile)
        profile = "default";
    for (unsigned i = 0; i < 2 && r == 0; i++) {
        files[i].is_config = i == 1;
        files[i].result = shared_file_path(environment, variables[i], names[i], &files[i]);
        if (files[i].result < 0)
            credentials_note(why, "shared file: neither %s nor HOME is set", variables[i]);
        else if (!shared_file_scan(&files[i], profile, why))
            r = -ENOKEY;
    }
    if (r == 0)
        r = shared_files_judge(files, profile, is_named, ret, why);
    for (unsigned i = 0; i < 2; i++)
        credentials_done(&files[i].credentials);
    free(files);
    return r;
}
