# SPDX-License-Identifier: Apache-2.0
# Packages: make srpm, make rpm (Amazon Linux, Fedora), make deb (Ubuntu, Debian); they land in
# packages/. Flags of rpmbuild: RPMBUILD_FLAGS, such as --nodeps --without check.
EXTRA_DIST += packaging/deb/pack packaging/deb/agentd.postinst packaging/deb/agentd.prerm packaging/deb/agentd.postrm \
	packaging/deb/agentd-visitor-board.postinst packaging/deb/copyright packaging/deb/changelog.in
EXTRA_DIST += packaging/rpm/agentd.spec.in packaging/rpm/rpmlint.toml \
	packaging/user-data/make packaging/user-data/common.in packaging/user-data/amazon-linux-2023.in \
	packaging/user-data/amazon-linux-2023.sh packaging/user-data/ubuntu-24.04.in packaging/user-data/ubuntu-24.04.sh \
	README.md LICENSE docs/runbooks/updates.md

# The date of everything in a package is that of the spec's last change, so that the same sources
# give the same bytes.
packaging_date = $$(date -u -d "$$(sed -n '/^%changelog/{n;s/^\* \(.*20[0-9][0-9]\) .*/\1/p;}' $(srcdir)/packaging/rpm/agentd.spec.in) 12:00" +%s)
packaging_dist = SOURCE_DATE_EPOCH=$(packaging_date) XZ_OPT='-6 -T1' \
	TAR_OPTIONS="--sort=name --mtime=@$(packaging_date) --owner=0 --group=0 --numeric-owner --mode=go+u,go-w --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime" \
	$(MAKE) $(AM_MAKEFLAGS) dist-xz
rpm_build = rpmbuild $(RPMBUILD_FLAGS) --define "_topdir $(abs_builddir)/packaging/rpmbuild" --define "_sourcedir $(abs_builddir)" \
	--define "_rpmdir $(abs_builddir)/packages" \
	--define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm'

packaging/agentd.spec: packaging/rpm/agentd.spec.in Makefile
	$(AM_V_GEN)$(MKDIR_P) packaging && $(SED) -e 's|@VERSION[@]|$(VERSION)|g' $(srcdir)/packaging/rpm/agentd.spec.in >$@.new && mv $@.new $@
CLEANFILES += packaging/agentd.spec

.PHONY: deb package-source rpm srpm clean-packages
# Whoever packs them: a source package has its files' modes.
package-source: packaging/agentd.spec
	$(packaging_dist)
	chmod 644 $(distdir).tar.xz packaging/agentd.spec
# By relative paths, as a source package keeps the spec with its macros expanded.
srpm: package-source
	rpmbuild $(RPMBUILD_FLAGS) --define "_topdir packaging/rpmbuild" --define "_sourcedir ." --define "_srcrpmdir packages" \
	  --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' -bs packaging/agentd.spec
rpm: package-source
	$(rpm_build) -bb packaging/agentd.spec
# A build of its own, as rpmbuild makes one: whatever this one was configured for.
deb_build = packaging/debbuild/$(distdir)/build
deb: package-source
	rm -rf packaging/debbuild && $(MKDIR_P) packaging/debbuild
	tar -C packaging/debbuild -xf $(distdir).tar.xz && $(MKDIR_P) $(deb_build)
	cd $(deb_build) && CFLAGS="-O2 -g -ffile-prefix-map=$$PWD/..=/usr/src/agentd -ffile-prefix-map=$$PWD=/usr/src/agentd/build" \
	  ../configure -q --prefix=/usr --sysconfdir=/etc --localstatedir=/var
	$(MAKE) -C $(deb_build)
	SOURCE_DATE_EPOCH=$(packaging_date) $(srcdir)/packaging/deb/pack $(deb_build) packages

clean-local: clean-packages
clean-packages:
	rm -rf packaging/rpmbuild packaging/debbuild packages
