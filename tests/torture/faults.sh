#!/usr/bin/env bash
# The full tier of the rows about storage that fails: prints a line `row N: ...` for each figure. SNAP_CUTS is the number of
# power cuts on each file system (100). Without root the rows that mount file systems are skipped, each with a line.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v mkfs.xfs >/dev/null || ! command -v xfs_io >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing: xfsprogs"
        DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install xfsprogs >/dev/null ||
            echo "row 4: xfsprogs can't be installed"
    fi
fi

# Cargo says where it put the tests; the tools lie in the folder above them.
tests=$(cargo test --locked --test main --no-run --message-format json |
    sed -n 's/.*"target":{[^}]*"name":"main"[^}]*}.*"executable":"\([^"]*\)".*/\1/p')
tools=$(dirname "$(dirname "$tests")")
show() {
    grep -E '^row|^test result|FAILED|panicked|wrong' || [ "${PIPESTATUS[0]}" = 0 ]
}
status=0
SNAP_TORTURE=1 SNAP_TOOLS=$tools "$tests" --nocapture --test-threads 2 faults:: 2>&1 | show || status=1
TOOLS=$tools TESTS=$tests tests/torture/mutants.sh || status=1
exit "$status"
