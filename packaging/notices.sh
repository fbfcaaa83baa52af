#!/usr/bin/env bash
# Prints the licences of the libraries that the executable of all tools contains, each text once. It needs jq.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8

features=(--locked --features multicall)
used=$(cargo tree "${features[@]}" --edges normal --prefix none --format '{p}' | cut -d ' ' -f 1,2 | sort -u)
packages=$(cargo metadata --format-version 1 "${features[@]}" |
    jq -r '.packages[] | select(.source) | ["\(.name) v\(.version)", .license // "", (.manifest_path | rtrimstr("/Cargo.toml"))] | @tsv')

echo "The executable snapshooter contains these libraries, and the standard library of Rust (MIT OR Apache-2.0):"
echo
declare -A text=() users=()
while IFS=$'\t' read -r package license folder; do
    grep -qxF "$package" <<<"$used" || continue
    echo "  $package: $license"
    # The text of the Apache licence is in LICENSE-APACHE. Sources in C have their licence in a folder of their own.
    while read -r file; do
        if ! grep -m 1 . "$file" | grep -q '^ *Apache License$'; then
            key=$(sha256sum <"$file")
            text[$key]=$file
            users[$key]+="${users[$key]:+, }$package"
        fi
    done < <(find "$folder" -maxdepth 3 -type f -iregex '.*/\(licen[cs]e\|copying\|notice\|unlicense\)[^/]*' | sort)
done < <(sort <<<"$packages")
while IFS=$'\t' read -r _ key; do
    printf '\n%s\n' "------------------------------------------------------------------------------"
    fold -s -w 78 <<<"${users[$key]}" | sed 's/ *$//'
    echo
    tr -d '\r' <"${text[$key]}"
done < <(for key in "${!users[@]}"; do printf '%s\t%s\n' "${users[$key]}" "$key"; done | sort)
