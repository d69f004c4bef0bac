#!/bin/sh
# A new domain from services/_template: sh cmake/new-module.sh NAME (or make new-module NAME=x).
# Makes schemas/NAME.json and services/NAME/, and adds NAME to the builds of both folders.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
name=${1:-}

die() { echo "new-module: $1" >&2; exit 2; }

case "$name" in
    '' | *[!a-z0-9_]* | [!a-z]* | *_ | *__*) die "a name is lower case letters, digits and _: \"$name\"" ;;
    # What C, the build or the database call something else.
    auto | bool | break | case | char | const | continue | default | do | double | else | enum | \
        extern | false | float | for | goto | if | inline | int | long | main | register | restrict | \
        return | short | signed | sizeof | static | struct | switch | true | typedef | union | \
        unsigned | void | volatile | while | bus | common | contract | demo | edge | information_schema | keys | pg_* | \
        public | shina | story | thing | views) die "\"$name\" means something else already" ;;
esac
[ "${#name}" -le 32 ] || die "a name has at most 32 characters"
[ ! -e "$root/services/$name" ] || die "services/$name is there already"
[ ! -e "$root/schemas/$name.json" ] || die "schemas/$name.json is there already"
upper=$(printf '%s' "$name" | tr '[:lower:]' '[:upper:]')

fill() { sed -e "s/TEMPLATE/$name/g" -e "s/UPPER/$upper/g" "$root/services/_template/$1" > "$2"; }

# Adds a line among those that begin alike, in order.
add_line() { # FILE BEGINNING LINE
    { grep "^$2" "$1"; echo "$3"; } | sort > "$1.lines"
    awk -v start="$2" -v lines="$1.lines" '
        index($0, start) == 1 { if (!done) { while ((getline l < lines) > 0) print l; done = 1 } next }
        { print }' "$1" > "$1.new"
    mv "$1.new" "$1"
    rm -f "$1.lines"
}

mkdir "$root/services/$name"
fill template.c "$root/services/$name/$name.c"
fill template_test.c "$root/services/$name/${name}_test.c"
fill README.md "$root/services/$name/README.md"
fill CMakeLists.txt "$root/services/$name/CMakeLists.txt"
fill template.json "$root/schemas/$name.json"
add_line "$root/services/CMakeLists.txt" 'add_subdirectory(' "add_subdirectory($name)"
add_line "$root/schemas/CMakeLists.txt" 'bus_contract(' "bus_contract($name)"
echo "made schemas/$name.json and services/$name; next: make test, then the contract and its stories"
