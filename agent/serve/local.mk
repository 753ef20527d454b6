# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += agent/libserve.a
agent_libserve_a_SOURCES = \
	agent/serve/control-changes.c agent/serve/control-internal.h \
	agent/serve/control-request.c agent/serve/control-request.h \
	agent/serve/control.c agent/serve/control.h \
	agent/serve/control-stress.c \
	agent/serve/health.c agent/serve/health.h \
	agent/serve/peer.c agent/serve/peer.h \
	agent/serve/prometheus.c agent/serve/prometheus.h \
	agent/serve/prometheus-server.c agent/serve/prometheus-server.h \
	agent/serve/status-json.c agent/serve/status-json.h \
	agent/serve/verdict.c agent/serve/verdict.h
agent_libserve_a_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(JSON_C_CFLAGS) $(MICROHTTPD_CFLAGS)

EXTRA_DIST += \
	tests/data/fuzz/control/app \
	tests/data/fuzz/control/core \
	tests/data/fuzz/control/empty-object \
	tests/data/fuzz/control/escapes \
	tests/data/fuzz/control/nested \
	tests/data/fuzz/control/number \
	tests/data/fuzz/control/scale \
	tests/data/fuzz/control/slot \
	tests/data/fuzz/control/stress \
	tests/data/fuzz/control/unknown

if HAVE_CMOCKA
serve_tests = \
	tests/unit/test-control-request \
	tests/unit/test-peer \
	tests/unit/test-prometheus \
	tests/unit/test-status-json \
	tests/unit/test-verdict
check_PROGRAMS += $(serve_tests)
TESTS += $(serve_tests)
serve_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) $(JSON_C_CFLAGS)
serve_test_ldadd = \
	agent/libserve.a agent/libsupervise.a agent/libcore.a agent/libobserve.a agent/libpublish.a \
	common/libschema.a common/libbase.a $(CMOCKA_LIBS) $(JSON_C_LIBS) $(SYSTEMD_LIBS) -lm
tests_unit_test_control_request_CPPFLAGS = $(serve_test_cppflags)
tests_unit_test_control_request_LDADD = $(serve_test_ldadd)
tests_unit_test_peer_CPPFLAGS = $(serve_test_cppflags)
tests_unit_test_peer_LDADD = $(serve_test_ldadd)
tests_unit_test_prometheus_CPPFLAGS = $(serve_test_cppflags)
tests_unit_test_prometheus_LDADD = $(serve_test_ldadd)
tests_unit_test_status_json_CPPFLAGS = $(serve_test_cppflags)
tests_unit_test_status_json_LDADD = $(serve_test_ldadd)
tests_unit_test_verdict_CPPFLAGS = $(serve_test_cppflags)
tests_unit_test_verdict_LDADD = $(serve_test_ldadd)
endif

if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-control
tests_fuzz_fuzz_control_SOURCES = tests/fuzz/fuzz-control.c
tests_fuzz_fuzz_control_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_control_LDADD = agent/libserve.a common/libbase.a $(JSON_C_LIBS) $(SYSTEMD_LIBS)
endif
