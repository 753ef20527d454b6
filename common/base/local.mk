# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += common/libbase.a
common_libbase_a_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(JSON_C_CFLAGS)
common_libbase_a_SOURCES = \
	common/base/accept-gate.c common/base/accept-gate.h \
	common/base/backoff.c common/base/backoff.h \
	common/base/buffer.c common/base/buffer.h \
	common/base/cgroup.c common/base/cgroup.h \
	common/base/child.c common/base/child.h \
	common/base/clock.c common/base/clock.h \
	common/base/event.c common/base/event.h \
	common/base/fd-store.c common/base/fd-store.h \
	common/base/files.c common/base/files.h \
	common/base/histogram.c common/base/histogram.h \
	common/base/json.c common/base/json.h \
	common/base/kill-as.c common/base/kill-as.h \
	common/base/library.c common/base/library.h \
	common/base/listen.c common/base/listen.h \
	common/base/log.c common/base/log.h \
	common/base/macro.h \
	common/base/orphans.c common/base/orphans.h \
	common/base/record.c common/base/record.h \
	common/base/reexec.c common/base/reexec.h \
	common/base/restart.c common/base/restart.h \
	common/base/scoreboard.c common/base/scoreboard.h \
	common/base/siphash.c common/base/siphash.h \
	common/base/spawn.c common/base/spawn.h \
	common/base/text.c common/base/text.h \
	common/base/worker-output.c common/base/worker-output.h

EXTRA_DIST += tests/unit/unit.h \
	tests/data/fuzz/json/members \
	tests/data/fuzz/json/nested \
	tests/data/fuzz/json/numbers \
	tests/data/fuzz/scoreboard/bad-magic \
	tests/data/fuzz/scoreboard/counters \
	tests/data/fuzz/scoreboard/good-header \
	tests/data/fuzz/text/duration \
	tests/data/fuzz/text/duration-over \
	tests/data/fuzz/text/listen-ipv4 \
	tests/data/fuzz/text/listen-ipv6 \
	tests/data/fuzz/text/number \
	tests/data/fuzz/text/size \
	tests/data/fuzz/text/utf8 \
	tests/data/fuzz/text/utf8-bad

if HAVE_CMOCKA
base_tests = \
	tests/unit/test-accept-gate \
	tests/unit/test-backoff \
	tests/unit/test-buffer \
	tests/unit/test-clock \
	tests/unit/test-files \
	tests/unit/test-histogram \
	tests/unit/test-json \
	tests/unit/test-kill-as \
	tests/unit/test-library \
	tests/unit/test-listen \
	tests/unit/test-log \
	tests/unit/test-orphans \
	tests/unit/test-record \
	tests/unit/test-restart \
	tests/unit/test-scoreboard \
	tests/unit/test-siphash \
	tests/unit/test-spawn \
	tests/unit/test-text
check_PROGRAMS += $(base_tests)
TESTS += $(base_tests)

base_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) $(JSON_C_CFLAGS)
base_test_ldadd = common/libbase.a $(CMOCKA_LIBS) $(SYSTEMD_LIBS)
tests_unit_test_accept_gate_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_accept_gate_LDADD = $(base_test_ldadd)
tests_unit_test_backoff_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_backoff_LDADD = $(base_test_ldadd)
tests_unit_test_buffer_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_buffer_LDADD = $(base_test_ldadd)
tests_unit_test_clock_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_clock_LDADD = $(base_test_ldadd)
tests_unit_test_files_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_files_LDADD = $(base_test_ldadd)
tests_unit_test_histogram_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_histogram_LDADD = $(base_test_ldadd)
tests_unit_test_json_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_json_LDADD = $(base_test_ldadd) $(JSON_C_LIBS)
tests_unit_test_kill_as_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_kill_as_LDADD = $(base_test_ldadd)
tests_unit_test_library_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_library_LDADD = $(base_test_ldadd)
tests_unit_test_listen_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_listen_LDADD = $(base_test_ldadd)
tests_unit_test_log_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_log_LDADD = $(base_test_ldadd)
tests_unit_test_orphans_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_orphans_LDADD = $(base_test_ldadd)
tests_unit_test_record_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_record_LDADD = $(base_test_ldadd)
tests_unit_test_restart_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_restart_LDADD = $(base_test_ldadd)
tests_unit_test_scoreboard_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_scoreboard_LDADD = $(base_test_ldadd)
tests_unit_test_scoreboard_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_test_siphash_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_siphash_LDADD = $(base_test_ldadd)
tests_unit_test_spawn_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_spawn_LDADD = $(base_test_ldadd)
tests_unit_test_text_CPPFLAGS = $(base_test_cppflags)
tests_unit_test_text_LDADD = $(base_test_ldadd)
endif

if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-json tests/fuzz/fuzz-scoreboard tests/fuzz/fuzz-text
tests_fuzz_fuzz_json_CPPFLAGS = $(AM_CPPFLAGS) $(JSON_C_CFLAGS)
tests_fuzz_fuzz_json_LDADD = common/libbase.a $(JSON_C_LIBS)
tests_fuzz_fuzz_json_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_scoreboard_LDADD = common/libbase.a
tests_fuzz_fuzz_scoreboard_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_text_LDADD = common/libbase.a
tests_fuzz_fuzz_text_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif
