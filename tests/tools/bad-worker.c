/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker that misbehaves in the way its first argument names; see `modes` at the end. Unless the
 * mode says otherwise it says READY=1, then answers each connection on its listeners with 200.
 *
 * It shares no code with what it is to hurt, and does nothing to processes that it didn't start.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTENERS_FROM 3
#define FLOOD_MESSAGES 10000
#define GROWTH_BYTES   (64u * 1024 * 1024)
#define OUTPUT_BYTES   (100u * 1024 * 1024)
#define SCRIBBLE_MS    20 /* how often a scribbler writes again */

/* The part of the scoreboard that it aims at: magic, version, size, in flight, connections, 0. */
#define BOARD_HEADER_BYTES 24
#define COUNTERS           4

static int number_from(const char *variable)
{
    const char *text = getenv(variable);
    return text ? atoi(text) : -1;
}

static int notify(const char *text, size_t length)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || !path || strlen(path) >= sizeof(address.sun_path))
        exit(90);
    strcpy(address.sun_path, path);
    ssize_t n =
        sendto(fd, text, length, MSG_NOSIGNAL, (const struct sockaddr *) &address, sizeof(address));
    int error = errno;
    close(fd);
    return n < 0 ? -error : 0;
}

static void say(const char *text)
{
    if (notify(text, strlen(text)) < 0)
        exit(91);
}

static bool sick, grows;              /* set by modes */
static volatile sig_atomic_t leaving; /* SIGTERM, where leave_well() was called */
static sigset_t waiting_mask;         /* in force between requests */

static void grow(void)
{
    static char *volatile memory; /* or the compiler would see that nobody reads it */

    memory = malloc(GROWTH_BYTES);
    if (memory)
        memset(memory, 1, GROWTH_BYTES);
}

static void serve_one(int listener)
{
    static const char good[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbad\n";
    static const char ill[] = "HTTP/1.1 503 Sick\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    char request[4096];
    int fd = accept(listener, NULL, NULL);

    if (fd < 0)
        return;
    ssize_t n = read(fd, request, sizeof(request) - 1);
    request[n > 0 ? n : 0] = '\0';
    const char *answer = sick && strncmp(request, "GET /health", 11) == 0 ? ill : good;
    if (n > 0 && write(fd, answer, strlen(answer)) < 0)
        perror("write");
    if (grows && strncmp(request, "GET /grow", 9) == 0)
        grow();
    close(fd);
}

/* For ever, unless in a mode that leaves well; |work| is called each |work_ms| between requests. */
static void serve(void (*work)(void), int work_ms)
{
    struct pollfd fds[8];
    nfds_t n = (nfds_t) number_from("LISTEN_FDS");

    if (number_from("LISTEN_FDS") < 0 || n > 8)
        n = 0;
    for (nfds_t i = 0; i < n; i++)
        fds[i] = (struct pollfd){.fd = LISTENERS_FROM + (int) i, .events = POLLIN};
    const struct timespec wait = {.tv_nsec = work_ms * 1000000L};
    while (!leaving) {
        if (work)
            work();
        if (ppoll(fds, n, work ? &wait : NULL, &waiting_mask) < 0)
            continue;
        for (nfds_t i = 0; i < n; i++)
            if (fds[i].revents & POLLIN)
                serve_one(fds[i].fd);
    }
}

static void serve_ready(void)
{
    say("READY=1");
    serve(NULL, 0);
}

/* Serves, and says nothing of it. */
static void serve_unspoken(void)
{
    serve(NULL, 0);
}

/* --- modes ------------------------------------------------------------------------------------ */

static void silent(void)
{
    for (;;)
        pause();
}

static void exit_at_once(void)
{
    fputs("bad-worker: leaving at once\n", stderr);
    exit(7);
}

static void exit_unless_first(void)
{
    if (number_from("AGENTD_SLOT") != 1)
        exit_at_once();
    serve_ready();
}

/* Says WATCHDOG=1 a few times and then no more, serving on. */
static void silent_watchdog(void)
{
    say("READY=1");
    for (int i = 0; i < 5; i++) {
        say("WATCHDOG=1");
        usleep(100 * 1000);
    }
    serve(NULL, 0);
}

/* The same, and SIGABRT can't end it. */
static void deaf_watchdog(void)
{
    signal(SIGABRT, SIG_IGN);
    silent_watchdog();
}

/* Says of itself that it is ill, and serves all the same. */
static void serve_sick(void)
{
    sick = true;
    serve_ready();
}

static void on_term(int number)
{
    leaving = 1;
}

/* SIGTERM is taken between requests only. */
static void leave_well(void)
{
    sigset_t term;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    signal(SIGTERM, on_term);
}

static void serve_and_leave_well(void)
{
    leave_well();
    serve_ready();
    exit(0);
}

/* Takes 64 MiB once it was asked to by a request. */
static void grow_when_asked(void)
{
    grows = true;
    leave_well();
    serve_ready();
    exit(0);
}

/* Until it can make no more. */
static void fork_bomb(void)
{
    unsigned n = 0;
    char text[64];

    while (n < 1000) {
        pid_t pid = fork();

        if (pid == 0)
            silent();
        if (pid < 0)
            break;
        n++;
    }
    snprintf(text, sizeof(text), "STATUS=made %u\nREADY=1", n);
    say(text);
    serve(NULL, 0);
}

static void deaf(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    waiting_mask = all;
    serve_ready();
}

/* All kinds of what is no message, until |FLOOD_MESSAGES| have been taken. */
static void flood(void)
{
    static char large[64 * 1024];
    char noise[512];

    say("READY=1");
    memset(large, 'x', sizeof(large));
    for (unsigned i = 0; i < FLOOD_MESSAGES; i++) {
        ssize_t n = getrandom(noise, sizeof(noise), 0);
        switch (i % 5) {
        case 0:
            notify(noise, n > 0 ? (size_t) n : 1);
            break;
        case 1:
            notify("READY=1\nSTATUS=\xff\xfe", 18);
            break;
        case 2:
            notify("", 0);
            break;
        case 3:
            notify(large, sizeof(large));
            break;
        default:
            notify("STATUS=busy with nothing\nX_FOO=bar\n\n\nMAINPID=1", 46);
        }
    }
    say("STATUS=flood is over");
    serve(NULL, 0);
}

/* A connection to itself that nobody reads, full, which waits for long when it is closed. */
static int stuck_connection(void)
{
    static const char noise[64 * 1024];
    const struct linger linger = {.l_onoff = 1, .l_linger = 60};
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || getsockname(LISTENERS_FROM, (struct sockaddr *) &address, &length) < 0 ||
        connect(fd, (struct sockaddr *) &address, length) < 0)
        exit(95);
    while (send(fd, noise, sizeof(noise), MSG_DONTWAIT) > 0)
        continue;
    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
        exit(96);
    return fd;
}

/* Leaves the close that takes a minute to whoever reads the message. */
static void pass_lingering(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[] = "READY=1\nSTATUS=lingers";
    struct iovec iov = {text, sizeof(text) - 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct msghdr message = {.msg_name = &address,
                             .msg_namelen = sizeof(address),
                             .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    int stuck = stuck_connection(), fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(CMSG_DATA(&control.header), &stuck, sizeof(stuck));
    strncpy(address.sun_path, getenv("NOTIFY_SOCKET"), sizeof(address.sun_path) - 1);
    if (fd < 0 || sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
        exit(97);
    _exit(0); /* which closes our own copy: the message has the last */
}

/* At once, when the core may not know yet who its parent is, and later. */
static void child_says_ready(void)
{
    if (fork() == 0) {
        say("READY=1");
        usleep(300 * 1000);
        say("READY=1");
        _exit(0);
    }
    silent();
}

static const char *attempt(int r)
{
    return r < 0 ? strerrorname_np(errno) : "allowed";
}

static void truncate_shared(void)
{
    int board = number_from("AGENTD_SCOREBOARD"), gate = number_from("AGENTD_GATE");
    struct stat status;
    char text[512];
    off_t size = fstat(board, &status) < 0 ? 0 : status.st_size;
    const char *shrink = attempt(ftruncate(board, 0));
    const char *grow = attempt(ftruncate(board, size + (1 << 20)));
    const char *extend = attempt(fallocate(board, 0, size, 4096));
    const char *gate_shrink = attempt(ftruncate(gate, 0));
    const char *gate_grow = attempt(ftruncate(gate, 1 << 20));
    const char *unseal = attempt(fcntl(board, F_ADD_SEALS, F_SEAL_WRITE));

    snprintf(text, sizeof(text), "STATUS=shrink %s grow %s extend %s gate %s %s seal %s\nREADY=1",
             shrink, grow, extend, gate_shrink, gate_grow, unseal);
    say(text);
    serve(NULL, 0);
}

static unsigned char *map_shared(const char *variable, size_t *ret_size)
{
    int fd = number_from(variable);
    struct stat status;

    if (fstat(fd, &status) < 0)
        exit(92);
    void *memory = mmap(NULL, (size_t) status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        exit(93);
    *ret_size = (size_t) status.st_size;
    return memory;
}

static void scribble(const char *variable, int how)
{
    size_t size;
    unsigned char *memory = map_shared(variable, &size);

    for (size_t i = 0; i < size; i++)
        memory[i] = how < 0 ? (unsigned char) rand() : (unsigned char) how;
    munmap(memory, size);
}

static void scribble_zeros(void)
{
    scribble("AGENTD_SCOREBOARD", 0);
}

static void scribble_ones(void)
{
    scribble("AGENTD_SCOREBOARD", 0xff);
}

static void scribble_random(void)
{
    scribble("AGENTD_SCOREBOARD", -1);
}

static void scribble_gate(void)
{
    static unsigned turn;

    turn++;
    scribble("AGENTD_GATE", turn % 3 == 0 ? 0xff : turn % 3 == 1 ? 0 : -1);
}

/* The header stays sound; the counters fall, once they were seen high. */
static void count_backwards(void)
{
    static uint64_t value = 1000000;
    size_t size;
    unsigned char *memory = map_shared("AGENTD_SCOREBOARD", &size);

    for (size_t i = 0; i < COUNTERS; i++)
        memcpy(memory + BOARD_HEADER_BYTES + i * sizeof(value), &value, sizeof(value));
    memset(memory + 12, 0xff, 8); /* in flight, connections */
    munmap(memory, size);
    value -= 1000;
}

/* One of its own group, one that has left it, and one of that one's that is nobody's child. */
static void grandchildren(void)
{
    for (int i = 0; i < 3; i++) {
        if (fork() != 0)
            continue;
        signal(SIGTERM, SIG_IGN);
        if (i > 0)
            setsid();
        if (i > 1 && fork() != 0)
            _exit(0);
        silent();
    }
    serve_ready();
}

static void close_listeners(void)
{
    for (int i = 0; i < number_from("LISTEN_FDS"); i++)
        close(LISTENERS_FROM + i);
    say("READY=1");
    silent();
}

static void write_much(void)
{
    static char line[1024];

    say("READY=1");
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    for (size_t n = 0; n < OUTPUT_BYTES; n += sizeof(line))
        if (write(STDOUT_FILENO, line, sizeof(line)) < 0)
            exit(94);
    say("STATUS=all is written");
    puts("bad-worker: the last line");
    fflush(stdout);
    serve(NULL, 0);
}

static void send_escapes(void)
{
    say("STATUS=\x1b[31mred\x1b]0;title\x07\b\x7f\xc2\x9b"
        "5m \xe2\x80\xae"
        "gnp end\nREADY=1");
    puts("\x1b[2Jcleared \x1b]0;title\x07");
    fflush(stdout);
    serve(NULL, 0);
}

static void serve_scribbling(void (*work)(void))
{
    say("READY=1");
    serve(work, SCRIBBLE_MS);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
        void (*work)(void);
    } modes[] = {
        {"good", serve_ready, NULL},
        {"good-leaver", serve_and_leave_well, NULL},
        {"silent", silent, NULL},
        {"exit", exit_at_once, NULL},
        {"exit-unless-first", exit_unless_first, NULL},
        {"deaf", deaf, NULL},
        {"silent-watchdog", silent_watchdog, NULL},
        {"deaf-watchdog", deaf_watchdog, NULL},
        {"sick", serve_sick, NULL},
        {"grow", grow_when_asked, NULL},
        {"fork-bomb", fork_bomb, NULL},
        {"unspoken", serve_unspoken, NULL},
        {"flood", flood, NULL},
        {"linger", pass_lingering, NULL},
        {"child-says-ready", child_says_ready, NULL},
        {"truncate", truncate_shared, NULL},
        {"zeros", NULL, scribble_zeros},
        {"ones", NULL, scribble_ones},
        {"random", NULL, scribble_random},
        {"backwards", NULL, count_backwards},
        {"gate", NULL, scribble_gate},
        {"grandchildren", grandchildren, NULL},
        {"close-listeners", close_listeners, NULL},
        {"write-much", write_much, NULL},
        {"escapes", send_escapes, NULL},
    };

    sigprocmask(SIG_BLOCK, NULL, &waiting_mask);
    for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++)
        if (strcmp(argv[1], modes[i].name) == 0) {
            if (modes[i].run)
                modes[i].run();
            else
                serve_scribbling(modes[i].work);
        }
    fprintf(stderr, "bad-worker: no such mode\n");
    return 2;
}
