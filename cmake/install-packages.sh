#!/bin/sh
# Installs what is missing of the named sets of cmake/packages.txt, and nothing else:
#   sh cmake/install-packages.sh run test
# Debian's packages need root or sudo; npm's go to .tools/node and .tools/peers, Python's to .tools/venv,
# Maven's to .tools/kafka and .tools/streams.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
sets=" $* "

wanted() { # wanted MANAGER: the names of the sets
    while read -r set manager name _; do
        case "$sets" in *" $set "*) ;; *) continue ;; esac
        [ "$manager" = "$1" ] && printf '%s\n' "$name"
    done < "$root/cmake/packages.txt"
    return 0
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo "$@"
    else
        echo 'to install packages, run this as root, or install sudo' >&2
        return 1
    fi
}

is_installed() {
    dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

# Services of packages must not start by themselves, and no cluster be made: we run our own.
quietly_install() {
    as_root mkdir -p /etc/postgresql-common
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        echo 'create_main_cluster = false' |
            as_root tee /etc/postgresql-common/createcluster.conf > /dev/null
    fi
    guard=/usr/sbin/policy-rc.d
    if [ ! -e "$guard" ]; then
        trap 'as_root rm -f "$guard"' EXIT
        trap 'exit 130' HUP INT TERM
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" > /dev/null
        as_root chmod 755 "$guard"
    fi
    as_root apt-get update -q < /dev/null
    as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 \
        apt-get install -y -q --no-upgrade --no-install-recommends \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" < /dev/null
}

missing=
for name in $(wanted apt); do
    case "$name" in
        maven) command -v mvn > /dev/null && command -v java > /dev/null && continue ;;
    esac
    is_installed "$name" || missing="$missing $name"
done
if [ -n "$(wanted npm)" ] && ! command -v npm > /dev/null; then
    missing="$missing npm" # Debian's; where node comes from elsewhere it would conflict
fi
if [ -n "$missing" ]; then
    echo "installing:$missing"
    # shellcheck disable=SC2086
    (quietly_install $missing)
fi

# Packages with a lock of their own, to .tools under the name of its folder.
for package in $(wanted npm | grep '/package\.json$'); do
    from=$(dirname "$root/$package")
    to="$root/.tools/$(basename "$from")"
    cmp -s "$from/package-lock.json" "$to/node_modules/package-lock.json" && continue
    mkdir -p "$to"
    cp "$from/package.json" "$from/package-lock.json" "$to/"
    if (cd "$to" && npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --loglevel=error); then
        cp "$from/package-lock.json" "$to/node_modules/"
    else
        echo "what $package names is not available: npm could not fetch it"
    fi
done

node="$root/.tools/node"
for name in $(wanted npm | grep -v '/package\.json$'); do
    if [ ! -e "$node/node_modules/$name/package.json" ]; then
        mkdir -p "$node"
        cp "$root/cmake/node/package.json" "$root/cmake/node/package-lock.json" "$node/"
        if ! (cd "$node" && npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --loglevel=error); then
            case "$sets" in
                *" test "*) exit 1 ;;
                *) echo "the viewer behind /docs is not available: npm could not fetch it" ;;
            esac
        fi
        break
    fi
done

venv="$root/.tools/venv"
for name in $(wanted pip); do
    # A name may have a version: fastapi==0.165.0
    version=${name#"${name%%==*}"}
    if ! "$venv/bin/python" -c "import importlib.metadata as m
assert '${version#==}' in ('', m.version('${name%%==*}'))" 2> /dev/null; then
        [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
        # shellcheck disable=SC2046
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check $(wanted pip)
        break
    fi
done

# Not to be had: the tests say so, and run on librdkafka's mock cluster.
for pom in $(wanted maven); do
    lib="$root/.tools/$(basename "$(dirname "$pom")")/lib"
    cmp -s "$root/$pom" "$lib/pom.xml" && continue
    rm -rf "$lib"
    if mvn -q -B -f "$root/$pom" dependency:copy-dependencies -DoutputDirectory="$lib" < /dev/null; then
        cp "$root/$pom" "$lib/pom.xml"
    else
        rm -rf "$lib"
        echo "What $pom names could not be fetched from Maven Central: tests of Kafka will run on a mock"
    fi
done
