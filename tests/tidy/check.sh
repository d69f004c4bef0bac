#!/usr/bin/env bash
# `make check`: what must hold beyond `make test`. Each step says its name and how long it took;
# the first that fails ends it. The last words are those of the test runner.
#   JOBS=N   how much at once; default: the number of processors
#   NODES=N  how far clang-tidy's analyzer goes into a function; default: 50000
set -euo pipefail
cd "$(dirname "$0")/../.."
jobs=${JOBS:-$(nproc)}
build=${BUILD:-build}

step() { printf '\n== %s (%d s since the start)\n' "$*" "$SECONDS"; }

sources() { git -c safe.directory='*' ls-files --cached --others --exclude-standard "$@"; }

# make_targets FOLDER TARGET...: warnings are errors; without targets everything.
make_targets() {
    local folder=$1
    shift
    ninja -j"$jobs" -C "$folder" "$@" > "$folder/ninja.log" || { tail -n 60 "$folder/ninja.log"; exit 1; }
}

# make_build FOLDER OPTION...: everything in it.
make_build() {
    local folder=$1
    shift
    cmake -G Ninja -S . -B "$folder" "$@" > /dev/null
    make_targets "$folder"
}

step 'format'
sources '*.c' '*.h' | grep -v '^tests/contracts/golden/' | xargs clang-format --dry-run -Werror

step 'what no source may have; what documents name'
bash tests/tidy/banned.sh
bash tests/tidy/documents.sh

step 'shell scripts'
sources '*.sh' .ci/run | xargs shellcheck -S warning

step 'gcc, warnings are errors'
make_build "$build"

# One build for the second compiler, for address and undefined sanitizers, and for the fuzzers.
step 'clang, warnings are errors'
CC=clang make_build build-fuzz -DCMAKE_BUILD_TYPE=Debug '-DCMAKE_C_FLAGS_DEBUG=-O1 -gline-tables-only' \
    -DSHINA_SANITIZE=fuzzer-no-link,address,undefined

# Its analyzer takes as long as it is let: most of the time goes into a few functions whose paths it
# does not come to the end of anyway. NODES=225000 is clang's own bound.
step 'clang-tidy'
sources 'bus/*.c' 'api-edge/*.c' 'compose/*.c' 'services/*.c' 'projections/*.c' |
    grep -v -e '_test\.c$' -e '^services/_template/' | xargs -P "$jobs" -n 6 clang-tidy --quiet -p build-fuzz --extra-arg=-Xclang \
        --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg="max-nodes=${NODES:-50000}" 2> /dev/null

# Races first: what runs threads, and only that is built. These tests are called as their targets are.
step 'thread sanitizer'
races='log_test|metrics_test|runtime_test|relay_test|inproc_test|nng_test|store_conformance_memory|edge_test'
cmake -G Ninja -S . -B build-tsan -DCMAKE_BUILD_TYPE=Debug -DSHINA_SANITIZE=thread > /dev/null
mapfile -t targets < <(cd build-tsan && ctest -N -R "$races" | sed -n 's/^ *Test *#[0-9]*: //p')
test "${#targets[@]}" -gt 5
make_targets build-tsan "${targets[@]}"
(cd build-tsan && ctest -j"$jobs" --output-on-failure -R "$races")

# All but what starts the whole program, which `make test` has done, and what reads only files or waits
# for a validator (the fuzzer of decoders holds both roads against each other in this build).
step 'address and undefined sanitizers'
(cd build-fuzz && ctest -j$((jobs + 1)) --output-on-failure -LE system -E '^(tidy|documents|deploy)_|^contracts_differential$')

# Every target on its seeds and a little further; `make fuzz` goes on from there.
step 'fuzzers'
JOBS=$jobs python3 -B tests/fuzz/run.py --check
