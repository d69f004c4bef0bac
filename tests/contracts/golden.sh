#!/bin/sh
# Compares what the schema compiler makes of sample/ with golden/, file by file.
#   golden.sh TOOL           fails and shows the difference
#   golden.sh TOOL --update  takes what the tool makes now; look at the diff before a commit
# SPDX-License-Identifier: Apache-2.0
set -eu
tool=$1
here=$(cd "$(dirname "$0")" && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

"$tool" generate --schemas "$here/sample" --out "$out"
"$tool" openapi --schemas "$here/sample" --out "$out/openapi.json"
"$tool" asyncapi --schemas "$here/sample" --out "$out/asyncapi.json"
"$tool" schemas --schemas "$here/sample" --out "$out/schemas"

if [ "${2:-}" = --update ]; then
    find "$here/golden" -mindepth 1 ! -name .clang-format -delete
    cp -R "$out/." "$here/golden"
    chmod -R u=rwX,go=rX "$here/golden"
    exit 0
fi
diff -ru -x .clang-format "$here/golden" "$out"
