# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += common/libaws.a
common_libaws_a_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(CRYPTO_CFLAGS)
common_libaws_a_SOURCES = \
	common/aws/endpoint.c common/aws/endpoint.h \
	common/aws/hash.c common/aws/hash.h \
	common/aws/retry.c common/aws/retry.h \
	common/aws/sigv4.c common/aws/sigv4.h \
	common/aws/sigv4-canonical.c common/aws/sigv4-canonical.h

# What the integration tests sign with, to hold it against botocore.
noinst_PROGRAMS += tests/tools/sign
tests_tools_sign_SOURCES = tests/tools/sign.c
tests_tools_sign_CPPFLAGS = $(AM_CPPFLAGS) $(JSON_C_CFLAGS)
tests_tools_sign_LDADD = common/libaws.a common/libbase.a $(JSON_C_LIBS) $(SYSTEMD_LIBS)

EXTRA_DIST += tests/data/sigv4/NOTICE tests/data/sigv4/vectors.json \
	tests/data/fuzz/sigv4/headers \
	tests/data/fuzz/sigv4/path \
	tests/data/fuzz/sigv4/query \
	tests/data/fuzz/sigv4/s3 \
	tests/data/fuzz/endpoint/override \
	tests/data/fuzz/endpoint/port \
	tests/data/fuzz/endpoint/region

if HAVE_CMOCKA
aws_tests = \
	tests/unit/test-endpoint \
	tests/unit/test-hash \
	tests/unit/test-retry \
	tests/unit/test-sigv4 \
	tests/unit/test-sigv4-canonical \
	tests/unit/test-sigv4-vectors
check_PROGRAMS += $(aws_tests)
TESTS += $(aws_tests)

aws_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)
aws_test_ldadd = common/libaws.a common/libbase.a $(CMOCKA_LIBS) $(SYSTEMD_LIBS)
tests_unit_test_endpoint_CPPFLAGS = $(aws_test_cppflags)
tests_unit_test_endpoint_LDADD = $(aws_test_ldadd)
tests_unit_test_hash_CPPFLAGS = $(aws_test_cppflags)
tests_unit_test_hash_LDADD = $(aws_test_ldadd)
tests_unit_test_retry_CPPFLAGS = $(aws_test_cppflags)
tests_unit_test_retry_LDADD = $(aws_test_ldadd)
tests_unit_test_sigv4_CPPFLAGS = $(aws_test_cppflags)
tests_unit_test_sigv4_LDADD = $(aws_test_ldadd)
tests_unit_test_sigv4_canonical_CPPFLAGS = $(aws_test_cppflags)
tests_unit_test_sigv4_canonical_LDADD = $(aws_test_ldadd)
tests_unit_test_sigv4_vectors_CPPFLAGS = $(aws_test_cppflags) $(JSON_C_CFLAGS) \
	-DVECTORS='"$(abs_top_srcdir)/tests/data/sigv4/vectors.json"'
tests_unit_test_sigv4_vectors_LDADD = $(aws_test_ldadd) $(JSON_C_LIBS)
endif

if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-endpoint tests/fuzz/fuzz-sigv4
tests_fuzz_fuzz_endpoint_LDADD = common/libaws.a common/libbase.a
tests_fuzz_fuzz_endpoint_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_sigv4_LDADD = common/libaws.a common/libbase.a $(SYSTEMD_LIBS)
tests_fuzz_fuzz_sigv4_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif
