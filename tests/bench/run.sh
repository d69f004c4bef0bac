#!/usr/bin/env bash
# `make bench`: some five minutes. BENCH="--only rebuild,memory" for parts, BENCH=--full for logs of up to
# ten million events, BENCH="--seconds 10 --rounds 5" for longer measurements, BENCH=--help for all.
set -euo pipefail
cd "$(dirname "$0")/../.."
ninja -C build transport_bench relay_bench append_bench load_events streams_bench allocations shina-test-kafka > /dev/null
# shellcheck disable=SC2086
exec python3 -B tests/bench/bench.py ${BENCH:-} "$@"
