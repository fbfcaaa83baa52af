#!/usr/bin/env bash
# Checks that the package compiles for another system or processor: packaging/check-target.sh TARGET [OPTION OF cargo check]...
# It needs no compiler of C, headers or linker for TARGET, because nothing is linked. It needs the standard library of TARGET
# (rustup target add TARGET) or its source (rustup component add rust-src). RUSTC can be another compiler, such as Debian's.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:?the target, such as aarch64-unknown-linux-gnu}
shift

library=$("${RUSTC:-rustc}" --print sysroot)/lib/rustlib
from_source=()
if [ ! -d "$library/$target/lib" ]; then
    if [ ! -f "$library/src/rust/library/Cargo.lock" ]; then
        echo "packaging/check-target.sh: no standard library for $target: rustup target add $target" >&2
        exit 2
    fi
    # A stable compiler builds it, too, if it is told so.
    export RUSTC_BOOTSTRAP=1
    from_source=("-Zbuild-std=std,proc_macro")
fi
# The build scripts of libraries in C run, but compile nothing.
for tool in CC CXX AR RANLIB; do
    export "${tool}_${target//-/_}=true"
done
exec "${CARGO:-cargo}" check --locked --target "$target" "${from_source[@]}" "$@"
