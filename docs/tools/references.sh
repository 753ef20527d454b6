#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# references.sh PROGRAM DOCS TARGET CATALOG: writes the references that PROGRAM (print-references) makes from
# the tables into the folder TARGET. DOCS is the folder docs/ with the manual page, whose text
# around the list of keys is kept. TARGET may be DOCS itself. The message catalog goes to the file CATALOG.
set -eu
program=$1 docs=$2 target=$3 catalog=$4
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT

"$program" config >"$new/reference-config.md"
"$program" metrics >"$new/reference-metrics.md"
"$program" man >"$new/keys"
"$program" catalog >"$new/catalog"
awk -v keys="$new/keys" '
  /^\.\\" END/ { inside = 0; ends++ }
  !inside { print }
  /^\.\\" BEGIN/ { inside = 1; begins++; while ((getline line < keys) > 0) print line }
  END { exit !(begins == 1 && ends == 1) }
' "$docs/man/agentd.conf.5" >"$new/agentd.conf.5"

mkdir -p "$target/man"
cp "$new/reference-config.md" "$new/reference-metrics.md" "$target/"
cp "$new/agentd.conf.5" "$target/man/"
cp "$new/catalog" "$catalog"
