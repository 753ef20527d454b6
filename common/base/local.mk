# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += common/libbase.a
common_libbase_a_CPPFLAGS = $(AM_CPPFLAGS) $(SYSTEMD_CFLAGS) $(JSON_C_CFLAGS)
common_libbase_a_SOURCES = \
	common/base/accept-gate.c common/base/accept-gate.h \
	common/base/backoff.c common/base/backoff.h \
	common/base/buffer.c common/base/buffer.h \
	common/base/clock.c common/base/clock.h \
	common/base/files.c common/base/files.h \
	common/base/histogram.c common/base/histogram.h \
	common/base/json.c common/base/json.h \
	common/base/listen.c common/base/listen.h \
	common/base/log.c common/base/log.h \
	common/base/macro.h \
	common/base/scoreboard.c common/base/scoreboard.h \
	common/base/text.c common/base/text.h
