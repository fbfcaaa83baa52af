#!/usr/bin/env bash
# Installs what the tests need: the Python tool into .venv of the checkout, and the Debian packages that are missing.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

# A command of each package; python3-venv has none and is asked for below.
declare -A package=([jq]=jq [mandoc]=mandoc [strace]=strace [shellcheck]=shellcheck [setfattr]=attr [setfacl]=acl [python3]=python3 [/usr/bin/time]=time)
missing=()
for command in "${!package[@]}"; do
    command -v "$command" >/dev/null || missing+=("${package[$command]}")
done
if command -v python3 >/dev/null; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
else
    missing+=(python3-venv)
fi
if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo -n)
    fi
    if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
        echo "make test: please install: ${missing[*]}" >&2
        exit 1
    fi
    echo "installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" apt-get -q update >/dev/null
    "${as_root[@]}" apt-get -q -y --no-install-recommends install "${missing[@]}" >/dev/null
fi

for component in fmt clippy; do
    if ! cargo "$component" --version >/dev/null 2>&1; then
        echo "make test: please install cargo $component (rustup component add rustfmt clippy)" >&2
        exit 1
    fi
done

# Anew when the requirements changed, and when an earlier try was cut off.
if ! cmp -s tests/requirements.txt .venv/installed.txt; then
    echo "installing the Python tool into .venv"
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input -r tests/requirements.txt
    cp tests/requirements.txt .venv/installed.txt
fi
