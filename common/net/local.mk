# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += common/libnet.a
common_libnet_a_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(MICROHTTPD_CFLAGS) $(CURL_CFLAGS)
common_libnet_a_SOURCES = \
	common/net/access-log.c common/net/access-log.h \
	common/net/acceptor.c common/net/acceptor.h \
	common/net/curl-library.c common/net/curl-library.h \
	common/net/drain.c common/net/drain.h \
	common/net/http-answer.c common/net/http-answer.h \
	common/net/http-check.c common/net/http-check.h \
	common/net/http-client.c common/net/http-client.h \
	common/net/http-environment.c common/net/http-environment.h \
	common/net/http-internal.h \
	common/net/http-linger.c \
	common/net/http-request.c \
	common/net/http-response.c \
	common/net/http-server.c common/net/http-server.h \
	common/net/http-sockets.c common/net/http-sockets.h \
	common/net/http-transfer.c common/net/http-transfer.h \
	common/net/notify.c common/net/notify.h \
	common/net/offload.c common/net/offload.h \
	common/net/trial.c common/net/trial.h \
	common/net/worker-runtime.c common/net/worker-runtime.h

# What a program needs that links common/libnet.a.
NET_LIBS = common/libnet.a common/libbase.a $(MICROHTTPD_LIBS) $(SYSTEMD_LIBS) -lpthread

noinst_PROGRAMS += tests/tools/hello-worker
tests_tools_hello_worker_SOURCES = tests/tools/hello-worker.c
tests_tools_hello_worker_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS)
tests_tools_hello_worker_LDADD = $(NET_LIBS)

EXTRA_DIST += tests/unit/http-harness.h tests/unit/http-peer.h tests/unit/worker-harness.h

if HAVE_CMOCKA
net_tests = \
	tests/unit/test-drain \
	tests/unit/test-http-abuse \
	tests/unit/test-http-answer \
	tests/unit/test-http-check \
	tests/unit/test-http-client \
	tests/unit/test-http-client-calls \
	tests/unit/test-http-client-faults \
	tests/unit/test-http-client-load \
	tests/unit/test-http-client-tls \
	tests/unit/test-http-environment \
	tests/unit/test-http-server \
	tests/unit/test-http-suspend \
	tests/unit/test-notify \
	tests/unit/test-offload \
	tests/unit/test-worker-runtime
check_PROGRAMS += $(net_tests)
TESTS += $(net_tests)

net_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) $(SYSTEMD_CFLAGS)
net_test_ldadd = $(NET_LIBS) $(CMOCKA_LIBS)
tests_unit_test_http_answer_CPPFLAGS = $(net_test_cppflags)
tests_unit_test_http_answer_LDADD = $(net_test_ldadd)
tests_unit_test_http_check_CPPFLAGS = $(net_test_cppflags)
tests_unit_test_http_check_LDADD = $(net_test_ldadd)
tests_unit_test_http_client_SOURCES = tests/unit/test-http-client.c tests/unit/http-peer.c
tests_unit_test_http_client_CPPFLAGS = $(net_test_cppflags)
tests_unit_test_http_client_LDADD = $(net_test_ldadd)
tests_unit_test_http_client_calls_SOURCES = tests/unit/test-http-client-calls.c tests/unit/http-peer.c \
	tests/unit/http-harness.c
tests_unit_test_http_client_calls_CPPFLAGS = $(net_test_cppflags)
tests_unit_test_http_client_calls_LDADD = $(net_test_ldadd)
tests_unit_test_http_client_faults_SOURCES = tests/unit/test-http-client-faults.c tests/unit/http-peer.c
tests_unit_test_http_client_faults_CPPFLAGS = $(net_test_cppflags)
tests_unit_test_http_client_faults_LDADD = $(net_test_ldadd)
# Its getaddrinfo is to be libcurl's too.
tests_unit_test_http_client_faults_LDFLAGS = $(AM_LDFLAGS) -rdynamic
tests_unit_test_http_client_load_SOURCES = tests/unit/test-http-client-load.c tests/unit/http-peer.c \
	tests/unit/http-harness.c
tests_unit_test_http_client_load_CPPFLAGS = $(net_test_cppflags)
tests_unit_test_http_client_load_LDADD = $(net_test_ldadd)
tests_unit_test_http_client_tls_SOURCES = tests/unit/test-http-client-tls.c tests/unit/http-peer.c
tests_unit_test_http_client_tls_CPPFLAGS = $(net_test_cppflags)
tests_unit_test_http_client_tls_LDADD = $(net_test_ldadd)
tests_unit_test_http_environment_CPPFLAGS = $(net_test_cppflags)
tests_unit_test_http_environment_LDADD = $(net_test_ldadd)
tests_unit_test_http_server_SOURCES = tests/unit/test-http-server.c tests/unit/http-harness.c
tests_unit_test_http_server_CPPFLAGS = $(net_test_cppflags)
tests_unit_test_http_server_LDADD = $(net_test_ldadd)
tests_unit_test_http_abuse_SOURCES = tests/unit/test-http-abuse.c tests/unit/http-harness.c
tests_unit_test_http_abuse_CPPFLAGS = $(net_test_cppflags)
tests_unit_test_http_abuse_LDADD = $(net_test_ldadd)
tests_unit_test_http_suspend_SOURCES = tests/unit/test-http-suspend.c tests/unit/http-harness.c
tests_unit_test_http_suspend_CPPFLAGS = $(net_test_cppflags)
tests_unit_test_http_suspend_LDADD = $(net_test_ldadd)
tests_unit_test_drain_CPPFLAGS = $(net_test_cppflags)
tests_unit_test_drain_LDADD = $(net_test_ldadd)
tests_unit_test_notify_CPPFLAGS = $(net_test_cppflags)
tests_unit_test_notify_LDADD = $(net_test_ldadd)
tests_unit_test_offload_CPPFLAGS = $(net_test_cppflags)
tests_unit_test_offload_LDADD = $(net_test_ldadd)
tests_unit_test_worker_runtime_SOURCES = tests/unit/test-worker-runtime.c tests/unit/worker-harness.c
tests_unit_test_worker_runtime_CPPFLAGS = $(net_test_cppflags)
tests_unit_test_worker_runtime_LDADD = $(net_test_ldadd)
endif

EXTRA_DIST += \
	tests/data/fuzz/http-answer/bad \
	tests/data/fuzz/http-answer/interim \
	tests/data/fuzz/http-answer/whole \
	tests/data/fuzz/http-path/bad \
	tests/data/fuzz/http-path/head \
	tests/data/fuzz/http-path/path \
	tests/data/fuzz/http-path/smuggle
if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-http-answer tests/fuzz/fuzz-http-path
tests_fuzz_fuzz_http_answer_LDADD = common/libnet.a common/libbase.a
tests_fuzz_fuzz_http_answer_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_http_path_LDADD = common/libnet.a common/libbase.a
tests_fuzz_fuzz_http_path_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif
