#!/usr/bin/env bash
# Makes an archive of the current commit, and what Homebrew and Arch Linux need to build it: packaging/source.sh OUT URL [HOMEPAGE].
# Writes OUT/snapshooter-VERSION.tar.gz and its sha256, OUT/snapshooter.rb, OUT/PKGBUILD and OUT/.SRCINFO. The archive is going to be
# at URL/snapshooter-VERSION.tar.gz.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/common.sh
out=${1:?the folder to write to} url=${2:?the address of the folder where the archive will be} homepage=${3:-$2}
for address in "$url" "$homepage"; do
    if ! [[ $address =~ ^https?://[A-Za-z0-9:/._~%+@-]+$ ]]; then
        echo "packaging/source.sh: not the URL of a folder: $address" >&2
        exit 2
    fi
done

name=snapshooter-$version
git archive --format=tar --prefix="$name/" HEAD | gzip -9n >"$out/$name.tar.gz"
(cd "$out" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
sum=$(cut -d ' ' -f 1 "$out/$name.tar.gz.sha256")

# The files of the checkout have an address that does not exist, and the sum of no archive.
for file in homebrew/snapshooter.rb arch/PKGBUILD arch/.SRCINFO; do
    sed "s,https://snapshooter\.invalid/download,${url%/},; s,https://snapshooter\.invalid,$homepage,; s,0\{64\},$sum," \
        "packaging/$file" >"$out/${file#*/}"
done
echo "$out/$name.tar.gz"
