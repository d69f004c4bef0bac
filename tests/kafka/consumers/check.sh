#!/usr/bin/env bash
# The consumers that the README shows, in Python and in Java, on a real Kafka and the events of a real
# shina: each event once and in order, though the topic has one of them again.
#   check.sh SHINA_TEST_KAFKA SHINA ROOT
set -euo pipefail
kafka=$1
shina=$2
root=$3
lib=$root/.tools/kafka/lib
[ -e "$lib/pom.xml" ] || { echo 'no Apache Kafka: nothing of this is proved'; exit 77; }
scratch=$(mktemp -d)
chmod 755 "$scratch"
mkfifo "$scratch/in" "$scratch/out"
cleanup() {
    exec 3>&- || true
    [ -z "${run:-}" ] || { kill -TERM "$run" 2> /dev/null; wait "$run" 2> /dev/null; } || true
    wait 2> /dev/null || true
    rm -rf "$scratch"
}
trap cleanup EXIT
fail() { echo "consumers: $1" >&2; tail -20 "$scratch"/*.log >&2; exit 1; }

"$kafka" < "$scratch/in" > "$scratch/out" 2> "$scratch/kafka.log" &
exec 3> "$scratch/in"
read -r servers < "$scratch/out"
export SHINA_HOME=$scratch/home SHINA_KAFKA=$servers SHINA_PARTITIONS=2
SHINA_HTTP=127.0.0.1:$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')
export SHINA_HTTP
cd /
"$shina" run > "$scratch/shina.log" 2>&1 &
run=$!
for _ in $(seq 600); do
    curl -sf "http://$SHINA_HTTP/readyz" > /dev/null && break
    sleep 0.1
done
token=$("$shina" token --tenant 00000000-0000-4000-8000-000000000001 --role ADMIN)
for n in 1 2 3 4 5 6; do
    curl -sf -o /dev/null -X POST "http://$SHINA_HTTP/api/v1/drivers" -H "Authorization: Bearer $token" \
        -H 'Content-Type: application/json' -H "Idempotency-Key: consumers-$n" \
        -d "{\"full_name\":\"Driver $n\",\"phone_e164\":\"+7900000000$n\"}" || fail "driver $n was not hired"
done
for _ in $(seq 100); do
    "$shina" verify --topics > "$scratch/verify.log" 2>&1 || fail 'the topics are not what the logs are'
    grep -q ' 6 events.* 0 behind' "$scratch/verify.log" && break
    sleep 0.2
done

# One again, as after a crash of the relay.
kcat -C -q -b "$servers" -t shina.drivers.events -p 0 -o beginning -c 1 -f '%h' > "$scratch/headers"
arguments=()
while IFS= read -r header; do arguments+=(-H "$header"); done < <(tr ',' '\n' < "$scratch/headers" | grep -E '^(ce_type|ce_subject|ce_offset)=')
[ ${#arguments[@]} = 6 ] || fail 'the headers are not what was expected'
echo '{}' | kcat -P -b "$servers" -t shina.drivers.events -p 0 "${arguments[@]}"

"$root/.tools/venv/bin/python" "$root/tests/kafka/consumers/consumer.py" "$servers" shina.drivers.events > "$scratch/python.log"
java -cp "$lib/*" "$root/tests/kafka/consumers/Consumer.java" "$servers" shina.drivers.events > "$scratch/java.log" 2> "$scratch/java-said.log"
"$root/.tools/venv/bin/python" "$root/tests/kafka/consumers/consumer.py" "$servers" shina.nobody.events > "$scratch/python-missing.log" 2>&1 &&
    fail 'Python says nothing of a topic that is not there'
grep -q '^shina.nobody.events: ' "$scratch/python-missing.log" || fail 'Python does not name the topic that is not there'
[ "$(grep -c '"type": "drivers.hired.v1"' "$scratch/python.log")" = 6 ] || fail 'Python did not read six events'
[ "$(grep -c '^drivers.hired.v1 ' "$scratch/java.log")" = 6 ] || fail 'Java did not read six events'
[ "$(wc -l < "$scratch/python.log")" = 6 ] || fail 'Python read one twice'
[ "$(wc -l < "$scratch/java.log")" = 6 ] || fail 'Java read one twice'
