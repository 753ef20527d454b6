# SPDX-License-Identifier: Apache-2.0
pkglibexec_PROGRAMS += visitor-board
visitor_board_SOURCES = apps/visitor-board/main.c
visitor_board_LDADD = apps/visitor-board/libboard.a common/libaws.a common/libnet.a common/libbase.a \
	$(MICROHTTPD_LIBS) $(SYSTEMD_LIBS) $(JSON_C_LIBS) $(SQLITE_LIBS) $(ZLIB_LIBS) -lpthread

noinst_LIBRARIES += apps/visitor-board/libboard.a
apps_visitor_board_libboard_a_SOURCES = \
	apps/visitor-board/assets.h \
	apps/visitor-board/board-answers.c \
	apps/visitor-board/board-api.c \
	apps/visitor-board/board-form.c \
	apps/visitor-board/board-internal.h \
	apps/visitor-board/board-json.c apps/visitor-board/board-json.h \
	apps/visitor-board/board-pages.c \
	apps/visitor-board/board-pending.c \
	apps/visitor-board/board-posts.c \
	apps/visitor-board/board-reads.c \
	apps/visitor-board/board-ready.c \
	apps/visitor-board/board.c apps/visitor-board/board.h \
	apps/visitor-board/client-address.c apps/visitor-board/client-address.h \
	apps/visitor-board/counters.c apps/visitor-board/counters.h \
	apps/visitor-board/create-table.c apps/visitor-board/create-table.h \
	apps/visitor-board/cross-origin.c apps/visitor-board/cross-origin.h \
	apps/visitor-board/cursor.c apps/visitor-board/cursor.h \
	apps/visitor-board/database.c apps/visitor-board/database.h \
	apps/visitor-board/dynamodb-items.c apps/visitor-board/dynamodb-items.h \
	apps/visitor-board/dynamodb-link.c apps/visitor-board/dynamodb-link.h \
	apps/visitor-board/dynamodb-walk.c apps/visitor-board/dynamodb-walk.h \
	apps/visitor-board/entity-tag.c apps/visitor-board/entity-tag.h \
	apps/visitor-board/form.c apps/visitor-board/form.h \
	apps/visitor-board/generation.c apps/visitor-board/generation.h \
	apps/visitor-board/message.c apps/visitor-board/message.h \
	apps/visitor-board/page.c apps/visitor-board/page.h \
	apps/visitor-board/page-text.c apps/visitor-board/page-text.h \
	apps/visitor-board/post-queue.c apps/visitor-board/post-queue.h \
	apps/visitor-board/post-text.c apps/visitor-board/post-text.h \
	apps/visitor-board/problem.c apps/visitor-board/problem.h \
	apps/visitor-board/rate-limit.c apps/visitor-board/rate-limit.h \
	apps/visitor-board/seal.c apps/visitor-board/seal.h \
	apps/visitor-board/settings.c apps/visitor-board/settings.h \
	apps/visitor-board/store-dynamodb-internal.h \
	apps/visitor-board/store-dynamodb-posts.c \
	apps/visitor-board/store-dynamodb-reads.c \
	apps/visitor-board/store-dynamodb.c apps/visitor-board/store-dynamodb.h \
	apps/visitor-board/store-open.c apps/visitor-board/store-open.h \
	apps/visitor-board/store-sqlite-internal.h \
	apps/visitor-board/store-sqlite-reads.c \
	apps/visitor-board/store-sqlite.c apps/visitor-board/store-sqlite.h \
	apps/visitor-board/store.h apps/visitor-board/store-stats.c \
	apps/visitor-board/uuid.c apps/visitor-board/uuid.h \
	apps/visitor-board/zone.c apps/visitor-board/zone.h

# A store by hand, for the integration tests.
noinst_PROGRAMS += tests/tools/store-shell
tests_tools_store_shell_SOURCES = tests/tools/store-shell.c tests/unit/store-harness.c \
	tests/unit/store-harness.h
tests_tools_store_shell_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(JSON_C_CFLAGS)
tests_tools_store_shell_LDADD = apps/visitor-board/libboard.a $(AWS_LIBS) $(SQLITE_LIBS)

EXTRA_DIST += tests/integration/dynalite/package.json tests/integration/dynalite/package-lock.json \
	tests/integration/test_store.py tests/integration/support/dynalite_peer.py tests/integration/support/dynamodb_front.py \
	tests/data/fuzz/dynamodb/days \
	tests/data/fuzz/dynamodb/messages \
	tests/data/fuzz/dynamodb/position \
	tests/data/fuzz/dynamodb/reasons \
	tests/data/fuzz/dynamodb/secret

# The API's contract as a string, to be served.
nodist_apps_visitor_board_libboard_a_SOURCES = apps/visitor-board/openapi-json.c
CLEANFILES += apps/visitor-board/openapi-json.c
EXTRA_DIST += apps/visitor-board/openapi.json
apps/visitor-board/openapi-json.c: apps/visitor-board/openapi.json
	$(AM_V_GEN)$(MKDIR_P) $(@D) && { \
	  echo '/* Made from openapi.json. */' && \
	  echo '#include "apps/visitor-board/board-internal.h"' && \
	  echo 'const char board_openapi[] =' && \
	  $(SED) 's/[\\"]/\\&/g; s/.*/"&\\n"/' $(srcdir)/apps/visitor-board/openapi.json && \
	  echo ';'; } >$@.new && mv $@.new $@

# The files that the page wants, in the order of assets.h.
board_assets = style.css script.js icon.svg
board_asset_files = $(addprefix apps/visitor-board/,$(board_assets))
nodist_apps_visitor_board_libboard_a_SOURCES += apps/visitor-board/assets.c
CLEANFILES += apps/visitor-board/assets.c
EXTRA_DIST += apps/visitor-board/embed-assets $(board_asset_files)
apps/visitor-board/assets.c: apps/visitor-board/embed-assets $(board_asset_files)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	  $(srcdir)/apps/visitor-board/embed-assets $(srcdir)/apps/visitor-board $(board_assets) >$@.new && \
	  mv $@.new $@

EXTRA_DIST += \
	tests/data/fuzz/client-address/bad \
	tests/data/fuzz/client-address/lines \
	tests/data/fuzz/client-address/odd \
	tests/data/fuzz/cursor/made \
	tests/data/fuzz/cursor/position \
	tests/data/fuzz/form/blanks \
	tests/data/fuzz/form/controls \
	tests/data/fuzz/form/escapes \
	tests/data/fuzz/form/fields \
	tests/data/fuzz/form/not-utf8 \
	tests/data/fuzz/form/plain \
	tests/data/fuzz/form/too-long

if HAVE_CMOCKA
board_tests = \
	tests/unit/test-board \
	tests/unit/test-board-api \
	tests/unit/test-board-pages \
	tests/unit/test-board-posts \
	tests/unit/test-client-address \
	tests/unit/test-counters \
	tests/unit/test-cross-origin \
	tests/unit/test-cursor \
	tests/unit/test-database \
	tests/unit/test-dynamodb-items \
	tests/unit/test-entity-tag \
	tests/unit/test-form \
	tests/unit/test-generation \
	tests/unit/test-page \
	tests/unit/test-problem \
	tests/unit/test-rate-limit \
	tests/unit/test-store \
	tests/unit/test-store-schema \
	tests/unit/test-store-sqlite
check_PROGRAMS += $(board_tests)
TESTS += $(board_tests)

board_store_harness = tests/unit/store-harness.c tests/unit/store-harness.h
board_store_ldadd = apps/visitor-board/libboard.a $(AWS_LIBS) $(SQLITE_LIBS) $(CMOCKA_LIBS)
board_test_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS) $(SYSTEMD_CFLAGS)
board_harness = tests/unit/board-harness.c tests/unit/board-harness.h tests/unit/http-harness.c
tests_unit_test_board_SOURCES = tests/unit/test-board.c $(board_harness)
tests_unit_test_board_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_board_LDADD = apps/visitor-board/libboard.a $(NET_LIBS) $(JSON_C_LIBS) \
	$(CMOCKA_LIBS)
tests_unit_test_board_api_SOURCES = tests/unit/test-board-api.c $(board_harness)
tests_unit_test_board_api_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_board_api_LDADD = $(tests_unit_test_board_LDADD)
tests_unit_test_board_pages_SOURCES = tests/unit/test-board-pages.c $(board_harness)
tests_unit_test_board_pages_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_board_pages_LDADD = $(tests_unit_test_board_LDADD)
tests_unit_test_board_posts_SOURCES = tests/unit/test-board-posts.c $(board_harness)
tests_unit_test_board_posts_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_board_posts_LDADD = $(tests_unit_test_board_LDADD)
tests_unit_test_counters_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_counters_LDADD = apps/visitor-board/libboard.a common/libbase.a $(SYSTEMD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_database_SOURCES = tests/unit/test-database.c $(board_store_harness)
tests_unit_test_database_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_database_LDADD = $(board_store_ldadd)
tests_unit_test_dynamodb_items_CPPFLAGS = $(board_test_cppflags) $(JSON_C_CFLAGS)
tests_unit_test_dynamodb_items_LDADD = $(board_store_ldadd)
tests_unit_test_form_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_form_LDADD = apps/visitor-board/libboard.a common/libbase.a $(CMOCKA_LIBS)
tests_unit_test_generation_SOURCES = tests/unit/test-generation.c $(board_store_harness)
tests_unit_test_generation_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_generation_LDADD = $(board_store_ldadd)
tests_unit_test_page_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_page_LDADD = apps/visitor-board/libboard.a common/libbase.a $(CMOCKA_LIBS)
board_pure_ldadd = apps/visitor-board/libboard.a common/libbase.a $(CMOCKA_LIBS)
tests_unit_test_client_address_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_client_address_LDADD = $(board_pure_ldadd)
tests_unit_test_cross_origin_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_cross_origin_LDADD = $(board_pure_ldadd)
tests_unit_test_cursor_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_cursor_LDADD = $(board_pure_ldadd)
tests_unit_test_entity_tag_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_entity_tag_LDADD = $(board_pure_ldadd)
tests_unit_test_problem_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_problem_LDADD = apps/visitor-board/libboard.a $(NET_LIBS) $(JSON_C_LIBS) $(CMOCKA_LIBS)
tests_unit_test_rate_limit_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_rate_limit_LDADD = $(board_pure_ldadd)
tests_unit_test_store_SOURCES = tests/unit/test-store.c $(board_store_harness) \
	tests/unit/store-contract.c tests/unit/store-contract.h \
	tests/unit/store-contract-features.c tests/unit/store-contract-internal.h
tests_unit_test_store_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_store_LDADD = $(board_store_ldadd)
tests_unit_test_store_schema_SOURCES = tests/unit/test-store-schema.c $(board_store_harness)
tests_unit_test_store_schema_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_store_schema_LDADD = $(board_store_ldadd)
tests_unit_test_store_sqlite_SOURCES = tests/unit/test-store-sqlite.c $(board_store_harness)
tests_unit_test_store_sqlite_CPPFLAGS = $(board_test_cppflags)
tests_unit_test_store_sqlite_LDADD = $(board_store_ldadd)
endif

if ENABLE_FUZZ
noinst_PROGRAMS += tests/fuzz/fuzz-dynamodb
tests_fuzz_fuzz_dynamodb_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(JSON_C_CFLAGS)
tests_fuzz_fuzz_dynamodb_LDADD = apps/visitor-board/libboard.a $(AWS_LIBS) $(SQLITE_LIBS)
tests_fuzz_fuzz_dynamodb_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
noinst_PROGRAMS += tests/fuzz/fuzz-client-address tests/fuzz/fuzz-cursor tests/fuzz/fuzz-form
tests_fuzz_fuzz_client_address_LDADD = apps/visitor-board/libboard.a common/libbase.a
tests_fuzz_fuzz_client_address_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_cursor_LDADD = apps/visitor-board/libboard.a common/libbase.a
tests_fuzz_fuzz_cursor_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_form_LDADD = apps/visitor-board/libboard.a common/libbase.a
tests_fuzz_fuzz_form_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
endif
