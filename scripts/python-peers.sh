# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The Python packages that the integration tests need and distributions don't have in the versions
# wanted: a virtual environment in the cache, made once for each content of the list. To be sourced,
# after requirements.sh and build.sh.
: "${source_dir:?is the source tree}"
PEERS_LIST=$source_dir/tests/integration/requirements.txt
PEERS_STEPS='^ *(Collecting|Downloading) '

# Sets PEERS_PYTHON to the environment's interpreter, which sees the distribution's packages too
# (pytest), and makes the environment where it is not there yet. Log: $1.
python_peers() {
  local log=$1 key dir lock status=0
  # The interpreter is part of the key: an environment doesn't survive an upgrade of it.
  key=$({ "$PYTHON" -c 'import sys; print(sys.version)' && cat "$PEERS_LIST"; } | sha256sum | cut -c1-12) || return
  dir=$(build_root)/python-$key
  # shellcheck disable=SC2034 # who sources this reads it
  PEERS_PYTHON=$dir/bin/python
  mkdir -p "$(build_root)"
  exec {lock}>"$dir.lock" # two source trees may have the same list
  flock "$lock"
  if [ ! -e "$dir/complete" ]; then
    STEPS=$PEERS_STEPS quietly "Python packages of the tests into $dir" "$log" peers_make "$dir" || status=$?
    [ "$status" -eq 0 ] || echo "  they are listed in $PEERS_LIST and come from the index that pip is configured for" >&2
  fi
  exec {lock}>&-
  return "$status"
}

# What broke off is made anew: pip does not mend half an installation.
peers_make() {
  rm -rf "$1"
  "$PYTHON" -m venv --system-site-packages "$1" || return
  "$1/bin/python" -m pip install --disable-pip-version-check --no-input --no-cache-dir --progress-bar off \
    --no-deps --ignore-installed --only-binary=:all: -r "$PEERS_LIST" || return
  "$1/bin/python" -c 'import boto3, moto.server, pytest' || return
  touch "$1/complete"
}
