/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * What holder and core say to each other: fixed-size messages over a seqpacket pair, in the byte
 * order of the host (both are of one build, or are refused).
 *
 * The core asks; the holder does it only if the configuration names it, or if it is agentd-stress
 * (the app STRESS_APP of common/schema/stress.h). It answers with the state that came of it:
 * HOLD_SLOT carries a slot's whole state, so that a lost core costs nothing: a new one is told every
 * slot and is then as wise as the old one.
 *
 *   core                  holder
 *               <- HELLO, SLOT (each in use), SYNCED     at once after the core's start
 *   READY ->                                             the core serves; systemd is told
 *   PING ->                                              each second; silence = death
 *   STATUS ->                                            systemd is told
 *   START ->    <- SLOT running + scoreboard, or REFUSED
 *   SIGNAL, KILL ->                                      REFUSED if there is no such worker
 *               <- SLOT dead + scoreboard                the worker has ended
 *   RELEASE ->  <- SLOT empty                            its numbers are in the ledger
 *   RECONFIGURE -> <- CONFIG + image, or REFUSED
 *               <- STOPPING                              drain, then say STOPPED
 *   STOPPED ->
 *   SAVE ->     <- SAVED + state                         for the check of another version
 *   UPGRADE ->                                           then the core leaves
 *               <- UPGRADED                              told to each core after it, before SYNCED
 */
/* clang-format on */
#pragma once

#include "common/schema/contract.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOLD_MESSAGE_MAGIC   UINT32_C(0x484d4741) /* "AGMH" */
#define HOLD_MESSAGE_VERSION 2u
#define HOLD_TEXT_MAX        127
#define HOLD_LEDGER_SIZE     (2048u * 1024) /* bytes of the core's sealed memfd, FDNAME_LEDGER */

enum hold_message_type {
    /* core -> holder */
    HOLD_READY = 1,
    HOLD_PING,
    HOLD_START,       /* app, slot; of STRESS_APP also text = a stress order (schema/stress.h) */
    HOLD_SIGNAL,      /* app, slot, serial, argument = signal number (of hold_signal_allowed()) */
    HOLD_KILL,        /* app, slot, serial: SIGKILL to the worker and all its children */
    HOLD_RELEASE,     /* app, slot, serial: forget a dead worker */
    HOLD_STATUS,      /* text: one printable line for systemctl status */
    HOLD_RECONFIGURE, /* read the configuration from disk again */
    HOLD_STOPPED,     /* nothing runs any more */
    HOLD_SAVE,        /* write the state down, for a look at it */
    HOLD_UPGRADE,     /* serial = any number, not 0: become the program on disk when I am gone */
    /* holder -> core */
    HOLD_HELLO = 64, /* argument = how many cores there were before; started_at_us = of the holder;
                        text = version */
    HOLD_SLOT, /* app, slot, serial, state, pid, times, exit; with a scoreboard's descriptor unless
                  empty */
    HOLD_SYNCED,  /* the slots are told */
    HOLD_CONFIG,  /* a new image is in force; its descriptor comes along */
    HOLD_REFUSED, /* argument = the refused request's type; app, slot; error = errno; text = why */
    HOLD_STOPPING,
    HOLD_SAVED,    /* with the descriptor of a record (agent/hold/handover.h) */
    HOLD_UPGRADED, /* serial = of the request; argument = 1: no core that became ready was told yet;
                      error = 0: it was done, text = the version before; else errno, text = why the
                      old program goes on */
};

enum hold_slot_state {
    HOLD_SLOT_EMPTY,
    HOLD_SLOT_RUNNING,
    HOLD_SLOT_DEAD, /* ended and reaped, not yet released */
};

struct hold_message {
    uint32_t magic;
    uint16_t version;
    uint16_t type;
    char app[APP_NAME_MAX + 1];
    uint32_t slot;   /* from 1 */
    uint32_t state;  /* enum hold_slot_state */
    uint64_t serial; /* of the worker in the slot: unique while the unit lives, never 0 */
    int32_t pid;
    int32_t argument;
    int32_t error;
    int32_t exit_code;   /* siginfo's si_code: CLD_EXITED, CLD_KILLED, CLD_DUMPED; 0 = not known */
    int32_t exit_status; /* exit status or signal number */
    uint32_t reserved;
    uint64_t started_at_us; /* monotonic */
    uint64_t ended_at_us;
    char text[HOLD_TEXT_MAX + 1];
};

/* Fills in header and type, all else zero. */
void hold_message_init(struct hold_message *message, enum hold_message_type type);
/* The answer to |request| that failed with |error|; what isn't ASCII in |why| becomes '?'. */
void hold_message_init_refused(struct hold_message *message, const struct hold_message *request,
                               int error, const char *why);

/*
 * Checks what came over the socket: size, magic, version, a type that this side may receive,
 * terminated and well-formed strings, slot and state in range, nothing set that the type doesn't
 * use. 0, -EBADMSG, or -EPROTO for another version.
 */
int hold_message_check(const void *data, size_t length, bool from_core);

bool hold_signal_allowed(int signal);
const char *hold_message_type_to_string(unsigned type);

/*
 * Sends one, with a descriptor if |fd| >= 0. Never blocks: -EAGAIN when the peer doesn't read.
 * Receives one, unchecked: the bytes' number, 0 at the end, or a negative errno; *ret_fd is -1 or
 * the caller's.
 */
int hold_message_send(int socket_fd, const struct hold_message *message, int fd);
int hold_message_receive(int socket_fd, struct hold_message *ret, int *ret_fd);
