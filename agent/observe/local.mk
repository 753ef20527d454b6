# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += agent/libobserve.a
agent_libobserve_a_SOURCES = \
	agent/core/snapshot.h \
	agent/observe/host-sampler.c agent/observe/host-sampler.h \
	agent/observe/process-sampler.c agent/observe/process-sampler.h \
	agent/observe/procfs.c agent/observe/procfs.h \
	agent/observe/request-meter.c agent/observe/request-meter.h \
	agent/observe/windows.c agent/observe/windows.h

observe_ldadd = agent/libobserve.a common/libschema.a common/libbase.a $(SYSTEMD_LIBS) -lm

if HAVE_CMOCKA
observe_tests = \
	tests/unit/test-host-sampler \
	tests/unit/test-process-sampler \
	tests/unit/test-procfs \
	tests/unit/test-request-meter \
	tests/unit/test-windows
check_PROGRAMS += $(observe_tests)
TESTS += $(observe_tests)
observe_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) \
	-DTEST_DATA='"$(abs_top_srcdir)/tests/data"'
observe_test_ldadd = $(observe_ldadd) $(CMOCKA_LIBS)

tests_unit_test_host_sampler_SOURCES = tests/unit/test-host-sampler.c tests/unit/proc-tree.h
tests_unit_test_host_sampler_CPPFLAGS = $(observe_test_cppflags)
tests_unit_test_host_sampler_LDADD = $(observe_test_ldadd)
tests_unit_test_process_sampler_SOURCES = tests/unit/test-process-sampler.c tests/unit/proc-tree.h
tests_unit_test_process_sampler_CPPFLAGS = $(observe_test_cppflags)
tests_unit_test_process_sampler_LDADD = $(observe_test_ldadd)
tests_unit_test_procfs_SOURCES = tests/unit/test-procfs.c tests/unit/proc-tree.h
tests_unit_test_procfs_CPPFLAGS = $(observe_test_cppflags)
tests_unit_test_procfs_LDADD = $(observe_test_ldadd)
tests_unit_test_request_meter_CPPFLAGS = $(observe_test_cppflags)
tests_unit_test_request_meter_LDADD = $(observe_test_ldadd)
tests_unit_test_windows_CPPFLAGS = $(observe_test_cppflags)
tests_unit_test_windows_LDADD = $(observe_test_ldadd)
endif

if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-procfs
tests_fuzz_fuzz_procfs_LDADD = $(observe_ldadd)
tests_fuzz_fuzz_procfs_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

EXTRA_DIST += tests/data/fuzz/procfs tests/data/proc
