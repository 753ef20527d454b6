# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += agent/libserve.a
agent_libserve_a_SOURCES = \
	agent/serve/control-request.c agent/serve/control-request.h \
	agent/serve/control.c agent/serve/control.h \
	agent/serve/health.c agent/serve/health.h \
	agent/serve/peer.c agent/serve/peer.h \
	agent/serve/status-json.c agent/serve/status-json.h \
	agent/serve/verdict.c agent/serve/verdict.h
agent_libserve_a_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(JSON_C_CFLAGS) $(MICROHTTPD_CFLAGS)

if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-control
tests_fuzz_fuzz_control_SOURCES = tests/fuzz/fuzz-control.c
tests_fuzz_fuzz_control_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_control_LDADD = agent/libserve.a common/libbase.a $(JSON_C_LIBS) $(SYSTEMD_LIBS)
endif
