#!/usr/bin/env bash
# Runs `make torture`: all tests in their full tier, planted faults, and fuzzing. Prints a line `row N: ...` for each figure of
# doc/reliability.md. With arguments, runs only the tests whose names contain one of them. Without root, skips the rows that
# mount file systems, each with a line.
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/setup.sh

if ! command -v mkfs.xfs >/dev/null || ! command -v xfs_io >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing: xfsprogs"
        DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install xfsprogs >/dev/null ||
            echo "row 4: xfsprogs can't be installed"
    fi
fi

# Cargo prints where it put the tests; the tools are in the folder above them.
tests=$(cargo test --locked --features multicall --test main --no-run --message-format json |
    sed -n 's/.*"target":{[^}]*"name":"main"[^}]*}.*"executable":"\([^"]*\)".*/\1/p')
tools=$(dirname "$(dirname "$tests")")
export SNAPSHOOTER_PYTHON_BIN="${SNAPSHOOTER_PYTHON_BIN:-$PWD/.venv/bin/snapshooter}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

status=0
SNAP_TORTURE=1 "$tests" --nocapture "$@" 2>&1 | tee "$log" |
    grep -aE --line-buffered '^row|^test .*(FAILED|ok)$|^test result|panicked|not checked|more memory' || status=1
if [ "$status" = 1 ]; then
    sed -n '/^failures:/,$p' "$log"
fi
if [ $# = 0 ]; then
    TOOLS=$tools TESTS=$tests tests/torture/mutants.sh || status=1
    tests/torture/fuzz.sh || status=1
fi
exit "$status"
