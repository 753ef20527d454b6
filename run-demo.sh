#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds agentd and shows it at work on this machine: two visitor-board workers, SQLite, metrics in a
# file. Nothing leaves the machine, and Ctrl-C leaves nothing behind but the build in the cache.
#
#   ./run-demo.sh [--for 20s]      --for: end by itself after that time
#   PORT=8080 HEALTH_PORT=8081     other ports
set -euo pipefail
source_dir=$(cd "$(dirname "$0")" && pwd)
. "$source_dir/scripts/requirements.sh"
. "$source_dir/scripts/jobs.sh"
. "$source_dir/scripts/build.sh"
PORT=${PORT:-8080}
HEALTH_PORT=${HEALTH_PORT:-8081}
START_LIMIT_S=30 # until /health answers
STOP_LIMIT_S=20  # for agentd to stop; then it is killed
end_after_s=0 private='' agentd_pid=''

die() {
  echo "run-demo.sh: $1" >&2
  exit "${2:-1}"
}

usage() {
  sed -n 's/^#   \(.*\)/  \1/p' "$source_dir/run-demo.sh"
}

parse_arguments() {
  while [ $# -gt 0 ]; do
    case $1 in
      --for)
        [[ ${2:-} =~ ^([0-9]+)s?$ ]] || die "--for wants a time in seconds, as 20s" 2
        end_after_s=${BASH_REMATCH[1]}
        shift
        ;;
      --help | -h)
        usage
        exit 0
        ;;
      *) die "unknown argument $1; see ./run-demo.sh --help" 2 ;;
    esac
    shift
  done
  local port
  for port in "$PORT" "$HEALTH_PORT"; do
    if [[ ! $port =~ ^[0-9]{1,5}$ ]] || [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then
      die "$port is no port" 2
    fi
  done
}

check_port_free() {
  if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
    die "port $1 is in use on 127.0.0.1; try $2=$(($1 + 1000)) ./run-demo.sh"
  fi
}

# The first line of /health's answer.
health_line() {
  (
    exec 3<>"/dev/tcp/127.0.0.1/$HEALTH_PORT" || exit
    printf 'GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
    read -r -t 2 line <&3 && echo "$line"
  ) 2>/dev/null
}

write_config() {
  mkdir -m 0700 "$private/state" "$private/run"
  cat >"$private/agentd.conf" <<CONF
agent: { runtime_dir = "$private/run"; state_dir = "$private/state"; };
health: { listen = "127.0.0.1:$HEALTH_PORT"; lame_duck = 0; };
publish: { sink = "file"; file = "$private/metrics.jsonl"; };
apps: {
  visitor-board: {
    command = [ "$build/visitor-board" ];
    environment = [ "BOARD_DATABASE=$private/board.db" ];
    listen = [ "127.0.0.1:$PORT" ];
    workers = 2;
    drain_timeout = 5;
    idle_timeout = 1; # a browser keeps connections open; Ctrl-C shall not wait for it
  };
};
CONF
  chmod go-w "$private/agentd.conf" # where the umask is 002, agentd would refuse it
}

# shellcheck disable=SC2317 # it is a trap
clean_up() {
  trap '' INT TERM HUP
  trap - EXIT
  stop_jobs
  if [ -n "$agentd_pid" ] && kill -0 "$agentd_pid" 2>/dev/null; then
    kill -TERM "$agentd_pid" 2>/dev/null || true
    local deadline=$((SECONDS + STOP_LIMIT_S))
    while kill -0 "$agentd_pid" 2>/dev/null && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.05; done
    kill -KILL "$agentd_pid" 2>/dev/null || true
    wait "$agentd_pid" 2>/dev/null || true
  fi
  [ -z "$private" ] || rm -rf "$private"
}

# In a session of its own, so that Ctrl-C reaches it once and in order, by clean_up; should this
# script be killed, agentd is told to stop by the kernel.
start_agentd() {
  local bind=()
  ! command -v setpriv >/dev/null || bind=(setpriv --pdeathsig TERM)
  # What a service manager above may have set up for this script is not agentd's.
  env -u NOTIFY_SOCKET -u WATCHDOG_USEC -u WATCHDOG_PID -u LISTEN_FDS -u LISTEN_PID -u LISTEN_FDNAMES \
    setsid "${bind[@]}" "$build/agentd" --config "$private/agentd.conf" --libexec "$build" </dev/null &
  agentd_pid=$!
  local deadline=$((SECONDS + START_LIMIT_S))
  until [[ $(health_line) == *" 200 "* ]]; do
    kill -0 "$agentd_pid" 2>/dev/null || die "agentd ended before it was healthy (its reason is above)"
    [ "$SECONDS" -lt "$deadline" ] || die "/health did not answer 200 within $START_LIMIT_S s"
    sleep 0.1
  done
}

show_what_next() {
  local ctl="$build/agentctl --socket $private/run/control.sock"
  cat <<TEXT

agentd holds two visitor-board workers. Try, in another terminal:

  the page               http://127.0.0.1:$PORT
  health                 curl http://127.0.0.1:$HEALTH_PORT/health
  how it is              $ctl status
  the same live          $ctl top
  what has happened      $ctl events
  make it sweat          $ctl stress on --load 80 --for 2m
                         the host at 80 %; the page stays as fast; ends by itself, or: stress off
  kill a worker          kill -9 \$(pgrep -n -s $agentd_pid -x visitor-board)
                         only the requests inside it are lost; see status and events
  kill the core          kill -9 \$(pgrep -s $agentd_pid -x agentd-core)
                         nothing is lost; the holder starts another
  metrics, each 10 s     tail -f $private/metrics.jsonl

Ctrl-C ends it and leaves nothing behind.
TEXT
}

parse_arguments "$@"
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
check_port_free "$PORT" PORT
check_port_free "$HEALTH_PORT" HEALTH_PORT
build=$(build_directory build-demo)
mkdir -p "$build"
log=$build/demo.log
: >"$log"
requirements_install "$log" build || exit 1
quietly "building in $build" "$log" configure_and_make "$build" "" || exit 1

private=$(mktemp -d "${TMPDIR:-/tmp}/agentd-demo.XXXXXX")
write_config
start_agentd
trap 'exit 0' INT TERM HUP
show_what_next
if [ "$end_after_s" -gt 0 ]; then
  sleep "$end_after_s" &
  wait -n "$agentd_pid" "$!" || true
  kill -0 "$agentd_pid" 2>/dev/null || die "agentd ended by itself"
  exit 0
fi
wait "$agentd_pid" || true
die "agentd ended by itself"
