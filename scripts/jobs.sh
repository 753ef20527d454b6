# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Commands in the background, one or as many at a time as there are CPUs, with their output in logs; shown is how they
# get on. To be sourced.
#
#   quietly "build in $dir" "$log" COMMAND...       one, and its exit status
#
#   job fuzz-json "$logs/fuzz-json.log" COMMAND...  several: starts it as soon as a CPU is free
#   jobs_end                                        returns when all have ended
#   "${job_status[fuzz-json]}"                      is then its exit status
#
# Lines of a log that match $STEPS, as it is at the start, are the command's steps.
declare -A job_status=()
declare -a job_names=() job_logs=() job_steps=() job_begun=() # of those that run, by their process ids
BUILD_STEPS='^ +(CC|CCLD|AR) |^(PASS|FAIL|SKIP|ERROR): '
jobs_shown=0 # when a line was written last, where it is not written over

# Starts a command with its output in the log $2; its name is $1.
job() {
  local name=$1 log=$2
  shift 2
  until [ ${#job_names[@]} -lt "$(nproc)" ]; do jobs_look; done
  [ ${#job_names[@]} -gt 0 ] || jobs_shown=$SECONDS
  "$@" >>"$log" 2>&1 </dev/null &
  job_names[$!]=$name job_logs[$!]=$log job_steps[$!]=${STEPS:-$BUILD_STEPS} job_begun[$!]=$SECONDS
}

jobs_end() {
  while [ ${#job_names[@]} -gt 0 ]; do jobs_look; done
}

quietly() {
  job "$@"
  jobs_end
  return "${job_status[$1]}"
}

# Takes note of those that have ended, and shows how the others get on.
jobs_look() {
  local pid
  for pid in "${!job_names[@]}"; do
    kill -0 "$pid" 2>/dev/null || job_ended "$pid"
  done
  [ ${#job_names[@]} -gt 0 ] || return 0
  jobs_show
  sleep 0.2
}

# Says how a job ended; of a failure it shows the log's end.
job_ended() {
  local pid=$1 name=${job_names[$1]} log=${job_logs[$1]} status=0
  wait "$pid" || status=$?
  unset "job_names[$pid]"
  job_status[$name]=$status
  if [ -t 1 ]; then printf '\r\033[K'; fi
  case $status in
    0) echo "  $name: done ($((SECONDS - job_begun[pid])) s)" ;;
    77) ;; # by automake's custom: can't run here
    *)
      echo "  $name failed; the end of $log:" >&2
      tail -n 25 "$log" | cut -c1-300 >&2
      ;;
  esac
}

# On a terminal one line that is written over, else a line every 20 s.
jobs_show() {
  local pid steps text=''
  [ -t 1 ] || [ $((SECONDS - jobs_shown)) -ge 20 ] || return 0
  for pid in "${!job_names[@]}"; do
    steps=$(grep -cE "${job_steps[$pid]}" "${job_logs[$pid]}" 2>/dev/null || true)
    text+="  ${job_names[$pid]}: ${steps:-0} steps, $((SECONDS - job_begun[pid])) s"
  done
  if [ -t 1 ]; then
    printf '\r\033[K%s' "$text"
  else
    jobs_shown=$SECONDS
    echo "$text"
  fi
}

# For an exit trap: ends all that run, with all below them. (A shell without job control lets its
# background jobs ignore Ctrl-C.)
stop_jobs() {
  local pid
  for pid in "${!job_names[@]}"; do end_tree "$pid"; done
}

end_tree() {
  local child children=()
  read -r -a children 2>/dev/null <"/proc/$1/task/$1/children" || true
  for child in "${children[@]}"; do end_tree "$child"; done
  kill -TERM "$1" 2>/dev/null || true
}
