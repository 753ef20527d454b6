# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += agent/libpublish.a
agent_libpublish_a_SOURCES = \
	agent/publish/body.c agent/publish/body.h \
	agent/publish/file-sink.c agent/publish/file-sink.h \
	agent/publish/flush-plan.c agent/publish/flush-plan.h \
	agent/publish/outbox.c agent/publish/outbox.h \
	agent/publish/publish-log.c agent/publish/publish-log.h \
	agent/publish/publisher.c agent/publish/publisher.h \
	agent/publish/record.c agent/publish/record.h \
	agent/publish/uplink.c agent/publish/uplink.h
agent_libpublish_a_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(JSON_C_CFLAGS)

if HAVE_CMOCKA
publish_tests = \
	tests/unit/test-body \
	tests/unit/test-file-sink \
	tests/unit/test-fleet \
	tests/unit/test-flush-plan \
	tests/unit/test-outbox \
	tests/unit/test-publish-log
check_PROGRAMS += $(publish_tests)
TESTS += $(publish_tests)
publish_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) $(JSON_C_CFLAGS)
publish_test_ldadd = agent/libpublish.a agent/libobserve.a common/libaws.a common/libnet.a \
	common/libschema.a common/libbase.a \
	$(SYSTEMD_LIBS) $(JSON_C_LIBS) $(CMOCKA_LIBS) $(ZLIB_LIBS) -lm

tests_unit_test_body_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_body_LDADD = $(publish_test_ldadd)
tests_unit_test_fleet_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_fleet_LDADD = $(publish_test_ldadd)
tests_unit_test_flush_plan_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_flush_plan_LDADD = $(publish_test_ldadd)
tests_unit_test_outbox_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_outbox_LDADD = $(publish_test_ldadd)
tests_unit_test_publish_log_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_publish_log_LDADD = $(publish_test_ldadd)
tests_unit_test_file_sink_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_file_sink_LDADD = $(publish_test_ldadd)
endif
