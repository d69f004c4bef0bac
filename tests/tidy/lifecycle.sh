#!/usr/bin/env bash
# The lifecycle of a module, from the table in its source:
#   lifecycle.sh print FILE.c          as a Mermaid diagram
#   lifecycle.sh check FILE.c README   the README shows just that
set -euo pipefail

diagram() {
    echo stateDiagram-v2
    sed -n '/^} lifecycle\[\] = {$/,/^};$/p' "$1" |
        sed -nE 's/^ *\{ ?([A-Z_]+)_STATUS_([A-Z_]+), +([A-Z_]+), +[A-Z_]+_STATUS_([A-Z_]+) ?\},$/\1 \2 \3 \4/p' |
        while read -r module from command to; do
            command=${command#"${module}_"}
            echo "    $from --> $to: ${command,,}"
        done
}

shown() { sed -n '/^stateDiagram-v2$/,/^```$/p' "$1" | sed '/^```$/d'; }

case "${1:-}" in
    print) diagram "$2" ;;
    check)
        [ "$(diagram "$2" | wc -l)" -gt 1 ] || { echo "$2: no table named lifecycle" >&2; exit 1; }
        diff -u <(diagram "$2") <(shown "$3") || { echo "$3 does not show the table of $2" >&2; exit 1; }
        echo "$3 shows the lifecycle" ;;
    *) echo 'lifecycle.sh print FILE.c | check FILE.c README' >&2; exit 2 ;;
esac
