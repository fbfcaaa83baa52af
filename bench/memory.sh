# shellcheck shell=bash disable=SC2154,SC2034
# The peak memory of each stage.

declare -A memory
stages=(scan 'heapify, first' write 'heapify, unchanged' read restore verify 'diff of 1,000,000' 'merge of 1,000,000')

# peak STAGE COMMAND...: keeps the most memory that a command takes, in KiB. snap-diff exits with 1 if there are differences.
peak() {
    local stage=$1
    shift
    /usr/bin/time -q -f %M -o "$place/peak" "$@" 2>"$place/log" || [ $? = 1 ] || echo failed >"$place/peak"
    memory[$stage]=$(tail -n 1 "$place/peak")
}

measure_memory() {
    wants memory || return 0
    snapshots
    local -x FILE_ROOT HEAP_ROOT=$place/memory/heap SNAP_ROOT=$place/memory/snap
    FILE_ROOT=$(sources)
    peak scan snap-scan -o "$place/m.scan"
    peak 'heapify, first' snap-heapify -o "$place/m.first" "$place/m.scan"
    peak write snap-write "$place/m.first" >/dev/null
    peak 'heapify, unchanged' snap-heapify -o "$place/m.again" "$place/m.scan"
    peak read snap-read -o "$place/m.read" latest
    peak restore snap-restore --file-root "$place/m.restored" "$place/m.read"
    peak verify snap-verify "$place/m.read" >/dev/null
    peak 'diff of 1,000,000' snap-diff -o "$place/m.diff" "$place/left.gz" "$place/right.gz"
    peak 'merge of 1,000,000' snap-merge -o "$place/m.merge" "$place/left.jsonl" /dev/null
}

print_memory() {
    local stage
    wants memory || return 0
    printf '\nPeak memory of a stage, MiB.\n\n| stage | MiB |\n|---|---:|\n'
    for stage in "${stages[@]}"; do
        awk -v stage="$stage" -v kib="${memory[$stage]:-failed}" \
            'BEGIN { if (kib == "failed") print "| " stage " | failed |"; else printf "| %s | %.0f |\n", stage, kib / 1024 }'
    done
}
