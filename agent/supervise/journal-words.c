/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/supervise/journal-words.h"

#include "agent/supervise/last-words.h"
#include "common/base/macro.h"
#include "common/base/text.h"
#include "common/net/offload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-journal.h>
#include <time.h>

#define QUEUE_MAX 16u
/* journald takes a stream's last lines a moment after their writer's end. */
#define SETTLE_NS 300000000L
/* Entries that are looked at for one worker: all its own, unless somebody else uses its name. */
#define ENTRIES_MAX 200u

struct journal_words {
    sd_event *event;
    struct event_ring *ring;
    struct offload *offload;
};

struct job {
    struct offload_job offload;
    struct journal_words *words;
    char match[64]; /* "SYSLOG_IDENTIFIER=board.1" */
    uint64_t since_realtime_us, id;
    char text[EVENT_DETAIL_BYTES];
    unsigned lines;
};

static void close_journal(sd_journal **journal)
{
    if (*journal)
        sd_journal_close(*journal);
}

/* Puts the message of the entry that |journal| is at before |*at|, as a line. False: no room. */
static bool prepend(sd_journal *journal, char *buffer, size_t *at)
{
    static const char field[] = "MESSAGE=";
    const char *data;
    size_t length;

    if (sd_journal_get_data(journal, "MESSAGE", (const void **) &data, &length) < 0)
        return true;
    data += sizeof(field) - 1;
    length = MIN(length - (sizeof(field) - 1), (size_t) LAST_WORDS_WIDTH);
    if (length + 1 > *at)
        return false;
    buffer[--*at] = '\n';
    *at -= length;
    memcpy(buffer + *at, data, length);
    return true;
}

/* Backwards from the end, until there are enough lines or they are older than the worker. */
static void read_entries(sd_journal *journal, struct job *job)
{
    char buffer[LAST_WORDS_LINES * (LAST_WORDS_WIDTH + 1)];
    size_t at = sizeof(buffer);
    uint64_t realtime_us;

    for (unsigned i = 0, lines = 0; i < ENTRIES_MAX && lines < LAST_WORDS_LINES; i++) {
        if (sd_journal_previous(journal) <= 0 ||
            sd_journal_get_realtime_usec(journal, &realtime_us) < 0 ||
            realtime_us < job->since_realtime_us || !prepend(journal, buffer, &at))
            break;
        lines++;
    }
    job->lines = last_words_take(buffer + at, sizeof(buffer) - at, false, job->text);
}

static void run(struct offload_job *offload_job)
{
    struct job *job = (struct job *) offload_job;
    const struct timespec settle = {.tv_nsec = SETTLE_NS};
    CLEANUP(close_journal) sd_journal *journal = NULL;

    (void) nanosleep(&settle, NULL);
    if (sd_journal_open(&journal, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM) >= 0 &&
        sd_journal_add_match(journal, job->match, 0) >= 0 &&
        sd_journal_add_match(journal, "_TRANSPORT=stdout", 0) >= 0 &&
        sd_journal_seek_tail(journal) >= 0)
        read_entries(journal, job);
}

static void done(struct offload_job *offload_job)
{
    struct job *job = (struct job *) offload_job;

    if (job->lines > 0)
        events_attach(job->words->ring, job->id, job->text);
    free(job);
}

int journal_words_new(struct journal_words **ret, sd_event *event, struct event_ring *ring)
{
    struct journal_words *words = calloc(1, sizeof(*words));

    if (!words)
        return -ENOMEM;
    words->event = event;
    words->ring = ring;
    *ret = words;
    return 0;
}

struct journal_words *journal_words_free(struct journal_words *words)
{
    if (!words)
        return NULL;
    offload_free(words->offload);
    free(words);
    return NULL;
}

void journal_words_ask(struct journal_words *words, const char *identifier,
                       uint64_t since_realtime_us, uint64_t id)
{
    struct job *job;

    if (!words->offload && offload_new(&words->offload, words->event, 1, QUEUE_MAX) < 0)
        return;
    job = calloc(1, sizeof(*job));
    if (!job)
        return;
    *job = (struct job){.offload = {.run = run, .done = done},
                        .words = words,
                        .since_realtime_us = since_realtime_us,
                        .id = id};
    snprintf(job->match, sizeof(job->match), "SYSLOG_IDENTIFIER=%s", identifier);
    if (offload_submit(words->offload, &job->offload) < 0)
        free(job);
}
