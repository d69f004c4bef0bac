#!/usr/bin/env bash
# The README's five minutes, run as they are written, on a shina of their own:
#   readme_tour.sh PATH_OF_SHINA
# and its table of configuration beside that of the program.
# shellcheck disable=SC2016 # backticks are those of Markdown
set -euo pipefail
shina=$(realpath "$1")
readme=$(cd "$(dirname "$0")/../.." && pwd)/README.md

fail() { echo "README.md: $*" >&2; exit 1; }

diff <(sed -n '/^<!-- configuration/,/^<!-- end/p' "$readme" | grep '^|') \
     <("$shina" config --markdown) || fail 'the table is not that of: shina config --markdown'

scratch=$(mktemp -d)
chmod 755 "$scratch"
cd "$scratch"
export SHINA_HOME=$scratch/home SHINA_HTTP=127.0.0.1:0
"$shina" run > run.log 2>&1 < /dev/null &
running=$!
finish() {
    kill "$running" 2> /dev/null || true
    wait "$running" || true
    rm -rf "$scratch"
}
trap finish EXIT
for _ in $(seq 300); do
    grep -q '/docs' run.log && break
    kill -0 "$running" 2> /dev/null || { cat run.log >&2; fail 'shina did not start'; }
    sleep 0.2
done
at=$(sed -n 's|.* \(http://[^ ]*\)/docs.*|\1|p' run.log)
[ -n "$at" ] || { cat run.log >&2; fail 'shina did not say its address'; }

# A stream of events ends with Ctrl-C: here after two seconds.
cat > tour.sh << 'END'
watch() { curl --max-time 2 "$@" || [ $? = 28 ]; }
END
sed -n '/^## Five minutes/,/^## One process or many/p' "$readme" | sed -n '/^```sh$/,/^```$/p' |
    grep -v '^```' | sed -e "s|http://127.0.0.1:8080|$at|" -e "s|^shina=.*|shina=$shina|" \
    -e 's|^curl -sN |watch -sN |' -e 's|wait_s=30|wait_s=1|' >> tour.sh
bash -euo pipefail tour.sh > said.txt 2>&1 || { cat said.txt >&2; fail 'the tour failed'; }

for expected in '"position":"vehicles:' '"position":"drivers:' '"plate":"A123BC77"' \
    '"code":"VEHICLE_PLATE_TAKEN"' '"code":"INVALID"' '"next_cursor"' 'vehicles.registered.v1' \
    '{"line":1,"status":200' '{"line":2,"type":"urn:shina:problem:VEHICLE_ODOMETER_BACK"' \
    'events moved to' '"name":"fuel-cards"' '{"id":"fill-1","position":"ingest:' '"repeated":true' \
    'X-Cursor: ~vehicles~' 'id: ~vehicles~' '"type":"vehicles.odometer_recorded.v1"'; do
    grep -qF -- "$expected" said.txt || { cat said.txt >&2; fail "the tour does not show $expected"; }
done

# As many processes: no domain may be missing, or the edge is never ready.
for folder in "$(dirname "$readme")"/services/[a-z]*/; do
    for verb in service projection; do
        grep -qE "^\\\$shina $verb( .*)? $(basename "$folder")( |\$)" "$readme" ||
            fail "no line starts: shina $verb $(basename "$folder")"
    done
done
echo 'the tour of the README works'
