# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The npm packages of the integration tests: the Express app in docs/foreign-apps, which they run under
# agentd, and dynalite, a local DynamoDB that counts capacity units. In the cache, each made once for
# each content of its lock file. To be sourced, after requirements.sh and build.sh.
: "${source_dir:?is the source tree}"
NODE_PEER_EXPRESS=$source_dir/docs/foreign-apps/express
NODE_PEER_DYNALITE=$source_dir/tests/integration/dynalite

# Sets PEERS_NODE_MODULES and PEERS_DYNALITE_MODULES to their directories node_modules, and makes them
# where they are not there yet. Log: $1.
# shellcheck disable=SC2034 # who sources this reads them
node_peers() {
  node_peer "$NODE_PEER_EXPRESS" "$1" || return
  PEERS_NODE_MODULES=$node_modules
  node_peer "$NODE_PEER_DYNALITE" "$1" || return
  PEERS_DYNALITE_MODULES=$node_modules
}

# Sets node_modules to the packages that $1/package-lock.json lists. Log: $2.
node_peer() {
  local peer=$1 log=$2 key dir lock status=0
  key=$(sha256sum <"$peer/package-lock.json" | cut -c1-12) || return
  dir=$(build_root)/node-$key
  node_modules=$dir/node_modules
  mkdir -p "$(build_root)"
  exec {lock}>"$dir.lock" # two source trees may have the same list
  flock "$lock"
  if [ ! -e "$dir/complete" ]; then
    STEPS='^added ' quietly "npm packages of the tests into $dir" "$log" node_peer_make "$peer" "$dir" || status=$?
    [ "$status" -eq 0 ] || echo "  they are listed in $peer/package-lock.json and come from the registry that npm is configured for" >&2
  fi
  exec {lock}>&-
  return "$status"
}

# What broke off is made anew. No package's own scripts run.
node_peer_make() {
  local peer=$1 dir=$2
  rm -rf "$dir"
  mkdir -p "$dir" || return
  cp "$peer/package.json" "$peer/package-lock.json" "$dir/" || return
  npm ci --prefix "$dir" --cache "$dir/npm-cache" --ignore-scripts --no-audit --no-fund --no-update-notifier || return
  rm -rf "$dir/npm-cache"
  touch "$dir/complete"
}
