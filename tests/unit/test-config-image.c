/* SPDX-License-Identifier: Apache-2.0 */
/* Reading files: merging over them, and every reason to refuse one. */
#include "common/schema/config-image.h"
#include "common/schema/config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <cmocka.h>

/* The test's working directory is its own, below TMPDIR. */
static int setup(void **state)
{
    const char *parent = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    char *directory = NULL;
    if (asprintf(&directory, "%s/test-config-image.XXXXXX", parent) < 0 || !mkdtemp(directory) ||
        chdir(directory) < 0 || mkdir("d", 0755) < 0)
        return -1;
    *state = directory;
    return 0;
}

static int teardown(void **state)
{
    CLEANUP_FREE char *command = NULL;
    if (chdir("/") < 0 || asprintf(&command, "rm -rf '%s'", (char *) *state) < 0)
        return -1;
    free(*state);
    return system(command);
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0644), 0);
}

static void put_bytes(const char *path, size_t size)
{
    CLEANUP_FREE char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, '#', size);
    text[size] = '\0';
    put(path, text);
}

static struct config_image *read_good(const char *directory)
{
    struct config_image *image = NULL;
    char error[512] = "";
    int r = config_image_read("main", directory, &image, error);
    if (r < 0)
        fail_msg("%d %s", r, error);
    return image;
}

static void assert_refused(const char *path, const char *directory, int code, const char *line)
{
    struct config_image *image = NULL;
    char error[512] = "";
    assert_int_equal(config_image_read(path, directory, &image, error), code);
    assert_null(image);
    assert_string_equal(error, line);
}

static void test_order(void **state)
{
    static const char *const paths[] = {"main", "d/10-b.conf", "d/9.conf", "d/B.conf", "d/a.conf"};
    put("main", "m");
    put("d/a.conf", "");
    put("d/B.conf", "B");
    put("d/9.conf", "9");
    put("d/10-b.conf", "10");
    put("d/.hidden.conf", "no");
    put("d/.conf", "no");
    put("d/x.conf~", "no");
    put("d/x.conf.bak", "no");

    CLEANUP(config_image_freep) struct config_image *image = read_good("d");
    const char *path, *text;
    size_t cursor = 0, length;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        assert_true(config_image_next(image, &cursor, &path, &text, &length));
        assert_string_equal(path, paths[i]);
        assert_int_equal(length, strlen(text));
    }
    assert_false(config_image_next(image, &cursor, &path, &text, &length));
    assert_false(config_image_next(image, &cursor, &path, &text, &length));
}

static void test_merge(void **state)
{
    put("main", "health: { lame_duck = 1; };\nobserve: { window = 60; };\n"
                "apps: { b: { command = [ \"/b\", \"x\", \"y\" ]; workers = 2; }; };");
    put("d/1.conf", "health: { lame_duck = 2; };\n"
                    "apps: { b: { command = [ \"/c\" ]; listen = [ \"81\" ]; };\n"
                    "        a: { command = [ \"/a\" ]; }; };");
    put("d/2.conf", "# last\n\nhealth: { lame_duck = 3; };");

    CLEANUP(config_image_freep) struct config_image *image = read_good("d");
    CLEANUP(config_freep) struct config *config = NULL;
    char error[CONFIG_ERROR_MAX] = "";
    if (config_load(image, &config, error) < 0)
        fail_msg("%s", error);
    assert_int_equal(config->lame_duck_s, 3);
    assert_int_equal(config->window_s, 60);
    assert_int_equal(config->n_apps, 2);
    assert_string_equal(config->apps[0].name, "a");
    assert_string_equal(config->apps[1].command[0], "/c");
    assert_null(config->apps[1].command[1]);
    assert_int_equal(config->apps[1].workers, 2);

    CLEANUP(buffer_done) struct buffer buffer;
    buffer_init(&buffer, 1u << 20);
    assert_int_equal(config_print(config, &buffer), 0);
    assert_non_null(strstr(buffer.data, "# d/2.conf:3\n"));
    assert_non_null(strstr(buffer.data, "# main:2\n"));
}

/* A clash over two files is told where the later one stands. */
static void test_merged_errors(void **state)
{
    static const struct {
        const char *main, *second, *error;
    } cases[] = {
        {"apps: { a: { command = [ \"/a\" ]; }; };", "\napps: { b: { command = [ \"/b\" ]; }; };",
         "d/1.conf:2: apps.b.listen[1]: \"8080\" is taken by apps.a.listen[1] (\"8080\"); allowed: "
         "each address once"},
        {"", "health: { listen = \"x\"; };",
         "d/1.conf:1: health.listen: \"x\" is no address to listen on; allowed: PORT, "
         "ADDRESS:PORT, [ADDRESS]:PORT or a socket's path, up to 107 bytes"},
        {"\napps: { a: { }; };", "apps: { a: { user = \"u\"; }; };",
         "main:2: apps.a.command: missing; allowed: command = [ \"/path/of/program\", ... ]; or "
         "enabled = false;"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        put("main", cases[i].main);
        put("d/1.conf", cases[i].second);
        CLEANUP(config_image_freep) struct config_image *image = read_good("d");
        struct config *config = NULL;
        char error[CONFIG_ERROR_MAX] = "";
        assert_int_equal(config_load(image, &config, error), -EINVAL);
        assert_string_equal(error, cases[i].error);
    }
}

static void test_missing(void **state)
{
    assert_refused("main", "d", -ENOENT, "main: can't be read: No such file or directory");
    put("main", "");
    config_image_free(read_good("none")); /* no directory is no error */
    config_image_free(read_good(NULL));
    put("file", "");
    assert_refused("main", "file", -ENOTDIR, "file: can't be read: Not a directory");
    assert_int_equal(symlink("gone", "d/x.conf"), 0);
    assert_refused("main", "d", -ENOENT, "d/x.conf: can't be read: No such file or directory");
}

static void test_kinds(void **state)
{
    assert_refused("d", NULL, -EISDIR, "d: is a directory; allowed: a file");
    assert_refused("/dev/null", NULL, -EINVAL, "/dev/null: is no regular file; allowed: a file");
    assert_int_equal(mkfifo("fifo", 0600), 0); /* doesn't wait for a writer */
    assert_refused("fifo", NULL, -EINVAL, "fifo: is no regular file; allowed: a file");
    put("main", "");
    assert_int_equal(mkdir("d/x.conf", 0755), 0);
    assert_refused("main", "d", -EISDIR, "d/x.conf: is a directory; allowed: a file");
}

static void test_names(void **state)
{
    static const char line[] = "configuration: its path is empty, too long, has control characters "
                               "or is not in UTF-8";
    assert_refused("", NULL, -EINVAL, line);
    assert_refused("a\nb", NULL, -EINVAL, line);
    assert_refused("a\xff", NULL, -EINVAL, line);
    put("main", "");
    put("d/a\nb.conf", "");
    assert_refused("main", "d", -EINVAL,
                   "d: a file in it has a name with control characters, or not in UTF-8");
}

/* Root may read all, so it is tried as nobody; run by another user, as that one. */
static void test_permissions(void **state)
{
    put("main", "");
    put("d/1.conf", "");
    assert_int_equal(chmod("d/1.conf", 0646), 0);
    assert_refused("main", "d", -EPERM,
                   "d/1.conf: its mode 0646 lets anybody write the file; allowed: after chmod o-w");
    assert_int_equal(chmod("d/1.conf", 0644), 0);
    assert_int_equal(chmod("d", 0757), 0);
    assert_refused("main", "d", -EPERM,
                   "d: its mode 0757 lets anybody write the directory; allowed: after chmod o-w");
    assert_int_equal(chmod("d", 0755), 0);
    assert_int_equal(chmod("main", 0), 0);

    bool root = geteuid() == 0;
    if (root) {
        assert_int_equal(chmod(".", 0755), 0);
        assert_int_equal(seteuid(65534), 0);
    }
    assert_refused("main", "d", -EACCES, "main: can't be read: Permission denied");
    if (root)
        assert_int_equal(seteuid(0), 0);
}

/* Root's group may write. Another may not, even if the user that runs the agent is in it. */
static void test_group(void **state)
{
    unsigned group = getegid();
    char file[256], directory[256];
    put("main", "");
    put("d/1.conf", "");
    assert_int_equal(chmod("d/1.conf", 0664), 0);
    assert_int_equal(chmod("d", 0775), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown("d", 0, 0) | chown("d/1.conf", 0, 0), 0);
        config_image_free(read_good("d"));
        group = 1234;
        assert_int_equal(chown("d", 0, group) | chown("d/1.conf", 0, group), 0);
    } else if (group == 0) {
        print_message("nobody but root can give a file to another group\n");
        skip();
    }
    (void) snprintf(directory, sizeof(directory),
                    "d: its mode 0775 lets group %u write the directory; allowed: after chmod g-w",
                    group);
    assert_refused("main", "d", -EPERM, directory);
    assert_int_equal(chmod("d", 0755), 0);
    (void) snprintf(
        file, sizeof(file),
        "d/1.conf: its mode 0664 lets group %u write the file; allowed: after chmod g-w", group);
    assert_refused("main", "d", -EPERM, file);
    assert_int_equal(chmod("d/1.conf", 0666), 0);
    assert_refused(
        "main", "d", -EPERM,
        "d/1.conf: its mode 0666 lets anybody write the file; allowed: after chmod go-w");
    assert_int_equal(chmod("d/1.conf", 0644), 0);
    config_image_free(read_good("d"));
}

static void test_owner(void **state)
{
    if (geteuid() != 0) {
        print_message("only root can give a file away\n");
        skip();
    }
    put("main", "");
    put("d/1.conf", "");
    assert_int_equal(chown("d/1.conf", 1234, 0), 0);
    assert_refused("main", "d", -EPERM,
                   "d/1.conf: the file belongs to user 1234; allowed: root and the user that runs "
                   "agentd");
    assert_int_equal(chown("d/1.conf", 0, 1234), 0);
    assert_int_equal(chown("d", 1234, 0), 0);
    assert_refused("main", "d", -EPERM,
                   "d: the directory belongs to user 1234; allowed: root and the user that runs "
                   "agentd");

    /* The agent as another user: its own files and root's. */
    assert_int_equal(chmod(".", 0755), 0);
    assert_int_equal(seteuid(1234), 0);
    config_image_free(read_good("d"));
    assert_int_equal(seteuid(0), 0);
}

static void test_sizes(void **state)
{
    put_bytes("main", CONFIG_FILE_LIMIT);
    config_image_free(read_good("d"));
    put_bytes("main", CONFIG_FILE_LIMIT + 1);
    assert_refused("main", "d", -EFBIG, "main: too large; allowed: up to 262144 bytes");
    put_bytes("main", CONFIG_FILE_LIMIT);
    put_bytes("d/1.conf", CONFIG_FILE_LIMIT);
    put_bytes("d/2.conf", CONFIG_FILE_LIMIT);
    config_image_free(read_good("d"));
    put_bytes("d/3.conf", CONFIG_FILE_LIMIT);
    assert_refused("main", "d", -EFBIG,
                   "d/3.conf: too large together with the files before; allowed: up to 1048576 "
                   "bytes");
}

static void test_counts(void **state)
{
    char path[32];
    put("main", "");
    for (unsigned i = 1; i < CONFIG_FILES_MAX; i++) {
        (void) snprintf(path, sizeof(path), "d/%u.conf", i);
        put(path, "");
    }
    CLEANUP(config_image_freep) struct config_image *image = read_good("d");
    CLEANUP(config_freep) struct config *config = NULL;
    char error[CONFIG_ERROR_MAX];
    assert_int_equal(config_load(image, &config, error), 0);
    put("d/last.conf", "");
    assert_refused("main", "d", -E2BIG, "d: 64 files named *.conf; allowed: up to 63");
}

/* --- descriptors --- */

static void test_descriptor(void **state)
{
    put("main", "health: {};");
    put("d/1.conf", "# one");
    CLEANUP(config_image_freep) struct config_image *first = read_good("d");
    CLEANUP_CLOSE int fd = config_image_to_fd(first);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 1), -1);

    for (unsigned round = 0; round < 2; round++) { /* the file position doesn't matter */
        CLEANUP(config_image_freep) struct config_image *second = NULL;
        assert_int_equal(config_image_from_fd(fd, &second), 0);
        const char *path, *text;
        size_t cursor = 0, length;
        assert_true(config_image_next(second, &cursor, &path, &text, &length));
        assert_string_equal(path, "main");
        assert_string_equal(text, "health: {};");
        assert_true(config_image_next(second, &cursor, &path, &text, &length));
        assert_string_equal(path, "d/1.conf");
        assert_int_equal(length, 5);
        assert_false(config_image_next(second, &cursor, &path, &text, &length));
    }
}

static int sealed(const char *data, size_t length, int seals)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, length), (ssize_t) length);
    if (seals)
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void test_no_image(void **state)
{
#define IMAGE(text) text, sizeof(text) - 1
    static const struct {
        const char *data;
        size_t length;
        bool good;
    } cases[] = {
        {IMAGE("p\0"
               "1\0x\0\0"),
         true},
        {IMAGE("p\0"
               "0\0\0\0"),
         true},
        {IMAGE(""), false},
        {IMAGE("\0"), false}, /* not one file */
        {IMAGE("p"), false},
        {IMAGE("p\0"), false},
        {IMAGE("p\0"
               "1"),
         false},
        {IMAGE("p\0"
               "1\0x\0"),
         false}, /* no end */
        {IMAGE("p\0"
               "1\0x\0\0y"),
         false}, /* something behind it */
        {IMAGE("p\0"
               "2\0x\0\0"),
         false},
        {IMAGE("p\0"
               "1\0xy\0"),
         false}, /* no NUL behind the text */
        {IMAGE("p\0"
               "-1\0x\0\0"),
         false},
        {IMAGE("p\0"
               "18446744073709551615\0x\0\0"),
         false},
        {IMAGE("p\0\0x\0\0"), false},
        {IMAGE("a\nb\0"
               "1\0x\0\0"),
         false},
    };
    const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(config_image_freep) struct config_image *image = NULL;
        CLEANUP_CLOSE int fd = sealed(cases[i].data, cases[i].length, all);
        assert_int_equal(config_image_from_fd(fd, &image), cases[i].good ? 0 : -EBADMSG);
    }
    struct config_image *image = NULL;
    CLEANUP_CLOSE int open_fd = sealed(cases[0].data, cases[0].length, all & ~F_SEAL_WRITE);
    assert_int_equal(config_image_from_fd(open_fd, &image), -EBADMSG);
    CLEANUP_CLOSE int file_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(config_image_from_fd(file_fd, &image), -EBADMSG);
    assert_int_equal(config_image_from_fd(-1, &image), -EBADF);
}

static void test_from_text(void **state)
{
    CLEANUP(config_image_freep) struct config_image *image = NULL;
    CLEANUP_FREE char *large = calloc(1, CONFIG_FILE_LIMIT + 1);
    assert_int_equal(config_image_from_text("", "", 0, &image), -EINVAL);
    assert_int_equal(config_image_from_text("a\n", "", 0, &image), -EINVAL);
    assert_int_equal(config_image_from_text("a", large, CONFIG_FILE_LIMIT + 1, &image), -EFBIG);
    assert_null(image);
    assert_int_equal(config_image_from_text("a", large, CONFIG_FILE_LIMIT, &image), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order),    TEST(test_merge),     TEST(test_merged_errors), TEST(test_missing),
        TEST(test_kinds),    TEST(test_names),     TEST(test_permissions),   TEST(test_group),
        TEST(test_owner),    TEST(test_sizes),     TEST(test_counts),        TEST(test_descriptor),
        TEST(test_no_image), TEST(test_from_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
