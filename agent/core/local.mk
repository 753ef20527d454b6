# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += agent/libcore.a
agent_libcore_a_SOURCES = \
	agent/core/accounting.c agent/core/accounting.h \
	agent/core/agent.c agent/core/agent.h agent/core/agent-internal.h \
	agent/core/agent-changes.c agent/core/agent-stress.c \
	agent/core/commands.c agent/core/commands.h \
	agent/core/config-changes.c agent/core/config-changes.h \
	agent/core/inheritance.c agent/core/inheritance.h \
	agent/core/ledger.c agent/core/ledger.h \
	agent/core/link.c agent/core/link.h \
	agent/core/log-files.c agent/core/log-files.h \
	agent/core/observer.c agent/core/observer.h \
	agent/core/sink.c agent/core/sink.h \
	agent/core/snapshot.c agent/core/snapshot.h \
	agent/core/statsd-listener.c agent/core/statsd-listener.h \
	agent/core/upgrade.c agent/core/upgrade.h
# Who the node is; the lifecycle work joins it.
agent_libcore_a_SOURCES += agent/lifecycle/identity.c agent/lifecycle/identity.h
# Stress, without agentd-stress.
agent_libcore_a_SOURCES += \
	agent/stress/credits.c agent/stress/credits.h \
	agent/stress/guards.c agent/stress/guards.h \
	agent/stress/policy.c agent/stress/policy.h
agent_libcore_a_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(JSON_C_CFLAGS) $(MICROHTTPD_CFLAGS)

core_libs = \
	agent/libcore.a agent/libserve.a agent/libsupervise.a agent/libpublish.a agent/libobserve.a \
	agent/libpublish.a agent/libcore.a agent/libmessages.a common/libaws.a common/libnet.a \
	common/libschema.a common/libbase.a \
	$(MICROHTTPD_LIBS) $(JSON_C_LIBS) $(LIBCONFIG_LIBS) $(SYSTEMD_LIBS) $(ZLIB_LIBS) -lm

pkglibexec_PROGRAMS += agentd-core
agentd_core_SOURCES = agent/core/main.c
agentd_core_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS)
agentd_core_LDADD = $(core_libs)

if HAVE_CMOCKA
core_tests = \
	tests/unit/test-accounting \
	tests/unit/test-config-changes \
	tests/unit/test-credits \
	tests/unit/test-ledger \
	tests/unit/test-link \
	tests/unit/test-log-files \
	tests/unit/test-statsd-listener \
	tests/unit/test-stress-guards \
	tests/unit/test-stress-policy
check_PROGRAMS += $(core_tests)
TESTS += $(core_tests)
core_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) $(JSON_C_CFLAGS)
core_test_ldadd = \
	agent/libcore.a agent/libsupervise.a agent/libobserve.a agent/libcore.a common/libschema.a \
	common/libbase.a $(CMOCKA_LIBS) $(LIBCONFIG_LIBS) $(SYSTEMD_LIBS) -lm
tests_unit_test_accounting_CPPFLAGS = $(core_test_cppflags)
tests_unit_test_accounting_LDADD = $(core_test_ldadd)
tests_unit_test_config_changes_CPPFLAGS = $(core_test_cppflags)
tests_unit_test_config_changes_LDADD = $(core_test_ldadd)
tests_unit_test_credits_CPPFLAGS = $(core_test_cppflags)
tests_unit_test_credits_LDADD = $(core_test_ldadd)
tests_unit_test_stress_guards_CPPFLAGS = $(core_test_cppflags)
tests_unit_test_stress_guards_LDADD = $(core_test_ldadd)
tests_unit_test_stress_policy_CPPFLAGS = $(core_test_cppflags)
tests_unit_test_stress_policy_LDADD = agent/libcore.a agent/libmessages.a $(core_test_ldadd)
tests_unit_test_ledger_CPPFLAGS = $(core_test_cppflags)
tests_unit_test_ledger_LDADD = $(core_test_ldadd)
tests_unit_test_link_CPPFLAGS = $(core_test_cppflags) $(SYSTEMD_CFLAGS)
tests_unit_test_link_LDADD = agent/libcore.a agent/libmessages.a common/libschema.a common/libbase.a $(CMOCKA_LIBS) $(SYSTEMD_LIBS)
tests_unit_test_log_files_CPPFLAGS = $(core_test_cppflags)
tests_unit_test_log_files_LDADD = $(core_test_ldadd)
tests_unit_test_statsd_listener_CPPFLAGS = $(core_test_cppflags) $(SYSTEMD_CFLAGS)
tests_unit_test_statsd_listener_LDADD = agent/libcore.a $(statsd_ldadd) $(CMOCKA_LIBS)
endif
