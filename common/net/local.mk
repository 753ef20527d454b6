# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += common/libnet.a
common_libnet_a_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(MICROHTTPD_CFLAGS)
common_libnet_a_SOURCES = \
	common/net/acceptor.c common/net/acceptor.h \
	common/net/drain.c common/net/drain.h \
	common/net/http-check.c common/net/http-check.h \
	common/net/http-internal.h \
	common/net/http-linger.c \
	common/net/http-request.c \
	common/net/http-response.c \
	common/net/http-server.c common/net/http-server.h \
	common/net/notify.c common/net/notify.h \
	common/net/offload.c common/net/offload.h \
	common/net/worker-runtime.c common/net/worker-runtime.h

# What a program needs that links common/libnet.a.
NET_LIBS = common/libnet.a common/libbase.a $(MICROHTTPD_LIBS) $(SYSTEMD_LIBS) -lpthread

noinst_PROGRAMS += tests/tools/hello-worker
tests_tools_hello_worker_SOURCES = tests/tools/hello-worker.c
tests_tools_hello_worker_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS)
tests_tools_hello_worker_LDADD = $(NET_LIBS)
