/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store-contract.h"

#include "tests/unit/store-harness.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>

#define WRITERS     4u
#define WRITER_POST 50u
#define KILLS       8
#define TEXT_SIZE   64

struct fixture {
    const struct store_kind *kind;
    char directory[PATH_MAX];
    sd_event *event;
    struct store *store;
};

static void open_store(const struct fixture *fixture, struct store **ret)
{
    assert_int_equal(fixture->kind->open(ret, fixture->event, fixture->directory), 0);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->kind = *state;
    unit_directory_make(fixture->directory);
    assert_true(sd_event_new(&fixture->event) >= 0);
    open_store(fixture, &fixture->store);
    *state = fixture;
    return 0;
}

static void close_store(struct fixture *fixture)
{
    fixture->store = store_free(fixture->store);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    close_store(fixture);
    sd_event_unref(fixture->event);
    unit_directory_remove(fixture->directory);
    free(fixture);
    return 0;
}

static void post(struct fixture *fixture, const char *text)
{
    assert_int_equal(harness_post(fixture->store, fixture->event, text), 0);
}

static struct message_list *latest(struct fixture *fixture, size_t limit)
{
    struct harness_latest answer;

    assert_int_equal(
        harness_latest(fixture->store, fixture->event, limit, STORE_VERSION_NONE, &answer), 0);
    assert_non_null(answer.list);
    assert_int_not_equal(answer.version, STORE_VERSION_NONE);
    return answer.list;
}

static void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

/* --- one process ----------------------------------------------------------------------------- */

static void test_empty(void **state)
{
    struct message_list *list = latest(*state, MESSAGE_LIST_MAX);

    assert_int_equal(message_list_count(list), 0);
    message_list_free(list);
}

/* Every field comes back as it was, and the caller's copy is not needed after the call. */
static void test_fields(void **state)
{
    static const char text[] = "a\tb\n<\"'&> \xc3\xa4 \xf0\x9f\x8c\x8d '); DROP TABLE messages;--";
    struct fixture *fixture = *state;
    struct message_list *list;
    struct message got;

    post(fixture, text);
    list = latest(fixture, MESSAGE_LIST_MAX);
    assert_int_equal(message_list_count(list), 1);
    got = message_list_get(list, 0);
    assert_string_equal(got.text, text);
    assert_string_equal(got.id, harness_message("").id);
    assert_string_equal(got.timestamp, harness_message("").timestamp);
    assert_string_equal(got.instance, HARNESS_INSTANCE);
    message_list_free(list);
}

static void test_longest_text(void **state)
{
    char text[4 * MESSAGE_TEXT_CHARACTERS + 1] = "";
    struct message_list *list;

    for (size_t i = 0; i < MESSAGE_TEXT_CHARACTERS; i++)
        memcpy(text + 4 * i, "\xf0\x9f\x8c\x8d", 5);
    for (size_t i = 0; i < MESSAGE_LIST_MAX; i++)
        post(*state, text);
    list = latest(*state, MESSAGE_LIST_MAX);
    assert_int_equal(message_list_count(list), MESSAGE_LIST_MAX);
    for (size_t i = 0; i < MESSAGE_LIST_MAX; i++)
        assert_string_equal(message_list_get(list, i).text, text);
    message_list_free(list);
}

/* All have the same timestamp: the order is that of arrival. */
static void test_order_and_limit(void **state)
{
    static const size_t limits[] = {1, 7, 49, 50, 51, 1000};
    struct fixture *fixture = *state;
    const unsigned count = 60;

    for (unsigned i = 0; i < count; i++) {
        char text[TEXT_SIZE];

        snprintf(text, sizeof(text), "number %u", i);
        post(fixture, text);
    }
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        struct message_list *list = latest(fixture, limits[i]);
        size_t wanted = limits[i] < MESSAGE_LIST_MAX ? limits[i] : MESSAGE_LIST_MAX;

        assert_int_equal(message_list_count(list), wanted);
        for (unsigned j = 0; j < wanted; j++) {
            char text[TEXT_SIZE];

            snprintf(text, sizeof(text), "number %u", count - 1 - j);
            assert_string_equal(message_list_get(list, j).text, text);
        }
        message_list_free(list);
    }
}

static void test_versions(void **state)
{
    struct fixture *fixture = *state;
    struct harness_latest first, same, next;
    uint64_t version;

    assert_int_equal(harness_latest(fixture->store, fixture->event, 50, STORE_VERSION_NONE, &first),
                     0);
    assert_non_null(first.list);
    message_list_free(first.list);
    assert_int_not_equal(first.version, STORE_VERSION_NONE);
    assert_true(store_version(fixture->store) == first.version);

    /* Known: no list. Unknown: a list. */
    assert_int_equal(harness_latest(fixture->store, fixture->event, 50, first.version, &same), 0);
    assert_null(same.list);
    assert_true(same.version == first.version);
    assert_int_equal(harness_latest(fixture->store, fixture->event, 50, first.version + 1, &same),
                     0);
    assert_non_null(same.list);
    message_list_free(same.list);

    /* It changes with each acknowledged message, and the version known before gives a list. */
    version = store_version(fixture->store);
    for (unsigned i = 0; i < 20; i++) {
        char text[TEXT_SIZE];

        snprintf(text, sizeof(text), "version %u", i);
        post(fixture, text);
        assert_true(store_version(fixture->store) != version);
        assert_int_equal(harness_latest(fixture->store, fixture->event, 50, version, &next), 0);
        assert_non_null(next.list);
        assert_string_equal(harness_newest(next.list), text);
        message_list_free(next.list);
        version = next.version;
        assert_true(store_version(fixture->store) == version);
    }
}

/* Two stores of the same messages: what one acknowledges changes the other's version at once. */
static void test_fresh_in_another(void **state)
{
    struct fixture *fixture = *state;
    struct store *stores[2] = {fixture->store, NULL};
    uint64_t known[2] = {STORE_VERSION_NONE, STORE_VERSION_NONE};

    open_store(fixture, &stores[1]);
    for (unsigned i = 0; i < 200; i++) {
        struct store *writer = stores[i % 3 == 0], *reader = stores[i % 3 != 0];
        uint64_t *version = &known[i % 3 != 0];
        struct harness_latest answer;
        char text[TEXT_SIZE];

        snprintf(text, sizeof(text), "fresh %u", i);
        assert_int_equal(harness_post(writer, fixture->event, text), 0);
        assert_true(store_version(reader) != *version);
        assert_int_equal(harness_latest(reader, fixture->event, 50, *version, &answer), 0);
        assert_non_null(answer.list);
        assert_string_equal(harness_newest(answer.list), text);
        message_list_free(answer.list);
        *version = answer.version;
    }
    store_free(stores[1]);
}

/* --- many at once ---------------------------------------------------------------------------- */

struct tally {
    unsigned called, stored, cancelled;
    unsigned wanted;
    bool done;
};

static void on_tallied(int error, const struct message *stored, bool repeated, void *userdata)
{
    struct tally *tally = userdata;

    tally->called++;
    tally->stored += error == 0;
    tally->cancelled += error == -ECANCELED;
    tally->done = tally->called == tally->wanted;
}

/* Posts without waiting until the store refuses or |count| are in. */
static unsigned post_many(struct store *store, const char *name, unsigned count,
                          struct tally *tally, int *ret_error)
{
    *ret_error = 0;
    for (unsigned i = 0; i < count; i++) {
        char text[2 * TEXT_SIZE];
        struct message message;

        snprintf(text, sizeof(text), "%s %u", name, i);
        message = harness_message(text);
        *ret_error = store_post(store, &message, NULL, on_tallied, tally);
        if (*ret_error < 0)
            return i;
    }
    return count;
}

/* A queue that is not emptied refuses; what it took in is stored, in its order. */
static void test_full_queue(void **state)
{
    struct fixture *fixture = *state;
    struct tally tally = {0};
    char **texts;
    int error;

    tally.wanted = post_many(fixture->store, "many", 100000, &tally, &error);
    assert_int_equal(error, -ENOBUFS);
    assert_true(tally.wanted >= 100);
    assert_int_equal(harness_wait(fixture->event, &tally.done), 0);
    assert_int_equal(tally.stored, tally.wanted);
    post(fixture, "afterwards");
    close_store(fixture);
    assert_int_equal(tally.called, tally.wanted);
    assert_int_equal(fixture->kind->all_texts(fixture->directory, &texts), tally.wanted + 1);
    for (unsigned i = 0; i < tally.wanted; i++) {
        char text[TEXT_SIZE];

        snprintf(text, sizeof(text), "many %u", i);
        assert_string_equal(texts[i], text);
    }
    free_texts(texts, tally.wanted + 1);
}

static void on_latest_cancelled(int error, struct message_list *take_list, uint64_t version,
                                const char *next, void *userdata)
{
    message_list_free(take_list);
    on_tallied(error, NULL, false, userdata);
}

/* Closing calls back whatever is due, once; acknowledged is stored, cancelled may be. */
static void test_close_with_work(void **state)
{
    struct fixture *fixture = *state;
    struct tally tally = {0}, reads = {0};
    char **texts;
    size_t count;
    int error;

    tally.wanted = post_many(fixture->store, "closing", 300, &tally, &error);
    assert_int_equal(tally.wanted, 300);
    for (; reads.wanted < 5; reads.wanted++)
        assert_int_equal(
            store_latest(fixture->store, 50, STORE_VERSION_NONE, on_latest_cancelled, &reads), 0);
    close_store(fixture);
    assert_int_equal(tally.called, tally.wanted);
    assert_int_equal(tally.stored + tally.cancelled, tally.wanted);
    assert_int_equal(reads.called, reads.wanted);
    count = fixture->kind->all_texts(fixture->directory, &texts);
    assert_true(count >= tally.stored && count <= tally.wanted);
    free_texts(texts, count);
}

/* --- several processes ----------------------------------------------------------------------- */

/* In the child: posts one after the other by even writers, all at once by odd ones. 0 if all were
 * acknowledged. */
static int write_all(const struct fixture *fixture, unsigned writer)
{
    char name[TEXT_SIZE];
    struct tally tally = {.wanted = WRITER_POST};
    struct store *store;
    sd_event *event;
    int r = sd_event_new(&event);

    if (r >= 0)
        r = fixture->kind->open(&store, event, fixture->directory);
    if (r < 0)
        return r;
    snprintf(name, sizeof(name), "writer %u", writer);
    if (writer % 2 == 1 && post_many(store, name, WRITER_POST, &tally, &r) == WRITER_POST)
        r = harness_wait(event, &tally.done);
    for (unsigned i = 0; writer % 2 == 0 && r >= 0 && i < WRITER_POST; i++) {
        char text[2 * TEXT_SIZE];

        snprintf(text, sizeof(text), "%s %u", name, i);
        r = harness_post(store, event, text);
        tally.stored += r == 0;
    }
    store_free(store);
    sd_event_unref(event);
    return tally.stored == WRITER_POST ? 0 : -EIO;
}

static void wait_for_writers(const pid_t pids[WRITERS])
{
    for (unsigned i = 0; i < WRITERS; i++) {
        int status;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

/* Each writer's messages are there once, in its order. */
static void check_writers(char **texts, size_t count)
{
    unsigned next[WRITERS] = {0};

    assert_int_equal(count, WRITERS * WRITER_POST);
    for (size_t i = 0; i < count; i++) {
        unsigned writer, number;

        assert_int_equal(sscanf(texts[i], "writer %u %u", &writer, &number), 2);
        assert_in_range(writer, 0, WRITERS - 1);
        assert_int_equal(number, next[writer]++);
    }
}

/* They also open, and so make, the store at the same moment: a pipe's end lets them go. */
static void test_writers(void **state)
{
    struct fixture *fixture = *state;
    pid_t pids[WRITERS];
    char **texts, byte;
    size_t count;
    int gate[2];

    close_store(fixture); /* its threads would not be there in the children */
    unit_directory_remove(fixture->directory);
    unit_directory_make(fixture->directory);
    assert_int_equal(pipe(gate), 0);
    for (unsigned i = 0; i < WRITERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            close(gate[1]);
            (void) !read(gate[0], &byte, 1);
            _exit(write_all(fixture, i) == 0 ? 0 : 1);
        }
    }
    close(gate[0]);
    close(gate[1]);
    wait_for_writers(pids);
    count = fixture->kind->all_texts(fixture->directory, &texts);
    check_writers(texts, count);
    free_texts(texts, count);
}

/* In the child: for ever, each acknowledged number into the pipe. */
static void write_until_killed(const struct fixture *fixture, unsigned round, int fd)
{
    struct store *store;
    sd_event *event;

    if (sd_event_new(&event) < 0 || fixture->kind->open(&store, event, fixture->directory) < 0)
        _exit(1);
    for (unsigned i = 0;; i++) {
        char text[TEXT_SIZE];

        snprintf(text, sizeof(text), "kill %u %u", round, i);
        if (harness_post(store, event, text) != 0 || write(fd, &i, sizeof(i)) != sizeof(i))
            _exit(1);
    }
}

/* Kills the writer after some acknowledgements: how many it had given. */
static unsigned kill_a_writer(const struct fixture *fixture, unsigned round)
{
    unsigned acknowledged = 0, number;
    int pipes[2], status;
    pid_t pid;

    assert_int_equal(pipe(pipes), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        write_until_killed(fixture, round, pipes[1]);
    close(pipes[1]);
    while (read(pipes[0], &number, sizeof(number)) == sizeof(number)) {
        assert_int_equal(number, acknowledged++);
        if (acknowledged == 5 + 3 * round) {
            usleep(137 * round); /* into the middle of the next ones */
            kill(pid, SIGKILL);
        }
    }
    close(pipes[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return acknowledged;
}

/* All that was acknowledged survives the writer's death, and at most the one under way does too. */
static void test_killed_writer(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned round = 0; round < KILLS; round++) {
        unsigned acknowledged, stored = 0;
        char **texts, name[TEXT_SIZE];
        size_t count;

        close_store(fixture);
        acknowledged = kill_a_writer(fixture, round);
        assert_true(acknowledged >= 5);
        open_store(fixture, &fixture->store); /* recovers */
        close_store(fixture);
        count = fixture->kind->all_texts(fixture->directory, &texts);
        snprintf(name, sizeof(name), "kill %u ", round);
        for (size_t i = 0; i < count; i++)
            stored += strncmp(texts[i], name, strlen(name)) == 0;
        free_texts(texts, count);
        assert_in_range(stored, acknowledged, acknowledged + 1);
        open_store(fixture, &fixture->store);
        post(fixture, "after it");
    }
}

int store_contract_run(const struct store_kind *kind)
{
    union {
        const struct store_kind *kind;
        void *state;
    } initial = {.kind = kind};
#define CONTRACT(test)                                                                             \
    {                                                                                              \
#test, test, setup, teardown, initial.state                                                \
    }
    const struct CMUnitTest tests[] = {
        CONTRACT(test_empty),        CONTRACT(test_fields),
        CONTRACT(test_longest_text), CONTRACT(test_order_and_limit),
        CONTRACT(test_versions),     CONTRACT(test_fresh_in_another),
        CONTRACT(test_full_queue),   CONTRACT(test_close_with_work),
        CONTRACT(test_writers),      CONTRACT(test_killed_writer),
    };
#undef CONTRACT

    return cmocka_run_group_tests_name(kind->name, tests, NULL, NULL);
}
