/* SPDX-License-Identifier: Apache-2.0 */
/* TLS: whom the client trusts, and what of a broken connection may have been carried out. The
 * server's end is libssl, loaded here; its certificate is made by openssl(1). */
#include "tests/unit/http-peer.h"

#include "common/base/library.h"
#include "common/base/macro.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

/* Of <openssl/ssl.h>, which needn't be installed. */
#define FILETYPE_PEM               1
#define CTRL_SET_MAX_PROTO_VERSION 124
#define VERSION_TLS1_1             0x0302

static struct {
    const void *(*method)(void);
    void *(*context_new)(const void *method);
    void (*context_free)(void *context);
    int (*context_certificate)(void *context, const char *file, int type);
    int (*context_key)(void *context, const char *file, int type);
    int (*context_ciphers)(void *context, const char *list);
    long (*context_ctrl)(void *context, int command, long value, void *pointer);
    void *(*new)(void *context);
    int (*set_fd)(void *ssl, int fd);
    int (*accept)(void *ssl);
    int (*read)(void *ssl, void *data, int length);
    int (*write)(void *ssl, const void *data, int length);
    int (*shutdown)(void *ssl);
    void (*free)(void *ssl);
} tls;

static char directory[PATH_MAX];

enum what {
    ANSWER,            /* as long as requests come */
    ANSWER_AND_CLOSE,  /* one, then close_notify and the end, before the next request */
    ANSWER_READ_CLOSE, /* one, then reads the next and closes */
    ANSWER_TLS_1_1,    /* would, but only by TLS 1.1 */
};

struct tls_peer {
    const char *name; /* of the certificate's files */
    enum what what;
    atomic_bool may_close, closed;
};

/* Whether a request was read. */
static bool read_request(void *ssl)
{
    char text[4096];
    int length = 0;

    while (length < (int) sizeof(text) - 1) {
        int n = tls.read(ssl, text + length, (int) sizeof(text) - 1 - length);

        if (n <= 0)
            return false;
        length += n;
        text[length] = '\0';
        if (strstr(text, "\r\n\r\n"))
            return true;
    }
    return false;
}

static void say(void *ssl, const char *text)
{
    tls.write(ssl, text, (int) strlen(text));
}

static void converse(struct peer *peer, struct tls_peer *t, void *ssl)
{
    while (read_request(ssl)) {
        peer->requests++;
        say(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        if (t->what == ANSWER_AND_CLOSE) {
            while (!t->may_close)
                usleep(1000);
            tls.shutdown(ssl);
            return;
        }
        if (t->what == ANSWER_READ_CLOSE) {
            if (read_request(ssl))
                peer->requests++;
            return;
        }
    }
}

static void serve_tls(struct peer *peer, int fd)
{
    struct tls_peer *t = (struct tls_peer *) peer->userdata;
    void *context = tls.context_new(tls.method()), *ssl;
    char path[PATH_MAX + 32];

    snprintf(path, sizeof(path), "%s/%s.pem", directory, t->name);
    if (tls.context_certificate(context, path, FILETYPE_PEM) != 1 ||
        tls.context_key(context, path, FILETYPE_PEM) != 1)
        abort(); /* on a thread: no cmocka here */
    if (t->what == ANSWER_TLS_1_1) {
        tls.context_ciphers(context, "ALL:@SECLEVEL=0");
        tls.context_ctrl(context, CTRL_SET_MAX_PROTO_VERSION, VERSION_TLS1_1, NULL);
    }
    ssl = tls.new(context);
    tls.set_fd(ssl, fd);
    if (tls.accept(ssl) == 1)
        converse(peer, t, ssl);
    shutdown(fd, SHUT_WR);
    t->closed = true;
    peer_wait_close(fd);
    tls.free(ssl);
    tls.context_free(context);
}

static void serve_plain(struct peer *peer, int fd)
{
    peer_say(fd, "220 not TLS\r\n");
    peer_wait_close(fd);
}

/* A key and a certificate for itself, both in NAME.pem. */
static bool make_certificate(const char *name, const char *subject)
{
    char command[4 * PATH_MAX];

    snprintf(command, sizeof(command),
             "cd '%s' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
             "-days 2 -subj /CN=test -addext subjectAltName=%s -keyout key -out cert "
             ">/dev/null 2>&1 && cat key cert >%s.pem",
             directory, subject, name);
    return system(command) == 0;
}

static void trust(const char *name)
{
    char path[PATH_MAX + 32];

    snprintf(path, sizeof(path), "%s/%s.pem", directory, name);
    setenv("AWS_CA_BUNDLE", path, 1);
}

static int make_ready(void **state)
{
    const struct library_symbol SYMBOLS[] = {
        {"TLS_server_method", (void **) &tls.method},
        {"SSL_CTX_new", (void **) &tls.context_new},
        {"SSL_CTX_free", (void **) &tls.context_free},
        {"SSL_CTX_use_certificate_file", (void **) &tls.context_certificate},
        {"SSL_CTX_use_PrivateKey_file", (void **) &tls.context_key},
        {"SSL_CTX_set_cipher_list", (void **) &tls.context_ciphers},
        {"SSL_CTX_ctrl", (void **) &tls.context_ctrl},
        {"SSL_new", (void **) &tls.new},
        {"SSL_set_fd", (void **) &tls.set_fd},
        {"SSL_accept", (void **) &tls.accept},
        {"SSL_read", (void **) &tls.read},
        {"SSL_write", (void **) &tls.write},
        {"SSL_shutdown", (void **) &tls.shutdown},
        {"SSL_free", (void **) &tls.free},
    };

    signal(SIGPIPE, SIG_IGN); /* libssl writes without MSG_NOSIGNAL */
    unit_directory_make(directory);
    if (library_load("libssl.so.3", SYMBOLS, ARRAY_SIZE(SYMBOLS)) == 0 &&
        make_certificate("here", "IP:127.0.0.1") && make_certificate("elsewhere", "DNS:b.example"))
        return 0;
    print_message("no libssl.so.3 or no openssl(1): skipped\n");
    return 0;
}

static bool is_ready(void)
{
    char path[PATH_MAX + 32];

    snprintf(path, sizeof(path), "%s/elsewhere.pem", directory);
    return tls.free && access(path, R_OK) == 0;
}

static int clean_up(void **state)
{
    unit_directory_remove(directory);
    return 0;
}

static void test_trust(void **state)
{
    static const struct {
        const char *trusted; /* NULL: what the machine trusts */
        const char *server;
        enum what what;
        int error;
    } CASES[] = {
        {"here", "here", ANSWER, 0},
        {NULL, "here", ANSWER, -EPROTO},
        {"elsewhere", "here", ANSWER, -EPROTO},
        {"elsewhere", "elsewhere", ANSWER, -EPROTO}, /* known, but not by this name */
        {"missing", "here", ANSWER, -EPROTO},
        {"here", "here", ANSWER_TLS_1_1, -EPROTO},
        {"here", NULL, ANSWER, -EPROTO}, /* no TLS at all */
    };

    if (!is_ready())
        skip();
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct tls_peer t = {.name = CASES[i].server, .what = CASES[i].what};
        struct answer answer = {0};
        char url[PEER_URL_MAX];
        struct bench bench;
        struct peer peer;

        unsetenv("AWS_CA_BUNDLE");
        if (CASES[i].trusted)
            trust(CASES[i].trusted);
        peer_start(&peer, t.name ? serve_tls : serve_plain, &t);
        bench_start(&bench);
        bench_get(&bench, peer_url(url, "https", peer.port, "/"), &answer);
        if (answer.error != CASES[i].error)
            fail_msg("case %zu: %d (%s)", i, answer.error, answer.text);
        assert_int_equal(answer.sent, answer.error == 0);
        if (answer.error == 0) { /* and kept */
            bench_get(&bench, url, &answer);
            assert_int_equal(answer.error, 0);
            assert_int_equal(peer.connections, 1);
        }
        answer_done(&answer);
        bench_stop(&bench);
        peer_stop(&peer);
    }
}

/* A server that ends an idle connection says so first, which is data on it. */
static void test_closed_while_idle(void **state)
{
    struct tls_peer t = {.name = "here", .what = ANSWER_AND_CLOSE};
    struct answer answer = {0};
    char url[PEER_URL_MAX];
    struct bench bench;
    struct peer peer;

    if (!is_ready())
        skip();
    trust("here");
    peer_start(&peer, serve_tls, &t);
    bench_start(&bench);
    peer_url(url, "https", peer.port, "/");
    bench_get(&bench, url, &answer);
    assert_int_equal(answer.error, 0);
    t.may_close = true;
    while (!t.closed)
        usleep(1000);
    bench_get(&bench, url, &answer);
    assert_int_equal(answer.error, 0);
    assert_int_equal(peer.connections, 2);
    assert_int_equal(peer.requests, 2);
    answer_done(&answer);
    bench_stop(&bench);
    peer_stop(&peer);
}

static void test_closed_under_a_request(void **state)
{
    struct tls_peer t = {.name = "here", .what = ANSWER_READ_CLOSE};
    struct answer answer = {0};
    char url[PEER_URL_MAX];
    struct bench bench;
    struct peer peer;

    if (!is_ready())
        skip();
    trust("here");
    peer_start(&peer, serve_tls, &t);
    bench_start(&bench);
    peer_url(url, "https", peer.port, "/");
    bench_get(&bench, url, &answer);
    assert_int_equal(answer.error, 0);
    bench_get(&bench, url, &answer);
    assert_int_equal(answer.error, -ECONNRESET);
    assert_true(answer.sent);
    assert_int_equal(peer.requests, 2);
    assert_int_equal(peer.connections, 1);
    answer_done(&answer);
    bench_stop(&bench);
    peer_stop(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trust),
        cmocka_unit_test(test_closed_while_idle),
        cmocka_unit_test(test_closed_under_a_request),
    };

    alarm(120); /* a hang is a failure too */
    return cmocka_run_group_tests(tests, make_ready, clean_up);
}
