/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/store-contract.h"

#include "tests/unit/store-contract-internal.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>

#define WRITERS     4u
#define WRITER_POST (fixture->kind->is_slow ? 12u : 50u)
#define KILLS       8u

void contract_open(const struct fixture *fixture, struct store **ret)
{
    assert_int_equal(fixture->kind->open(ret, fixture->event, fixture->directory), 0);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    fixture->kind = *state;
    unit_directory_make(fixture->directory);
    if (fixture->kind->prepare)
        fixture->kind->prepare(fixture->directory);
    assert_true(sd_event_new(&fixture->event) >= 0);
    contract_open(fixture, &fixture->store);
    *state = fixture;
    return 0;
}

void contract_close(struct fixture *fixture)
{
    fixture->store = store_free(fixture->store);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    contract_close(fixture);
    sd_event_unref(fixture->event);
    unit_directory_remove(fixture->directory);
    free(fixture);
    return 0;
}

void contract_post(struct fixture *fixture, const char *text)
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

void contract_free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

static void on_one_of_posts(int error, const struct message *stored, bool repeated, void *userdata)
{
    struct contract_posts *posts = userdata;

    assert_int_equal(error, 0);
    posts->done = ++posts->ended == posts->begun;
}

void contract_begin(struct fixture *fixture, struct contract_posts *posts, const char *timestamp,
                    const char *text)
{
    struct message message = harness_message(text);

    if (timestamp)
        message.timestamp = timestamp;
    posts->begun++;
    posts->done = false;
    assert_int_equal(store_post(fixture->store, &message, NULL, on_one_of_posts, posts), 0);
}

void contract_end(struct fixture *fixture, const struct contract_posts *posts)
{
    assert_int_equal(harness_wait(fixture->event, &posts->done), 0);
}

uint64_t contract_total(struct fixture *fixture)
{
    struct store_stats stats;

    assert_int_equal(harness_stats(fixture->store, fixture->event, &stats), 0);
    return stats.total;
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
    const struct message given = harness_message(text);
    char id[64], timestamp[64];
    struct harness_posted posted;
    struct message_list *list;
    struct message got;

    snprintf(id, sizeof(id), "%s", given.id);
    snprintf(timestamp, sizeof(timestamp), "%s", given.timestamp);
    assert_int_equal(harness_post_key(fixture->store, fixture->event, &given, NULL, &posted), 0);
    assert_false(posted.repeated);
    assert_string_equal(posted.id, id);
    list = latest(fixture, MESSAGE_LIST_MAX);
    assert_int_equal(message_list_count(list), 1);
    got = message_list_get(list, 0);
    assert_string_equal(got.text, text);
    assert_string_equal(got.id, id);
    assert_string_equal(got.timestamp, timestamp);
    assert_string_equal(got.instance, HARNESS_INSTANCE);
    message_list_free(list);
}

static void test_longest_text(void **state)
{
    char text[4 * MESSAGE_TEXT_CHARACTERS + 1] = "";
    struct contract_posts posts = {0};
    struct message_list *list;

    for (size_t i = 0; i < MESSAGE_TEXT_CHARACTERS; i++)
        memcpy(text + 4 * i, "\xf0\x9f\x8c\x8d", 5);
    for (size_t i = 0; i < MESSAGE_LIST_MAX; i++)
        contract_begin(*state, &posts, NULL, text);
    contract_end(*state, &posts);
    list = latest(*state, MESSAGE_LIST_MAX);
    assert_int_equal(message_list_count(list), MESSAGE_LIST_MAX);
    for (size_t i = 0; i < MESSAGE_LIST_MAX; i++)
        assert_string_equal(message_list_get(list, i).text, text);
    message_list_free(list);
}

static void test_order_and_limit(void **state)
{
    static const size_t limits[] = {1, 7, 49, 50, 51, 1000};
    struct fixture *fixture = *state;
    const unsigned count = 60;
    struct contract_posts posts = {0};

    for (unsigned i = 0; i < count; i++) {
        char text[TEXT_SIZE];

        snprintf(text, sizeof(text), "number %u", i);
        contract_begin(fixture, &posts, NULL, text);
    }
    contract_end(fixture, &posts);
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
        contract_post(fixture, text);
        assert_true(store_version(fixture->store) != version);
        assert_int_equal(harness_latest(fixture->store, fixture->event, 50, version, &next), 0);
        assert_non_null(next.list);
        assert_string_equal(harness_newest(next.list), text);
        message_list_free(next.list);
        version = next.version;
        assert_true(store_version(fixture->store) == version);
    }
}

/* Two stores of the same messages: what one has acknowledged, the other shows from then on. */
static void test_fresh_in_another(void **state)
{
    struct fixture *fixture = *state;
    struct store *stores[2] = {fixture->store, NULL};
    uint64_t known[2] = {STORE_VERSION_NONE, STORE_VERSION_NONE};

    contract_open(fixture, &stores[1]);
    for (unsigned i = 0; i < (fixture->kind->is_slow ? 20 : 200); i++) {
        struct store *writer = stores[i % 3 == 0], *reader = stores[i % 3 != 0];
        uint64_t *version = &known[i % 3 != 0];
        struct harness_latest answer;
        char text[TEXT_SIZE];

        snprintf(text, sizeof(text), "fresh %u", i);
        assert_int_equal(harness_post(writer, fixture->event, text), 0);
        /* Other nodes' messages are found by asking. */
        assert_true(store_is_shared(reader) || store_version(reader) != *version);
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

/* A queue that is not emptied refuses; what it took in is stored, in its order. Where that would
 * take longer than the store's deadline, it is closed: what was not answered for may be stored. */
static void test_full_queue(void **state)
{
    struct fixture *fixture = *state;
    struct tally tally = {0};
    char **texts;
    size_t count;
    int error;

    tally.wanted = post_many(fixture->store, "many", 100000, &tally, &error);
    assert_int_equal(error, -ENOBUFS);
    assert_true(tally.wanted >= 100);
    if (!fixture->kind->is_slow) {
        assert_int_equal(harness_wait(fixture->event, &tally.done), 0);
        assert_int_equal(tally.stored, tally.wanted);
        contract_post(fixture, "afterwards");
    }
    contract_close(fixture);
    assert_int_equal(tally.called, tally.wanted);
    assert_int_equal(tally.stored + tally.cancelled, tally.wanted);
    count = fixture->kind->all_texts(fixture->directory, &texts);
    assert_in_range(count, tally.stored, tally.wanted + 1);
    for (unsigned i = 0; i < count; i++) {
        char text[TEXT_SIZE];

        snprintf(text, sizeof(text), i < tally.wanted ? "many %u" : "afterwards", i);
        assert_string_equal(texts[i], text);
    }
    contract_free_texts(texts, count);
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
    contract_close(fixture);
    assert_int_equal(tally.called, tally.wanted);
    assert_int_equal(tally.stored + tally.cancelled, tally.wanted);
    assert_int_equal(reads.called, reads.wanted);
    count = fixture->kind->all_texts(fixture->directory, &texts);
    assert_true(count >= tally.stored && count <= tally.wanted);
    contract_free_texts(texts, count);
}

/* --- several processes ----------------------------------------------------------------------- */

/* In the child: posts one after the other by even writers, all at once by odd ones. 0 if all were
 * acknowledged. */
static int write_all(const struct fixture *fixture, unsigned writer)
{
    char name[TEXT_SIZE];
    const unsigned count = WRITER_POST;
    struct tally tally = {.wanted = count};
    struct store *store;
    sd_event *event;
    int r = sd_event_new(&event);

    if (r >= 0)
        r = fixture->kind->open(&store, event, fixture->directory);
    if (r < 0)
        return r;
    snprintf(name, sizeof(name), "writer %u", writer);
    if (writer % 2 == 1 && post_many(store, name, count, &tally, &r) == count)
        r = harness_wait(event, &tally.done);
    for (unsigned i = 0; writer % 2 == 0 && r >= 0 && i < count; i++) {
        char text[2 * TEXT_SIZE];

        snprintf(text, sizeof(text), "%s %u", name, i);
        r = harness_post(store, event, text);
        tally.stored += r == 0;
    }
    store_free(store);
    sd_event_unref(event);
    return tally.stored == count ? 0 : -EIO;
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
static void check_writers(const struct fixture *fixture, char **texts, size_t count)
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

    contract_close(fixture); /* its threads would not be there in the children */
    unit_directory_remove(fixture->directory);
    unit_directory_make(fixture->directory);
    if (fixture->kind->prepare)
        fixture->kind->prepare(fixture->directory);
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
    check_writers(fixture, texts, count);
    contract_free_texts(texts, count);
    contract_open(fixture, &fixture->store);
    assert_true(contract_total(fixture) == WRITERS * WRITER_POST);
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

    for (unsigned round = 0; round < (fixture->kind->is_slow ? 3 : KILLS); round++) {
        unsigned acknowledged, stored = 0;
        char **texts, name[TEXT_SIZE];
        size_t count;

        contract_close(fixture);
        acknowledged = kill_a_writer(fixture, round);
        assert_true(acknowledged >= 5);
        contract_open(fixture, &fixture->store); /* recovers */
        contract_close(fixture);
        count = fixture->kind->all_texts(fixture->directory, &texts);
        snprintf(name, sizeof(name), "kill %u ", round);
        for (size_t i = 0; i < count; i++)
            stored += strncmp(texts[i], name, strlen(name)) == 0;
        contract_free_texts(texts, count);
        assert_in_range(stored, acknowledged, acknowledged + 1);
        contract_open(fixture, &fixture->store);
        contract_post(fixture, "after it");
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
        CONTRACT(test_empty),
        CONTRACT(test_fields),
        CONTRACT(test_longest_text),
        CONTRACT(test_order_and_limit),
        CONTRACT(test_versions),
        CONTRACT(test_fresh_in_another),
        CONTRACT(contract_pages),
        CONTRACT(contract_days),
        CONTRACT(contract_bad_positions),
        CONTRACT(contract_stats),
        CONTRACT(contract_many_instances),
        CONTRACT(contract_keys),
        CONTRACT(contract_same_key_at_once),
        CONTRACT(contract_secret),
        CONTRACT(contract_check),
        CONTRACT(test_full_queue),
        CONTRACT(test_close_with_work),
        CONTRACT(test_writers),
        CONTRACT(test_killed_writer),
    };
#undef CONTRACT

    return cmocka_run_group_tests_name(kind->name, tests, NULL, NULL);
}
