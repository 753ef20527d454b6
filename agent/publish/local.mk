# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += agent/libpublish.a
agent_libpublish_a_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(JSON_C_CFLAGS) $(ZLIB_CFLAGS)
agent_libpublish_a_SOURCES = \
	agent/publish/body.c agent/publish/body.h \
	agent/publish/file-sink.c agent/publish/file-sink.h \
	agent/publish/flush-plan.c agent/publish/flush-plan.h \
	agent/publish/outbox.c agent/publish/outbox.h \
	agent/publish/publish-log.c agent/publish/publish-log.h \
	agent/publish/publisher.c agent/publish/publisher.h \
	agent/publish/record.c agent/publish/record.h \
	agent/publish/spool.c agent/publish/spool.h \
	agent/publish/spool-directory.c agent/publish/spool-directory.h \
	agent/publish/spool-disk.c agent/publish/spool-disk.h \
	agent/publish/spool-memory.c agent/publish/spool-memory.h \
	agent/publish/spool-record.c agent/publish/spool-record.h \
	agent/publish/spool-recovery.c \
	agent/publish/spool-scan.c agent/publish/spool-scan.h \
	agent/publish/spool-segment.c agent/publish/spool-segment.h agent/publish/spool-segment-file.h \
	agent/publish/uplink.c agent/publish/uplink.h

EXTRA_DIST += \
	tests/data/fuzz/spool/bad-middle \
	tests/data/fuzz/spool/foreign \
	tests/data/fuzz/spool/good \
	tests/data/fuzz/spool/no-header \
	tests/data/fuzz/spool/torn \
	tests/data/fuzz/spool/two-files

if HAVE_CMOCKA
publish_tests = \
	tests/unit/test-body \
	tests/unit/test-file-sink \
	tests/unit/test-fleet \
	tests/unit/test-flush-plan \
	tests/unit/test-outage \
	tests/unit/test-outbox \
	tests/unit/test-publish-log \
	tests/unit/test-spool \
	tests/unit/test-spool-disk \
	tests/unit/test-spool-foreign \
	tests/unit/test-spool-recovery
check_PROGRAMS += $(publish_tests)
TESTS += $(publish_tests)
publish_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) $(JSON_C_CFLAGS)
publish_test_ldadd = agent/libpublish.a agent/libobserve.a common/libaws.a common/libnet.a \
	common/libschema.a common/libbase.a \
	$(SYSTEMD_LIBS) $(JSON_C_LIBS) $(ZLIB_LIBS) $(CMOCKA_LIBS) -lm

tests_unit_test_body_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_body_LDADD = $(publish_test_ldadd)
tests_unit_test_fleet_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_fleet_LDADD = $(publish_test_ldadd)
tests_unit_test_flush_plan_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_flush_plan_LDADD = $(publish_test_ldadd)
tests_unit_test_outage_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_outage_LDADD = $(publish_test_ldadd)
tests_unit_test_outbox_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_outbox_LDADD = $(publish_test_ldadd)
tests_unit_test_publish_log_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_publish_log_LDADD = $(publish_test_ldadd)
tests_unit_test_file_sink_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_file_sink_LDADD = $(publish_test_ldadd)
spool_harness = tests/unit/spool-harness.c tests/unit/spool-harness.h
tests_unit_test_spool_SOURCES = tests/unit/test-spool.c $(spool_harness)
tests_unit_test_spool_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_spool_LDADD = $(publish_test_ldadd)
tests_unit_test_spool_disk_SOURCES = tests/unit/test-spool-disk.c $(spool_harness)
tests_unit_test_spool_disk_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_spool_disk_LDADD = $(publish_test_ldadd)
tests_unit_test_spool_foreign_SOURCES = tests/unit/test-spool-foreign.c $(spool_harness)
tests_unit_test_spool_foreign_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_spool_foreign_LDADD = $(publish_test_ldadd)
tests_unit_test_spool_recovery_SOURCES = tests/unit/test-spool-recovery.c $(spool_harness)
tests_unit_test_spool_recovery_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_spool_recovery_LDADD = $(publish_test_ldadd)
endif

EXTRA_DIST += tests/data/fuzz/body/nonsense tests/data/fuzz/body/window
if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-body tests/fuzz/fuzz-spool
tests_fuzz_fuzz_body_CPPFLAGS = $(AM_CPPFLAGS) $(JSON_C_CFLAGS)
tests_fuzz_fuzz_body_LDADD = agent/libpublish.a common/libbase.a $(SYSTEMD_LIBS) $(JSON_C_LIBS)
tests_fuzz_fuzz_body_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_spool_LDADD = agent/libpublish.a common/libbase.a $(SYSTEMD_LIBS) $(ZLIB_LIBS)
tests_fuzz_fuzz_spool_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif
