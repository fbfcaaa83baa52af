#!/usr/bin/env bash
# Prints the licences of the libraries that the executable of all tools contains, each text once. It needs jq.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8

features=(--locked --features multicall)
used=$(cargo tree "${features[@]}" --edges normal --prefix none --format '{p}' | cut -d ' ' -f 1,2 | sort -u)
host=$(rustc -vV | sed -n 's/^host: //p')
packages=$(cargo metadata --format-version 1 "${features[@]}" --filter-platform "$host" |
    jq -r '.packages[] | select(.source) | ["\(.name) v\(.version)", .license // "", (.manifest_path | rtrimstr("/Cargo.toml"))] | @tsv')

echo "The executable snapshooter contains these libraries, and the standard library of Rust (MIT OR Apache-2.0):"
echo
declare -A package_of=() text=() users=()
while IFS=$'\t' read -r package license folder; do
    if grep -qxF "$package" <<<"$used"; then
        echo "  $package: $license"
        package_of[$folder]=$package
    fi
done < <(sort <<<"$packages")

# Sources in C have their licence in a folder of their own. The text of the Apache licence is in LICENSE-APACHE.
files=$(find "${!package_of[@]}" -maxdepth 3 -type f -iregex '.*/\(licen[cs]e\|copying\|notice\|unlicense\)[^/]*' -print0 |
    sort -z | xargs -0 awk 'FNR == 1 { read = 0 } !read && NF { read = 1; if (!/^ *Apache License *$/) print FILENAME }')
while read -r sum file; do
    folder=${file%/*}
    while [ -z "${package_of[$folder]:-}" ]; do
        folder=${folder%/*}
    done
    text[$sum]=$file
    users[$sum]+="${users[$sum]:+, }${package_of[$folder]}"
done < <(xargs -d '\n' sha256sum <<<"$files")
while IFS=$'\t' read -r _ sum; do
    printf '\n%s\n' "------------------------------------------------------------------------------"
    fold -s -w 78 <<<"${users[$sum]}" | sed 's/ *$//'
    echo
    tr -d '\r' <"${text[$sum]}"
done < <(for sum in "${!users[@]}"; do printf '%s\t%s\n' "${users[$sum]}" "$sum"; done | sort)
