#!/usr/bin/env bash
# same_history.sh SIM SEEDS: the same seeds make the same history in two processes, whatever lies where
# in their memory.
set -euo pipefail
first=$("$1" --seeds "$2" --quiet)
second=$("$1" --seeds "$2" --quiet)
if [[ $first != "$second" ]]; then
    printf 'two histories of the same seeds:\n%s\n%s\n' "$first" "$second"
    exit 1
fi
