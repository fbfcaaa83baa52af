#!/usr/bin/env bash
# Installs what `make bench` compares with: Debian packages that are missing, DuckDB into .bench of the checkout and, with
# BENCH_RUSTIC=1, rustic (it is built there, which takes long). `make test` needs none of it.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

declare -A package=([restic]=restic [borg]=borgbackup [rclone]=rclone [hyperfine]=hyperfine [pigz]=pigz [valgrind]=valgrind
    [jq]=jq [python3]=python3 [/usr/bin/time]=time [parallel]=parallel [ssh]=openssh-client [/usr/sbin/sshd]=openssh-server)
missing=()
for command in "${!package[@]}"; do
    command -v "$command" >/dev/null || missing+=("${package[$command]}")
done
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    echo "installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    if ! "${as_root[@]}" apt-get -q update >/dev/null ||
        ! "${as_root[@]}" apt-get -q -y --no-install-recommends install "${missing[@]}" >/dev/null; then
        echo "make bench: please install: ${missing[*]}" >&2
        exit 1
    fi
fi

if ! .bench/venv/bin/python -c 'import duckdb' 2>/dev/null; then
    echo "installing DuckDB into .bench/venv"
    python3 -m venv .bench/venv
    .bench/venv/bin/pip -q install duckdb
fi
if [ -n "${BENCH_RUSTIC:-}" ] && [ ! -x .bench/bin/rustic ]; then
    echo "building rustic into .bench/bin"
    cargo install -q rustic-rs --locked --root .bench
fi
