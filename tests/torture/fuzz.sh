#!/usr/bin/env bash
# Row 24: runs each fuzz target with libFuzzer for FUZZ_SECONDS (600). The saved inputs are in fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "row 24: cargo-fuzz skipped: it needs a nightly compiler (rustup toolchain install nightly; cargo install cargo-fuzz)"
    exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for target in $(cargo +nightly fuzz list); do
    # New inputs are not added to the saved corpus.
    mkdir "$work/$target"
    cargo +nightly fuzz run "$target" "$work/$target" "fuzz/corpus/$target" -- -max_total_time="${FUZZ_SECONDS:-600}" \
        -rss_limit_mb=512 -timeout=10 -max_len=4096 >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
    sed -n "s/^Done \([0-9]*\) runs in \([0-9]*\) .*/row 24: cargo-fuzz $target: \1 executions in \2 s, 0 crashes/p" "$work/log"
done
