# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The Python packages that drive the browser of tests/browser and look for barriers, in an
# environment of their own. To be sourced, after python-peers.sh.
: "${source_dir:?is the source tree}"
BROWSER_LIST=$source_dir/tests/browser/requirements.txt

# Sets BROWSER_PYTHON to the environment's interpreter, which sees the distribution's packages too
# (pytest). Log: $1.
browser_peers() {
  python_environment "$1" browser "$BROWSER_LIST" browser_make || return
  # shellcheck disable=SC2034 # who sources this reads it
  BROWSER_PYTHON=$PYTHON_ENVIRONMENT/bin/python
}

# What broke off is made anew.
browser_make() {
  rm -rf "$1"
  "$PYTHON" -m venv --system-site-packages "$1" || return
  environment_fill "$1" "$BROWSER_LIST" || return
  "$1/bin/python" -c 'import axe_playwright_python, playwright.sync_api, pytest' || return
  touch "$1/complete"
}
