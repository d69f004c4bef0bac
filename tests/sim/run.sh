#!/usr/bin/env bash
# make sim: run.sh BUILD. SEEDS=n how many histories, SEED=s the first, JOBS=n at once.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$1
seeds=${SEEDS:-1000}
seed=${SEED:-1}
jobs=${JOBS:-$(nproc)}
((jobs <= seeds)) || jobs=$seeds
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT

began=$SECONDS
share=$(((seeds + jobs - 1) / jobs))
for ((i = 0; i < jobs; i++)); do
    first=$((seed + i * share))
    count=$((seed + seeds - first < share ? seed + seeds - first : share))
    ((count > 0)) || continue
    "$build/tests/sim/sim" --seed "$first" --seeds "$count" > "$said/$i" &
done
failed=0
while ((failed == 0)) && [[ -n $(jobs -rp) ]]; do
    wait -n || failed=1 # the first failure is enough; it has said what it is
done
if ((failed)); then
    jobs -rp | xargs -r kill
    exit 1
fi
grep -h seeds "$said"/*
{
    printf 'seeds without a violation\t%d\tseeds\t\tfrom %d\n' "$seeds" "$seed"
    awk -F ': ' '/^  / { sub(/^ +/, "", $1); if (!($1 in sum)) order[++n] = $1; sum[$1] += $2 }
        END { for (i = 1; i <= n; i++) printf "%s\t%s\t\t\t\n", order[i], sum[order[i]] }' "$said"/*
    printf 'real time\t%d\ts\t\t%d at once\n' $((SECONDS - began)) "$jobs"
} | python3 tests/sim/figures.py sim "$build"
