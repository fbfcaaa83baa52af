#!/usr/bin/env bash
# Measures the seconds for backups, restores and checks in an object store that is far away, for this project and for other
# installed tools. The store is s3s-fs on this machine, behind a proxy that delays every byte (bench/delay.rs). It checks each
# result, and prints a table.
#
#   FAR_DELAY=MS       the delay in each direction in milliseconds; the round trip takes twice that [10]
#   FAR_FILES=N        the number of files [5000]
#   FAR_BYTES=N        the size of a file [10000]
#   FAR_S3S=PATH       the program s3s-fs [that of PATH, else it is installed in the user's cache folder by cargo]
#   FAR_PROXY=PATH     the proxy [the example delay, which cargo builds]
#   BENCH_RUNS=N       the number of runs of each program; the best time counts [1]
# The tools of this project come from PATH. The store and the files are in TMPDIR: give a folder in memory (/dev/shm), or the disk
# counts too.
set -euo pipefail
export LC_ALL=C
project=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=bench/servers.sh
. "$project/bench/servers.sh"
delay=${FAR_DELAY:-10} count=${FAR_FILES:-5000} bytes=${FAR_BYTES:-10000} runs=${BENCH_RUNS:-1}

begin far
mkdir "$place/store" "$place/files"
far_store

echo "writing $count files of $bytes bytes" >&2
for ((first = 0; first < count; first += 100)); do
    mkdir "$place/files/$first"
    number=$((count - first < 100 ? count - first : 100))
    # base64 writes more than is taken, and ends with a signal.
    (set +o pipefail; head -c $((number * bytes)) /dev/urandom | base64 -w 0 | head -c $((number * bytes)) |
        split -b "$bytes" -a 2 -d - "$place/files/$first/")
done
made=$(find "$place/files" -type f -size "${bytes}c" | wc -l)
[ "$made" = "$count" ] || { echo "far: $made files were written" >&2; exit 1; }

export AWS_ACCESS_KEY_ID=far AWS_SECRET_ACCESS_KEY=far-away AWS_DEFAULT_REGION=us-east-1
# The store has no certificates, and rclone fails if it is given some.
unset AWS_CA_BUNDLE AWS_PROFILE
programs=(snapshooter)
for program in restic rclone; do
    if command -v $program >/dev/null; then
        programs+=("$program")
    fi
done

# Each program has some of NAME_first, NAME_unchanged, NAME_restore and NAME_verify. $bucket is its bucket; it restores to $target.
same() { diff -rq "$place/files" "$1" >&2; }
roots() {
    export AWS_ENDPOINT_URL=$store FILE_ROOT=$place/files HEAP_ROOT=s3://$bucket/heap SNAP_ROOT=s3://$bucket/snap
}
# A run leaves the number of its requests in the log.
snapshooter_first() { roots; snap-scan | snap-heapify --progress | snap-write; }
snapshooter_unchanged() { snapshooter_first; }
snapshooter_restore() { roots; snap-read latest | snap-restore --progress --file-root "$target"; }
snapshooter_verify() { roots; snap-read latest | snap-verify --progress; }
# Every object is in the store, and the second backup has put none.
snapshooter_first_check() { [ "$(find "$place/store/$bucket/heap" -name '*.gz' | wc -l)" = "$count" ]; }
snapshooter_unchanged_check() {
    snapshooter_first_check && [ "$(find "$place/store/$bucket/snap" -name '*.jsonl.gz' | wc -l)" = 2 ]
}
snapshooter_restore_check() { same "$target"; }

restic_roots() {
    export RESTIC_PASSWORD=far RESTIC_REPOSITORY=s3:$store/$bucket RESTIC_CACHE_DIR=$place/$bucket.cache
}
restic_setup() { restic_roots; restic -q init; }
restic_first() { restic_roots; restic -q backup "$place/files"; }
restic_unchanged() { restic_first; }
restic_restore() { restic_roots; restic -q restore latest --target "$target"; }
# `restic check` does not find its packs in the listings of s3s-fs.
restic_unchanged_check() { restic_roots; [ "$(restic -q snapshots --json | grep -o '"short_id"' | wc -l)" = 2 ]; }
restic_restore_check() { same "$target$place/files"; }

rclone_remote() { echo ":s3,provider=Other,env_auth,endpoint=\"$store\":$bucket/files"; }
# With its usual four transfers at once, rclone takes minutes.
rclone_copy() { rclone copy --transfers 64 --checkers 64 "$@"; }
rclone_first() { rclone_copy "$place/files" "$(rclone_remote)"; }
# Of a second copy and of a restore, it asks for each object apart: they take 90 to 100 seconds.
rclone_first_check() { same "$place/store/$bucket/files"; }

has() { declare -F "$1" >/dev/null; }
declare -A best requests
# step PROGRAM STEP: runs the step in a separate shell, checks its result, and keeps the best time
step() {
    local began ended seconds
    has "$1_$2" || return 0
    bucket=$1-$run
    target=$place/$1.restored
    began=$EPOCHREALTIME
    if ! (set -o pipefail; "$1_$2") >"$place/log" 2>&1 </dev/null; then
        echo "far: $1: $2 failed:" >&2
        tail -n 5 "$place/log" >&2
        exit 1
    fi
    ended=$EPOCHREALTIME
    if has "$1_$2_check" && ! ("$1_$2_check"); then
        echo "far: $1: $2: the result is wrong" >&2
        exit 1
    fi
    seconds=$(awk -v a="$began" -v b="$ended" -v old="${best[$2/$1]:-}" 'BEGIN {
        s = b - a; if (old != "" && old + 0 < s) s = old; printf "%.2f", s }')
    best[$2/$1]=$seconds
    requests[$2/$1]=$(grep -aoE '[0-9,]+ requests?' "$place/log" | head -n 1 | tr -dc 0-9 || true)
    echo "$1: $2: $seconds s" >&2
}

steps=(first unchanged restore verify)
for ((run = 1; run <= runs; run++)); do
    for program in "${programs[@]}"; do
        mkdir "$place/store/$program-$run"
        bucket=$program-$run
        if has "${program}_setup"; then
            ("${program}_setup") >&2
        fi
    done
    for step in "${steps[@]}"; do
        for program in "${programs[@]}"; do
            step "$program" "$step"
        done
    done
    for program in "${programs[@]}"; do
        rm -rf "$place/$program".* "$place/$program-$run".* "$place/store/$program-$run"
    done
done

# cell STEP PROGRAM: prints the seconds, and their ratio to ours
cell() {
    awk -v t="${best[$1/$2]:-}" -v ours="${best[$1/snapshooter]}" 'BEGIN {
        if (t == "") print "—"; else printf "%s (%.1f)", t, t / ours }'
}

printf '\n%d files of %d bytes in an S3 store %d ms away, %s processors, best of %d. Seconds, and in brackets the ratio to ours.\n\n' \
    "$count" "$bytes" $((2 * delay)) "$(nproc)" "$runs"
echo '| program | first backup | second backup | restore | check |'
echo '|---|---:|---:|---:|---:|'
for program in "${programs[@]}"; do
    printf '| %s |' "$program"
    for step in "${steps[@]}"; do
        printf ' %s |' "$(cell "$step" "$program")"
    done
    echo
done
printf '| our requests for each file |'
for step in "${steps[@]}"; do
    printf ' %s |' "$(awk -v r="${requests[$step/snapshooter]:-}" -v n="$count" 'BEGIN {
        if (r == "") print "—"; else printf "%.2f", r / n }')"
done
echo
