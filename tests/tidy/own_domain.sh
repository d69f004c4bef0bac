#!/usr/bin/env bash
# A shina-<domain> holds its domain, its own views and the runtime; of other domains and their views
# nothing. (Contracts are tables, and name each other's messages: they are allowed.)
#   own_domain.sh PROGRAM OWN_ARCHIVE... -- OTHER_ARCHIVE...
# Every object of an archive defines some symbol that others see, so an object that was linked shows
# in the program's symbols. NM may name another tool.
set -euo pipefail
nm=${NM:-nm}
program=$1
shift
own=() others=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do own+=("$1"); shift; done
[ $# -gt 0 ] && shift
others=("$@")
[ ${#own[@]} -gt 0 ] && [ ${#others[@]} -gt 0 ] || { echo 'own_domain.sh: no archives' >&2; exit 2; }

seen_in() { "$nm" --defined-only --extern-only "$@" 2> /dev/null | awk 'NF == 3 { print $3 }' | sort -u; }
linked=$(seen_in "$program")
ours=$(seen_in "${own[@]}")
name=$(basename "$program")
faults=0
fault() { echo "$name $1" >&2; faults=$((faults + 1)); }

for archive in "${own[@]}"; do
    [ -n "$(comm -12 <(seen_in "$archive") <(printf '%s\n' "$linked"))" ] ||
        fault "lacks $(basename "$archive" .a)"
done
# All at once first: it is quick, and mostly there is nothing.
[ -z "$(comm -12 <(seen_in "${others[@]}") <(printf '%s\n' "$linked") |
    comm -23 - <(printf '%s\n' "$ours"))" ] || for archive in "${others[@]}"; do
    foreign=$(comm -12 <(seen_in "$archive") <(printf '%s\n' "$linked") | comm -23 - <(printf '%s\n' "$ours"))
    [ -z "$foreign" ] || fault "links $(basename "$archive" .a): $(echo $foreign | cut -c 1-200)"
done
grep -qx bus_service_start <<< "$linked" || fault 'lacks the runtime'
[ "$faults" -eq 0 ] || exit 1
echo "$name is its own: ${#own[@]} archives, nothing of ${#others[@]} others"
