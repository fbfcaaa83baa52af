#!/usr/bin/env bash
# Row 6: applies each fault of mutants/*.patch to a copy of the source, builds it, and expects the tests of rows 5 and 7 to fail
# (or, if those do not detect the fault, the tests of row 4). TOOLS is a folder with the correct tools, TESTS are the built tests.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${TOOLS:?a folder with the tools}" "${TESTS:?the executable of the tests}"

work=$(mktemp -d "${TMPDIR:-/tmp}/snapshooter-mutants-XXXXXX")
trap 'rm -rf "$work"' EXIT
target=${MUTANTS_TARGET:-$work/target}
caught=0 all=0
for patch in tests/torture/mutants/*.patch; do
    name=$(basename "$patch" .patch)
    all=$((all + 1))
    rm -rf "$work/tree" "$work/tools"
    mkdir -p "$work/tree" "$work/tools"
    cp -a Cargo.toml Cargo.lock src tests "$work/tree"
    # cp -a keeps the times of the files, so touching them makes cargo notice the change.
    patch --quiet --directory "$work/tree" -p1 <"$patch"
    find "$work/tree/src" -name '*.rs' -exec touch {} +
    (cd "$work/tree" && CARGO_PROFILE_DEV_OPT_LEVEL=0 CARGO_PROFILE_DEV_DEBUG=false CARGO_TARGET_DIR=$target cargo build --quiet --locked --no-default-features --features cli --bin snap-heapify)
    cp "$TOOLS"/snap* "$work/tools"
    cp "$target/debug/snap-heapify" "$work/tools"
    by=()
    for test in faults::order faults::inject; do
        if ! SNAP_TOOLS=$work/tools SNAP_TORTURE=0 "$TESTS" "$test" >"$work/out" 2>&1; then
            by+=("${test#faults::}")
        fi
    done
    if [ ${#by[@]} = 0 ] && ! SNAP_TOOLS=$work/tools SNAP_TORTURE=1 "$TESTS" faults::disk::power >"$work/out" 2>&1; then
        by+=("power cuts")
    fi
    if [ ${#by[@]} -gt 0 ]; then
        caught=$((caught + 1))
        echo "row 6: mutant $name: caught by ${by[*]}"
    else
        echo "row 6: mutant $name: not caught"
    fi
done
echo "row 6: $caught of $all mutants caught"
[ "$caught" = "$all" ]
