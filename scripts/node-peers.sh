# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The npm packages of the Express app in docs/foreign-apps, which the integration tests run under agentd:
# in the cache, made once for each content of its lock file. To be sourced, after requirements.sh and
# build.sh.
: "${source_dir:?is the source tree}"
NODE_PEER=$source_dir/docs/foreign-apps/express

# Sets PEERS_NODE_MODULES to a directory node_modules, and makes it where it is not there yet. Log: $1.
node_peers() {
  local log=$1 key dir lock status=0
  key=$(sha256sum <"$NODE_PEER/package-lock.json" | cut -c1-12) || return
  dir=$(build_root)/node-$key
  # shellcheck disable=SC2034 # who sources this reads it
  PEERS_NODE_MODULES=$dir/node_modules
  mkdir -p "$(build_root)"
  exec {lock}>"$dir.lock" # two source trees may have the same list
  flock "$lock"
  if [ ! -e "$dir/complete" ]; then
    STEPS='^added ' quietly "npm packages of the tests into $dir" "$log" node_peers_make "$dir" || status=$?
    [ "$status" -eq 0 ] || echo "  they are listed in $NODE_PEER/package-lock.json and come from the registry that npm is configured for" >&2
  fi
  exec {lock}>&-
  return "$status"
}

# What broke off is made anew. No package's own scripts run.
node_peers_make() {
  rm -rf "$1"
  mkdir -p "$1" || return
  cp "$NODE_PEER/package.json" "$NODE_PEER/package-lock.json" "$1/" || return
  npm ci --prefix "$1" --cache "$1/npm-cache" --ignore-scripts --no-audit --no-fund --no-update-notifier || return
  rm -rf "$1/npm-cache"
  touch "$1/complete"
}
