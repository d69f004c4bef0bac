#!/usr/bin/env bash
# planted_test.sh PROGRAM...: a program that was built without SHINA_PLANTED has no planted bug: no
# function that asks for one, and none of their names.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
names=$(sed -n 's/^    { "\([a-z_.]*\)", .*/\1/p' "$root/bus/base/planted.c")
[[ $(wc -l <<< "$names") -ge 8 ]] || { echo "the table of planted bugs was not understood"; exit 1; }
for program; do
    if nm "$program" | grep -E 'bus_(is_planted|plant)'; then
        echo "$program asks for planted bugs"
        exit 1
    fi
    for name in $names; do
        if grep -qF -- "$name" "$program"; then
            echo "$program knows the planted bug $name"
            exit 1
        fi
    done
done
