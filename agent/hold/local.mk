# SPDX-License-Identifier: Apache-2.0
# The messages are a library of their own: the core speaks them too.
noinst_LIBRARIES += agent/libmessages.a
agent_libmessages_a_SOURCES = agent/hold/messages.c agent/hold/messages.h

# Links libsystemd and libconfig only: nothing here may bring in more. A library, for the tests.
noinst_LIBRARIES += agent/libhold.a
agent_libhold_a_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS)
agent_libhold_a_SOURCES = \
	agent/hold/core.c agent/hold/core.h \
	agent/hold/handover.c agent/hold/handover.h \
	agent/hold/holder.c agent/hold/holder.h \
	agent/hold/listeners.c agent/hold/listeners.h \
	agent/hold/slots.c agent/hold/slots.h \
	agent/hold/store.h
hold_libs = \
	agent/libhold.a agent/libmessages.a common/libschema.a common/libbase.a $(SYSTEMD_LIBS) \
	$(LIBCONFIG_LIBS)

sbin_PROGRAMS += agentd
agentd_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS)
agentd_SOURCES = agent/hold/main.c
agentd_LDADD = $(hold_libs)

hold_corpus = \
	tests/data/fuzz/hold-message/hello tests/data/fuzz/hold-message/other-version \
	tests/data/fuzz/hold-message/ping tests/data/fuzz/hold-message/refused \
	tests/data/fuzz/hold-message/signal tests/data/fuzz/hold-message/slot-dead \
	tests/data/fuzz/hold-message/slot-running tests/data/fuzz/hold-message/start \
	tests/data/fuzz/hold-message/start-stress tests/data/fuzz/hold-message/status
hold_corpus += \
	tests/data/fuzz/hold-handover/no-app tests/data/fuzz/hold-handover/one-app
EXTRA_DIST += $(hold_corpus)

if HAVE_CMOCKA
hold_tests = tests/unit/test-hold-handover tests/unit/test-hold-message
check_PROGRAMS += $(hold_tests)
TESTS += $(hold_tests)
tests_unit_test_hold_handover_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) $(SYSTEMD_CFLAGS)
tests_unit_test_hold_handover_LDADD = $(hold_libs) $(CMOCKA_LIBS)
tests_unit_test_hold_message_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_hold_message_LDADD = agent/libmessages.a common/libschema.a common/libbase.a $(CMOCKA_LIBS)
endif

if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-hold-handover tests/fuzz/fuzz-hold-message
tests_fuzz_fuzz_hold_handover_SOURCES = tests/fuzz/fuzz-hold-handover.c
tests_fuzz_fuzz_hold_handover_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS)
tests_fuzz_fuzz_hold_handover_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_hold_handover_LDADD = $(hold_libs)
tests_fuzz_fuzz_hold_message_SOURCES = tests/fuzz/fuzz-hold-message.c
tests_fuzz_fuzz_hold_message_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_hold_message_LDADD = agent/libmessages.a common/libschema.a common/libbase.a
endif
