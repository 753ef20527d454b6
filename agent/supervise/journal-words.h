/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last lines of a dead worker where it writes to the journal: read back on a thread, for the
 * journal's files may be large and its disk slow, and attached to the event of its death.
 */
#pragma once

#include "agent/supervise/events.h"

#include <systemd/sd-event.h>

struct journal_words;

/* |ring| is borrowed. The thread begins with the first death. */
int journal_words_new(struct journal_words **ret, sd_event *event, struct event_ring *ring);
/* Waits for what is being read. */
struct journal_words *journal_words_free(struct journal_words *words);

/* Looks for what |identifier| ("board.1") has written from |since_realtime_us| on, and attaches it
 * to the event |id|. Too many deaths at once: those have none. */
void journal_words_ask(struct journal_words *words, const char *identifier,
                       uint64_t since_realtime_us, uint64_t id);
