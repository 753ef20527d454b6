#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual pages are well-formed.
set -eu
: "${srcdir:=.}"
if ! command -v mandoc >/dev/null; then
  echo "SKIP: mandoc is not installed"
  exit 77
fi
count=0
for page in "$srcdir"/docs/man/*.[1-8]; do
  # It also tells that a page it can't find is missing: that is the installed system's matter.
  mandoc -Tlint -W warning "$page"
  count=$((count + 1))
done
echo "$count pages"
[ "$count" -gt 0 ]
