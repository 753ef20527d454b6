# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The packages of these sources, made once for each state of them and kept outside. To be sourced,
# after tree.sh.

# Two releases of the RPMs, 1 and 2, for an upgrade: the second is packed anew, not compiled anew. The
# debs are packed from the build at hand. Arguments: the sources, the build, the folder to fill.
packages_make() {
  local source=$1 build=$2 target=$3 top=$CACHE/rpmbuild status=0
  rm -rf "$top"
  packages_rpm 1 -bb --noclean &&
    packages_rpm 2 --short-circuit -bi &&
    packages_rpm 2 --short-circuit -bb &&
    mkdir -p "$target/deb" &&
    "$source/packaging/deb/pack" "$build" "$target/deb" || status=1
  rm -rf "$top"
  return $status
}

packages_rpm() { # release, flags
  local release=$1
  shift
  rpmbuild --nodeps --without check --define "_topdir $top" --define "_sourcedir $build" \
    --define "_rpmdir $target/$release" --define "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" --define "agentd_release $release" \
    "$@" "$build/packaging/agentd.spec"
}

# Prints the path of the kept packages; makes them first when there are none of these sources. What
# happens meanwhile goes to the log file $3. Arguments: the sources, the build, the log.
packages_path() {
  local source=$1 build=$2 log=$3 key target lock
  mkdir -p "$CACHE"
  exec {lock}>"$CACHE/packages.lock"
  flock "$lock"
  make -C "$build" -s package-source >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    return 1
  }
  # What is tested, not the tests.
  key=$({ tar -xJOf "$build"/agentd-*.tar.xz --exclude='*/tests' --exclude='*/bench'; declare -f packages_make packages_rpm; } | sha256sum | cut -c1-16)
  target=$CACHE/packages-$key
  if [ ! -d "$target" ]; then
    echo "making the packages $target (a few minutes, once)" >&2
    rm -rf "$target.new"
    if ! packages_make "$source" "$build" "$target.new" >>"$log" 2>&1; then
      echo "making the packages failed; the end of $log:" >&2
      tail -n 20 "$log" >&2
      return 1
    fi
    # Those of other sources are not needed again soon.
    find "$CACHE" -maxdepth 1 -name 'packages-*' -type d -mtime +1 -exec rm -rf {} +
    mv "$target.new" "$target"
  fi
  exec {lock}>&-
  echo "$target"
}
