# SPDX-License-Identifier: Apache-2.0
# The messages are a library of their own: the core speaks them too.
noinst_LIBRARIES += agent/libmessages.a
agent_libmessages_a_SOURCES = agent/hold/messages.c agent/hold/messages.h

# Links libsystemd and libconfig only: nothing here may bring in more.
sbin_PROGRAMS += agentd
agentd_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS)
agentd_SOURCES = \
	agent/hold/core.c agent/hold/core.h \
	agent/hold/holder.c agent/hold/holder.h \
	agent/hold/listeners.c agent/hold/listeners.h \
	agent/hold/main.c \
	agent/hold/restart.c agent/hold/restart.h \
	agent/hold/slots.c agent/hold/slots.h \
	agent/hold/store.c agent/hold/store.h
agentd_LDADD = agent/libmessages.a common/libschema.a common/libbase.a $(SYSTEMD_LIBS) $(LIBCONFIG_LIBS)

hold_corpus = \
	tests/data/fuzz/hold-message/hello tests/data/fuzz/hold-message/other-version \
	tests/data/fuzz/hold-message/ping tests/data/fuzz/hold-message/refused \
	tests/data/fuzz/hold-message/signal tests/data/fuzz/hold-message/slot-dead \
	tests/data/fuzz/hold-message/slot-running tests/data/fuzz/hold-message/start \
	tests/data/fuzz/hold-message/status
EXTRA_DIST += $(hold_corpus)

if HAVE_CMOCKA
hold_tests = tests/unit/test-hold-message tests/unit/test-hold-restart
check_PROGRAMS += $(hold_tests)
TESTS += $(hold_tests)
tests_unit_test_hold_message_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_hold_message_LDADD = agent/libmessages.a common/libbase.a $(CMOCKA_LIBS)
tests_unit_test_hold_restart_SOURCES = tests/unit/test-hold-restart.c agent/hold/restart.c
tests_unit_test_hold_restart_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_hold_restart_LDADD = common/libbase.a $(CMOCKA_LIBS)
endif

if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-hold-message
tests_fuzz_fuzz_hold_message_SOURCES = tests/fuzz/fuzz-hold-message.c
tests_fuzz_fuzz_hold_message_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_hold_message_LDADD = agent/libmessages.a common/libbase.a
endif
