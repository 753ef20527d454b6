# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The packages of these sources, made once for each state of them and kept outside. To be sourced,
# after tree.sh.
#
#   1/ 2/           two releases of the RPMs, for an upgrade
#   deb/ srpm/      the others
#   again/          1/, deb/ and srpm/ once more, made for packages_compare() from another folder
#   distribution/   dnf's repository: distribution.spec

# Sources as who builds packages has them: unpacked, configured, and `make srpm rpm deb`. Arguments: the
# archive of the sources, the folder to work in, the folder for the packages.
packages_build() {
  local archive=$1 work=$2 target=$3
  rm -rf "$work" && mkdir -p "$work" && tar -C "$work" --strip-components=1 -xf "$archive" &&
    # Files of now: an archive's are all of one moment. None is newer than what is made of it.
    find "$work" -exec touch -h -d "@$(date +%s)" {} + &&
    mkdir "$work/build" && (cd "$work/build" && ../configure -q) &&
    packages_rpm "$work" srpm rpm && make -C "$work/build" -s -j2 deb &&
    mkdir -p "$target/1" "$target/srpm" "$target/deb" &&
    mv "$work"/build/packages/*.src.rpm "$target/srpm/" &&
    mv "$work"/build/packages/*.rpm "$target/1/" && mv "$work"/build/packages/*.deb "$target/deb/"
}

packages_rpm() { # the folder to work in, targets, variables
  local work=$1
  shift
  make -C "$work/build" -s RPMBUILD_FLAGS="--nodeps --without check --noclean ${RPM_FLAGS-}" "$@"
}

# Arguments: the sources, their archive, the folder to fill.
packages_make() {
  local source=$1 archive=$2 target=$3 top=$CACHE/packages-work status=0
  rm -rf "$top" && mkdir -p "$top" "$target" &&
    packages_build "$archive" "$top/a" "$target" &&
    # Not compiled anew.
    RPM_FLAGS="--noprep --define 'agentd_release 2'" packages_rpm "$top/a" rpm &&
    mkdir -p "$target/2" && mv "$top"/a/build/packages/*.rpm "$target/2/" &&
    packages_distribution "$source/tests/system/distribution.spec" "$top" "$target/distribution" || status=1
  rm -rf "$top"
  return $status
}

# In a path of another length, with another umask and another time zone. Arguments: the archive of the
# sources, the folder to fill.
packages_make_again() {
  local top=$CACHE/packages-work/another-and-longer status=0
  (umask 077 && TZ=Asia/Tokyo packages_build "$1" "$top/folder/b" "$2") || status=1
  rm -rf "$top"
  return $status
}

packages_distribution() { # spec, the folder to work in, the folder to fill
  rpmbuild -bb --define "_topdir $2/distribution" --define "_rpmdir $3" "$1" && createrepo_c -q "$3"
}

# make in a finished build. One at a time: several systems may be made of the same one.
build_make() { # the build, targets and variables
  local build=$1
  shift
  flock "$build/config.status" make -C "$build" -s "$@"
}

# Prints the path of the kept packages; makes them first when there are none of these sources. What
# happens meanwhile goes to the log file $3. Arguments: the sources, the build, the log.
packages_path() {
  local source=$1 build=$2 log=$3 key target lock
  mkdir -p "$CACHE"
  exec {lock}>"$CACHE/packages.lock"
  flock "$lock"
  build_make "$build" package-source >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    return 1
  }
  # What is tested, not the tests.
  key=$({
    tar -xJOf "$build"/agentd-*.tar.xz --exclude='*/tests' --exclude='*/bench'
    cat "$source/tests/system/distribution.spec"
    declare -f packages_make packages_build packages_rpm packages_distribution
  } | sha256sum | cut -c1-16)
  target=$CACHE/packages-$key
  packages_keep "$target" "$log" packages_make "$source" "$(echo "$build"/agentd-*.tar.xz)" || return
  # Those of other sources are not needed again soon.
  find "$CACHE" -maxdepth 1 -name 'packages-*' -type d -mtime +1 ! -path "$target" -exec rm -rf {} +
  exec {lock}>&-
  echo "$target"
}

# Calls the command with a folder to fill as its last argument, unless the folder $1 is there already.
packages_keep() {
  local target=$1 log=$2
  shift 2
  [ ! -d "$target" ] || return 0
  echo "making the packages $target (a minute or two, once)" >&2
  rm -rf "$target.new"
  if ! "$@" "$target.new" >>"$log" 2>&1; then
    echo "making the packages failed; the end of $log:" >&2
    tail -n 20 "$log" >&2
    return 1
  fi
  mv "$target.new" "$target"
}

# Makes the kept packages once more, and says whether they are the same bytes: a line of results for
# each folder. Arguments: the kept packages, the build, the log.
packages_compare() {
  local folder differing lock
  exec {lock}>"$CACHE/packages.lock"
  flock "$lock"
  packages_keep "$1/again" "$3" packages_make_again "$(echo "$2"/agentd-*.tar.xz)" || return
  exec {lock}>&-
  for folder in 1 deb srpm; do
    differing=$(diff <(cd "$1/$folder" && sha256sum ./*) <(cd "$1/again/$folder" && sha256sum ./*)) || true
    if [ -z "$differing" ]; then
      echo "ok - $folder/: built twice, $(cd "$1/$folder" && echo *): the same bytes"
    else
      echo "not ok - $folder/: built twice, and not the same bytes"
      echo "# ${differing//$'\n'/$'\n'# }"
    fi
  done
}
