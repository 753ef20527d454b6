# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += agent/libobserve.a
agent_libobserve_a_SOURCES = \
	agent/core/snapshot.h \
	agent/observe/cgroup-sampler.c agent/observe/cgroup-sampler.h \
	agent/observe/cgroup-stat.c agent/observe/cgroup-stat.h \
	agent/observe/cpu-share.c agent/observe/cpu-share.h \
	agent/observe/distribution.c agent/observe/distribution.h \
	agent/observe/history.c agent/observe/history.h \
	agent/observe/host-sampler.c agent/observe/host-sampler.h \
	agent/observe/process-sampler.c agent/observe/process-sampler.h \
	agent/observe/procfs.c agent/observe/procfs.h \
	agent/observe/request-meter.c agent/observe/request-meter.h \
	agent/observe/statsd.c agent/observe/statsd.h \
	agent/observe/statsd-line.c agent/observe/statsd-line.h \
	agent/observe/usage.h \
	agent/observe/usage-sampler.c agent/observe/usage-sampler.h \
	agent/observe/windows.c agent/observe/windows.h

# Records (agent/publish/) look at windows, and StatsD writes records.
statsd_ldadd = \
	agent/libobserve.a agent/libpublish.a agent/libobserve.a common/libschema.a common/libbase.a \
	$(SYSTEMD_LIBS) $(JSON_C_LIBS) -lm

observe_ldadd = agent/libobserve.a common/libschema.a common/libbase.a $(SYSTEMD_LIBS) -lm

if HAVE_CMOCKA
observe_tests = \
	tests/unit/test-cgroup-sampler \
	tests/unit/test-cgroup-stat \
	tests/unit/test-distribution \
	tests/unit/test-history \
	tests/unit/test-host-sampler \
	tests/unit/test-process-sampler \
	tests/unit/test-procfs \
	tests/unit/test-request-meter \
	tests/unit/test-statsd \
	tests/unit/test-statsd-line \
	tests/unit/test-usage-sampler \
	tests/unit/test-windows
check_PROGRAMS += $(observe_tests)
TESTS += $(observe_tests)
observe_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) \
	-DTEST_DATA='"$(abs_top_srcdir)/tests/data"'
observe_test_ldadd = $(observe_ldadd) $(CMOCKA_LIBS)

tests_unit_test_cgroup_sampler_SOURCES = tests/unit/test-cgroup-sampler.c tests/unit/proc-tree.h
tests_unit_test_cgroup_sampler_CPPFLAGS = $(observe_test_cppflags)
tests_unit_test_cgroup_sampler_LDADD = $(observe_test_ldadd)
tests_unit_test_cgroup_stat_SOURCES = tests/unit/test-cgroup-stat.c tests/unit/proc-tree.h
tests_unit_test_cgroup_stat_CPPFLAGS = $(observe_test_cppflags)
tests_unit_test_cgroup_stat_LDADD = $(observe_test_ldadd)
tests_unit_test_distribution_CPPFLAGS = $(observe_test_cppflags)
tests_unit_test_distribution_LDADD = $(observe_test_ldadd)
tests_unit_test_history_CPPFLAGS = $(observe_test_cppflags)
tests_unit_test_history_LDADD = $(observe_test_ldadd)
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
tests_unit_test_statsd_CPPFLAGS = $(observe_test_cppflags) $(JSON_C_CFLAGS)
tests_unit_test_statsd_LDADD = $(statsd_ldadd) $(CMOCKA_LIBS)
tests_unit_test_statsd_line_CPPFLAGS = $(observe_test_cppflags)
tests_unit_test_statsd_line_LDADD = $(statsd_ldadd) $(CMOCKA_LIBS)
tests_unit_test_usage_sampler_SOURCES = tests/unit/test-usage-sampler.c tests/unit/proc-tree.h
tests_unit_test_usage_sampler_CPPFLAGS = $(observe_test_cppflags)
tests_unit_test_usage_sampler_LDADD = $(observe_test_ldadd)
tests_unit_test_windows_CPPFLAGS = $(observe_test_cppflags)
tests_unit_test_windows_LDADD = $(observe_test_ldadd)
endif

if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-procfs tests/fuzz/fuzz-statsd
tests_fuzz_fuzz_procfs_LDADD = $(observe_ldadd)
tests_fuzz_fuzz_procfs_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_statsd_CPPFLAGS = $(AM_CPPFLAGS) $(JSON_C_CFLAGS)
tests_fuzz_fuzz_statsd_LDADD = $(statsd_ldadd)
tests_fuzz_fuzz_statsd_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

EXTRA_DIST += tests/data/fuzz/procfs tests/data/fuzz/statsd tests/data/proc
