# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += agent/libsupervise.a
agent_libsupervise_a_SOURCES = \
	agent/supervise/actions.c agent/supervise/actions.h \
	agent/supervise/events.c agent/supervise/events.h \
	agent/supervise/journal-words.c agent/supervise/journal-words.h \
	agent/supervise/last-words.c agent/supervise/last-words.h \
	agent/supervise/limits.c agent/supervise/limits.h \
	agent/supervise/notify-message.c agent/supervise/notify-message.h \
	agent/supervise/notify-socket.c agent/supervise/notify-socket.h \
	agent/supervise/obituary.c agent/supervise/obituary.h \
	agent/supervise/probe.c agent/supervise/probe.h \
	agent/supervise/probe-client.c agent/supervise/probe-client.h \
	agent/supervise/prober.c agent/supervise/prober.h \
	agent/supervise/supervisor.c agent/supervise/supervisor.h \
	agent/supervise/supervisor-internal.h \
	agent/supervise/supervisor-roll.c agent/supervise/supervisor-roll.h \
	agent/supervise/supervisor-run.c \
	agent/supervise/supervisor-slot.c agent/supervise/supervisor-slot.h \
	agent/supervise/supervisor-view.c \
	agent/supervise/worker-cgroups.c agent/supervise/worker-cgroups.h \
	agent/supervise/workers.c agent/supervise/workers.h
agent_libsupervise_a_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS)

EXTRA_DIST += tests/unit/supervisor-cases.h tests/unit/supervisor-sim.h \
	tests/data/fuzz/notify/all \
	tests/data/fuzz/notify/controls \
	tests/data/fuzz/notify/cut \
	tests/data/fuzz/notify/not-utf8 \
	tests/data/fuzz/notify/nul \
	tests/data/fuzz/notify/ready \
	tests/data/fuzz/notify/unknown

if HAVE_CMOCKA
supervise_tests = \
	tests/unit/test-events \
	tests/unit/test-last-words \
	tests/unit/test-limits \
	tests/unit/test-notify-message \
	tests/unit/test-obituary \
	tests/unit/test-probe \
	tests/unit/test-probe-client \
	tests/unit/test-supervisor \
	tests/unit/test-supervisor-core \
	tests/unit/test-supervisor-model \
	tests/unit/test-supervisor-roll
check_PROGRAMS += $(supervise_tests)
TESTS += $(supervise_tests)
supervise_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) $(JSON_C_CFLAGS)
supervise_test_ldadd = \
	agent/libsupervise.a agent/libcore.a common/libschema.a common/libbase.a $(CMOCKA_LIBS) $(SYSTEMD_LIBS)
tests_unit_test_events_CPPFLAGS = $(supervise_test_cppflags)
tests_unit_test_events_LDADD = $(supervise_test_ldadd)
tests_unit_test_last_words_CPPFLAGS = $(supervise_test_cppflags)
tests_unit_test_last_words_LDADD = $(supervise_test_ldadd)
tests_unit_test_limits_CPPFLAGS = $(supervise_test_cppflags)
tests_unit_test_limits_LDADD = $(supervise_test_ldadd)
tests_unit_test_notify_message_CPPFLAGS = $(supervise_test_cppflags)
tests_unit_test_notify_message_LDADD = $(supervise_test_ldadd)
tests_unit_test_obituary_CPPFLAGS = $(supervise_test_cppflags)
tests_unit_test_obituary_LDADD = $(supervise_test_ldadd)
tests_unit_test_probe_CPPFLAGS = $(supervise_test_cppflags)
tests_unit_test_probe_LDADD = $(supervise_test_ldadd)
tests_unit_test_probe_client_CPPFLAGS = $(supervise_test_cppflags) $(SYSTEMD_CFLAGS)
tests_unit_test_probe_client_LDADD = $(supervise_test_ldadd)
tests_unit_test_supervisor_CPPFLAGS = $(supervise_test_cppflags)
tests_unit_test_supervisor_LDADD = $(supervise_test_ldadd)
tests_unit_test_supervisor_core_CPPFLAGS = $(supervise_test_cppflags)
tests_unit_test_supervisor_core_LDADD = $(supervise_test_ldadd)
tests_unit_test_supervisor_model_CPPFLAGS = $(supervise_test_cppflags)
tests_unit_test_supervisor_model_LDADD = $(supervise_test_ldadd)
tests_unit_test_supervisor_roll_CPPFLAGS = $(supervise_test_cppflags)
tests_unit_test_supervisor_roll_LDADD = $(supervise_test_ldadd)
endif

if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-notify
tests_fuzz_fuzz_notify_SOURCES = tests/fuzz/fuzz-notify.c
tests_fuzz_fuzz_notify_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_notify_LDADD = agent/libsupervise.a common/libbase.a $(SYSTEMD_LIBS)
endif
