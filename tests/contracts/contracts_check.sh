#!/usr/bin/env bash
# `shina contracts check` on a repository of its own: tags, a break, the modes, what is asked wrongly.
#   contracts_check.sh SHINA SCHEMAS
set -euo pipefail
shina=$1
schemas=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { echo "contracts_check: $1" >&2; cat "$scratch/said" >&2; exit 1; }

expect() { # expect STATUS TEXT ARGUMENT...
    local wanted=$1 text=$2 got=0
    shift 2
    "$shina" contracts check --schemas "$scratch/repo/schemas" "$@" > "$scratch/said" 2>&1 || got=$?
    [ "$got" = "$wanted" ] || fail "exit code $got, not $wanted: $*"
    grep -qF -e "$text" "$scratch/said" || fail "does not say \"$text\": $*"
}

change() { # change FROM TO
    sed -i "s/$1/$2/" "$scratch/repo/schemas/vehicles.json"
}

commit() { # commit [TAG]
    git add -A && git commit -qm contracts
    [ $# = 0 ] || git tag "$1"
}

mkdir -p "$scratch/repo/schemas"
cp "$schemas"/*.json "$scratch/repo/schemas"
cd "$scratch/repo"
git init -q .
git config user.email nobody@localhost
git config user.name nobody
git config commit.gpgsign false
echo before > file
commit before-contracts
git mv -k file other
commit v1
grep -q '"registered.v1"' schemas/vehicles.json || fail 'vehicles is not what this test knows'
export TMPDIR=$scratch/tmp
mkdir "$TMPDIR"

expect 0 'nothing is broken: BACKWARD against v1, before-contracts' --against v1
expect 0 'nothing is broken: BACKWARD against v1' --against v1 --mode BACKWARD
expect 0 'nothing is broken: FULL against HEAD' --against HEAD --mode FULL
expect 2 'no revision of the repository' --against v9
expect 2 'is neither a folder nor a revision' --against=--output=x
expect 2 '--mode is' --against v1 --mode SIDEWARD
expect 2 'needs --against'
expect 2 "there are no contracts in $TMPDIR" --against "$TMPDIR"
expect 2 'there is no folder /nowhere' --against v1 --schemas /nowhere

# An event that vanishes, seen against the tag, the folder and a commit, and not forward.
change '"registered\.v1"' '"registered.v9"'
expect 1 'vehicles.json: /aggregates/vehicle/events/registered.v1: a published event may not vanish' --against v1
expect 1 'A published event keeps its schema' --against "$schemas"
expect 0 'nothing is broken: FORWARD against v1' --against v1 --mode FORWARD
expect 1 'broken: FULL against v1' --against v1 --mode FULL

# Published all the same: against the last tag alone nothing is wrong, against all before it there is.
commit v2
expect 0 'nothing is broken: BACKWARD against v2' --against v2 --mode BACKWARD
expect 1 'broken: BACKWARD against v2, before-contracts, v1' --against v2
[ -z "$(git status --porcelain)" ] || fail 'the work tree was touched'
[ -z "$(ls "$TMPDIR")" ] || fail 'a folder was left'
got=0
PATH=/nowhere "$shina" contracts check --schemas schemas --against v1 > "$scratch/said" 2>&1 || got=$?
[ "$got" = 2 ] || fail "exit code $got without git"
grep -q 'git is needed' "$scratch/said" || fail 'does not say that git is needed'
