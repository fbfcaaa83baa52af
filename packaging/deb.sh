#!/usr/bin/env bash
# Builds a Debian package from a folder that `make install DESTDIR=FOLDER PREFIX=/usr` filled: packaging/deb.sh FOLDER OUT.
# Writes OUT/snapshooter_VERSION_ARCHITECTURE.deb. DEB_COMPRESSION is the argument of dpkg-deb -Z (xz).
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
stage=${1:?the folder to package} out=${2:?the folder to write the package to}

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
maintainer=${DEB_MAINTAINER:-The Snapshooter contributors <contributors@snapshooter.invalid>}
architecture=$(dpkg --print-architecture)
executable=$stage/usr/bin/snapshooter

# Depends on the newest version of the C library that the executable requires, and on the packages of other libraries.
glibc=$(objdump -T "$executable" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
depends="libc6 (>= ${glibc#GLIBC_})"
for library in $(ldd "$executable" | sed -n 's/.* => \(\/.*\) (.*/\1/p'); do
    # dpkg knows a file by the folder that its package names, even if /lib is a link to /usr/lib.
    owners=$(dpkg-query -S "$library" "${library#/usr}" "/usr$library" 2>/dev/null || true)
    package=${owners%%:*}
    : "${package:?no package has $library}"
    [ "$package" = libc6 ] || depends+=", $package"
done

documents=$stage/usr/share/doc/snapshooter
mkdir -p "$documents" "$stage/DEBIAN"
gzip -9n "$stage"/usr/share/man/man*/*.[157]
gzip -9n <CHANGELOG.md >"$documents/changelog.gz"
cp README.md doc/format.md "$documents"
{
    echo "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
    echo "Upstream-Name: snapshooter"
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

cat >"$stage/DEBIAN/control" <<END
Package: snapshooter
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -sk --apparent-size --exclude=DEBIAN "$stage" | cut -f 1)
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
dpkg-deb --root-owner-group -Z"${DEB_COMPRESSION:-xz}" --build "$stage" "$out/snapshooter_${version}_$architecture.deb"
