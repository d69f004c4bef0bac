#!/usr/bin/env bash
# The simulator must find every bug that bus/base/planted.h can put in: in how many seeds does it?
# A build of its own has them. Fails if one is not found.
#   tests/sim/planted.sh [BUILD]    results go to BUILD/results; default: build
#   SEEDS=1500    seeds tried for each, at most   SEED=1   the first of them
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build}
seeds=${SEEDS:-1500}
seed=${SEED:-1}
planted="build-planted"
rows=$(mktemp)
said=$(mktemp)
trap 'rm -f "$rows" "$said"' EXIT

cmake -G Ninja -S . -B "$planted" -DSHINA_PLANTED=ON > /dev/null
ninja -C "$planted" sim > "$planted/ninja.log" || { tail -n 40 "$planted/ninja.log"; exit 1; }
sim=$planted/tests/sim/sim
missed=0
while IFS=$'\t' read -r name what; do
    if "$sim" --plant "$name" --seed "$seed" --seeds "$seeds" --quiet > "$said" 2>&1; then
        printf 'NOT FOUND in %d seeds: %s, %s\n' "$seeds" "$name" "$what"
        missed=$((missed + 1))
        continue
    fi
    after=$(sed -n 's/^\([0-9]*\) seeds were well before it$/\1/p' "$said")
    [[ -n $after ]] || { cat "$said"; exit 1; }
    by=$(sed -n 's/^FAILED: seed [0-9]*, step [0-9]*: //p' "$said" | cut -c 1-100)
    printf '%s\t%d\tseeds\t%d\t%s: "%s"\n' "$name" $((after + 1)) "$seeds" "$what" "$by" >> "$rows"
done < <("$sim" --plants)
python3 tests/sim/figures.py planted "$build" < "$rows"
exit $((missed > 0))
