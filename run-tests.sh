#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds agentd with address and undefined-behaviour sanitizers and runs its tests.
#
#   ./run-tests.sh [unit|fuzz|checks|templates|integration|browser|system|all]...     (all, if nothing is named)
#
#   FUZZ_SECONDS=5     how long each fuzz target runs
#   AGENTD_SOAK=1      integration storms with their full counts (make soak)
#   AGENTD_SOAK_SECONDS=40   how long mixed events go on; 3600 in make soak
#   CI=true            a booted system that can't run here is a failure, not a skip
set -euo pipefail
source_dir=$(cd "$(dirname "$0")" && pwd)
. "$source_dir/scripts/requirements.sh"
. "$source_dir/scripts/jobs.sh"
. "$source_dir/scripts/build.sh"
. "$source_dir/scripts/python-peers.sh"
. "$source_dir/scripts/browser-peers.sh"
. "$source_dir/scripts/go-peers.sh"
. "$source_dir/scripts/node-peers.sh"
FUZZ_SECONDS=${FUZZ_SECONDS:-5}
SANITIZERS=(--enable-werror --enable-asan --enable-ubsan)
UNIT_LIMIT_S=600
CHECK_LIMIT_S=900 # of one; check-dist takes 150 s on two CPUs
TEMPLATES_LIMIT_S=900
INTEGRATION_LIMIT_S=2400 # three times what it takes on two CPUs, for others use them too
INTEGRATION_PROCESSES=3 # side by side; they wait most of the time, and use one CPU in all
[ "${AGENTD_SOAK:-}" != 1 ] || INTEGRATION_LIMIT_S=$((14400 + 3 * ${AGENTD_SOAK_SECONDS:-3600}))
BROWSER_LIMIT_S=900
SYSTEM_LIMIT_S=2400 # the same
PARTS=(unit fuzz checks templates integration browser system)
passed=0 failed=0 skipped=0 summary=()

usage() {
  sed -n 's/^#   \(.*\)/  \1/p' "$source_dir/run-tests.sh"
}

# --- Counting -----------------------------------------------------------------------------------

# The results of one part: "pass", "fail" or "skip", a blank, and what; one a line in $results.
pass() { echo "pass $1" >>"$results"; }
fail() {
  echo "fail $1" >>"$results"
  echo "  FAILED  $1"
}
skip() { # what, why
  echo "skip $1" >>"$results"
  echo "  skipped $1: $2"
}

# skip, or fail where everything has to run.
cannot_run() {
  if [ "${CI:-}" = true ]; then fail "$1 (can't run: $2)"; else skip "$1" "$2"; fi
}

count() { grep -c "^$1 " "$results" || true; }

run_part() {
  local part=$1 start=$SECONDS p f s
  results=$logs/$part.results
  : >"$results"
  echo "== $part"
  "part_$part" || fail "$part: the run itself"
  p=$(count pass) f=$(count fail) s=$(count skip)
  [ $((p + f + s)) -gt 0 ] || { fail "$part: nothing ran"; f=1; }
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  summary+=("$(printf '%-12s %7d %7d %8d %6d s' "$part" "$p" "$f" "$s" $((SECONDS - start)))")
}

# --- unit ---------------------------------------------------------------------------------------

build_sanitized() {
  build=$(build_directory build-tests)
  CFLAGS='-O1 -g1' quietly "build with sanitizers in $build" "$logs/build.log" \
    configure_and_make "$build" '' "${SANITIZERS[@]}"
}

# The skipped tests of a cmocka log, each with the last line that it printed itself.
skipped_with_reason() {
  awk '/^\[ RUN / { said = ""; next }
    /^\[==========\] .* run\.$/ { exit }
    /^\[  SKIPPED \]/ { print $4 "\t" said; next }
    !/^\[/ { said = $0 }' "$1"
}

# One program's log: cmocka's lines count; a program without them, or one that broke off, is one test.
count_unit_log() {
  local trs=$1 name log result line reason
  log=${trs%.trs}.log
  name=${trs#"$build/"} name=${name%.trs}
  result=$(sed -n 's/^:global-test-result: //p' "$trs")
  while read -r line; do pass "$name: $line"; done < <(sed -n 's/^\[       OK \] //p' "$log")
  while IFS=$'\t' read -r line reason; do
    skip "$name: $line" "${reason:-it does not say why}"
  done < <(skipped_with_reason "$log")
  # cmocka names a failed test twice: at its end and in its list.
  while read -r line; do fail "$name: $line"; done < <(sed -n 's/^\[  FAILED  \] \([^ ]*\)$/\1/p' "$log" | sort -u)
  if [ "$result" != PASS ] && [ "$result" != SKIP ] && ! grep -q '^\[  FAILED  \]' "$log"; then
    fail "$name: ended with $result, see $log"
    grep -m3 -E 'Sanitizer|runtime error|Assertion' "$log" || true
  elif [ "$result" = SKIP ] && ! grep -q '^\[  SKIPPED \]' "$log"; then
    skip "$name" "$(grep -v "^SKIP " "$log" | tail -n1)"
  elif [ "$result" = PASS ] && ! grep -q '^\[       OK \]' "$log"; then
    pass "$name"
  fi
}

part_unit() {
  local status=0 trs found=no
  requirements_install "$logs/requirements.log" build unit || return
  build_sanitized || return
  find "$build" -name '*.trs' -delete
  # make check fails when a test does; the logs say which.
  quietly "make check" "$logs/unit.log" timeout -k 10 "$UNIT_LIMIT_S" \
    make -C "$build" -k -j"$(nproc)" check || status=$?
  while read -r trs; do
    found=yes
    count_unit_log "$trs"
  done < <(find "$build" -name '*.trs' | sort)
  [ "$found" = yes ] || return 1
  [ "$status" -eq 0 ] || [ "$(count fail)" -gt 0 ] || fail "make check: status $status, see $logs/unit.log"
}

# --- fuzz ---------------------------------------------------------------------------------------

part_fuzz() {
  local build target targets name
  requirements_install "$logs/requirements.log" build fuzz || return
  build=$(build_directory build-fuzz)
  quietly "build of the fuzz targets in $build" "$logs/fuzz-build.log" \
    configure_and_make "$build" fuzz-targets CC=clang CFLAGS='-O1 -g1' --enable-fuzz "${SANITIZERS[@]}" || return
  mapfile -t targets < <(find "$build/tests/fuzz" -maxdepth 1 -type f -name 'fuzz-*' -perm -u+x | sort)
  for target in "${targets[@]}"; do
    name=$(basename "$target")
    mkdir -p "$logs/$name-corpus"
    job "$name" "$logs/$name.log" "$target" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=2048 \
      -max_len=65536 -artifact_prefix="$logs/$name-" "$logs/$name-corpus" \
      "$source_dir/tests/data/fuzz/${name#fuzz-}"
  done
  jobs_end
  for target in "${targets[@]}"; do
    name=$(basename "$target")
    if [ "${job_status[$name]}" = 0 ]; then
      pass "$name"
    else
      fail "$name: see $logs/$name.log; its input is beside it"
    fi
  done
}

# --- checks -------------------------------------------------------------------------------------

part_checks() {
  local check name
  requirements_install "$logs/requirements.log" build checks || return
  if ! git -C "$source_dir" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    cannot_run "checks of the sources" "not a clone: git lists the files to check"
    return
  fi
  for check in "$source_dir"/tests/checks/check-*; do
    name=$(basename "$check")
    job "$name" "$logs/$name.log" timeout -k 10 "$CHECK_LIMIT_S" env --chdir="$source_dir" "$check"
  done
  jobs_end
  for check in "$source_dir"/tests/checks/check-*; do
    name=$(basename "$check")
    case ${job_status[$name]} in
      0) pass "$name" ;;
      77) skip "$name" "$(tail -n 1 "$logs/$name.log")" ;;
      *) fail "$name: see $logs/$name.log" ;;
    esac
  done
}

# --- templates ----------------------------------------------------------------------------------

part_templates() {
  local status=0 tests=$source_dir/tests/cloudformation
  requirements_install "$logs/requirements.log" templates || return
  template_peers "$logs/template-peers.log" || return
  [ -n "$TEMPLATES_PYTHON" ] || {
    cannot_run "templates" "their linters need Python 3.11"
    return
  }
  node_peer "$tests/cdk" "$logs/cdk.log" || {
    cannot_run "templates read by aws-cdk-lib" "npm could not install it, see $logs/cdk.log"
    node_modules=''
  }
  AGENTD_SOURCE=$source_dir AGENTD_CDK_MODULES=$node_modules PYTHONDONTWRITEBYTECODE=1 \
    STEPS=' (PASSED|FAILED|SKIPPED|ERROR)' quietly "tests of the templates" "$logs/templates.log" \
    timeout -k 10 "$TEMPLATES_LIMIT_S" "$TEMPLATES_PYTHON" -m pytest -v --color=no --tb=short \
    --junitxml="$logs/templates.xml" "$tests" || status=$?
  note_pytest "$logs/templates.xml" || return
  [ "$status" -eq 0 ] || [ "$(count fail)" -gt 0 ]
}

# --- integration --------------------------------------------------------------------------------

build_plain() {
  plain=$(build_directory build-plain)
  quietly "build without sanitizers in $plain" "$logs/plain-build.log" configure_and_make "$plain" '' \
    --enable-werror --prefix=/usr --sysconfdir=/etc --localstatedir=/var
}

# Turns pytest's JUnit file into results.
count_pytest() {
  "$PYTHON" - "$1" <<'PYTHON'
import sys
import xml.etree.ElementTree as tree

for case in tree.parse(sys.argv[1]).iter("testcase"):
    name = f"{case.get('classname')}.{case.get('name')}"
    kinds = {part.tag: part for part in case}
    if "failure" in kinds or "error" in kinds:
        print("fail", name)
    elif "skipped" in kinds:
        print("skip", name, "\t", kinds["skipped"].get("message", "").replace("\n", " "), sep=" ")
    else:
        print("pass", name)
PYTHON
}

note_pytest() {
  local kind name reason
  [ -s "$1" ] || return
  while IFS=' ' read -r kind name reason; do
    case $kind in
      pass) pass "$name" ;;
      fail) fail "$name" ;;
      skip) skip "$name" "${reason#$'\t' }" ;;
    esac
  done < <(count_pytest "$1")
}

# Status 5 is "no tests": PYTEST_ADDOPTS may choose among the others only.
integration_pytest() {
  local status=0
  timeout -k 10 "$INTEGRATION_LIMIT_S" "$PEERS_PYTHON" -m pytest -v --color=no --tb=short "$@" || status=$?
  [ "$status" -ne 5 ] || [ -z "${PYTEST_ADDOPTS:-}" ] || status=0
  return "$status"
}

# Those tests that pytest's arguments $2... choose, as "$1"; their log and results are $logs/$1.*.
integration_tests() {
  local name=$1 status=0
  shift
  AGENTD_BUILD=$build AGENTD_PLAIN_BUILD=$plain AGENTD_SOURCE=$source_dir AGENTD_LOGS=$logs PYTHONDONTWRITEBYTECODE=1 \
    AGENTD_METADATA_MOCK=$PEERS_METADATA_MOCK AGENTD_NODE_MODULES=$PEERS_NODE_MODULES AGENTD_DYNALITE_MODULES=$PEERS_DYNALITE_MODULES \
    AGENTD_SCHEMATHESIS=$SCHEMATHESIS \
    STEPS=' (PASSED|FAILED|SKIPPED|ERROR)' quietly "$name" "$logs/$name.log" integration_pytest \
    --junitxml="$logs/$name.xml" "$@" "$source_dir/tests/integration" || status=$?
  note_pytest "$logs/$name.xml" || return
  [ "$status" -eq 0 ] || [ "$(count fail)" -gt 0 ]
}

part_integration() {
  requirements_install "$logs/requirements.log" build unit python || return
  python_peers "$logs/python-peers.log" || return
  schemathesis_peer "$logs/schemathesis.log" || return
  go_peers "$logs/go-peers.log" || return
  node_peers "$logs/node-peers.log" || {
    cannot_run "Express under agentd, and the board on dynalite" "npm could not install them, see $logs/node-peers.log"
    PEERS_NODE_MODULES='' PEERS_DYNALITE_MODULES=''
  }
  build_sanitized || return
  # The stores' contract, which is held against DynamoDB's peers here.
  quietly "the stores' contract" "$logs/build-store.log" make -C "$build" -j"$(nproc)" tests/unit/test-store || return
  build_plain || return
  # What measures the machine, or loads all of it, comes afterwards, by itself.
  integration_tests "integration" -n "$INTEGRATION_PROCESSES" --dist loadfile -m 'not alone' || return
  integration_tests "integration-alone" -m alone || return
  # The mixed events' last table: what grew.
  [ "${AGENTD_SOAK:-}" != 1 ] || [ ! -s "$logs/soak.txt" ] || sed '1,/^$/d' "$logs/soak.txt"
}

# --- browser ------------------------------------------------------------------------------------

part_browser() {
  local status=0
  requirements_install "$logs/requirements.log" build unit browser || return
  if ! requirement_met cmd:chromium; then
    skip "the board in a browser" "this distribution has no Chromium"
    return
  fi
  browser_peers "$logs/browser-peers.log" || return
  build_sanitized || return
  AGENTD_BUILD=$build AGENTD_LOGS=$logs PYTHONDONTWRITEBYTECODE=1 \
    STEPS=' (PASSED|FAILED|SKIPPED|ERROR)' quietly "browser tests" "$logs/browser.log" \
    timeout -k 10 "$BROWSER_LIMIT_S" "$BROWSER_PYTHON" -m pytest -v --color=no --tb=short -n "$(nproc)" \
    --junitxml="$logs/browser.xml" "$source_dir/tests/browser" || status=$?
  note_pytest "$logs/browser.xml" || return
  echo "pictures of the board: $logs/screenshots"
  [ "$status" -eq 0 ] || [ "$(count fail)" -gt 0 ]
}

# --- system -------------------------------------------------------------------------------------

# What a system said about itself while it was booted; its tests' results are the lines of the log.
judge_system() {
  local mode=$1 status=${job_status[$1]} log=$logs/$1.log line
  if [ "$status" = 77 ]; then
    cannot_run "$mode" "$(tail -n 1 "$log")"
    return
  fi
  while read -r line; do
    case $line in
      "ok "*) pass "$mode: $line" ;;
      "not ok "*) fail "$mode: $line" ;;
    esac
  done <"$log"
  grep '^# ' "$log" | grep -i 'systemd-analyze' || true
  [ "$status" -eq 0 ] || grep -q '^not ok ' "$log" || fail "$mode: exit status $status, see $log"
}

part_system() {
  local mode
  requirements_install "$logs/requirements.log" build system || return
  build_plain || return
  # The machine takes longest. It makes the packages first, so the container, which has none, is beside it.
  for mode in vm container packages; do
    STEPS='^(not )?ok ' job "$mode" "$logs/$mode.log" as_root env "AGENTD_CACHE=${AGENTD_CACHE:-/var/cache/agentd-tests}" \
      timeout -k 30 "$SYSTEM_LIMIT_S" "$source_dir/tests/system/run" --build "$plain" --log "$logs/$mode" "$mode"
  done
  jobs_end
  for mode in container packages vm; do judge_system "$mode"; done
}

# --- The run ------------------------------------------------------------------------------------

trap 'exit 130' INT
trap 'exit 143' TERM HUP
trap stop_jobs EXIT
chosen=()
for argument in "$@"; do
  case $argument in
    all) chosen+=("${PARTS[@]}") ;;
    unit | fuzz | checks | templates | integration | browser | system) chosen+=("$argument") ;;
    --help | -h)
      usage
      exit 0
      ;;
    *)
      echo "run-tests.sh: unknown argument $argument; usage:" >&2
      usage >&2
      exit 2
      ;;
  esac
done
[ ${#chosen[@]} -gt 0 ] || chosen=("${PARTS[@]}")
mkdir -p "$(build_root)"
exec {lock}>"$(build_directory tests).lock"
flock -n "$lock" || {
  echo "run-tests.sh: runs already in this tree" >&2
  exit 1
}
logs=$(build_directory logs)
rm -rf "$logs"
mkdir -p "$logs"
echo "logs: $logs"
begun=$SECONDS
for part in "${chosen[@]}"; do run_part "$part"; done

echo
printf '%-12s %7s %7s %8s %8s\n' part passed failed skipped time
printf '%s\n' "${summary[@]}"
echo "in all $((SECONDS - begun)) s; logs: $logs"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
