# SPDX-License-Identifier: Apache-2.0
dist_man_MANS += docs/man/agentctl.1 docs/man/agentd.8 docs/man/agentd.conf.5 \
	docs/man/visitor-board.8
dist_man_MANS += docs/man/agentd-stress.8
EXTRA_DIST += docs/stress.md
EXTRA_DIST += docs/images/visitor-board.png docs/visitor-board-api.md
EXTRA_DIST += docs/foreign-apps.md docs/foreign-apps/flask/app.py docs/foreign-apps/flask/gunicorn.conf.py \
	docs/foreign-apps/flask/60-flask.conf docs/foreign-apps/express/server.js docs/foreign-apps/express/package.json \
	docs/foreign-apps/express/package-lock.json docs/foreign-apps/express/60-express.conf
EXTRA_DIST += docs/load-and-watch.md
EXTRA_DIST += docs/visitor-board-stores.md docs/reference-config.md docs/reference-metrics.md docs/tools/references.sh \
	tests/unit/test-manual.sh tests/unit/test-references.sh
TESTS += tests/unit/test-manual.sh tests/unit/test-references.sh

# The program that prints them from the tables; the pages are committed, a test compares.
noinst_PROGRAMS += docs/tools/print-references
docs_tools_print_references_SOURCES = docs/tools/print-references.c
docs_tools_print_references_LDADD = $(SCHEMA_LIBS) $(JSON_C_LIBS) $(SYSTEMD_LIBS)

.PHONY: references
references: docs/tools/print-references
	$(SHELL) $(srcdir)/docs/tools/references.sh docs/tools/print-references $(srcdir)/docs $(srcdir)/docs \
	  $(srcdir)/systemd/agentd.catalog

# The system that the demo is, and how to give it.
EXTRA_DIST += docs/PLAN.md docs/SYSTEM-DESIGN.md docs/qa-preparation.md docs/teardown.md docs/runbooks/session-1.md docs/runbooks/session-2.md \
	docs/images/fleet.svg docs/images/one-node.svg docs/images/processes.svg docs/images/way-of-a-metric.svg
