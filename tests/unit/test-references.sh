#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The committed references and manual page are those that the tables make now.
set -eu
: "${srcdir:=.}"
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

sh "$srcdir/docs/tools/references.sh" docs/tools/print-references "$srcdir/docs" "$made" "$made/agentd.catalog"
status=0
for file in reference-config.md reference-metrics.md man/agentd.conf.5; do
  test -s "$made/$file"
  diff -u "$srcdir/docs/$file" "$made/$file" || status=1
done
diff -u "$srcdir/systemd/agentd.catalog" "$made/agentd.catalog" || status=1
[ "$status" -eq 0 ] || echo "the tables have changed: run make references"
exit "$status"
