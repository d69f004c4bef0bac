#!/usr/bin/env bash
# What no source may have: functions that know no bound, no error or no threads; words that promise
# work; includes by way of a parent folder. What each must have: a licence line, a header its guard.
set -euo pipefail
cd "$(dirname "$0")/../.."
mapfile -t sources < <(git -c safe.directory='*' ls-files --cached --others --exclude-standard '*.c' '*.h' |
    grep -v '^tests/contracts/golden/')
faults=0

fault() { printf '%s\n' "$1" >&2; faults=$((faults + 1)); }

# none REGEX WHY: no line of a source may have it.
none() {
    local found
    found=$(grep -nE -- "$1" "${sources[@]}" || true)
    [ -z "$found" ] || fault "$2:
$found"
}

none '(^|[^A-Za-z0-9_])(strcpy|strcat|strncpy|strncat|stpcpy|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|atof|alloca|scanf|tmpnam|mktemp|rand|srand|popen|localtime|gmtime|ctime|asctime)\(' \
    'banned functions'
none '(^|[^A-Z])(TODO|FIXME|HACK)([^A-Z]|$)' 'unfinished work belongs into an issue'
none '#include "\.\./' 'includes are named from the root'

for file in "${sources[@]}"; do
    [ "$(head -n 30 "$file" | tr -s '\n* ' ' ' |
        grep -o 'SPDX-License-Identifier: Apache-2.0' | wc -l)" -eq 1 ] ||
        fault "$file: one SPDX line near the top"
    case "$file" in
        *.h) grep -q '^#ifndef [A-Z0-9_]*_H$' "$file" || fault "$file: no include guard" ;;
    esac
done
[ "$faults" -eq 0 ] || exit 1
echo "${#sources[@]} sources are free of what is banned"
