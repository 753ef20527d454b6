# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The Python packages that the integration tests need and distributions don't have in the versions
# wanted: a virtual environment in the cache, made once for each content of the list. To be sourced,
# after requirements.sh and build.sh.
: "${source_dir:?is the source tree}"
PEERS_LIST=$source_dir/tests/integration/requirements.txt
PEERS_STEPS='^ *(Collecting|Downloading) '

SCHEMATHESIS_LIST=$source_dir/tests/integration/requirements-schemathesis.txt
TEMPLATES_LIST=$source_dir/tests/cloudformation/requirements.txt

# Makes the environment NAME of LIST where it is not there yet, with |make_function| and its
# directory, and sets PYTHON_ENVIRONMENT to that. Log: $1.
python_environment() { # log, name, list, make function
  local log=$1 list=$3 key dir lock status=0
  # The interpreter is part of the key: an environment doesn't survive an upgrade of it.
  key=$({ "$PYTHON" -c 'import sys; print(sys.version)' && cat "$list"; } | sha256sum | cut -c1-12) || return
  dir=$(build_root)/$2-$key
  PYTHON_ENVIRONMENT=$dir
  mkdir -p "$(build_root)"
  exec {lock}>"$dir.lock" # two source trees may have the same list
  flock "$lock"
  if [ ! -e "$dir/complete" ]; then
    STEPS=$PEERS_STEPS quietly "Python packages of the tests into $dir" "$log" "$4" "$dir" || status=$?
    [ "$status" -eq 0 ] || echo "  they are listed in $list and come from the index that pip is configured for" >&2
  fi
  exec {lock}>&-
  return "$status"
}

# Sets PEERS_PYTHON to the environment's interpreter, which sees the distribution's packages too
# (pytest). Log: $1.
python_peers() {
  python_environment "$1" python "$PEERS_LIST" peers_make || return
  # shellcheck disable=SC2034 # who sources this reads it
  PEERS_PYTHON=$PYTHON_ENVIRONMENT/bin/python
}

# Sets SCHEMATHESIS to the program; to nothing where Python is too old for it. Log: $1.
schemathesis_peer() {
  SCHEMATHESIS=
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || return 0
  python_environment "$1" schemathesis "$SCHEMATHESIS_LIST" schemathesis_make || return
  # shellcheck disable=SC2034 # who sources this reads it
  SCHEMATHESIS=$PYTHON_ENVIRONMENT/bin/schemathesis
}

# Sets TEMPLATES_PYTHON to the interpreter of the templates' tests; to nothing where Python is too old
# for their linters. Log: $1.
template_peers() {
  TEMPLATES_PYTHON=
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || return 0
  python_environment "$1" templates "$TEMPLATES_LIST" templates_make || return
  # shellcheck disable=SC2034 # who sources this reads it
  TEMPLATES_PYTHON=$PYTHON_ENVIRONMENT/bin/python
}

# What broke off is made anew: pip does not mend half an installation.
peers_make() {
  rm -rf "$1"
  "$PYTHON" -m venv --system-site-packages "$1" || return
  environment_fill "$1" "$PEERS_LIST" || return
  "$1/bin/python" -c 'import boto3, moto.server, pytest' || return
  touch "$1/complete"
}

schemathesis_make() {
  rm -rf "$1"
  "$PYTHON" -m venv "$1" || return
  environment_fill "$1" "$SCHEMATHESIS_LIST" || return
  "$1/bin/schemathesis" --version || return
  touch "$1/complete"
}

templates_make() {
  rm -rf "$1"
  "$PYTHON" -m venv --system-site-packages "$1" || return
  environment_fill "$1" "$TEMPLATES_LIST" || return
  "$1/bin/python" -c 'import cfnlint, yamllint, pytest' || return
  touch "$1/complete"
}

environment_fill() {
  "$1/bin/python" -m pip install --disable-pip-version-check --no-input --no-cache-dir --progress-bar off \
    --no-deps --ignore-installed --only-binary=:all: -r "$2"
}
