# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Builds out of tree. To be sourced.
: "${source_dir:?is the source tree}"

# Where build trees of this source tree are kept.
build_root() {
  local base=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}
  echo "$base/agentd"
}

# The directory $1 (build-demo, logs) for this source tree.
build_directory() {
  echo "$(build_root)/$1-$(printf %s "$source_dir" | sha256sum | cut -c1-12)"
}

# ./configure, when it is missing or older than what it is made from. Two scripts may come here at
# the same time.
bootstrap_source() {
  local lock
  mkdir -p "$(build_root)"
  exec {lock}>"$(build_root)/bootstrap.lock"
  flock "$lock"
  if [ ! -x "$source_dir/configure" ] || [ ! -e "$source_dir/Makefile.in" ] ||
    [ -n "$(find "$source_dir" \( -name configure.ac -o -name Makefile.am -o -name local.mk \) \
      -newer "$source_dir/configure" -print -quit)" ]; then
    "$source_dir/bootstrap" || return
    touch "$source_dir/configure"
  fi
  exec {lock}>&-
}

# Configures (again only when something about it changed) and makes. Directory $1, make's targets
# and variables $2 (words), all else is for configure.
configure_and_make() {
  local dir=$1 targets=$2 wanted
  shift 2
  wanted="CC=${CC:-} CFLAGS=${CFLAGS:-} $*"
  bootstrap_source || return
  mkdir -p "$dir"
  if [ ! -e "$dir/config.status" ] || [ "$source_dir/configure" -nt "$dir/config.status" ] ||
    [ "$(cat "$dir/configured-as" 2>/dev/null)" != "$wanted" ]; then
    (cd "$dir" && "$source_dir/configure" --quiet "$@") || return
    echo "$wanted" >"$dir/configured-as"
  fi
  # shellcheck disable=SC2086
  make -C "$dir" -j"$(nproc)" $targets
}
