# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Builds out of tree, quietly. To be sourced.
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

# Shows how a command in the background (pid $1) gets on with "$2", from its log $3: on a terminal one
# line that is written over, else a line every 20 s. Lines of the log that match $4 are its steps.
progress() {
  local pid=$1 what=$2 log=$3 steps=${4:-$BUILD_STEPS} start=$SECONDS shown=0 done_steps elapsed
  while kill -0 "$pid" 2>/dev/null; do
    elapsed=$((SECONDS - start))
    done_steps=$(grep -cE "$steps" "$log" 2>/dev/null || true)
    if [ -t 1 ]; then
      printf '\r\033[K  %s: %s steps, %d s' "$what" "${done_steps:-0}" "$elapsed"
    elif [ $((elapsed - shown)) -ge 20 ]; then
      shown=$elapsed
      echo "  $what: ${done_steps:-0} steps, $elapsed s"
    fi
    sleep 0.2
  done
  if [ -t 1 ]; then printf '\r\033[K'; fi
}
BUILD_STEPS='^ +(CC|CCLD|AR) |^(PASS|FAIL|SKIP|ERROR): '

# Runs a command with its output in the log $2, showing progress as "$1" by the log's lines that match
# $STEPS. On failure shows the end of the log and returns the command's status.
quietly() {
  local what=$1 log=$2 start=$SECONDS status=0
  shift 2
  "$@" >>"$log" 2>&1 </dev/null &
  quiet_pid=$!
  progress "$quiet_pid" "$what" "$log" "${STEPS:-}"
  wait "$quiet_pid" || status=$?
  quiet_pid=''
  [ "$status" -ne 77 ] || return 77 # by automake's custom: can't run here
  if [ "$status" -ne 0 ]; then
    echo "  $what failed; the end of $log:" >&2
    tail -n 25 "$log" | cut -c1-300 >&2
    return "$status"
  fi
  echo "  $what: done ($((SECONDS - start)) s)"
}

# For an exit trap: ends what quietly() runs, with all below it. (A shell without job control lets its
# background jobs ignore Ctrl-C.)
stop_quiet() {
  [ -z "${quiet_pid:-}" ] || end_tree "$quiet_pid"
}

end_tree() {
  local child children=()
  read -r -a children 2>/dev/null <"/proc/$1/task/$1/children" || true
  for child in "${children[@]}"; do end_tree "$child"; done
  kill -TERM "$1" 2>/dev/null || true
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
