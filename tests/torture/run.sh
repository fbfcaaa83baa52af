#!/usr/bin/env bash
# Everything that `make torture` does: the full tier of all tests of reliability, a line `row N: ...` for each figure.
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/setup.sh

status=0
for part in tests/torture/*.sh; do
    case $part in
        */run.sh | */mutants.sh) ;;
        *) "$part" || { echo "$part: failed" >&2; status=1; } ;;
    esac
done
exit "$status"
