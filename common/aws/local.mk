# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += common/libaws.a
common_libaws_a_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(CRYPTO_CFLAGS) $(JSON_C_CFLAGS) $(ZLIB_CFLAGS)
common_libaws_a_SOURCES = \
	common/aws/autoscaling.c common/aws/autoscaling.h \
	common/aws/cloudwatch.c common/aws/cloudwatch.h \
	common/aws/credentials.c common/aws/credentials.h common/aws/credentials-internal.h \
	common/aws/credentials-chain.c common/aws/credentials-chain.h \
	common/aws/credentials-container.c \
	common/aws/credentials-files.c \
	common/aws/credentials-parse.c \
	common/aws/credentials-web.c \
	common/aws/dynamodb.c common/aws/dynamodb.h \
	common/aws/endpoint.c common/aws/endpoint.h \
	common/aws/hash.c common/aws/hash.h \
	common/aws/imds.c common/aws/imds.h \
	common/aws/request.c common/aws/request.h common/aws/request-internal.h \
	common/aws/request-error.c \
	common/aws/retry.c common/aws/retry.h \
	common/aws/sigv4.c common/aws/sigv4.h \
	common/aws/sigv4-canonical.c common/aws/sigv4-canonical.h \
	common/aws/xml.c common/aws/xml.h

# What a program needs that links common/libaws.a.
AWS_LIBS = common/libaws.a $(NET_LIBS) $(JSON_C_LIBS) $(ZLIB_LIBS)

# What the integration tests hold against a metadata service.
noinst_PROGRAMS += tests/tools/aws-probe
tests_tools_aws_probe_SOURCES = tests/tools/aws-probe.c
tests_tools_aws_probe_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(JSON_C_CFLAGS)
tests_tools_aws_probe_LDADD = $(AWS_LIBS)

# What the integration tests sign with, to hold it against botocore.
noinst_PROGRAMS += tests/tools/sign
tests_tools_sign_SOURCES = tests/tools/sign.c
tests_tools_sign_CPPFLAGS = $(AM_CPPFLAGS) $(JSON_C_CFLAGS)
tests_tools_sign_LDADD = common/libaws.a common/libbase.a $(JSON_C_LIBS) $(SYSTEMD_LIBS)

EXTRA_DIST += tests/data/sigv4/NOTICE tests/data/sigv4/vectors.json \
	tests/unit/aws-harness.h tests/unit/aws-service.h \
	tests/data/fuzz/aws-xml/date \
	tests/data/fuzz/aws-xml/error \
	tests/data/fuzz/aws-xml/group \
	tests/data/fuzz/aws-xml/json \
	tests/data/fuzz/credentials/config \
	tests/data/fuzz/credentials/json \
	tests/data/fuzz/credentials/shared \
	tests/data/fuzz/credentials/sts \
	tests/data/fuzz/credentials/url \
	tests/data/fuzz/sigv4/headers \
	tests/data/fuzz/sigv4/path \
	tests/data/fuzz/sigv4/query \
	tests/data/fuzz/sigv4/s3 \
	tests/data/fuzz/endpoint/override \
	tests/data/fuzz/endpoint/port \
	tests/data/fuzz/endpoint/region

if HAVE_CMOCKA
aws_tests = \
	tests/unit/test-autoscaling \
	tests/unit/test-cloudwatch \
	tests/unit/test-credentials \
	tests/unit/test-credentials-chain \
	tests/unit/test-credentials-parse \
	tests/unit/test-dynamodb \
	tests/unit/test-endpoint \
	tests/unit/test-hash \
	tests/unit/test-imds \
	tests/unit/test-request \
	tests/unit/test-request-error \
	tests/unit/test-retry \
	tests/unit/test-sigv4 \
	tests/unit/test-sigv4-canonical \
	tests/unit/test-sigv4-vectors \
	tests/unit/test-xml
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
tests_unit_test_xml_CPPFLAGS = $(aws_test_cppflags)
tests_unit_test_xml_LDADD = $(aws_test_ldadd)

# On a loop, against a fake service.
aws_loop_cppflags = $(aws_test_cppflags) $(SYSTEMD_CFLAGS)
aws_loop_ldadd = $(AWS_LIBS) $(CMOCKA_LIBS)
tests_unit_test_autoscaling_SOURCES = tests/unit/test-autoscaling.c tests/unit/aws-harness.c
tests_unit_test_autoscaling_CPPFLAGS = $(aws_loop_cppflags)
tests_unit_test_autoscaling_LDADD = $(aws_loop_ldadd)
tests_unit_test_cloudwatch_SOURCES = tests/unit/test-cloudwatch.c tests/unit/aws-harness.c
tests_unit_test_cloudwatch_CPPFLAGS = $(aws_loop_cppflags)
tests_unit_test_cloudwatch_LDADD = $(aws_loop_ldadd)
tests_unit_test_credentials_SOURCES = tests/unit/test-credentials.c tests/unit/aws-harness.c
tests_unit_test_credentials_CPPFLAGS = $(aws_loop_cppflags)
tests_unit_test_credentials_LDADD = $(aws_loop_ldadd)
tests_unit_test_credentials_chain_SOURCES = tests/unit/test-credentials-chain.c tests/unit/aws-harness.c
tests_unit_test_credentials_chain_CPPFLAGS = $(aws_loop_cppflags)
tests_unit_test_credentials_chain_LDADD = $(aws_loop_ldadd)
tests_unit_test_credentials_parse_SOURCES = tests/unit/test-credentials-parse.c
tests_unit_test_credentials_parse_CPPFLAGS = $(aws_loop_cppflags)
tests_unit_test_credentials_parse_LDADD = $(aws_loop_ldadd)
tests_unit_test_dynamodb_SOURCES = tests/unit/test-dynamodb.c tests/unit/aws-harness.c
tests_unit_test_dynamodb_CPPFLAGS = $(aws_loop_cppflags) $(JSON_C_CFLAGS)
tests_unit_test_dynamodb_LDADD = $(aws_loop_ldadd)
tests_unit_test_imds_SOURCES = tests/unit/test-imds.c tests/unit/aws-harness.c
tests_unit_test_imds_CPPFLAGS = $(aws_loop_cppflags)
tests_unit_test_imds_LDADD = $(aws_loop_ldadd)
tests_unit_test_request_SOURCES = tests/unit/test-request.c tests/unit/aws-harness.c
tests_unit_test_request_CPPFLAGS = $(aws_loop_cppflags)
tests_unit_test_request_LDADD = $(aws_loop_ldadd)
tests_unit_test_request_error_SOURCES = tests/unit/test-request-error.c
tests_unit_test_request_error_CPPFLAGS = $(aws_loop_cppflags)
tests_unit_test_request_error_LDADD = $(aws_loop_ldadd)
endif

if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-aws-xml tests/fuzz/fuzz-credentials tests/fuzz/fuzz-endpoint tests/fuzz/fuzz-sigv4
tests_fuzz_fuzz_aws_xml_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS)
tests_fuzz_fuzz_aws_xml_LDADD = $(AWS_LIBS)
tests_fuzz_fuzz_aws_xml_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_credentials_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS)
tests_fuzz_fuzz_credentials_LDADD = $(AWS_LIBS)
tests_fuzz_fuzz_credentials_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_endpoint_LDADD = common/libaws.a common/libbase.a
tests_fuzz_fuzz_endpoint_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_sigv4_LDADD = common/libaws.a common/libbase.a $(SYSTEMD_LIBS)
tests_fuzz_fuzz_sigv4_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

EXTRA_DIST += tests/integration/test_imds.py tests/integration/support/fake_aws.py
