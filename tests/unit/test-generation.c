/* SPDX-License-Identifier: Apache-2.0 */
/* The counter itself, and what stores make of it when somebody meddles with its file. */
#include "tests/unit/store-harness.h"
#include "tests/unit/unit.h"

#include "apps/visitor-board/generation.h"
#include "apps/visitor-board/store-sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define WHOLE_BYTES 4096

/* The file's path in a directory of the test's own, as its state. */
static int setup(void **state)
{
    char directory[PATH_MAX], *path;

    unit_directory_make(directory);
    assert_true(asprintf(&path, "%s/board.db.generation", directory) > 0);
    *state = path;
    return 0;
}

static int teardown(void **state)
{
    char *path = *state;

    *strrchr(path, '/') = '\0';
    unit_directory_remove(path);
    free(path);
    return 0;
}

static struct generation *open_generation(const char *path)
{
    struct generation *generation;

    assert_int_equal(generation_open(&generation, path), 0);
    return generation;
}

static off_t file_size(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

/* Puts a new file of so many bytes in its place. */
static void replace_file(const char *path, size_t bytes, char byte)
{
    char other[PATH_MAX], data[WHOLE_BYTES];
    int fd;

    snprintf(other, sizeof(other), "%.4000s.other", path);
    memset(data, byte, sizeof(data));
    fd = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, bytes), bytes);
    close(fd);
    assert_int_equal(rename(other, path), 0);
}

/* --- what is done to the file ---------------------------------------------------------------- */

static void do_nothing(const char *path)
{
}

static void remove_it(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static void replace_with_zeroes(const char *path)
{
    replace_file(path, WHOLE_BYTES, 0);
}

static void replace_with_noise(const char *path)
{
    replace_file(path, WHOLE_BYTES, 0x5a);
}

static void replace_with_nothing(const char *path)
{
    replace_file(path, 0, 0);
}

static void replace_with_few_bytes(const char *path)
{
    replace_file(path, 5, 0);
}

static void replace_with_directory(const char *path)
{
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void replace_with_link(const char *path)
{
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("elsewhere", path), 0);
}

static const struct {
    const char *name;
    void (*meddle)(const char *path);
    int follow; /* what generation_follow() says then */
} cases[] = {
    {"nothing", do_nothing, 0},
    {"removed", remove_it, 1},
    {"replaced with zeroes", replace_with_zeroes, 1},
    {"replaced with noise", replace_with_noise, 1},
    {"replaced with an empty file", replace_with_nothing, 1},
    {"replaced with a short file", replace_with_few_bytes, 1},
    {"replaced with a directory", replace_with_directory, -EISDIR},
    {"replaced with a link", replace_with_link, -ELOOP},
};

/* --- the counter ----------------------------------------------------------------------------- */

static void test_shared(void **state)
{
    const char *path = *state;
    struct generation *one = open_generation(path), *two = open_generation(path);
    uint64_t value = generation_read(one);

    assert_int_equal(file_size(path), WHOLE_BYTES);
    assert_true(value != 0);
    assert_true(generation_read(two) == value);
    for (unsigned i = 1; i <= 1000; i++) {
        generation_advance(i % 2 ? one : two);
        assert_true(generation_read(one) == value + i);
        assert_true(generation_read(two) == value + i);
    }
    one = generation_free(one);
    two = generation_free(two);
    /* It goes on where it was. */
    one = open_generation(path);
    assert_true(generation_read(one) == value + 1000);
    generation_free(one);
}

static void test_short_file(void **state)
{
    const char *path = *state;
    struct generation *generation;

    replace_with_few_bytes(path);
    generation = open_generation(path);
    assert_int_equal(file_size(path), WHOLE_BYTES);
    assert_true(generation_read(generation) != 0);
    generation_free(generation);
}

static void test_cannot_open(void **state)
{
    const char *path = *state;
    struct generation *generation;

    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(generation_open(&generation, path), -EISDIR);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("elsewhere", path), 0);
    assert_int_equal(generation_open(&generation, path), -ELOOP);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(generation_open(&generation, "/no/such/place"), -ENOENT);
}

/* A file made anew never has a value that an earlier one had. */
static void test_made_anew(void **state)
{
    const char *path = *state;
    struct generation *generation = open_generation(path);
    uint64_t before;

    for (unsigned round = 0; round < 50; round++) {
        generation_advance(generation);
        before = generation_read(generation);
        remove_it(path);
        assert_int_equal(generation_follow(generation), 1);
        assert_true(generation_read(generation) > before);
        assert_int_equal(generation_follow(generation), 0);
    }
    generation_free(generation);
}

static void test_follow(void **state)
{
    const char *path = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct generation *one = open_generation(path), *two = open_generation(path);
        uint64_t value;

        cases[i].meddle(path);
        if (generation_follow(one) != cases[i].follow || generation_follow(two) != cases[i].follow)
            fail_msg("%s: not followed", cases[i].name);
        /* Whether followed or not, both have the same one, and can use it. */
        assert_int_equal(cases[i].follow < 0 ? WHOLE_BYTES : file_size(path), WHOLE_BYTES);
        value = generation_read(one);
        assert_true(value != 0);
        assert_true(generation_read(two) == value);
        generation_advance(two);
        assert_true(generation_read(one) == value + 1);
        generation_free(one);
        generation_free(two);
        remove(path);
    }
}

/* Cut short under the mapping: that costs the process its life, as SQLite's own shared memory does;
 * the next one makes the file whole. */
static void test_truncated(void **state)
{
    const char *path = *state;
    struct generation *generation = open_generation(path);
    uint64_t before = generation_read(generation);
    int status;
    pid_t pid;

    assert_int_equal(truncate(path, 0), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGBUS, SIG_DFL); /* the sanitizer has its own */
        _exit(generation_read(generation) == before);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    generation_free(generation);

    generation = open_generation(path);
    assert_int_equal(file_size(path), WHOLE_BYTES);
    assert_true(generation_read(generation) > before);
    generation_free(generation);
}

static void test_waiting(void **state)
{
    const char *path = *state;
    struct generation *one = open_generation(path), *two = open_generation(path);

    assert_false(generation_is_awaited(two));
    generation_set_waiting(one, true);
    assert_true(generation_is_awaited(two));
    generation_set_waiting(one, false);
    assert_false(generation_is_awaited(two));
    generation_set_waiting(one, true);
    usleep(5000); /* it died while it waited */
    assert_false(generation_is_awaited(two));
    generation_free(one);
    generation_free(two);
}

/* --- stores ---------------------------------------------------------------------------------- */

/* Asks |store|, which knows |*version|, and expects a list with |text| on top. */
static void check_sees(struct store *store, sd_event *event, const char *text, uint64_t *version,
                       const char *name)
{
    struct harness_latest answer;

    if (store_version(store) == *version)
        fail_msg("%s: the other's post did not change the version", name);
    assert_int_equal(harness_latest(store, event, MESSAGE_LIST_MAX, *version, &answer), 0);
    assert_non_null(answer.list);
    assert_string_equal(harness_newest(answer.list), text);
    message_list_free(answer.list);
    *version = answer.version;
}

/* Two workers, and the file goes between their posts: each acknowledged post is still seen by the
 * other's next look. */
static void test_stores(void **state)
{
    const char *path = *state;
    char database[PATH_MAX];
    sd_event *event;

    snprintf(database, sizeof(database), "%.*s", (int) (strlen(path) - strlen(".generation")),
             path);
    assert_true(sd_event_new(&event) >= 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct store *stores[2];
        uint64_t versions[2] = {STORE_VERSION_NONE, STORE_VERSION_NONE};

        for (unsigned j = 0; j < 2; j++) {
            assert_int_equal(store_sqlite_open(&stores[j], event, database, 0), 0);
            assert_int_equal(harness_post(stores[j], event, "at first"), 0);
        }
        check_sees(stores[0], event, "at first", &versions[0], cases[i].name);
        check_sees(stores[1], event, "at first", &versions[1], cases[i].name);
        cases[i].meddle(path);
        for (unsigned j = 0; j < 10; j++) {
            unsigned writer = j % 3 == 0;
            char text[32];

            snprintf(text, sizeof(text), "number %u", j);
            assert_int_equal(harness_post(stores[writer], event, text), 0);
            check_sees(stores[!writer], event, text, &versions[!writer], cases[i].name);
            check_sees(stores[writer], event, text, &versions[writer], cases[i].name);
        }
        store_free(stores[0]);
        store_free(stores[1]);
        remove(path);
    }
    sd_event_unref(event);
}

int main(void)
{
#define GENERATION_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        GENERATION_TEST(test_shared),      GENERATION_TEST(test_short_file),
        GENERATION_TEST(test_cannot_open), GENERATION_TEST(test_made_anew),
        GENERATION_TEST(test_follow),      GENERATION_TEST(test_truncated),
        GENERATION_TEST(test_waiting),     GENERATION_TEST(test_stores),
    };
#undef GENERATION_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
