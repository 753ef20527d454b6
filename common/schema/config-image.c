/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the files once, with the checks that only the file system can answer. The holder starts
 * what the configuration says with privileges, so what others may write is refused.
 */
#include "common/schema/config-image.h"

#include "common/base/buffer.h"
#include "common/base/files.h"
#include "common/base/text.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* The records as config-image.h lays them out, and nothing else: what goes into a descriptor. */
struct config_image {
    char *data;
    size_t length;
};

#define ERROR_MAX    512
#define SEALS_WANTED (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

/* "PATH: TEXT". Returns |code|. Long paths are cut, so that the text is always there. */
static int complain(char error[ERROR_MAX], int code, const char *path, const char *format, ...)
    PRINTF_LIKE(4, 5);
static int complain(char error[ERROR_MAX], int code, const char *path, const char *format, ...)
{
    size_t used = (size_t) snprintf(error, ERROR_MAX, "%.400s: ", path);
    va_list args;
    va_start(args, format);
    (void) vsnprintf(error + used, ERROR_MAX - used, format, args);
    va_end(args);
    return code;
}

/* --- the layout --- */

/* Paths stand in error lines and in comments of `config show`: one line of text. */
static bool is_fit_path(const char *path)
{
    size_t length = strlen(path);
    for (const char *c = path; *c != '\0'; c++)
        if ((unsigned char) *c < ' ' || *c == 0x7f)
            return false;
    return length > 0 && length < PATH_MAX && text_is_utf8(path, length);
}

/* Lengths are written in decimal, so that a dump of the image can be read. */
static int append_record(struct buffer *buffer, const char *path, const char *text, size_t length)
{
    (void) buffer_append(buffer, path, strlen(path) + 1);
    (void) buffer_printf(buffer, "%zu", length);
    (void) buffer_append(buffer, "", 1);
    (void) buffer_append(buffer, text, length);
    (void) buffer_append(buffer, "", 1);
    return buffer->failed ? -ENOBUFS : 0;
}

/* The record at |cursor|: false at the end, or if it is no record that fits into the image. */
static bool read_record(const struct config_image *image, size_t *cursor, const char **ret_path,
                        const char **ret_text, size_t *ret_length)
{
    const char *at = image->data + *cursor, *end = image->data + image->length;
    const char *path_end = memchr(at, '\0', (size_t) (end - at));
    if (!path_end || path_end == at)
        return false;
    const char *number = path_end + 1;
    const char *number_end = memchr(number, '\0', (size_t) (end - number));
    uint64_t length;
    if (!number_end || text_parse_u64(number, 0, CONFIG_FILE_LIMIT, &length) < 0)
        return false;
    const char *text = number_end + 1;
    if (length >= (size_t) (end - text) || text[length] != '\0')
        return false;
    *ret_path = at;
    *ret_text = text;
    *ret_length = (size_t) length;
    *cursor = (size_t) (text + length + 1 - image->data);
    return true;
}

bool config_image_next(const struct config_image *image, size_t *cursor, const char **ret_path,
                       const char **ret_text, size_t *ret_length)
{
    assert(*cursor < image->length);
    return read_record(image, cursor, ret_path, ret_text, ret_length);
}

/* Checked once, when it is made or taken over; config_image_next() then trusts it. */
static bool is_image(const struct config_image *image)
{
    const char *path, *text;
    size_t cursor = 0, length, n = 0;
    while (cursor < image->length && read_record(image, &cursor, &path, &text, &length))
        if (!is_fit_path(path) || ++n > CONFIG_FILES_MAX)
            return false;
    return cursor + 1 == image->length && image->data[cursor] == '\0' && n > 0;
}

/* Ends the records and makes an image of them. The buffer is empty afterwards. */
static int finish(struct buffer *buffer, struct config_image **ret)
{
    (void) buffer_append(buffer, "", 1);
    if (buffer->failed)
        return -ENOBUFS;
    CLEANUP(config_image_freep) struct config_image *image = calloc(1, sizeof(*image));
    if (!image)
        return -ENOMEM;
    image->data = buffer_take(buffer, &image->length);
    assert(is_image(image));
    *ret = TAKE(image);
    return 0;
}

int config_image_from_text(const char *path, const char *text, size_t length,
                           struct config_image **ret)
{
    if (length > CONFIG_FILE_LIMIT)
        return -EFBIG;
    if (!is_fit_path(path))
        return -EINVAL;
    CLEANUP(buffer_done) struct buffer buffer;
    buffer_init(&buffer, CONFIG_IMAGE_LIMIT);
    int r = append_record(&buffer, path, text, length);
    return r < 0 ? r : finish(&buffer, ret);
}

struct config_image *config_image_free(struct config_image *image)
{
    if (image)
        free(image->data);
    free(image);
    return NULL;
}

/* --- from the file system --- */

/* Who may write it may run commands as any app's user. Root's group is as good as root. */
static int check_owner(const char *path, const struct stat *st, const char *kind,
                       char error[ERROR_MAX])
{
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return complain(error, -EPERM, path,
                        "the %s belongs to user %u; allowed: root and the user that runs agentd",
                        kind, (unsigned) st->st_uid);
    bool others = st->st_mode & S_IWOTH, group = (st->st_mode & S_IWGRP) && st->st_gid != 0;
    if (!others && !group)
        return 0;
    char who[32] = "anybody";
    if (!others)
        (void) snprintf(who, sizeof(who), "group %u", (unsigned) st->st_gid);
    return complain(error, -EPERM, path,
                    "its mode %04o lets %s write the %s; allowed: after chmod %s%s-w",
                    (unsigned) st->st_mode & 07777, who, kind, group ? "g" : "", others ? "o" : "");
}

/* Up to the end, or until |size| is full: the caller asks for one byte more than it allows. */
static int read_all(int fd, char *text, size_t size, size_t *ret_length)
{
    size_t length = 0;
    while (length < size) {
        ssize_t n = read(fd, text + length, size - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        length += (size_t) n;
    }
    *ret_length = length;
    return 0;
}

/* |name| relative to |directory_fd|; |path| is what error lines and origins call it. */
static int read_one(int directory_fd, const char *name, const char *path, struct buffer *buffer,
                    char error[ERROR_MAX])
{
    /* Non-blocking, or a FIFO would hold us up. */
    CLEANUP_CLOSE int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        int r = -errno;
        return complain(error, r, path, "can't be read: %s", strerror(-r));
    }
    if (!S_ISREG(st.st_mode))
        return complain(error, S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL, path, "%s; allowed: a file",
                        S_ISDIR(st.st_mode) ? "is a directory" : "is no regular file");
    int r = check_owner(path, &st, "file", error);
    if (r < 0)
        return r;

    const size_t size = CONFIG_FILE_LIMIT + 1;
    CLEANUP_FREE char *text = malloc(size);
    size_t length = 0;
    r = text ? read_all(fd, text, size, &length) : -ENOMEM;
    if (r < 0)
        return complain(error, r, path, "can't be read: %s", strerror(-r));
    if (length > CONFIG_FILE_LIMIT)
        return complain(error, -EFBIG, path, "too large; allowed: up to %u bytes",
                        CONFIG_FILE_LIMIT);
    r = append_record(buffer, path, text, length);
    if (r == -ENOBUFS)
        return complain(error, -EFBIG, path,
                        "too large together with the files before; allowed: "
                        "up to %u bytes",
                        CONFIG_IMAGE_LIMIT);
    return r < 0 ? complain(error, r, path, "%s", strerror(-r)) : 0;
}

/* Editors' and packages' leftovers (x.conf~, x.conf.rpmsave) and hidden files are none. */
static int is_configuration(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > strlen(".conf") &&
           strcmp(entry->d_name + length - strlen(".conf"), ".conf") == 0;
}

/* alphasort(3) goes by the locale; the order of files must not. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_entries(int directory_fd, const char *directory, struct dirent *const entries[],
                        int n, struct buffer *buffer, char error[ERROR_MAX])
{
    if (n >= CONFIG_FILES_MAX)
        return complain(error, -E2BIG, directory, "%d files named *.conf; allowed: up to %d", n,
                        CONFIG_FILES_MAX - 1);
    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
        if (length >= (int) sizeof(path))
            return complain(error, -ENAMETOOLONG, directory, "%s", strerror(ENAMETOOLONG));
        if (!is_fit_path(path))
            return complain(error, -EINVAL, directory,
                            "a file in it has a name with control "
                            "characters, or not in UTF-8");
        int r = read_one(directory_fd, entries[i]->d_name, path, buffer, error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* One that isn't there is as good as an empty one. */
static int read_directory(const char *directory, struct buffer *buffer, char error[ERROR_MAX])
{
    CLEANUP_CLOSE int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0) {
        int r = -errno;
        return complain(error, r, directory, "can't be read: %s", strerror(-r));
    }
    int r = check_owner(directory, &st, "directory", error);
    if (r < 0)
        return r;

    struct dirent **entries;
    int n = scandirat(fd, ".", &entries, is_configuration, by_name);
    if (n < 0) {
        r = -errno;
        return complain(error, r, directory, "can't be read: %s", strerror(-r));
    }
    r = read_entries(fd, directory, entries, n, buffer, error);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return r;
}

int config_image_read(const char *path, const char *directory, struct config_image **ret,
                      char error[ERROR_MAX])
{
    CLEANUP(buffer_done) struct buffer buffer;
    buffer_init(&buffer, CONFIG_IMAGE_LIMIT);
    if (!is_fit_path(path))
        return complain(error, -EINVAL, "configuration",
                        "its path is empty, too long, has control "
                        "characters or is not in UTF-8");
    int r = read_one(AT_FDCWD, path, path, &buffer, error);
    if (r == 0 && directory)
        r = read_directory(directory, &buffer, error);
    if (r < 0)
        return r;
    r = finish(&buffer, ret);
    return r < 0 ? complain(error, r, path, "%s", strerror(-r)) : 0;
}

/* --- to and from a descriptor --- */

int config_image_to_fd(const struct config_image *image)
{
    CLEANUP_CLOSE int fd = memfd_create("config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    int r = fd_write_all(fd, image->data, image->length);
    if (r < 0)
        return r;
    /* Against writing, too: the holder trusts what a core could otherwise have changed. */
    if (fcntl(fd, F_ADD_SEALS, SEALS_WANTED) < 0)
        return -errno;
    return TAKE_FD(fd);
}

int config_image_from_fd(int fd, struct config_image **ret)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    /* Without the seals, somebody who holds it too could change what was checked. */
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS_WANTED) != SEALS_WANTED || st.st_size <= 0 ||
        st.st_size > (off_t) CONFIG_IMAGE_LIMIT)
        return -EBADMSG;

    CLEANUP(config_image_freep) struct config_image *image = calloc(1, sizeof(*image));
    if (!image || !(image->data = malloc((size_t) st.st_size)))
        return -ENOMEM;
    while (image->length < (size_t) st.st_size) {
        ssize_t n = pread(fd, image->data + image->length, (size_t) st.st_size - image->length,
                          (off_t) image->length);
        if (n <= 0)
            return n < 0 ? -errno : -EBADMSG;
        image->length += (size_t) n;
    }
    if (!is_image(image))
        return -EBADMSG;
    *ret = TAKE(image);
    return 0;
}
