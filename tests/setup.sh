#!/usr/bin/env bash
# Installs what the tests need: the Python tool into .venv of the checkout, programs that read our files into .readers, fsspec's
# storages into .fsspec, checkers of our files into .linters, storage emulators into .emulators, and missing Debian packages. With
# SNAPSHOOTER_LOCAL_ONLY=1, it installs no emulators.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

azurite=azurite@3.35.0
with_emulators=1
if [ -n "${SNAPSHOOTER_LOCAL_ONLY:-}" ]; then
    with_emulators=
fi

# A command of each package; python3-venv has no command and is checked below.
declare -A package=([jq]=jq [mandoc]=mandoc [strace]=strace [shellcheck]=shellcheck [setfattr]=attr [faketime]=faketime [setfacl]=acl [python3]=python3 [/usr/bin/time]=time [patch]=patch [git]=git [busybox]=busybox [pigz]=pigz [bsdtar]=libarchive-tools [java]=default-jre-headless)
# Those of the recipes, and tools whose commands are compared with ours.
package+=([curl]=curl [ssh-keygen]=openssh-client [fdfind]=fd-find [fzf]=fzf [systemd-analyze]=systemd [rclone]=rclone [restic]=restic [borg]=borgbackup [pgrep]=procps [parallel]=parallel [age]=age)
if [ -n "$with_emulators" ]; then
    package+=([node]=nodejs [npm]=npm [/usr/sbin/sshd]=openssh-server)
fi
missing=()
# Any of them opens the pages of snap-report. The smallest has no window.
if [ -n "$with_emulators" ] && ! command -v chromium-headless-shell chromium google-chrome >/dev/null; then
    missing+=(chromium-headless-shell)
fi
# Makers and checkers of packages.
package+=([dpkg-shlibdeps]=dpkg-dev [lintian]=lintian [makepkg]=makepkg [man]=man-db [ruby]=ruby)
for command in "${!package[@]}"; do
    command -v "$command" >/dev/null || missing+=("${package[$command]}")
done
if command -v python3 >/dev/null; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
else
    missing+=(python3-venv)
fi
if [ ${#missing[@]} -gt 0 ]; then
    as_root=()
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo -n)
    fi
    if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
        echo "make test: please install: ${missing[*]}" >&2
        exit 1
    fi
    echo "installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # The tests start the servers; none may start because it was installed.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap '"${as_root[@]}" rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
        "${as_root[@]}" chmod 755 "$policy"
    fi
    "${as_root[@]}" apt-get -q update >/dev/null
    "${as_root[@]}" apt-get -q -y --no-install-recommends install "${missing[@]}" >/dev/null
fi

for component in fmt clippy; do
    if ! cargo "$component" --version >/dev/null 2>&1; then
        echo "make test: please install cargo $component (rustup component add rustfmt clippy)" >&2
        exit 1
    fi
done

# Installs again if the requirements changed, or if an earlier attempt was interrupted.
venv() {
    if ! cmp -s "$1" "$2/installed.txt"; then
        echo "installing $3 into $2"
        rm -rf "$2"
        python3 -m venv "$2"
        "$2/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r "$1"
        cp "$1" "$2/installed.txt"
    fi
}
venv tests/requirements.txt .venv "the Python tool"
venv tests/readers.txt .readers "programs that read our files"
venv packaging/maturin.txt .maturin "maturin, which builds the Python package"
venv tests/wheel.txt .wheel "what the Python package is tried with"
venv tests/fsspec.txt .fsspec "fsspec's storages, whose options are compared with ours"
venv tests/linters.txt .linters "checkers of our files"

if [ -n "$with_emulators" ] && ! cmp -s <(cat tests/emulators.txt; echo "$azurite") .emulators/installed.txt; then
    echo "installing storage emulators into .emulators"
    rm -rf .emulators
    python3 -m venv .emulators/venv
    .emulators/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input -r tests/emulators.txt
    npm install --silent --no-audit --no-fund --no-save --prefix .emulators "$azurite"
    { cat tests/emulators.txt; echo "$azurite"; } > .emulators/installed.txt
fi
