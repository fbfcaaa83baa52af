#!/usr/bin/env bash
# Builds the Python package with maturin: packaging/wheel.sh MATURIN [ARGUMENT...]. Writes target/wheels/*.whl.
#
# A wheel has no links, and the tools are one executable. So each name is a script of two lines that starts it.
set -euo pipefail
cd "$(dirname "$0")/.."
maturin=${1:?the path of maturin}
shift

data=target/wheel
rm -rf "$data"
mkdir -p "$data/scripts" "$data/data/share/man"
for source in src/bin/*.rs; do
    tool=$(basename "$source" .rs)
    # pipx links the script from another folder.
    # shellcheck disable=SC2016 # The script expands them.
    printf '#!/bin/sh\n[ -L "$0" ] && exec "$(dirname "$(readlink -f "$0")")/snapshooter-all" %s "$@"\nexec "${0%%/*}/snapshooter-all" %s "$@"\n' \
        "$tool" "$tool" >"$data/scripts/$tool"
    chmod 755 "$data/scripts/$tool"
done
for section in 1 5 7; do
    install -d "$data/data/share/man/man$section"
    install -m 644 man/*."$section" "$data/data/share/man/man$section"
done
install -d "$data/data/share/doc/snapshooter"
packaging/notices.sh >"$data/data/share/doc/snapshooter/notices"
"$maturin" build --out target/wheels "$@"
