/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking, sending and receiving the messages between holder and core. What each type must and
 * may carry is one table; nobody else checks a field. Knows nothing of slots or processes.
 */
#include "agent/hold/messages.h"

#include "common/base/files.h"
#include "common/base/macro.h"
#include "common/base/text.h"
#include "common/schema/stress.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

_Static_assert(sizeof(struct hold_message) == 224, "no padding: the whole message is checked");

enum field {
    APP = 1 << 0,
    SLOT = 1 << 1,
    SERIAL = 1 << 2,
    STATE = 1 << 3,
    PID = 1 << 4,
    ARGUMENT = 1 << 5,
    ERROR = 1 << 6,
    EXIT = 1 << 7,
    STARTED = 1 << 8,
    ENDED = 1 << 9,
    TEXT = 1 << 10,
    WORKER = APP | SLOT | SERIAL,
};

static const struct rule {
    unsigned type, state; /* HOLD_SLOT has a rule for each state */
    const char *name;
    bool from_core;
    unsigned required, optional; /* enum field; all others must be zero */
} rules[] = {
    {HOLD_READY, 0, "ready", true, 0, 0},
    {HOLD_PING, 0, "ping", true, 0, 0},
    {HOLD_START, 0, "start", true, APP | SLOT, TEXT},
    {HOLD_SIGNAL, 0, "signal", true, WORKER | ARGUMENT, 0},
    {HOLD_KILL, 0, "kill", true, WORKER, 0},
    {HOLD_RELEASE, 0, "release", true, WORKER, 0},
    {HOLD_STATUS, 0, "status", true, TEXT, 0},
    {HOLD_RECONFIGURE, 0, "reconfigure", true, 0, 0},
    {HOLD_STOPPED, 0, "stopped", true, 0, 0},
    {HOLD_SAVE, 0, "save", true, 0, 0},
    {HOLD_UPGRADE, 0, "upgrade", true, SERIAL, 0},
    {HOLD_HELLO, 0, "hello", false, TEXT | STARTED, ARGUMENT},
    {HOLD_SLOT, HOLD_SLOT_EMPTY, "slot", false, WORKER, 0},
    {HOLD_SLOT, HOLD_SLOT_RUNNING, "slot", false, WORKER | STATE | PID | STARTED, 0},
    {HOLD_SLOT, HOLD_SLOT_DEAD, "slot", false, WORKER | STATE | ENDED, PID | STARTED | EXIT},
    {HOLD_SYNCED, 0, "synced", false, 0, 0},
    {HOLD_CONFIG, 0, "config", false, 0, 0},
    {HOLD_REFUSED, 0, "refused", false, ARGUMENT | ERROR | TEXT, APP | SLOT},
    {HOLD_STOPPING, 0, "stopping", false, 0, 0},
    {HOLD_SAVED, 0, "saved", false, 0, 0},
    {HOLD_UPGRADED, 0, "upgraded", false, SERIAL | TEXT, ARGUMENT | ERROR},
};

static const struct rule *find_rule(unsigned type, unsigned state)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (rules[i].type == type && (type != HOLD_SLOT || rules[i].state == state))
            return &rules[i];
    return NULL;
}

void hold_message_init(struct hold_message *message, enum hold_message_type type)
{
    memset(message, 0, sizeof(*message));
    message->magic = HOLD_MESSAGE_MAGIC;
    message->version = HOLD_MESSAGE_VERSION;
    message->type = (uint16_t) type;
}

void hold_message_init_refused(struct hold_message *message, const struct hold_message *request,
                               int error, const char *why)
{
    hold_message_init(message, HOLD_REFUSED);
    memcpy(message->app, request->app, sizeof(message->app));
    message->slot = request->slot;
    message->argument = request->type;
    message->error = -error;
    (void) text_copy(message->text, sizeof(message->text), why);
    for (char *c = message->text; *c; c++) /* a cut may have split a character */
        *c = *c >= ' ' && *c < 0x7f ? *c : '?';
}

/* Terminated, and zero from there on: no byte of an earlier use travels along. */
static bool is_terminated(const char *field, size_t size)
{
    for (size_t i = strnlen(field, size); i < size; i++)
        if (field[i])
            return false;
    return field[size - 1] == '\0';
}

static bool is_stress(const struct hold_message *m)
{
    return strcmp(m->app, STRESS_APP) == 0;
}

/* agentd-stress is started by an order, in its one slot; what the configuration names, without. */
static bool order_is_valid(const struct hold_message *m)
{
    struct stress_order order;

    if (is_stress(m) && m->slot != STRESS_SLOT)
        return false;
    if (m->type != HOLD_START)
        return true;
    return is_stress(m) ? stress_parse(m->text, &order) >= 0 : !m->text[0];
}

static bool is_app_name(const char *name)
{
    return name[0] != '-' && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static bool is_printable(const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char) *c < ' ' || *c == 0x7f)
            return false;
    return text_is_utf8(text, strlen(text));
}

static unsigned fields_of(const struct hold_message *m)
{
    return (m->app[0] ? APP : 0u) | (m->slot ? SLOT : 0u) | (m->serial ? SERIAL : 0u) |
           (m->state ? STATE : 0u) | (m->pid ? PID : 0u) | (m->argument ? ARGUMENT : 0u) |
           (m->error ? ERROR : 0u) | (m->exit_code || m->exit_status ? EXIT : 0u) |
           (m->started_at_us ? STARTED : 0u) | (m->ended_at_us ? ENDED : 0u) |
           (m->text[0] ? TEXT : 0u);
}

static bool argument_is_valid(const struct hold_message *m)
{
    const struct rule *refused;
    switch (m->type) {
    case HOLD_SIGNAL:
        return hold_signal_allowed(m->argument);
    case HOLD_REFUSED:
        refused = find_rule((unsigned) m->argument, 0);
        return refused && refused->from_core;
    default:
        return m->argument >= 0;
    }
}

int hold_message_check(const void *data, size_t length, bool from_core)
{
    struct hold_message m;

    if (length != sizeof(m))
        return -EBADMSG;
    memcpy(&m, data, sizeof(m));
    if (m.magic != HOLD_MESSAGE_MAGIC)
        return -EBADMSG;
    if (m.version != HOLD_MESSAGE_VERSION)
        return -EPROTO;

    const struct rule *rule = find_rule(m.type, m.state);
    unsigned fields = fields_of(&m);
    if (!rule || rule->from_core != from_core || m.reserved ||
        (fields & rule->required) != rule->required || fields & ~(rule->required | rule->optional))
        return -EBADMSG;
    if (!is_terminated(m.app, sizeof(m.app)) || !is_terminated(m.text, sizeof(m.text)) ||
        !(is_app_name(m.app) || is_stress(&m)) || !is_printable(m.text))
        return -EBADMSG;
    if (!order_is_valid(&m))
        return -EBADMSG;
    if (m.slot > APP_SLOTS_MAX || m.pid < 0 || m.error < 0 || !argument_is_valid(&m))
        return -EBADMSG;
    if (m.exit_code != 0 && m.exit_code != CLD_EXITED && m.exit_code != CLD_KILLED &&
        m.exit_code != CLD_DUMPED)
        return -EBADMSG;
    return 0;
}

bool hold_signal_allowed(int signal)
{
    switch (signal) {
    case SIGHUP:
    case SIGINT:
    case SIGQUIT:
    case SIGABRT:
    case SIGUSR1:
    case SIGUSR2:
    case SIGTERM:
        return true;
    default:
        return false;
    }
}

const char *hold_message_type_to_string(unsigned type)
{
    const struct rule *rule = find_rule(type, 0);
    return rule ? rule->name : "unknown";
}

int hold_message_send(int socket_fd, const struct hold_message *message, int fd)
{
    struct iovec iov = {.iov_base = (void *) message, .iov_len = sizeof(*message)};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

    if (fd >= 0) {
        header.msg_control = &control;
        header.msg_controllen = sizeof(control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
    }
    for (;;) {
        if (sendmsg(socket_fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return 0;
        if (errno != EINTR)
            return -errno;
    }
}

/* Keeps the first descriptor that came along and closes any others. */
static int take_descriptor(struct msghdr *header)
{
    int kept = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
            if (kept < 0)
                kept = fd;
            else
                fd_close(fd);
        }
    }
    return kept;
}

int hold_message_receive(int socket_fd, struct hold_message *ret, int *ret_fd)
{
    struct iovec iov = {.iov_base = ret, .iov_len = sizeof(*ret)};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct msghdr header = {.msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof(control)};
    ssize_t length;

    do /* MSG_TRUNC: too long a message reports its real length, and fails the check by it */
        length = recvmsg(socket_fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
    while (length < 0 && errno == EINTR);
    if (length < 0)
        return -errno;
    *ret_fd = take_descriptor(&header);
    return (int) length;
}
