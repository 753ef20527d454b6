/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the requests of an open loop are to be sent: request k at its own moment, however the ones
 * before it fare. Who is sent late is measured from that moment, so that a server that stalls can't
 * hide the requests that it kept from being sent ("coordinated omission"). Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct load_pace {
    uint64_t start_us;
    uint64_t rate;    /* a second */
    uint64_t planned; /* requests in all */
    uint64_t taken;   /* of them: sent, or */
    uint64_t unsent;  /* given up before they were sent */
};

void load_pace_init(struct load_pace *pace, uint64_t rate, uint64_t start_us, uint64_t for_us);

/* Gives up what has waited for |limit_us|, counting it as unsent. */
void load_pace_skip(struct load_pace *pace, uint64_t now_us, uint64_t limit_us);

/* Whether one is due; then it counts as sent, and *ret_intended_us is its moment. */
bool load_pace_take(struct load_pace *pace, uint64_t now_us, uint64_t *ret_intended_us);

/* The moment of the next one, maybe past; UINT64_MAX if none is left. */
uint64_t load_pace_next_us(const struct load_pace *pace);

/* How many are due and wait. */
uint64_t load_pace_waiting(const struct load_pace *pace, uint64_t now_us);

/* Ends the plan at |now_us|: what waits is unsent, what would have come later was never planned. */
void load_pace_stop(struct load_pace *pace, uint64_t now_us);
