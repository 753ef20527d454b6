/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "common/net/trial.h"

#include <errno.h>
#include <stdlib.h>

struct trial {
    sd_event_source *timer;
    unsigned questions; /* that are not answered yet */
    bool over;
    void (*on_over)(bool passed, void *userdata);
    void *userdata;
};

static void wait_for_question(struct trial *trial)
{
    sd_event_source_set_time_relative(trial->timer, TRIAL_SILENCE_US);
    sd_event_source_set_enabled(trial->timer, SD_EVENT_ONESHOT);
}

static void end(struct trial *trial, bool passed)
{
    trial->over = true;
    sd_event_source_set_enabled(trial->timer, SD_EVENT_OFF);
    trial->on_over(passed, trial->userdata);
}

static int trial_on_silence(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct trial *trial = userdata;

    if (trial->questions > 0)
        wait_for_question(trial);
    else
        end(trial, false);
    return 0;
}

int trial_new(struct trial **ret, sd_event *event, void (*on_over)(bool passed, void *userdata),
              void *userdata)
{
    CLEANUP(trial_freep) struct trial *trial = calloc(1, sizeof(*trial));
    int r;

    if (!trial)
        return -ENOMEM;
    trial->on_over = on_over;
    trial->userdata = userdata;
    r = sd_event_add_time_relative(event, &trial->timer, CLOCK_MONOTONIC, TRIAL_SILENCE_US, 0,
                                   trial_on_silence, trial);
    if (r < 0)
        return r;
    sd_event_source_set_description(trial->timer, "worker-trial");
    /* After a process that stood still goes on, the questions that wait come first. */
    r = sd_event_source_set_priority(trial->timer, SD_EVENT_PRIORITY_IDLE);
    if (r < 0)
        return r;
    *ret = TAKE(trial);
    return 0;
}

struct trial *trial_free(struct trial *trial)
{
    if (!trial)
        return NULL;
    sd_event_source_disable_unref(trial->timer);
    free(trial);
    return NULL;
}

void trial_note_question(struct trial *trial)
{
    trial->questions++;
}

void trial_note_answer(struct trial *trial, unsigned status)
{
    trial->questions -= trial->questions > 0;
    if (trial->over)
        return;
    if (status >= 200 && status < 400) /* as the agent judges it (agent/supervise/probe.h) */
        end(trial, true);
    else
        wait_for_question(trial);
}

bool trial_is_over(const struct trial *trial)
{
    return trial->over;
}
