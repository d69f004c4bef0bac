#!/usr/bin/env bash
# Every place that sources name stands in the table of bus/base/failpoint.c, and each that stands
# there is passed somewhere.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/../.."

table=$(grep -oP '^    \{ "\K[a-z_]+\.[a-z_]+(?=", ")' bus/base/failpoint.c | sort)
passed=$(grep -rhoP --include='*.c' --exclude='*_test.c' 'BUS_FAIL_POINT\("\K[^"]+' bus api-edge compose services | sort -u)
if [ -z "$table" ] || [ "$(printf '%s\n' "$table" | uniq)" != "$passed" ]; then
    echo 'fail points: the table in bus/base/failpoint.c and the sources differ (<: table, >: sources)' >&2
    diff <(printf '%s\n' "$table") <(printf '%s\n' "$passed") >&2
    exit 1
fi
