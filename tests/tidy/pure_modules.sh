#!/usr/bin/env bash
# Modules and projections are pure: whatever their objects leave undefined must be in the same
# archive, in a contract, or in the short list below; and they keep nothing between calls.
#   pure_modules.sh ARCHIVE... -- CONTRACT_ARCHIVE...
# NM and OBJDUMP may name other tools.
set -euo pipefail
nm=${NM:-nm}
objdump=${OBJDUMP:-objdump}

# What bus/module/module.h and projections/stream/analytic.h offer, the calendar, ids, strings. No clock, no memory, no log.
allowed='
BUS_ID_NIL bus_accept bus_claim bus_claim_personal bus_civil_from_days bus_day_of bus_day_text bus_days_from_civil
bus_emit bus_fnv1a64 bus_fold_latin bus_id_compare bus_id_equal bus_id_format bus_id_is_nil bus_id_is_v7
bus_id_parse bus_id_v5 bus_id_v5_text bus_id_with_time_of bus_invariant_failed
bus_meta_business_ms bus_meta_new_id bus_minute_text bus_react bus_refuse bus_refuse_stale
bus_refuse_with bus_release bus_release_personal bus_row_delete bus_row_id bus_row_key bus_row_printf
bus_row_push bus_send
bus_stream_correct bus_stream_forget bus_stream_is_late bus_stream_place_of bus_stream_push bus_stream_put
bus_stream_take_back bus_stream_tick
bus_str_equal bus_str_is bus_str_load bus_str_of bus_str_store bus_upcast_printf
bus_upcast_room bus_wake_at bus_wake_cancel
memchr memcmp memcpy memmove memset strchr strcmp strlen strncmp strrchr
_GLOBAL_OFFSET_TABLE_ __divti3 __modti3 __udivti3 __umodti3 __stack_chk_fail __memcpy_chk
__memmove_chk __memset_chk'
instrumentation='^(__asan_|__ubsan_|__tsan_|__sanitizer_|__gcov_|__llvm_)'

archives=() contracts=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do archives+=("$1"); shift; done
[ $# -gt 0 ] && shift
contracts=("$@")
[ ${#archives[@]} -gt 0 ] || { echo 'pure_modules.sh: no archives' >&2; exit 2; }

defined_in() { [ $# -eq 0 ] || "$nm" --defined-only "$@" | awk 'NF == 3 { print $3 }'; }
defined_in_contracts=$(defined_in ${contracts[@]+"${contracts[@]}"})
faults=0

for archive in "${archives[@]}"; do
    name=$(basename "$archive" .a)
    known=$(printf '%s\n' $allowed "$defined_in_contracts" "$(defined_in "$archive")" | sort -u)
    foreign=$("$nm" --undefined-only "$archive" | awk '$1 == "U" { print $2 }' | sort -u |
        grep -Ev "$instrumentation" | comm -23 - <(printf '%s\n' "$known") || true)
    if [ -n "$foreign" ]; then
        echo "$name uses what a pure module must not: $(echo $foreign)" >&2
        faults=$((faults + 1))
    fi
    # Constants lie in .rodata and .data.rel.ro; these sections are what changes. Sanitizers keep
    # books of their own there.
    # (Not grep -q: it would end nm before its time, which pipefail takes for a failure.)
    "$nm" --undefined-only "$archive" | awk '{ print $2 }' | grep -E "$instrumentation" > /dev/null && continue
    kept=$("$objdump" -h "$archive" | awk '$2 ~ /^\.(data|bss|tdata|tbss)(\.[^r]|$)/ &&
        $3 !~ /^0+$/ { print $2 }' | sort -u)
    if [ -n "$kept" ]; then
        echo "$name keeps state between calls, in: $(echo $kept)" >&2
        faults=$((faults + 1))
    fi
done
[ "$faults" -eq 0 ] || exit 1
echo "${#archives[@]} archives are pure"
