# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += common/libschema.a
common_libschema_a_CPPFLAGS = $(AM_CPPFLAGS) $(LIBCONFIG_CFLAGS)
common_libschema_a_SOURCES = \
	common/schema/config.c common/schema/config.h common/schema/config-internal.h \
	common/schema/config-keys.h common/schema/contract.h \
	common/schema/config-check.c \
	common/schema/config-image.c common/schema/config-image.h \
	common/schema/config-keep.c \
	common/schema/config-source.c common/schema/config-source.h \
	common/schema/config-nearest.c \
	common/schema/config-print.c \
	common/schema/config-scan.c common/schema/config-scan.h \
	common/schema/config-value.c common/schema/config-value.h \
	common/schema/events.c common/schema/events.h \
	common/schema/metrics.c common/schema/metrics.h \
	common/schema/prices.c common/schema/prices.h \
	common/schema/slot-cgroup.c common/schema/slot-cgroup.h \
	common/schema/stress.c common/schema/stress.h \
	common/schema/verbs.c common/schema/verbs.h \
	common/schema/worker-environment.c common/schema/worker-environment.h

# What a program links that uses it.
SCHEMA_LIBS = common/libschema.a common/libbase.a $(LIBCONFIG_LIBS)

if HAVE_CMOCKA
schema_tests = \
	tests/unit/test-config \
	tests/unit/test-config-default \
	tests/unit/test-config-image \
	tests/unit/test-event-entries \
	tests/unit/test-metrics \
	tests/unit/test-prices \
	tests/unit/test-stress-order \
	tests/unit/test-worker-environment
check_PROGRAMS += $(schema_tests)
TESTS += $(schema_tests)

schema_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
schema_test_ldadd = $(SCHEMA_LIBS) $(CMOCKA_LIBS)
tests_unit_test_config_CPPFLAGS = $(schema_test_cppflags)
tests_unit_test_config_LDADD = $(schema_test_ldadd)
tests_unit_test_config_default_CPPFLAGS = $(schema_test_cppflags)
tests_unit_test_config_default_LDADD = $(schema_test_ldadd)
tests_unit_test_config_image_CPPFLAGS = $(schema_test_cppflags)
tests_unit_test_config_image_LDADD = $(schema_test_ldadd)
tests_unit_test_event_entries_CPPFLAGS = $(schema_test_cppflags)
tests_unit_test_event_entries_LDADD = $(schema_test_ldadd)
tests_unit_test_metrics_CPPFLAGS = $(schema_test_cppflags)
tests_unit_test_metrics_LDADD = $(schema_test_ldadd)
tests_unit_test_prices_CPPFLAGS = $(schema_test_cppflags)
tests_unit_test_prices_LDADD = $(schema_test_ldadd) -lm
tests_unit_test_stress_order_CPPFLAGS = $(schema_test_cppflags)
tests_unit_test_stress_order_LDADD = $(schema_test_ldadd)
tests_unit_test_worker_environment_CPPFLAGS = $(schema_test_cppflags)
tests_unit_test_worker_environment_LDADD = $(schema_test_ldadd) $(SYSTEMD_LIBS)
endif

if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-config
tests_fuzz_fuzz_config_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_config_LDADD = $(SCHEMA_LIBS)
endif
EXTRA_DIST += systemd/agentd.conf \
	tests/data/fuzz/config/all-keys.conf tests/data/fuzz/config/comments.conf \
	tests/data/fuzz/config/duplicate.conf tests/data/fuzz/config/include.conf \
	tests/data/fuzz/config/lists.conf tests/data/fuzz/config/numbers.conf
