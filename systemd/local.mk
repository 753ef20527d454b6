# SPDX-License-Identifier: Apache-2.0
# The unit, its users and directories, and the configuration that a first install gets.
systemd_substitute = $(SED) -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@pkglibexecdir[@]|$(pkglibexecdir)|g'

systemd/agentd.service: systemd/agentd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && \
	  $(systemd_substitute) $(srcdir)/systemd/agentd.service.in >$@.new && mv $@.new $@
systemd/visitor-board.conf: systemd/visitor-board.conf.in Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && \
	  $(systemd_substitute) $(srcdir)/systemd/visitor-board.conf.in >$@.new && mv $@.new $@

nodist_systemdsystemunit_DATA = systemd/agentd.service
noinst_DATA = systemd/visitor-board.conf
CLEANFILES += systemd/agentd.service systemd/visitor-board.conf
EXTRA_DIST += systemd/agentd.service.in systemd/visitor-board.conf.in systemd/admin-group.conf \
	systemd/sysusers.conf systemd/agentd.preset systemd/agentd.catalog systemd/agentd.socket \
	systemd/visitor-board.sysusers systemd/visitor-board.tmpfiles

# Pairs of a file here and where it is installed.
systemd_files = \
	sysusers.conf=$(sysusersdir)/agentd.conf \
	visitor-board.sysusers=$(sysusersdir)/agentd-visitor-board.conf \
	visitor-board.tmpfiles=$(tmpfilesdir)/agentd-visitor-board.conf \
	agentd.preset=$(presetdir)/80-agentd.preset \
	agentd.catalog=$(catalogdir)/agentd.catalog \
	agentd.socket=$(systemdsystemunitdir)/agentd.socket

# Pairs of a file here and its name below sysconfdir/agentd. The configuration is its owner's: a
# file is installed once, never written over, and removed only as long as nobody has changed it.
systemd_configuration = \
	$(srcdir)/systemd/agentd.conf=agentd.conf \
	$(srcdir)/systemd/admin-group.conf=conf.d/10-admin-group.conf \
	systemd/visitor-board.conf=conf.d/50-visitor-board.conf

install-data-local: install-systemd
uninstall-local: uninstall-systemd
.PHONY: install-systemd uninstall-systemd
install-systemd: systemd/visitor-board.conf
	$(MKDIR_P) "$(DESTDIR)$(sysconfdir)/agentd/conf.d"
	@for pair in $(systemd_files); do \
	  target="$(DESTDIR)$${pair#*=}"; \
	  $(MKDIR_P) "$${target%/*}" && $(INSTALL_DATA) "$(srcdir)/systemd/$${pair%%=*}" "$$target" || exit 1; \
	done
	@for pair in $(systemd_configuration); do \
	  target="$(DESTDIR)$(sysconfdir)/agentd/$${pair#*=}"; \
	  test -e "$$target" || $(INSTALL_DATA) "$${pair%%=*}" "$$target" || exit 1; \
	done

uninstall-systemd: systemd/visitor-board.conf
	@for pair in $(systemd_files); do rm -f "$(DESTDIR)$${pair#*=}"; done
	@for pair in $(systemd_configuration); do \
	  target="$(DESTDIR)$(sysconfdir)/agentd/$${pair#*=}"; \
	  if cmp -s "$${pair%%=*}" "$$target"; then rm -f "$$target"; fi; \
	done
