# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += agent/libpublish.a
agent_libpublish_a_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CFLAGS)
agent_libpublish_a_SOURCES = \
	agent/publish/batch.c agent/publish/batch.h \
	agent/publish/file-sink.c agent/publish/file-sink.h \
	agent/publish/spool.c agent/publish/spool.h \
	agent/publish/spool-directory.c agent/publish/spool-directory.h \
	agent/publish/spool-disk.c agent/publish/spool-disk.h \
	agent/publish/spool-memory.c agent/publish/spool-memory.h \
	agent/publish/spool-record.c agent/publish/spool-record.h \
	agent/publish/spool-recovery.c \
	agent/publish/spool-scan.c agent/publish/spool-scan.h \
	agent/publish/spool-segment.c agent/publish/spool-segment.h agent/publish/spool-segment-file.h

EXTRA_DIST += \
	tests/data/fuzz/spool/bad-middle \
	tests/data/fuzz/spool/foreign \
	tests/data/fuzz/spool/good \
	tests/data/fuzz/spool/no-header \
	tests/data/fuzz/spool/torn \
	tests/data/fuzz/spool/two-files

if HAVE_CMOCKA
publish_tests = \
	tests/unit/test-batch \
	tests/unit/test-file-sink \
	tests/unit/test-spool \
	tests/unit/test-spool-disk \
	tests/unit/test-spool-recovery
check_PROGRAMS += $(publish_tests)
TESTS += $(publish_tests)
publish_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) $(JSON_C_CFLAGS)
publish_test_ldadd = agent/libpublish.a agent/libobserve.a common/libschema.a common/libbase.a \
	$(SYSTEMD_LIBS) $(JSON_C_LIBS) $(ZLIB_LIBS) $(CMOCKA_LIBS) -lm

tests_unit_test_batch_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_batch_LDADD = $(publish_test_ldadd)
tests_unit_test_file_sink_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_file_sink_LDADD = $(publish_test_ldadd)
tests_unit_test_spool_SOURCES = tests/unit/test-spool.c tests/unit/spool-harness.c tests/unit/spool-harness.h
tests_unit_test_spool_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_spool_LDADD = $(publish_test_ldadd)
tests_unit_test_spool_disk_SOURCES = tests/unit/test-spool-disk.c \
	tests/unit/spool-harness.c tests/unit/spool-harness.h
tests_unit_test_spool_disk_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_spool_disk_LDADD = $(publish_test_ldadd)
tests_unit_test_spool_recovery_SOURCES = tests/unit/test-spool-recovery.c \
	tests/unit/spool-harness.c tests/unit/spool-harness.h
tests_unit_test_spool_recovery_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_spool_recovery_LDADD = $(publish_test_ldadd)
endif

if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-spool
tests_fuzz_fuzz_spool_LDADD = agent/libpublish.a common/libbase.a $(SYSTEMD_LIBS) $(ZLIB_LIBS)
tests_fuzz_fuzz_spool_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif
