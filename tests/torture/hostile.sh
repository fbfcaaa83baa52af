#!/usr/bin/env bash
# The full tier of the rows about hostile input, races, collisions, changing files, round trips, names and statuses:
# prints a line `row N: …` for each figure. FUZZ_SECONDS is how long each fuzz target runs (none without nightly and cargo-fuzz).
set -euo pipefail
cd "$(dirname "$0")/../.."

modules=(hostile:: swapper:: bombs:: changing:: collide:: roundtrip:: statuses:: fuzz_corpus::)
SNAP_TORTURE=1 SNAPSHOOTER_PYTHON_BIN="${SNAPSHOOTER_PYTHON_BIN:-$PWD/.venv/bin/snapshooter}" \
    cargo test --locked --test main -- --nocapture --test-threads 2 "${modules[@]}" | grep -E '^row|^test result|FAILED|panicked'

seconds=${FUZZ_SECONDS:-600}
if [ "$seconds" = 0 ]; then
    exit
fi
if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "row 24: cargo-fuzz skipped: it needs a nightly compiler (rustup toolchain install nightly; cargo install cargo-fuzz)"
    exit
fi
for target in record gzip snapshot diff names; do
    # New inputs stay out of the kept corpus.
    work=$(mktemp -d)
    log=$(mktemp)
    cargo +nightly fuzz run "$target" "$work" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -rss_limit_mb=512 -timeout=10 -max_len=4096 >"$log" 2>&1 || { cat "$log"; exit 1; }
    echo "row 24: cargo-fuzz $target: $(sed -n 's/^Done \([0-9]*\) runs in \([0-9]*\) .*/\1 executions in \2 s, 0 crashes/p' "$log")"
    rm -rf "$work" "$log"
done
