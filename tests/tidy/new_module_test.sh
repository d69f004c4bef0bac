#!/usr/bin/env bash
# A fourteenth module: made in a copy of the tree, it builds, its story passes, and it is part of
# the program's registry.  new_module_test.sh SOURCE_DIR
set -euo pipefail
cd "$1"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
git -c safe.directory='*' ls-files --cached --others --exclude-standard -z | xargs -0 cp --parents -t "$scratch" --
cd "$scratch"
picture() { find services schemas -type f -exec sha256sum {} + | LC_ALL=C sort; }
before=$(picture)
for bad in '' 'Bad Name' Returns re-turns ../x 9lives returns_ re__turns int views pg_x vehicles \
    "$(printf 'x%.0s' {1..33})"; do
    if sh cmake/new-module.sh "$bad" 2> /dev/null; then echo "it took the name \"$bad\"" >&2; exit 1; fi
    [ "$(picture)" = "$before" ] || { echo "the bad name \"$bad\" changed files" >&2; exit 1; }
done
sh cmake/new-module.sh returns
if sh cmake/new-module.sh returns 2> /dev/null; then echo 'a taken name was taken again' >&2; exit 1; fi
cmake -G Ninja -S . -B build > /dev/null
ninja -C build module_returns_test > build/log 2>&1 || { tail -n 20 build/log >&2; exit 1; }
build/services/returns/module_returns_test
grep -q '&returns_module,' build/compose/shina/registry.c
bash tests/tidy/pure_modules.sh build/services/returns/libmodule_returns.a -- \
    build/schemas/libcontract_returns.a
