#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What is made from the table of verbs must be what it would be now: ctl/agentctl.bash, and the
# verbs' part of agentctl(1).
set -eu
source_dir=${srcdir:-.}
made=$(mktemp)
trap 'rm -f "$made"' EXIT
bad=0

./agentctl help --completion >"$made"
if ! diff -u "$source_dir/ctl/agentctl.bash" "$made"; then
    echo "ctl/agentctl.bash is not what the table of verbs gives: run make references"
    bad=1
fi
./agentctl help --man >"$made"
if ! sed -n '/^\.\\" verbs: begin/,/^\.\\" verbs: end/{/^\.\\" verbs:/!p}' \
    "$source_dir/docs/man/agentctl.1" | diff -u - "$made"; then
    echo "docs/man/agentctl.1 is not what the table of verbs gives: run make references"
    bad=1
fi
exit $bad
