#!/usr/bin/env bash
# Measures the seconds for a first backup, a second one of the unchanged folder, and a restore, for this project and for other
# installed tools. The programs alternate within each step, so that other load affects all of them. It asserts nothing.
#
#   BENCH_DIR=FOLDER    the folder to back up [the kernel sources in /usr/src, else /usr/share]
#   BENCH_RUNS=N        the number of runs of each program; the best time counts [1]
#   BENCH_PYTHON=PATH   the Python tool [.venv/bin/snapshooter of the checkout, if it exists]
#   BENCH_ONLY="A B"    run only these programs: snapshooter restic rustic borg python cp
# Repositories and targets are created in TMPDIR.
set -euo pipefail
export LC_ALL=C
project=$(cd "$(dirname "$0")/.." && pwd)
place=$(mktemp -d "${TMPDIR:-/tmp}/snap-bench.XXXXXX")
trap 'rm -rf "$place"' EXIT
runs=${BENCH_RUNS:-1}
python=${BENCH_PYTHON:-$project/.venv/bin/snapshooter}

folder=${BENCH_DIR:-}
kernel=/usr/src/linux-source-6.1.tar.xz
if [ -z "$folder" ] && [ -r $kernel ]; then
    echo "unpacking $kernel" >&2
    mkdir "$place/source"
    tar -C "$place/source" -xf $kernel
    folder=$place/source/linux-source-6.1
elif [ -z "$folder" ]; then
    folder=/usr/share
fi
folder=$(cd "$folder" && pwd)

programs=(snapshooter)
for program in restic rustic borg; do
    if command -v $program >/dev/null; then
        programs+=("$program")
    fi
done
if [ -x "$python" ]; then
    programs+=(python)
fi
programs+=(cp)
if [ -n "${BENCH_ONLY:-}" ]; then
    read -r -a programs <<<"$BENCH_ONLY"
fi

# Each program has NAME_first, NAME_second and NAME_restore. Its repository is $repo; it restores to $target, which is created.
roots() {
    export FILE_ROOT=$folder HEAP_ROOT=$repo/heap SNAP_ROOT=$repo/snap
}
snapshooter_first() { roots; snap-scan | snap-heapify | snap-write; }
snapshooter_second() { snapshooter_first; }
snapshooter_restore() { roots; snap-read latest | snap-restore --file-root "$target"; }

export RESTIC_PASSWORD=bench RUSTIC_PASSWORD=bench BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
restic_first() {
    export RESTIC_REPOSITORY=$repo RESTIC_CACHE_DIR=$repo.cache
    restic -q init && restic -q backup "$folder"
}
restic_second() { export RESTIC_REPOSITORY=$repo RESTIC_CACHE_DIR=$repo.cache; restic -q backup "$folder"; }
restic_restore() { export RESTIC_REPOSITORY=$repo RESTIC_CACHE_DIR=$repo.cache; restic -q restore latest --target "$target"; }

rustic_first() { rustic -r "$repo" init && rustic -r "$repo" backup "$folder"; }
rustic_second() { rustic -r "$repo" backup "$folder"; }
rustic_restore() { rustic -r "$repo" restore latest "$target"; }

borg_first() { borg init -e none "$repo" && borg create "$repo::first" "$folder"; }
borg_second() { borg create "$repo::second-$RANDOM" "$folder"; }
borg_restore() { mkdir "$target" && cd "$target" && borg extract "$repo::first"; }

python_run() { "$python" --file-root "$1" --heap-root "$repo/heap" --snap-root "$repo/snap" "$2"; }
python_first() { mkdir -p "$repo/heap" "$repo/snap" && python_run "$folder" make-snapshot; }
python_second() { python_run "$folder" make-snapshot; }
python_restore() { mkdir "$target" && python_run "$target" restore-snapshot; }

cp_first() { cp -r "$folder" "$repo"; }
cp_second() { cp -r "$folder" "$repo.second"; rm -rf "$repo.second"; }
cp_restore() { cp -r "$repo" "$target"; }

declare -A best
# step PROGRAM STEP: runs the step in a separate shell and keeps the best time in best[STEP/PROGRAM]
step() {
    local began ended seconds
    repo=$place/$1.repo
    target=$place/$1.restored
    began=$EPOCHREALTIME
    if ! ("$1_$2") >"$place/log" 2>&1 </dev/null; then
        echo "bench: $1: $2 failed:" >&2
        tail -n 5 "$place/log" >&2
        best[$2/$1]=failed
        return
    fi
    ended=$EPOCHREALTIME
    seconds=$(awk -v a="$began" -v b="$ended" -v old="${best[$2/$1]:-}" 'BEGIN {
        s = b - a; if (old != "" && old + 0 < s) s = old; printf "%.2f", s }')
    best[$2/$1]=$seconds
    echo "$1: $2: $seconds s" >&2
}

echo "reading $folder once" >&2
read -r files bytes < <(find "$folder" -type f -printf '%s\n' | awk '{n++; s += $1} END {print n, s}')
find "$folder" -type f -exec cat {} + >/dev/null

declare -A size
for ((run = 1; run <= runs; run++)); do
    for step in first second restore; do
        for program in "${programs[@]}"; do
            sync
            step "$program" $step
        done
    done
    for program in "${programs[@]}"; do
        size[$program]=$(du -sm "$place/$program.repo" | cut -f 1)
        rm -rf "$place/$program".*
    done
done

# cell STEP PROGRAM: prints the seconds, and their ratio to ours
cell() {
    awk -v t="${best[$1/$2]}" -v ours="${best[$1/snapshooter]:-}" 'BEGIN {
        if (t == "failed" || ours + 0 == 0) print t; else printf "%s (%.1f)", t, t / ours }'
}

echo
printf '%s: %d files, %d MB, %s processors, best of %d. Seconds, and in brackets the ratio to ours.\n\n' \
    "$folder" "$files" $((bytes / 1000000)) "$(nproc)" "$runs"
echo '| program | first backup | second backup | restore | repository, MB |'
echo '|---|---:|---:|---:|---:|'
for program in "${programs[@]}"; do
    printf '| %s | %s | %s | %s | %s |\n' "$program" "$(cell first "$program")" "$(cell second "$program")" \
        "$(cell restore "$program")" "${size[$program]}"
done
