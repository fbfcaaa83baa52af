#!/usr/bin/env bash
# A backup, a change, a second backup, a comparison and a restore of a real folder: the sources of this project.
# It shows every command and its output. The tools must be in PATH; `make demo` does that. KEEP=1 keeps the folder.
# shellcheck disable=SC2016 # the commands are shown literally, and expanded when they run
set -euo pipefail
export LC_ALL=C.UTF-8
project=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d "${TMPDIR:-/tmp}/snap-demo.XXXXXX")
cd "$place"
if [ -z "${KEEP:-}" ]; then
    trap 'cd /; rm -rf "$place"' EXIT
fi

# Shows a command and runs it. Its exit status must be $2, or 0 if $2 is not given.
run() {
    local status=0
    printf '\n$ %s\n' "$1"
    eval "$1" || status=$?
    if [ "$status" != "${2:-0}" ]; then
        echo "demo: exit status $status, not ${2:-0}" >&2
        exit 1
    fi
}

say() {
    printf '\n# %s\n' "$1"
}

mkdir work
tar -C "$project" --exclude ./.git --exclude ./.venv --exclude ./.readers --exclude ./.tools --exclude ./target -cf - . | tar -C work -xf -

say "Three roots: the folder to back up, where to store contents, and where to store snapshots."
run 'export FILE_ROOT=$PWD/work HEAP_ROOT=$PWD/heap SNAP_ROOT=$PWD/snap'

say "Back up: list the folder, store the contents, publish the snapshot."
run 'snap-scan | snap-heapify | snap-write'
run 'snap-list'
run "snap-read | jq -c 'select(.name | startswith(\"src/bin/\")) | {type, name, size, md5}'"
run 'du -sh work heap snap'

say "Change something and back up again: only the changes are read and stored."
run 'echo "One more line." >> work/README.md'
run 'rm work/LICENSE-MIT'
run 'mkdir work/notes && echo "Remember the milk." > work/notes/todo.txt'
run 'snap-scan | snap-heapify | snap-write --tag second'
run 'snap-list --json | jq -c .'

say "Show what the second backup changed. As with diff, exit status 1 means that there are differences."
run 'snap-diff latest~1 latest --format table' 1
run 'snap-diff --stat' 1

say "Restore the first snapshot to a new folder, and compare the files: only the changes differ."
run 'snap-read latest~1 | snap-restore --file-root first'
run 'diff -rq --no-dereference first work' 1

say "Restore the second one; diff finds nothing."
run 'snap-read latest | snap-restore --file-root second'
run 'diff -r --no-dereference second work && echo the same'

say "Undo: restore the folder to the state of the first backup. Files are deleted only on request."
run 'snap-read latest~1 | snap-restore --delete'
run 'diff -r --no-dereference first work && echo the same'

say "Print one file from a snapshot, without restoring anything."
run "snap-read latest | jq -c 'select(.name == \"notes/todo.txt\")' | snap-cat"

if [ -z "${KEEP:-}" ]; then
    say "Done. $place is deleted now; KEEP=1 make demo keeps it."
else
    say "Done. The folder was kept: $place"
fi
