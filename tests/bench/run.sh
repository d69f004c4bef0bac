#!/usr/bin/env bash
# `make bench`: some five minutes; BENCH="--seconds 10 --rounds 5" for longer ones.
set -euo pipefail
cd "$(dirname "$0")/../.."
ninja -C build transport_bench > /dev/null
# shellcheck disable=SC2086
exec python3 tests/bench/bench.py ${BENCH:-} "$@"
