#!/usr/bin/env bash
# Every path and function that a document names in `code` must be there.
#   documents.sh [FILE...]   default: all of the repository
# shellcheck disable=SC2016 # backticks are those of Markdown
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ $# -eq 0 ]; then
    mapfile -t documents < <(git -c safe.directory='*' ls-files --cached --others --exclude-standard '*.md' |
        grep -v '^tests/data/') # which tells of other repositories
    set -- "${documents[@]}"
fi
sources=$(git -c safe.directory='*' ls-files --cached --others --exclude-standard '*.c' '*.h' '*.sql' | tr '\n' ' ')
optional=' schemas/common.json ' # told of, need not be there
faults=0

fault() { printf '%s: %s\n' "$1" "$2" >&2; faults=$((faults + 1)); }

# A word is a path when it lies in a folder of ours, or is a document or a file of ours by its name.
is_path() {
    case "$1" in
        *[\<\>\*\{\}\$\ …]* | /* | http*) return 1 ;;
        bus/* | services/* | projections/* | api-edge/* | compose/* | cmake/* | tests/* | \
            migrations/* | schemas/* | .ci/*) return 0 ;;
        [A-Z]*.md) return 0 ;;
    esac
    return 1
}

for document in "$@"; do
    while IFS= read -r word; do
        if [[ $word =~ ^([a-z_]+)\(\)$ ]]; then
            # shellcheck disable=SC2086
            grep -qE "^(BUS_CHECKED )?([a-z_]+ \*?)*${BASH_REMATCH[1]}\(" $sources ||
                fault "$document" "there is no function ${BASH_REMATCH[1]}()"
        elif is_path "$word"; then
            [ -e "$word" ] || [[ $optional = *" $word "* ]] || [ -e "$(dirname "$document")/$word" ] ||
                fault "$document" "there is no $word"
        fi
    done < <(sed '/^```/,/^```/d' "$document" | grep -oE '`[^`]+`' | tr -d '`' | sort -u)
done
[ "$faults" -eq 0 ] || exit 1
echo "$# documents name only what is there"
