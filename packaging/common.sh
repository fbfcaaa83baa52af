# shellcheck shell=bash
# What the scripts of this folder share. Each sources it in the root of the sources.
umask 022
export LC_ALL=C.UTF-8 TZ=UTC

# shellcheck disable=SC2034  # the scripts use it
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)

# The time of every file in an archive: that of the commit. The files of an unpacked source archive have it too.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)}
export SOURCE_DATE_EPOCH
