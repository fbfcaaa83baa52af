#!/usr/bin/env bash
# What is installed, built as for release: the profile dist, the Debian package, `cargo install`.
set -euo pipefail
cd "$(dirname "$0")/../.."

SNAP_TORTURE=1 cargo test --locked --features multicall --test main -- install:: | grep -E '^test '
