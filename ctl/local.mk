# SPDX-License-Identifier: Apache-2.0
# agentctl. Its pure parts are a library, so that tests can have them.
noinst_LIBRARIES += ctl/libctl.a
ctl_libctl_a_CPPFLAGS = $(AM_CPPFLAGS) $(JSON_C_CFLAGS)
ctl_libctl_a_SOURCES = \
	ctl/arguments.c ctl/arguments.h \
	ctl/display.c ctl/display.h \
	ctl/failure.c ctl/failure.h \
	ctl/fields.c ctl/fields.h \
	ctl/grid.c ctl/grid.h \
	ctl/humanize.c ctl/humanize.h \
	ctl/instances.c ctl/instances.h \
	ctl/live.c ctl/live.h \
	ctl/load-pace.c ctl/load-pace.h \
	ctl/load-report.c ctl/load-report.h \
	ctl/load-tally.c ctl/load-tally.h \
	ctl/log-file.c ctl/log-file.h \
	ctl/reference-bash.c ctl/reference-man.c ctl/reference.c ctl/reference.h \
	ctl/table.c ctl/table.h \
	ctl/top-graph.c ctl/top-graph.h \
	ctl/top-lines.c ctl/top-tables.c ctl/top-view-internal.h \
	ctl/top-model.c ctl/top-model.h \
	ctl/top-state.c ctl/top-state.h \
	ctl/top-view.c ctl/top-view.h \
	ctl/url.c ctl/url.h \
	ctl/watch-report.c ctl/watch-report.h

bin_PROGRAMS += agentctl
agentctl_CPPFLAGS = $(AM_CPPFLAGS) $(JSON_C_CFLAGS) $(CURL_CFLAGS) $(NCURSES_CFLAGS) $(SYSTEMD_CFLAGS)
agentctl_LDADD = ctl/libctl.a common/libnet.a $(SCHEMA_LIBS) $(CURL_LIBS) $(JSON_C_LIBS) $(NCURSES_LIBS) $(SYSTEMD_LIBS) -lm
agentctl_SOURCES = \
	ctl/client.c ctl/client.h \
	ctl/config-files.c ctl/config-files.h \
	ctl/load-run.c ctl/load-run.h \
	ctl/main.c \
	ctl/session.c ctl/session.h \
	ctl/verb-config-check.c \
	ctl/verb-config-show.c \
	ctl/verb-cost.c \
	ctl/verb-events.c \
	ctl/verb-health.c \
	ctl/verb-help.c \
	ctl/verb-load.c \
	ctl/verb-logs.c \
	ctl/verb-metrics.c \
	ctl/verb-reload.c \
	ctl/verb-restart.c \
	ctl/verb-drain.c \
	ctl/verb-scale.c \
	ctl/progress.c ctl/progress.h \
	ctl/top-feed.c ctl/top-feed.h \
	ctl/top-screen.c ctl/top-screen.h \
	ctl/verb-status.c \
	ctl/verb-stress.c \
	ctl/verb-top.c \
	ctl/verb-upgrade.c \
	ctl/verb-version.c \
	ctl/verb-watch.c \
	ctl/watch-run.c ctl/watch-run.h

dist_bashcompletion_DATA = ctl/agentctl.bash

# What is made from the verbs' table lives in the repository, so that it can be read there; a test
# fails when it differs. This writes it anew.
.PHONY: update-verbs
references: update-verbs
update-verbs: agentctl
	./agentctl help --completion >$(srcdir)/ctl/agentctl.bash.new
	mv $(srcdir)/ctl/agentctl.bash.new $(srcdir)/ctl/agentctl.bash
	./agentctl help --man >verbs.man
	$(SED) -i -e '/^\.\\" verbs: begin/,/^\.\\" verbs: end/{/^\.\\" verbs:/!d}' \
	  -e '/^\.\\" verbs: begin/r verbs.man' $(srcdir)/docs/man/agentctl.1
	rm -f verbs.man

TESTS += tests/unit/test-verb-references.sh
EXTRA_DIST += tests/unit/test-verb-references.sh tests/integration/test_agentctl.py \
	tests/integration/test_agentctl_daemon.py tests/integration/test_agentctl_trouble.py tests/integration/support/agentctl.py \
	tests/integration/support/fake_control.py tests/integration/support/tmux.py tests/integration/support/top_snapshot.py \
	tests/integration/test_top.py tests/data/top docs/tools/top-picture docs/images/top.svg \
	tests/integration/support/screen.py tests/integration/test_load_watch.py

if HAVE_CMOCKA
ctl_tests = \
	tests/unit/test-arguments \
	tests/unit/test-display \
	tests/unit/test-grid \
	tests/unit/test-humanize \
	tests/unit/test-instances \
	tests/unit/test-load-pace \
	tests/unit/test-load-report \
	tests/unit/test-log-file \
	tests/unit/test-table \
	tests/unit/test-top-model \
	tests/unit/test-top-state \
	tests/unit/test-top-view \
	tests/unit/test-url \
	tests/unit/test-verbs \
	tests/unit/test-watch-report
check_PROGRAMS += $(ctl_tests)
TESTS += $(ctl_tests)

ctl_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) $(JSON_C_CFLAGS)
ctl_test_ldadd = ctl/libctl.a $(SCHEMA_LIBS) $(CMOCKA_LIBS) $(JSON_C_LIBS) $(SYSTEMD_LIBS) -lm
tests_unit_test_arguments_CPPFLAGS = $(ctl_test_cppflags)
tests_unit_test_arguments_LDADD = $(ctl_test_ldadd)
tests_unit_test_display_CPPFLAGS = $(ctl_test_cppflags)
tests_unit_test_display_LDADD = $(ctl_test_ldadd)
tests_unit_test_humanize_CPPFLAGS = $(ctl_test_cppflags)
tests_unit_test_humanize_LDADD = $(ctl_test_ldadd)
tests_unit_test_log_file_CPPFLAGS = $(ctl_test_cppflags)
tests_unit_test_log_file_LDADD = $(ctl_test_ldadd)
tests_unit_test_table_CPPFLAGS = $(ctl_test_cppflags)
tests_unit_test_table_LDADD = $(ctl_test_ldadd)
tests_unit_test_instances_CPPFLAGS = $(ctl_test_cppflags)
tests_unit_test_instances_LDADD = $(ctl_test_ldadd)
tests_unit_test_load_pace_CPPFLAGS = $(ctl_test_cppflags)
tests_unit_test_load_pace_LDADD = $(ctl_test_ldadd)
tests_unit_test_load_report_CPPFLAGS = $(ctl_test_cppflags)
tests_unit_test_load_report_LDADD = $(ctl_test_ldadd)
tests_unit_test_url_CPPFLAGS = $(ctl_test_cppflags)
tests_unit_test_url_LDADD = $(ctl_test_ldadd)
tests_unit_test_watch_report_CPPFLAGS = $(ctl_test_cppflags)
tests_unit_test_watch_report_LDADD = $(ctl_test_ldadd)
tests_unit_test_grid_CPPFLAGS = $(ctl_test_cppflags)
tests_unit_test_grid_LDADD = $(ctl_test_ldadd)
top_test_cppflags = $(ctl_test_cppflags) -DTEST_DATA='"$(abs_top_srcdir)/tests/data"'
tests_unit_test_top_model_SOURCES = tests/unit/test-top-model.c tests/unit/top-fixture.h
tests_unit_test_top_model_CPPFLAGS = $(top_test_cppflags)
tests_unit_test_top_model_LDADD = $(ctl_test_ldadd)
tests_unit_test_top_state_SOURCES = tests/unit/test-top-state.c tests/unit/top-fixture.h
tests_unit_test_top_state_CPPFLAGS = $(top_test_cppflags)
tests_unit_test_top_state_LDADD = $(ctl_test_ldadd)
tests_unit_test_top_view_SOURCES = tests/unit/test-top-view.c tests/unit/top-fixture.h
tests_unit_test_top_view_CPPFLAGS = $(top_test_cppflags)
tests_unit_test_top_view_LDADD = $(ctl_test_ldadd)
tests_unit_test_verbs_CPPFLAGS = $(ctl_test_cppflags)
tests_unit_test_verbs_LDADD = $(ctl_test_ldadd)
endif

if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-top
tests_fuzz_fuzz_top_CPPFLAGS = $(AM_CPPFLAGS) $(JSON_C_CFLAGS)
tests_fuzz_fuzz_top_LDADD = ctl/libctl.a $(SCHEMA_LIBS) $(JSON_C_LIBS) $(SYSTEMD_LIBS) -lm
tests_fuzz_fuzz_top_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif

EXTRA_DIST += tests/data/fuzz/top
