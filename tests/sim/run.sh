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
cat "$said"/*
awk -v seeds="$seeds" -v seed="$seed" -v s=$((SECONDS - began)) '
    { hours += $8; steps += $11; commands += $13; answers += $15; repeats += $17; windows += $20; late += $22 }
    END {
        OFS = "\t"
        print "seeds without a violation", seeds, "seeds", "", "from " seed
        print "simulated time", hours, "hours", "", ""
        print "steps", steps, "steps", "", ""
        print "commands", commands, "commands", "", answers " answers, " repeats " of them repeats"
        print "windows compared", windows, "windows", "", late " events came too late for theirs"
        print "real time", s, "s", "", ""
    }' "$said"/* | python3 tests/sim/figures.py sim "$build"
