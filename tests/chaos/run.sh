#!/usr/bin/env bash
# `make chaos`: the long way through all crash tests.
#   KILLS=50   kills at random     ROUNDS=3   of a cluster, each process once a round
#   SEED=n     as an earlier run said; by default each takes a new one
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
bin=${1:-build}/tests/chaos
export KILLS=${KILLS:-50} ROUNDS=${ROUNDS:-3}

for test in lease places fail_points redis_gone disk_full cluster kills; do
    printf '\n== %s (%d s since the start)\n' "$test" "$SECONDS"
    code=0
    "$bin/chaos_$test" || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 77 ] || exit "$code" # 77: skipped, and says why
done
printf '\nnothing was lost, doubled or left over (%d s)\n' "$SECONDS"
