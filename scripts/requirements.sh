# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the build and the tests need from the distribution, and how it gets here. To be sourced.
#
# One line a requirement: group, how to see that it is there (cmd:PROGRAM, pc:MODULE of pkg-config,
# file:PATH, py:MODULE), the package on Debian and Ubuntu, on Amazon Linux ("-": it has none), what
# for. What is there already, from wherever, is left alone. PACKAGE:PATH is one program of a package
# that would start a service and bring much else.
REQUIREMENTS='
build   cmd:gcc                   gcc                    gcc                     C compiler
build   file:/usr/include/stdio.h libc6-dev              glibc-devel             the C library, to compile against
build   cmd:make                  make                   make                    runs the build
build   cmd:autoreconf            autoconf               autoconf                makes ./configure
build   cmd:automake              automake               automake                makes the Makefile
build   cmd:pkg-config            pkg-config             pkgconf-pkg-config      finds libraries
build   cmd:find                  findutils              findutils               used by the scripts
build   cmd:cmp                   diffutils              diffutils               used by configure
build   cmd:awk                   mawk                   gawk                    used by configure
build   cmd:flock                 util-linux             util-linux              used by the scripts
build   pc:libsystemd             libsystemd-dev         systemd-devel           event loop, journal, readiness
build   pc:libconfig              libconfig-dev          libconfig-devel         configuration files
build   pc:json-c                 libjson-c-dev          json-c-devel            JSON
build   pc:libmicrohttpd          libmicrohttpd-dev      libmicrohttpd-devel     HTTP server
build   pc:sqlite3                libsqlite3-dev         sqlite-devel            store of the visitor board
build   pc:libcurl                libcurl4-openssl-dev   libcurl-devel           HTTP client
build   pc:libcrypto              libssl-dev             openssl-devel           hashes
build   pc:zlib                   zlib1g-dev             zlib-devel              gzip of what is published
build   pc:ncursesw               libncurses-dev         ncurses-devel           screen of agentctl top
unit    pc:cmocka                 libcmocka-dev          libcmocka-devel         unit tests
unit    lib:libasan.so            libgcc-12-dev          libasan                 AddressSanitizer
unit    lib:libubsan.so           libgcc-12-dev          libubsan                UndefinedBehaviorSanitizer
unit    cmd:openssl               openssl                openssl                 makes certificates for tests
unit    cmd:python3               python3                python3                 makes the CloudFormation templates
unit    cmd:mandoc                mandoc                 -                       checks the manual pages
fuzz    cmd:clang                 clang                  clang                   compiles the fuzz targets
fuzz    clang:fuzzer              libclang-rt-dev        compiler-rt             libFuzzer
checks  cmd:clang                 clang                  clang                   a second compiler
checks  cmd:xz                    xz-utils               xz                      packs the source archive
checks  cmd:clang-format          clang-format           clang-tools-extra       layout of the sources
checks  cmd:cppcheck              cppcheck               -                       static analysis
checks  cmd:shellcheck            shellcheck             -                       checks the scripts
checks  cmd:git                   git                    git                     lists the files
python  py:pytest                 python3-pytest         python3-pytest          integration tests
python  py:ensurepip              python3-venv           python3-libs            their peers, in an environment of their own
python  cmd:go                    golang-go              golang                  builds a peer of the integration tests
python  cmd:node                  nodejs                  nodejs                  runs an Express app under agentd
python  cmd:npm                   npm                     nodejs-npm              installs it
python  cmd:promtool              prometheus:/usr/bin/promtool -                 checks what Prometheus reads
python  file:/usr/sbin/haproxy    haproxy                haproxy                 a load balancer before two nodes
python  cmd:curl                  curl                   curl-minimal            a client that the docs name
python  cmd:ps                    procps                 procps-ng               lists processes
python  cmd:ss                    iproute2               iproute                 lists sockets
python  cmd:tmux                  tmux                   tmux                    a terminal to look at
browser cmd:chromium              chromium               -                       shows the visitor board as visitors see it
browser file:/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf fonts-noto-color-emoji - emoji in its pictures
browser file:/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf fonts-dejavu-core - letters in its pictures
browser py:pytest                 python3-pytest         python3-pytest          browser tests
browser py:ensurepip              python3-venv           python3-libs            what drives it, in an environment of its own
templates py:pytest               python3-pytest         python3-pytest          tests of the CloudFormation templates
templates py:ensurepip            python3-venv           python3-libs            their checkers, in an environment of their own
templates cmd:node                nodejs                 nodejs                  runs aws-cdk-lib
templates cmd:npm                 npm                    nodejs-npm              installs it
templates cmd:shellcheck          shellcheck             -                       checks the user data
system  cmd:debootstrap           debootstrap            -                       makes the tree that is booted
system  cmd:systemd-nspawn        systemd-container      systemd-container       boots it as a container
system  cmd:qemu-system-x86_64    qemu-system-x86        -                       boots it as a machine
system  cmd:qemu-img              qemu-utils             -                       a disk with a write cache
system  cmd:mke2fs                e2fsprogs              e2fsprogs               its disk
system  cmd:rpmbuild              rpm                    rpm-build               builds the RPMs
system  cmd:find-debuginfo        debugedit              debugedit               takes their debugging symbols apart
system  cmd:eu-strip              elfutils               elfutils                the same
system  cmd:dpkg-shlibdeps        dpkg-dev               -                       finds what the debs depend on
system  cmd:createrepo_c          createrepo-c           createrepo_c            makes the repository that dnf reads
system  cmd:rpmlint               rpmlint                rpmlint                 checks the RPMs
'

# Python of the distribution: a version manager's own has none of its packages.
PYTHON=/usr/bin/python3

# Whether a requirement is there.
requirement_met() {
  case $1 in
    cmd:*) command -v "${1#cmd:}" >/dev/null ;;
    file:*) [ -e "${1#file:}" ] ;;
    pc:*) command -v pkg-config >/dev/null && pkg-config --exists "${1#pc:}" ;;
    py:*) [ -x "$PYTHON" ] && "$PYTHON" -c "import ${1#py:}" 2>/dev/null ;;
    # The compiler prints a path when it finds the file, else the bare name.
    lib:*) command -v gcc >/dev/null && [ "$(gcc -print-file-name="${1#lib:}")" != "${1#lib:}" ] ;;
    clang:*)
      command -v clang >/dev/null &&
        [ -n "$(find "$(clang -print-resource-dir)/" -name "libclang_rt.${1#clang:}[-.]*a" -print -quit 2>/dev/null)" ]
      ;;
  esac
}

# apt or dnf; nothing where there is neither.
package_manager() {
  if command -v apt-get >/dev/null; then echo apt; elif command -v dnf >/dev/null; then echo dnf; fi
}

# Prints "TEST PACKAGE WHAT FOR" of each requirement of the groups that is not met.
requirements_missing() {
  local manager group test debian amazon why package
  manager=$(package_manager)
  while read -r group test debian amazon why; do
    [[ -n $group && " $* " == *" $group "* ]] || continue
    requirement_met "$test" && continue
    package=$debian
    [ "$manager" = dnf ] && package=$amazon
    [ "$manager" = apt ] && package=$(apt_name "$package")
    echo "$test $package $why"
  done <<<"$REQUIREMENTS"
}

# libclang-rt-dev is versioned in Debian 12 and has no other name there; gcc's follows the compiler.
apt_name() {
  local major
  case $1 in
    libclang-rt-dev)
      major=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n1)
      echo "libclang-rt-${major:-14}-dev"
      ;;
    libgcc-12-dev)
      major=$(apt-cache depends gcc 2>/dev/null | sed -n 's/.*Depends: gcc-\([0-9]*\).*/\1/p' | head -n1)
      echo "libgcc-${major:-12}-dev"
      ;;
    *) echo "$1" ;;
  esac
}

# Runs a command as root: itself, or by sudo, which asks for a password only at a terminal.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif [ -t 0 ]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

# Puts the program of PACKAGE:PATH into /usr/local/bin, without installing the package. Debian only.
program_install() {
  local directory status=0
  directory=$(mktemp -d) || return
  (
    cd "$directory" &&
      apt-get -q download "${1%%:*}" &&
      dpkg-deb --extract ./*.deb . &&
      as_root install -m 755 ".${1#*:}" /usr/local/bin/
  ) || status=1
  rm -rf "$directory"
  return $status
}

# Installs packages by name; all output to the log $1.
packages_install() {
  local log=$1 package whole=() programs=()
  shift
  for package; do
    if [[ $package = *:/* ]]; then programs+=("$package"); else whole+=("$package"); fi
  done
  [ ${#whole[@]} = 0 ] || whole_packages_install "$log" "${whole[@]}" || return
  for package in ${programs[@]+"${programs[@]}"}; do
    # The lists may be absent or old: then they are fetched, once.
    program_install "$package" >>"$log" 2>&1 ||
      { as_root apt-get -q update >>"$log" 2>&1 && program_install "$package" >>"$log" 2>&1; } || return
  done
}

whole_packages_install() {
  local log=$1
  shift
  case $(package_manager) in
    apt)
      local apt=(apt-get -q -y -o DPkg::Lock::Timeout=300)
      # The lists may be absent or old: then they are fetched, once.
      if ! as_root env DEBIAN_FRONTEND=noninteractive "${apt[@]}" install --no-install-recommends "$@" >>"$log" 2>&1; then
        as_root "${apt[@]}" update >>"$log" 2>&1 &&
          as_root env DEBIAN_FRONTEND=noninteractive "${apt[@]}" install --no-install-recommends "$@" >>"$log" 2>&1
      fi
      ;;
    dnf) as_root dnf -q -y install "$@" >>"$log" 2>&1 ;;
    *) false ;;
  esac
}

# Installs what is missing of the groups $2..., says what and why, and asks nothing. False when
# something that has a package could not be installed. What has none here stays missing: who needs
# it asks requirement_met and says so. Log: $1.
requirements_install() {
  local log=$1 missing test package why packages=() ready_list=yes
  shift
  missing=$(requirements_missing "$@")
  [ -n "$missing" ] || return 0
  # On a bare machine even the names of versioned packages are known only from fresh lists.
  if [ "$(package_manager)" = apt ] && ! apt-cache show make >/dev/null 2>&1; then
    ready_list=no
    echo "fetching the package lists"
    as_root apt-get -q -o DPkg::Lock::Timeout=300 update >>"$log" 2>&1 || ready_list=failed
    missing=$(requirements_missing "$@")
  fi
  while read -r test package why; do
    [ "$package" != - ] || continue
    [[ " ${packages[*]-} " == *" $package "* ]] || {
      [ ${#packages[@]} -gt 0 ] || echo "installing what is missing:"
      printf '  %-22s %s\n' "$package" "$why"
      packages+=("$package")
    }
  done <<<"$missing"
  [ ${#packages[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    echo "neither root nor sudo: install these packages by hand, then try again" >&2
    return 1
  fi
  if [ "$ready_list" = failed ] || ! packages_install "$log" "${packages[@]}"; then
    echo "installing failed; the end of $log:" >&2
    tail -n 15 "$log" >&2
    echo "to do it by hand, as root: $(package_manager | sed 's/^apt$/apt-get/') install ${packages[*]%%:/*}" >&2
    return 1
  fi
}
