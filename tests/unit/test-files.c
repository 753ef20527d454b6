/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base/files.h"

#include "common/base/macro.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct fixture {
    char path[PATH_MAX];
    int directory_fd;
};

static int set_up(void **state)
{
    struct fixture *fixture = malloc(sizeof(*fixture));

    unit_directory_make(fixture->path);
    fixture->directory_fd = open(fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fixture->directory_fd >= 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    close(fixture->directory_fd);
    unit_directory_remove(fixture->path);
    free(fixture);
    return 0;
}

static void make_file(const struct fixture *fixture, const char *name, const char *data,
                      size_t size)
{
    CLEANUP_CLOSE int fd =
        openat(fixture->directory_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(fd_write_all(fd, data, size), 0);
}

static void test_read_small(void **state)
{
    const struct fixture *fixture = *state;
    char buffer[8];

    make_file(fixture, "seven", "1234567", 7);
    make_file(fixture, "eight", "12345678", 8);
    make_file(fixture, "empty", "", 0);
    assert_int_equal(file_read_small(fixture->directory_fd, "seven", buffer, sizeof(buffer)), 7);
    assert_string_equal(buffer, "1234567");
    assert_int_equal(file_read_small(fixture->directory_fd, "eight", buffer, sizeof(buffer)),
                     -ENOBUFS);
    assert_int_equal(file_read_small(fixture->directory_fd, "empty", buffer, sizeof(buffer)), 0);
    assert_string_equal(buffer, "");
    assert_int_equal(file_read_small(fixture->directory_fd, "seven", buffer, 0), -ENOBUFS);
    assert_int_equal(file_read_small(fixture->directory_fd, "none", buffer, sizeof(buffer)),
                     -ENOENT);
    assert_int_equal(file_read_small(AT_FDCWD, fixture->path, buffer, sizeof(buffer)), -EISDIR);
    assert_int_equal(file_read_small(AT_FDCWD, "/proc/self/comm", buffer, sizeof(buffer)),
                     -ENOBUFS); /* "test-files\n" */
}

static void test_write_small(void **state)
{
    const struct fixture *fixture = *state;
    char buffer[16];

    make_file(fixture, "knob", "", 0);
    assert_int_equal(file_write_small(fixture->directory_fd, "knob", "max 100"), 0);
    assert_int_equal(file_read_small(fixture->directory_fd, "knob", buffer, sizeof(buffer)), 7);
    assert_string_equal(buffer, "max 100");
    assert_int_equal(file_write_small(fixture->directory_fd, "none", "1"), -ENOENT);
    assert_int_equal(faccessat(fixture->directory_fd, "none", F_OK, 0), -1);
    assert_int_equal(file_write_small(AT_FDCWD, "/dev/full", "1"), -ENOSPC);
}

/* More than a pipe holds, read in small pieces at the other end: short writes happen. */
static void test_write_all(void **state)
{
    enum { SIZE = 300000 };
    static char sent[SIZE], received[SIZE];
    size_t length = 0;
    int pair[2], status;
    ssize_t n;
    pid_t pid;

    for (size_t i = 0; i < SIZE; i++)
        sent[i] = (char) (i * 7);
    assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(fd_write_all(pair[1], sent, SIZE) == 0 ? 0 : 1);
    close(pair[1]);
    while ((n = read(pair[0], received + length, MIN((size_t) 1000, SIZE - length))) > 0)
        length += (size_t) n;
    assert_int_equal(length, SIZE);
    assert_memory_equal(sent, received, SIZE);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(pair[0]);
    assert_int_equal(fd_write_all(-1, "x", 1), -EBADF);
    assert_int_equal(fd_write_all(-1, "", 0), 0);
}

static void test_flags(void **state)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_int_equal(fd_set_cloexec(fd, false), 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    assert_int_equal(fd_set_cloexec(fd, true), 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fd_set_nonblock(fd, true), 0);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(fd_set_nonblock(fd, false), 0);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    errno = EDOM;
    assert_int_equal(fd_close(fd), -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    errno = EDOM;
    assert_int_equal(fd_close(-1), -1);
    assert_int_equal(fd_close(fd), -1); /* not open any more */
    assert_int_equal(errno, EDOM);
    assert_int_equal(fd_set_cloexec(fd, true), -EBADF);
    assert_int_equal(fd_set_nonblock(fd, true), -EBADF);
}

static void test_directory_make(void **state)
{
    const struct fixture *fixture = *state;
    static const struct {
        const char *path;
        int r;
    } cases[] = {
        {"/a/b/c", 0},       {"/a/b/c", 0},         {"/a/b/d/", 0}, {"//e///f//", 0},
        {"/file", -ENOTDIR}, {"/file/x", -ENOTDIR}, {"", 0},
    };
    char path[PATH_MAX + 16], longer[PATH_MAX + 2];
    struct stat status;
    mode_t mask = umask(0);

    make_file(fixture, "file", "", 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        snprintf(path, sizeof(path), "%s%s", fixture->path, cases[i].path);
        if (directory_make(path, 0750) != cases[i].r)
            fail_msg("%s", path);
        if (cases[i].r == 0)
            assert_true(stat(path, &status) == 0 && S_ISDIR(status.st_mode));
    }
    assert_int_equal(fstatat(fixture->directory_fd, "a/b", &status, 0), 0);
    assert_int_equal(status.st_mode & 07777, 0750);
    umask(mask);
    assert_int_equal(directory_make("/", 0700), 0);
    assert_int_equal(directory_make("", 0700), -ENOENT);
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(directory_make(longer, 0700), -ENAMETOOLONG);
}

/* Which step failed, 0 if none. In a child, which has its own 0 to 2. */
static int open_standard(void)
{
    struct stat input, error;
    int kept = fcntl(STDOUT_FILENO, F_GETFD), fd;

    close(STDIN_FILENO);
    close(STDERR_FILENO);
    if (fd_open_standard() < 0)
        return 1;
    if (fstat(STDIN_FILENO, &input) < 0 || fstat(STDERR_FILENO, &error) < 0)
        return 2;
    if (!S_ISCHR(input.st_mode) || input.st_rdev != error.st_rdev)
        return 3;
    if (fcntl(STDOUT_FILENO, F_GETFD) != kept || fcntl(STDERR_FILENO, F_GETFD) != 0)
        return 4;
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd > STDERR_FILENO && fd_open_standard() == 0 ? 0 : 5;
}

static void test_open_standard(void **state)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(open_standard());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_memfd(void **state)
{
    int fd = memfd_new_sealed("unit", 1000), other;
    char *data;

    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_true(memfd_is_sealed(fd, 1000));
    assert_false(memfd_is_sealed(fd, 999));
    assert_false(memfd_is_sealed(fd, 0));
    /* What a worker could try: none of it may work. */
    assert_int_equal(ftruncate(fd, 10), -1);
    assert_int_equal(ftruncate(fd, 100000), -1);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    data = mmap(NULL, 1000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(data, MAP_FAILED);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(data[i], 0);
    munmap(data, 1000);
    close(fd);

    other = memfd_create("unit", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(other, 1000), 0);
    assert_false(memfd_is_sealed(other, 1000));
    assert_int_equal(fcntl(other, F_ADD_SEALS, F_SEAL_GROW), 0);
    assert_false(memfd_is_sealed(other, 1000));
    close(other);
    other = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_false(memfd_is_sealed(other, 0));
    close(other);
    assert_false(memfd_is_sealed(-1, 0));
}

static void test_memfd_keep(void **state)
{
    int fd = memfd_keep_sealed(-1, "unit", 1000);

    assert_true(memfd_is_sealed(fd, 1000));
    assert_int_equal(memfd_keep_sealed(fd, "unit", 1000), fd);
    fd = memfd_keep_sealed(fd, "unit", 1001);
    assert_true(memfd_is_sealed(fd, 1001));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read_small, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_write_small, set_up, tear_down),
        cmocka_unit_test(test_write_all),
        cmocka_unit_test(test_flags),
        cmocka_unit_test_setup_teardown(test_directory_make, set_up, tear_down),
        cmocka_unit_test(test_open_standard),
        cmocka_unit_test(test_memfd),
        cmocka_unit_test(test_memfd_keep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
