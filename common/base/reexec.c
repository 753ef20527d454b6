/* SPDX-License-Identifier: Apache-2.0 */
/* What is changed for the exec (descriptors, environment) is undone if it fails. */
#include "common/base/reexec.h"

#include "common/base/files.h"
#include "common/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int reexec(struct record *record, const char *variable, const char *program, char *const argv[])
{
    CLEANUP_CLOSE int fd = record_to_fd(record, "state");
    char number[16];
    int r = fd;

    if (r >= 0)
        r = fd_set_cloexec(fd, false);
    if (r >= 0)
        r = record_keep_fds(record, true);
    snprintf(number, sizeof(number), "%d", fd);
    if (r >= 0 && setenv(variable, number, true) < 0)
        r = -errno;
    if (r >= 0) {
        (void) execv(program, argv);
        r = -errno;
    }
    (void) unsetenv(variable);
    (void) record_keep_fds(record, false);
    return r;
}

static const char *explain(const struct record *record, int error, uint32_t newest, char text[128])
{
    if (error != -EPROTONOSUPPORT)
        return strerror(-error);
    snprintf(text, 128, "it has version %u, and versions up to %u are known", record->version,
             newest);
    return text;
}

int reexec_read(struct record *record, const char *variable, uint32_t magic, uint32_t newest,
                bool dry, char error[256])
{
    const char *number = getenv(variable);
    char text[128];
    uint64_t fd;

    *record = (struct record){};
    if (!number)
        return 0;
    int r = text_parse_u64(number, STDERR_FILENO + 1, INT32_MAX, &fd);
    (void) unsetenv(variable);
    if (r >= 0) {
        r = record_read(record, (int) fd, magic, newest);
        fd_close((int) fd);
    }
    record->dry = dry;
    if (r < 0)
        snprintf(error, 256, "can't read the state of the running program: %s",
                 explain(record, r, newest, text));
    return r < 0 ? r : 1;
}
