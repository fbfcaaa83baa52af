#!/usr/bin/env bash
# Makes an archive of a folder that `make install DESTDIR=FOLDER PREFIX=` filled: packaging/dist.sh FOLDER OUT.
# Writes OUT/snapshooter-VERSION-TARGET.tar.gz and its sha256. The same files make the same bytes, in any folder and at any time.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/common.sh
stage=${1:?the folder to archive} out=${2:?the folder to write the archive to}

target=$(rustc -vV | sed -n 's/^host: //p')
name=snapshooter-$version-$target
strip --strip-unneeded "$stage/bin/snapshooter"
cp README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$stage"
packaging/notices.sh >"$stage/NOTICES"
chmod -R u=rwX,go=rX "$stage"
tar -C "$stage" --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    --transform="flags=r;s,^\.,$name," -cf - . | gzip -9n >"$out/$name.tar.gz"
(cd "$out" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
echo "$out/$name.tar.gz"
