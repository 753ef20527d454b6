# SPDX-License-Identifier: Apache-2.0
pkglibexec_PROGRAMS += visitor-board
visitor_board_SOURCES = apps/visitor-board/main.c
visitor_board_LDADD = apps/visitor-board/libboard.a common/libnet.a common/libbase.a \
	$(MICROHTTPD_LIBS) $(SYSTEMD_LIBS) $(JSON_C_LIBS) $(SQLITE_LIBS) -lpthread

noinst_LIBRARIES += apps/visitor-board/libboard.a
apps_visitor_board_libboard_a_SOURCES = \
	apps/visitor-board/board.c apps/visitor-board/board.h \
	apps/visitor-board/database.c apps/visitor-board/database.h \
	apps/visitor-board/form.c apps/visitor-board/form.h \
	apps/visitor-board/generation.c apps/visitor-board/generation.h \
	apps/visitor-board/message.c apps/visitor-board/message.h \
	apps/visitor-board/page.c apps/visitor-board/page.h \
	apps/visitor-board/store.h \
	apps/visitor-board/store-sqlite.c apps/visitor-board/store-sqlite.h \
	apps/visitor-board/uuid.c apps/visitor-board/uuid.h
