#!/usr/bin/env bash
# Measures each stage with long lists of records: seconds, memory, bytes. It prints a table.
#
#   SCALE="N ..."        the numbers of records [10000 100000 1000000]
#   LISTING_SERVER=PATH  the server of a heap that can only be listed [the example listing, which cargo builds]
# The tools of this project come from PATH. 10,000,000 records take 25 GB in TMPDIR.
set -euo pipefail
export LC_ALL=C
project=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=bench/servers.sh
. "$project/bench/servers.sh"
read -r -a sizes <<<"${SCALE:-10000 100000 1000000}"

server=${LISTING_SERVER:-$(example listing)}
begin scale
export TMPDIR=$place
export AWS_ACCESS_KEY_ID=scale AWS_SECRET_ACCESS_KEY=scale-key AWS_DEFAULT_REGION=us-east-1
unset AWS_CA_BUNDLE AWS_PROFILE FILE_ROOT HEAP_ROOT SNAP_ROOT

# stage NAME COMMAND...: prints the seconds, the processor time and the most memory of a command. Status 1 is no failure: there are
# differences.
stage() {
    local name=$1 status=0
    shift
    /usr/bin/time -q -f '%e %U %S %M' -o "$place/time" bash -c "set -euo pipefail; $*" >"$place/out" 2>"$place/err" || status=$?
    if [ "$status" -gt 1 ] || [ -s "$place/err" ]; then
        echo "scale: $name: status $status" >&2
        cat "$place/err" >&2
        exit 1
    fi
    # The memory is that of the largest process.
    awk -v name="$name" -v count="$count" 'END { printf "| %s | %d | %.2f | %.2f | %.0f |\n", name, count, $1, $2 + $3, $4 / 1024 }' \
        "$place/time"
}

echo '| stage | records | seconds | processor | MiB |'
echo '|---|---:|---:|---:|---:|'
for count in "${sizes[@]}"; do
    work=$place/$count
    mkdir "$work"
    cd "$work"
    python3 "$project/bench/scale.py" "$count" >left
    python3 "$project/bench/scale.py" "$count" 100 >right
    sed -E 's/"md5":"[0-9a-f]*",//; s/"sha256":"[0-9a-f]*",//; s/"stored_size":7,//' <left >scanned
    stage 'write' "snap-write --snap-root snap left"
    snap=$(cat "$place/out")
    stage 'read' "snap-read $snap"
    stage 'read, a prefix of 100,000' "snap-read $snap --prefix 0000/0"
    stage 'reuse, write' "snap-reuse --base $snap scanned | snap-write --snap-root other"
    stage 'split in 16' "snap-read $snap --split 16"
    cp "$place/out" ranges
    number=0
    while read -r range; do
        number=$((number + 1))
        snap-read "$snap" --range "$range" -o "range.$number"
        snap-read "$snap" --shard "$number/16" -o "shard.$number"
    done <ranges
    stage 'merge of 16 ranges' 'snap-merge range.*'
    stage 'merge of 16 shards' 'snap-merge shard.*'
    rm range.* shard.*
    snap-write --snap-root snap right >/dev/null
    stage 'diff, 1 % differs' 'snap-diff --snap-root snap -o rows latest~1 latest'
    stage 'log of all names' "snap-log --snap-root snap -o log -g '*'"
    stage 'log of one name' 'snap-log --snap-root snap 0000/000/photo-500.jpg'
    rm -f log
    sed -nE 's/.*"md5":"((..)[0-9a-f]*)".*/\2\/\1.gz/p' <left | sort >names
    serve "$place/log" "$server" names 0 0
    export AWS_ENDPOINT_URL=http://$address
    rm names
    stage 'verify --quick, heap on S3' "snap-verify --quick --heap-root s3://b left"
    end_servers
    mkdir heap
    for k in 1 2 3 4 5 6 7; do snap-write --snap-root many left; done >/dev/null
    snap-write --snap-root many right >/dev/null
    # In a folder, younger ones are read in any case.
    find many -name '*.gz' -exec touch -d '1 hour ago' {} +
    gc='snap-gc --heap-root heap --snap-root many'
    for k in 1 2 3 4 5 6 7 8; do $gc --shard "$k/8" -o "part.$k"; done
    stage 'gc of 8 snapshots' "$gc 2>/dev/null"
    stage 'gc, a part of 8' "$gc --shard 1/8"
    stage 'gc, 8 parts given' "$gc --references <(cat part.*) 2>/dev/null"
    rm part.*
    du -k left "$snap" rows | awk -v count="$count" '{ kib[NR] = $1 }
        END { printf "| (bytes a record: as text %.0f, in the snapshot %.0f) | %d | | | |\n", kib[1] * 1024 / count, kib[2] * 1024 / count, count }'
    cd "$place"
    rm -rf "$work"
done
