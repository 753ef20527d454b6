# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += agent/libpublish.a
agent_libpublish_a_SOURCES = \
	agent/publish/body.c agent/publish/body.h \
	agent/publish/file-sink.c agent/publish/file-sink.h \
	agent/publish/record.c agent/publish/record.h
agent_libpublish_a_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(JSON_C_CFLAGS)

if HAVE_CMOCKA
publish_tests = \
	tests/unit/test-body \
	tests/unit/test-file-sink
check_PROGRAMS += $(publish_tests)
TESTS += $(publish_tests)
publish_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) $(JSON_C_CFLAGS)
publish_test_ldadd = agent/libpublish.a agent/libobserve.a common/libschema.a common/libbase.a \
	$(SYSTEMD_LIBS) $(JSON_C_LIBS) $(CMOCKA_LIBS) -lm

tests_unit_test_body_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_body_LDADD = $(publish_test_ldadd)
tests_unit_test_file_sink_CPPFLAGS = $(publish_test_cppflags)
tests_unit_test_file_sink_LDADD = $(publish_test_ldadd)
endif
