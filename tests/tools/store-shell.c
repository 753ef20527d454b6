/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A board's store by hand, for the integration tests: one command a line on standard input, one
 * line of JSON for each on standard output. Which store: as visitor-board, from the environment.
 *
 *     post TEXT | post-key KEY TEXT | post-many COUNT NAME | persist COUNT NAME
 *     latest LIMIT | all LIMIT | stats | secret | check | units
 *
 * post-many: all at once. persist: one after the other, each with a key of its own and again until
 * it is stored, as a careful client does.
 */
#include "apps/visitor-board/store-open.h"
#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/log.h"
#include "tests/unit/store-harness.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 4096u
#define PERSIST_TRIES  60u
#define OUTPUT_MAX     (16u * 1024 * 1024)

struct shell {
    sd_event *event;
    struct store *store;
    struct json_object *answer;
};

static void set_error(struct shell *shell, int error)
{
    json_add_string(shell->answer, "error", error < 0 ? strerrorname_np(-error) : "");
}

static int post(struct shell *shell, const char *key, const char *text, bool *ret_repeated)
{
    const struct message message = harness_message(text);
    struct harness_posted posted;
    int r = harness_post_key(shell->store, shell->event, &message, key, &posted);

    *ret_repeated = posted.repeated;
    return r;
}

static void run_post(struct shell *shell, const char *key, const char *text)
{
    bool repeated;

    set_error(shell, post(shell, key, text, &repeated));
    json_add_bool(shell->answer, "repeated", repeated);
}

struct tally {
    unsigned wanted, called, stored;
    bool done;
};

static void on_posted(int error, const struct message *stored, bool repeated, void *userdata)
{
    struct tally *tally = userdata;

    tally->stored += error == 0;
    tally->done = ++tally->called == tally->wanted;
}

static void run_post_many(struct shell *shell, unsigned count, const char *name)
{
    struct tally tally = {.wanted = count};
    int r = 0;

    for (unsigned i = 0; i < count; i++) {
        char text[LINE_MAX_BYTES + 16];
        struct message message;

        snprintf(text, sizeof(text), "%s %u", name, i);
        message = harness_message(text);
        if (store_post(shell->store, &message, NULL, on_posted, &tally) < 0)
            tally.wanted--;
    }
    tally.done = tally.called == tally.wanted;
    r = harness_wait(shell->event, &tally.done);
    set_error(shell, r);
    json_add_u64(shell->answer, "stored", tally.stored);
}

static void run_persist(struct shell *shell, unsigned count, const char *name)
{
    unsigned tries = 0;
    int r = 0;

    for (unsigned i = 0; r >= 0 && i < count; i++) {
        char text[LINE_MAX_BYTES + 16], key[STORE_KEY_MAX];
        bool repeated;

        snprintf(text, sizeof(text), "%s %u", name, i);
        snprintf(key, sizeof(key), "%.40s-%u", name, i);
        for (unsigned attempt = 0; attempt < PERSIST_TRIES; attempt++, tries++) {
            r = post(shell, key, text, &repeated);
            if (r >= 0)
                break;
        }
    }
    set_error(shell, r);
    json_add_u64(shell->answer, "retries", tries);
}

static void add_texts(struct shell *shell, char **texts, int count)
{
    struct json_object *array = json_object_new_array();

    for (int i = 0; i < count; i++) {
        json_object_array_add(array, json_object_new_string(texts[i]));
        free(texts[i]);
    }
    free(texts);
    json_add(shell->answer, "texts", array);
}

static void run_latest(struct shell *shell, unsigned limit)
{
    struct json_object *array = json_object_new_array();
    struct harness_latest page;

    set_error(shell, harness_latest(shell->store, shell->event, limit, STORE_VERSION_NONE, &page));
    for (size_t i = 0; i < message_list_count(page.list); i++)
        json_object_array_add(array, json_object_new_string(message_list_get(page.list, i).text));
    json_add(shell->answer, "texts", array);
    json_add_string(shell->answer, "next", page.next);
    message_list_free(page.list);
}

static void run_all(struct shell *shell, unsigned limit)
{
    char **texts;
    int count = harness_all_texts(shell->store, shell->event, limit, &texts);

    set_error(shell, count);
    add_texts(shell, texts, count);
}

static void run_stats(struct shell *shell)
{
    struct json_object *instances = json_object_new_object();
    struct store_stats stats = {0};

    set_error(shell, harness_stats(shell->store, shell->event, &stats));
    json_add_u64(shell->answer, "total", stats.total);
    for (size_t i = 0; i < stats.n_instances; i++)
        json_add_u64(instances, stats.instances[i].name, stats.instances[i].count);
    json_add(shell->answer, "instances", instances);
}

static void run_secret(struct shell *shell)
{
    uint8_t secret[STORE_SECRET_BYTES] = {0};
    char hex[2 * STORE_SECRET_BYTES + 1];

    set_error(shell, harness_secret(shell->store, shell->event, secret));
    for (size_t i = 0; i < STORE_SECRET_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", secret[i]);
    json_add_string(shell->answer, "secret", hex);
}

static void run_check(struct shell *shell)
{
    char what[256];

    set_error(shell, harness_check(shell->store, shell->event, what));
    json_add_string(shell->answer, "what", what);
}

static void run_units(struct shell *shell)
{
    bool shared = store_is_shared(shell->store);

    set_error(shell, 0);
    json_add_double(shell->answer, "units", shared ? store_dynamodb_read_units(shell->store) : 0,
                    1);
    json_add_u64(shell->answer, "broken", shared ? store_dynamodb_broken_items(shell->store) : 0);
}

static void run(struct shell *shell, char *line)
{
    char *command = strsep(&line, " ");
    const char *first = line ? line : "";
    unsigned number = (unsigned) strtoul(first, NULL, 10);

    if (strcmp(command, "post") == 0) {
        run_post(shell, NULL, first);
    } else if (strcmp(command, "latest") == 0) {
        run_latest(shell, number);
    } else if (strcmp(command, "all") == 0) {
        run_all(shell, number);
    } else if (strcmp(command, "stats") == 0) {
        run_stats(shell);
    } else if (strcmp(command, "secret") == 0) {
        run_secret(shell);
    } else if (strcmp(command, "check") == 0) {
        run_check(shell);
    } else if (strcmp(command, "units") == 0) {
        run_units(shell);
    } else if (line) {
        const char *key = strsep(&line, " ");

        if (strcmp(command, "post-key") == 0)
            run_post(shell, key, line ? line : "");
        else if (strcmp(command, "post-many") == 0)
            run_post_many(shell, number, line ? line : "");
        else if (strcmp(command, "persist") == 0)
            run_persist(shell, number, line ? line : "");
    }
}

static void answer(struct shell *shell, char *line)
{
    uint64_t begun_us = clock_monotonic_us();
    struct buffer buffer;

    shell->answer = json_object_new_object();
    run(shell, line);
    json_add_u64(shell->answer, "took_ms", (clock_monotonic_us() - begun_us) / USEC_PER_MSEC);
    buffer_init(&buffer, OUTPUT_MAX);
    (void) json_print(shell->answer, false, &buffer);
    puts(buffer.data);
    fflush(stdout);
    buffer_done(&buffer);
    json_object_put(shell->answer);
}

int main(void)
{
    struct store_settings settings;
    struct shell shell = {0};
    char line[LINE_MAX_BYTES];
    int r;

    log_open("store-shell");
    signal(SIGPIPE, SIG_IGN);
    r = sd_event_default(&shell.event);
    if (r >= 0)
        r = store_settings_read(&settings, NULL, NULL);
    if (r >= 0)
        r = store_open(&shell.store, shell.event, &settings);
    if (r < 0)
        return 1;
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        answer(&shell, line);
    }
    store_free(shell.store);
    sd_event_unref(shell.event);
    return 0;
}
