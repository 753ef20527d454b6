/* SPDX-License-Identifier: Apache-2.0 */
/* What is SQLite's own in the store: full disks, damaged and replaced files, starts at once.
 * What each store must do is in store-contract.c. */
#include "tests/unit/store-harness.h"
#include "tests/unit/unit.h"

#include "apps/visitor-board/store-sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ROUNDS_DAMAGE 60
#define ROUNDS_START  20
#define STARTERS      2

struct fixture {
    char directory[PATH_MAX / 2];
    char path[PATH_MAX];
    sd_event *event;
    struct store *store, *other; /* two workers of one node, as it were */
    struct rlimit file_size;
    bool mounted;
};

static int open_store(struct fixture *fixture, struct store **ret)
{
    return store_sqlite_open(ret, fixture->event, fixture->path, 0);
}

static void in_directory(const struct fixture *fixture, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", fixture->directory, name);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    char directory[PATH_MAX];

    unit_directory_make(directory);
    snprintf(fixture->directory, sizeof(fixture->directory), "%.2000s", directory);
    in_directory(fixture, "board.db", fixture->path);
    assert_true(sd_event_new(&fixture->event) >= 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &fixture->file_size), 0);
    *state = fixture;
    return 0;
}

static void close_stores(struct fixture *fixture)
{
    fixture->store = store_free(fixture->store);
    fixture->other = store_free(fixture->other);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    setrlimit(RLIMIT_FSIZE, &fixture->file_size);
    close_stores(fixture);
    sd_event_unref(fixture->event);
    if (fixture->mounted)
        assert_int_equal(umount(fixture->directory), 0);
    unit_directory_remove(fixture->directory);
    free(fixture);
    return 0;
}

static int post(struct fixture *fixture, const char *text)
{
    return harness_post(fixture->store, fixture->event, text);
}

/* The newest text that |store| gives, or why it gives none. The caller frees it. */
static int newest(struct fixture *fixture, struct store *store, uint64_t known, char **ret)
{
    struct harness_latest answer;
    int r = harness_latest(store, fixture->event, MESSAGE_LIST_MAX, known, &answer);

    *ret = NULL;
    if (r < 0) {
        assert_null(answer.list);
        assert_true(answer.version == STORE_VERSION_NONE);
        return r;
    }
    if (answer.list)
        *ret = strdup(harness_newest(answer.list));
    message_list_free(answer.list);
    return 0;
}

static void assert_newest(struct fixture *fixture, struct store *store, const char *wanted)
{
    char *text;

    assert_int_equal(newest(fixture, store, STORE_VERSION_NONE, &text), 0);
    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
}

/* SQL on the file by a connection of the test's own. */
static void run_sql(const char *path, const char *sql)
{
    sqlite3 *database;

    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void remove_sidecars(const struct fixture *fixture)
{
    char path[PATH_MAX];

    in_directory(fixture, "board.db-wal", path);
    unlink(path);
    in_directory(fixture, "board.db-shm", path);
    unlink(path);
}

static int64_t count_messages(const struct fixture *fixture)
{
    sqlite3 *database;
    sqlite3_stmt *statement;
    int64_t count;

    assert_int_equal(sqlite3_open(fixture->path, &database), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(database, "SELECT count(*) FROM messages", -1, &statement, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    count = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    return count;
}

/* --- a full disk ----------------------------------------------------------------------------- */

/* Posts "number |*next|" and so on until one fails: its error, or 0 if none does. */
static int post_until_error(struct fixture *fixture, unsigned *next)
{
    for (unsigned i = 0; i < 2000; i++) {
        char text[32];
        int r;

        snprintf(text, sizeof(text), "number %u", *next);
        r = post(fixture, text);
        if (r < 0)
            return r;
        (*next)++;
    }
    return 0;
}

/* While posts fail the messages can be read; once there is room, posts are stored again, and
 * nothing that was refused. */
static void check_full(struct fixture *fixture, int error, void (*fill)(struct fixture *),
                       void (*make_room)(struct fixture *))
{
    unsigned next = 1;
    char text[32];

    assert_int_equal(open_store(fixture, &fixture->store), 0);
    assert_int_equal(open_store(fixture, &fixture->other), 0);
    assert_int_equal(post(fixture, "number 0"), 0);
    fill(fixture);
    assert_int_equal(post_until_error(fixture, &next), error);
    snprintf(text, sizeof(text), "number %u", next - 1);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(post(fixture, "refused"), error);
        assert_newest(fixture, fixture->store, text);
        assert_newest(fixture, fixture->other, text);
    }
    make_room(fixture);
    assert_int_equal(post(fixture, "there is room"), 0);
    assert_newest(fixture, fixture->store, "there is room");
    assert_newest(fixture, fixture->other, "there is room");
    close_stores(fixture);
    assert_int_equal(count_messages(fixture), next + 1);
}

static void set_limit(struct fixture *fixture)
{
    struct rlimit limit = fixture->file_size;

    signal(SIGXFSZ, SIG_IGN); /* as visitor-board does */
    limit.rlim_cur = 128 * 1024;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void lift_limit(struct fixture *fixture)
{
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &fixture->file_size), 0);
}

static void test_file_size_limit(void **state)
{
    check_full(*state, -EIO, set_limit, lift_limit);
}

static void fill_disk(struct fixture *fixture)
{
    char path[PATH_MAX], block[4096] = "";
    int fd;

    in_directory(fixture, "filler", path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

static void empty_disk(struct fixture *fixture)
{
    char path[PATH_MAX];

    in_directory(fixture, "filler", path);
    assert_int_equal(unlink(path), 0);
}

/* A small file system of the fixture's own, in a mount namespace that nobody else sees. False where
 * that is not allowed; the limit on a file's size is then the only full disk. */
static bool mount_small(struct fixture *fixture)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", fixture->directory, "tmpfs", 0, "size=1m") < 0) {
        print_message("SKIP: no private mount here: %s\n", strerror(errno));
        return false;
    }
    fixture->mounted = true;
    return true;
}

static void test_full_disk(void **state)
{
    if (!mount_small(*state))
        skip();
    check_full(*state, -ENOSPC, fill_disk, empty_disk);
}

/* A worker that starts on a full disk. With the files of an earlier one it opens, and answers with
 * the error until there is room; without them it can't. */
static void test_start_on_full_disk(void **state)
{
    struct fixture *fixture = *state;
    char *text;
    int r;

    if (!mount_small(fixture))
        skip();
    fill_disk(fixture);
    assert_int_equal(open_store(fixture, &fixture->store), -ENOSPC);
    empty_disk(fixture);
    assert_int_equal(open_store(fixture, &fixture->store), 0);
    assert_int_equal(post(fixture, "before"), 0);
    close_stores(fixture);

    fill_disk(fixture);
    assert_int_equal(open_store(fixture, &fixture->store), 0);
    r = newest(fixture, fixture->store, STORE_VERSION_NONE, &text);
    print_message("reading on a full disk: %d\n", r);
    free(text);
    assert_true(r == 0 || r == -ENOSPC || r == -EIO);
    assert_true(post(fixture, "refused") < 0);
    empty_disk(fixture);
    assert_newest(fixture, fixture->store, "before");
    assert_int_equal(post(fixture, "after"), 0);
    assert_newest(fixture, fixture->store, "after");
}

/* --- damaged and foreign files --------------------------------------------------------------- */

static void write_file(const char *path, const void *data, size_t length)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static char *read_file(const char *path, size_t *ret_length)
{
    char *data = malloc(1 << 20);
    FILE *file = fopen(path, "re");

    assert_non_null(file);
    *ret_length = fread(data, 1, 1 << 20, file);
    fclose(file);
    return data;
}

static void test_foreign_files(void **state)
{
    static const struct {
        const char *name;
        const char *sql; /* what made it; NULL: it is text */
    } cases[] = {
        {"text", NULL},
        {"later schema", "PRAGMA user_version = 99"},
        {"other columns", "CREATE TABLE messages (a, b); PRAGMA user_version = 1"},
        {"no table", "PRAGMA user_version = 1"},
        {"other table in the way", "CREATE TABLE messages (x)"},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        static const char text[] = "This is a text and certainly no database at all.\n";

        if (cases[i].sql)
            run_sql(fixture->path, cases[i].sql);
        else
            write_file(fixture->path, text, sizeof(text));
        if (open_store(fixture, &fixture->store) != -EBADMSG)
            fail_msg("%s: not -EBADMSG", cases[i].name);
        assert_int_equal(unlink(fixture->path), 0);
        remove_sidecars(fixture);
    }
}

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Bytes anywhere in the file, its end cut off, or a page of noise: every call answers. */
static void damage(char *data, size_t *length, uint32_t *random)
{
    switch (next_random(random) % 3) {
    case 0:
        for (unsigned i = 0; i < 20; i++)
            data[next_random(random) % *length] = (char) next_random(random);
        break;
    case 1:
        *length = next_random(random) % *length;
        break;
    default:
        for (size_t i = 0, at = next_random(random) % (*length / 4096) * 4096; i < 4096; i++)
            data[at + i] = (char) next_random(random);
    }
}

static void test_damaged_files(void **state)
{
    struct fixture *fixture = *state;
    size_t good_length;
    uint32_t random = 20261121;
    unsigned errors = 0;
    char *good;

    assert_int_equal(open_store(fixture, &fixture->store), 0);
    for (unsigned i = 0; i < 120; i++)
        assert_int_equal(post(fixture, "some text that takes a little room in the file"), 0);
    close_stores(fixture);
    good = read_file(fixture->path, &good_length);
    assert_true(good_length >= 3 * 4096);
    for (unsigned round = 0; round < ROUNDS_DAMAGE; round++) {
        char *data = malloc(good_length), *text;
        size_t length = good_length;

        memcpy(data, good, good_length);
        damage(data, &length, &random);
        write_file(fixture->path, data, length);
        free(data);
        if (open_store(fixture, &fixture->store) < 0) {
            errors++;
        } else {
            errors += newest(fixture, fixture->store, STORE_VERSION_NONE, &text) < 0;
            free(text);
            (void) post(fixture, "into a damaged file");
        }
        close_stores(fixture);
        remove_sidecars(fixture);
    }
    print_message("%u of %u could not be opened or read\n", errors, ROUNDS_DAMAGE);
    assert_in_range(errors, ROUNDS_DAMAGE / 5, ROUNDS_DAMAGE);
    free(good);
}

/* While it is open: damaged, and then put right, as from a backup; and gone with its directory. */
static void test_replaced_while_open(void **state)
{
    struct fixture *fixture = *state;
    char backup[PATH_MAX], *good, *text;
    size_t length;

    assert_int_equal(open_store(fixture, &fixture->store), 0);
    assert_int_equal(post(fixture, "in the backup"), 0);
    close_stores(fixture);
    good = read_file(fixture->path, &length);

    assert_int_equal(open_store(fixture, &fixture->store), 0);
    assert_int_equal(open_store(fixture, &fixture->other), 0);
    assert_int_equal(post(fixture, "not in the backup"), 0);
    assert_newest(fixture, fixture->other, "not in the backup");
    in_directory(fixture, "backup", backup);
    write_file(backup, "no database", 11);
    assert_int_equal(rename(backup, fixture->path), 0);
    remove_sidecars(fixture);
    assert_int_equal(newest(fixture, fixture->store, STORE_VERSION_NONE, &text), -EBADMSG);
    assert_int_equal(newest(fixture, fixture->other, STORE_VERSION_NONE, &text), -EBADMSG);
    assert_int_equal(post(fixture, "refused"), -EBADMSG);

    write_file(backup, good, length);
    assert_int_equal(rename(backup, fixture->path), 0);
    remove_sidecars(fixture);
    assert_newest(fixture, fixture->store, "in the backup");
    assert_newest(fixture, fixture->other, "in the backup");
    assert_int_equal(post(fixture, "after it"), 0);
    assert_newest(fixture, fixture->other, "after it");
    free(good);
}

static void test_directory_away(void **state)
{
    struct fixture *fixture = *state;
    char away[PATH_MAX], *text;

    assert_int_equal(open_store(fixture, &fixture->store), 0);
    assert_int_equal(post(fixture, "there"), 0);
    snprintf(away, sizeof(away), "%s.away", fixture->directory);
    assert_int_equal(rename(fixture->directory, away), 0);
    assert_int_equal(newest(fixture, fixture->store, STORE_VERSION_NONE, &text), -ENOENT);
    assert_int_equal(post(fixture, "refused"), -ENOENT);
    assert_int_equal(rename(away, fixture->directory), 0);
    assert_newest(fixture, fixture->store, "there");
    assert_int_equal(post(fixture, "back"), 0);
    assert_newest(fixture, fixture->store, "back");
}

/* --- rows by others -------------------------------------------------------------------------- */

/* They don't change the version, but who asks finds them, cut to what a message may have. */
static void test_rows_by_others(void **state)
{
    struct fixture *fixture = *state;
    struct harness_latest answer;
    struct message got;
    uint64_t known;

    assert_int_equal(open_store(fixture, &fixture->store), 0);
    assert_int_equal(
        harness_latest(fixture->store, fixture->event, 50, STORE_VERSION_NONE, &answer), 0);
    message_list_free(answer.list);
    known = answer.version;
    run_sql(fixture->path, "INSERT INTO messages (id, message, timestamp, instance_id) VALUES"
                           " (printf('%.5000c', 'i'), printf('%.5000c', 'm'),"
                           "  printf('%.5000c', 't'), printf('%.5000c', 'h'))");
    assert_int_equal(harness_latest(fixture->store, fixture->event, 50, known, &answer), 0);
    assert_non_null(answer.list);
    got = message_list_get(answer.list, 0);
    assert_int_equal(strlen(got.id), 36);
    assert_int_equal(strlen(got.text), MESSAGE_TEXT_CHARACTERS);
    assert_int_equal(strlen(got.timestamp), 32);
    assert_int_equal(strlen(got.instance), MESSAGE_INSTANCE_CHARACTERS);
    message_list_free(answer.list);
    /* And only once. */
    assert_int_equal(harness_latest(fixture->store, fixture->event, 50, known, &answer), 0);
    assert_null(answer.list);
}

/* --- starts ------------------------------------------------------------------------------- */

/* In the child: opens when the gate is closed, posts once. */
static void start_one(struct fixture *fixture, const int gate[2])
{
    char byte;
    int r;

    close(gate[1]);
    (void) !read(gate[0], &byte, 1);
    r = sd_event_new(&fixture->event); /* the parent's is of no use here */
    if (r >= 0)
        r = open_store(fixture, &fixture->store);
    if (r >= 0)
        r = post(fixture, "started");
    _exit(-r); /* an errno fits into the status */
}

/* Workers that start at the same moment where there is no file yet. */
static void test_starts_at_once(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned round = 0; round < ROUNDS_START; round++) {
        pid_t pids[STARTERS];
        int gate[2], status;
        char path[PATH_MAX];

        assert_int_equal(pipe(gate), 0);
        for (unsigned i = 0; i < STARTERS; i++) {
            pids[i] = fork();
            assert_true(pids[i] >= 0);
            if (pids[i] == 0)
                start_one(fixture, gate);
        }
        close(gate[0]);
        close(gate[1]);
        for (unsigned i = 0; i < STARTERS; i++) {
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_true(WIFEXITED(status));
            assert_int_equal(WEXITSTATUS(status), 0);
        }
        assert_int_equal(count_messages(fixture), STARTERS);
        assert_int_equal(unlink(fixture->path), 0);
        remove_sidecars(fixture);
        in_directory(fixture, "board.db.generation", path);
        assert_int_equal(unlink(path), 0);
    }
}

int main(void)
{
#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_file_size_limit),    STORE_TEST(test_full_disk),
        STORE_TEST(test_start_on_full_disk), STORE_TEST(test_foreign_files),
        STORE_TEST(test_damaged_files),      STORE_TEST(test_replaced_while_open),
        STORE_TEST(test_directory_away),     STORE_TEST(test_rows_by_others),
        STORE_TEST(test_starts_at_once),
    };
#undef STORE_TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
