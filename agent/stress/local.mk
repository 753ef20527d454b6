# SPDX-License-Identifier: Apache-2.0
# A program of its own, on libc alone.
noinst_LIBRARIES += agent/libstress.a
agent_libstress_a_SOURCES = \
	agent/stress/burner.c agent/stress/burner.h \
	agent/stress/controller.c agent/stress/controller.h \
	agent/stress/options.c agent/stress/options.h
stress_ldadd = agent/libstress.a agent/libobserve.a common/libbase.a -lm -lpthread

pkglibexec_PROGRAMS += agentd-stress
agentd_stress_SOURCES = agent/stress/main.c
agentd_stress_LDADD = $(stress_ldadd)

if HAVE_CMOCKA
stress_tests = tests/unit/test-stress-controller tests/unit/test-stress-options
check_PROGRAMS += $(stress_tests)
TESTS += $(stress_tests)
tests_unit_test_stress_controller_SOURCES = tests/unit/test-stress-controller.c \
	tests/unit/stress-host.c tests/unit/stress-host.h
tests_unit_test_stress_controller_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_stress_controller_LDADD = $(stress_ldadd) $(CMOCKA_LIBS)
tests_unit_test_stress_options_CPPFLAGS = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_stress_options_LDADD = $(stress_ldadd) $(CMOCKA_LIBS)
endif

EXTRA_DIST += tests/integration/test_stress_engine.py
