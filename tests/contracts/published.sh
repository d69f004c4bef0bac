#!/usr/bin/env bash
# The contracts may follow all that were published: those of the last tag and of the tags before it,
# and those in schemas/published, which a clone without tags has too.
#   published.sh SHINA
set -euo pipefail
shina=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
status=0

check() { # check REVISION-OR-FOLDER
    "$shina" contracts check --schemas "$root/schemas" --against "$1" || status=1
}

if tag=$(git -C "$root" describe --tags --abbrev=0 2> /dev/null); then
    check "$tag"
else
    echo 'there is no tag yet, or no repository: schemas/published alone is looked at'
fi
found=0
for folder in "$root"/schemas/published/*/; do
    found=1
    check "${folder%/}"
done
[ "$found" = 1 ] || { echo 'schemas/published is empty'; exit 1; }
exit "$status"
