#!/usr/bin/env bash
# Builds a Debian package from a folder that `make install DESTDIR=FOLDER PREFIX=/usr` filled: packaging/deb.sh FOLDER OUT.
# Writes OUT/snapshooter_VERSION_ARCHITECTURE.deb. DEB_LEVEL is the argument of dpkg-deb -z, from 0 to 9.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/common.sh
stage=$(realpath "${1:?the folder to package}") out=${2:?the folder to write the package to}

maintainer=${DEB_MAINTAINER:-The Snapshooter contributors <contributors@snapshooter.invalid>}
architecture=$(dpkg --print-architecture)
executable=$stage/usr/bin/snapshooter
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$executable"

# dpkg-shlibdeps wants to be in a folder of sources, and takes the place of DEBIAN for the root of the package.
mkdir "$stage/DEBIAN"
sources=$(mktemp -d)
trap 'rm -rf "$sources"' EXIT
mkdir "$sources/debian"
printf 'Source: snapshooter\n\nPackage: snapshooter\nArchitecture: any\n' >"$sources/debian/control"
depends=$(cd "$sources" && dpkg-shlibdeps -O "$executable" | sed -n 's/^shlibs:Depends=//p')

documents=$stage/usr/share/doc/snapshooter
mkdir -p "$documents"
gzip -9n "$stage"/usr/share/man/man*/*.[157]
packaging/debian-changelog.sh "$maintainer" | gzip -9n >"$documents/changelog.gz"
packaging/notices.sh | gzip -9n >"$documents/notices.gz"
cp README.md doc/format.md "$documents"
{
    echo "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
    echo "Upstream-Name: snapshooter"
    echo "Comment: The licences of the libraries in the executable are in notices.gz."
    echo
    echo "Files: *"
    sed -n 's/^Copyright (c) /Copyright: /p' LICENSE-MIT
    echo "License: Expat or Apache-2.0"
    echo
    echo "License: Expat"
    sed '1,/^Copyright/d' LICENSE-MIT | sed '/./,$!d; s/^$/./; s/^/ /'
    echo
    echo "License: Apache-2.0"
    echo " On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0."
} >"$documents/copyright"
chmod 644 "$documents"/*
overrides=$stage/usr/share/lintian/overrides
mkdir -p "$overrides"
cat >"$overrides/snapshooter" <<'END'
# The compiler of Rust checks bounds itself, and what is in C calls no function that could be fortified.
snapshooter: hardening-no-fortify-functions [usr/bin/snapshooter]
# Texts follow each other without a gap, so parts of two of them look like a word. One error is in a library.
snapshooter: spelling-error-in-binary * [usr/bin/snapshooter]
END

cat >"$stage/DEBIAN/control" <<END
Package: snapshooter
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(find "$stage/usr" -printf '%y %s\n' | awk '{ size += $1 == "f" ? int(($2 + 1023) / 1024) : 1 } END { print size }')
Depends: $depends
Recommends: ca-certificates
Suggests: jq, openssh-client
Section: utils
Priority: optional
Description: back up and restore a folder with small Unix filters
 Small filters list a folder, store each content once, publish snapshots,
 compare them and restore them. The filters pass one JSON record per file, so
 jq, make and the shell can select and change what is backed up and restored.
END
(cd "$stage" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$stage/DEBIAN/md5sums"
dpkg-deb --root-owner-group -Zxz -z"${DEB_LEVEL:-6}" --build "$stage" "$out/snapshooter_${version}_$architecture.deb"
