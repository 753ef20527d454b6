#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The committed CloudFormation templates are those that their parts, the table of metrics and the
# user data's script make now.
set -eu
: "${srcdir:=.}"
command -v python3 >/dev/null || {
  echo "no python3 to make templates with"
  exit 77
}
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

docs/tools/print-references json >"$made/metrics.json"
PYTHONDONTWRITEBYTECODE=1 python3 "$srcdir/packaging/cloudformation/generator/make_templates.py" "$srcdir/packaging/cloudformation" \
  "$srcdir/packaging/user-data/amazon-linux-2023.sh" "$made" <"$made/metrics.json"
status=0
for file in single-node.yaml scalable.yaml; do
  test -s "$made/$file"
  diff -u "$srcdir/packaging/cloudformation/$file" "$made/$file" || status=1
done
[ "$status" -eq 0 ] || echo "what the templates are made from has changed: run make templates"
exit "$status"
