#!/usr/bin/env bash
# `make demo`: the day on the shina that runs at SHINA_HTTP, else on one of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
demo=${BUILD:-build}/tests/demo/shina-demo
http=${SHINA_HTTP:-127.0.0.1:8080}
home=$(realpath -m "${SHINA_HOME:-.shina}")
if curl -fs -o /dev/null "http://$http/readyz"; then
    echo "on the shina at http://$http"
    exec "$demo" --url="http://$http" --home="$home" "$@"
fi
echo "no shina answers at http://$http: starting one for the demo"
exec "$demo" "$@"
