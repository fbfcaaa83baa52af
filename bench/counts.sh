# shellcheck shell=bash disable=SC2154,SC2034
# The instructions for each record, counted by callgrind on a small input: unlike seconds, other load does not change them.

declare -A counts
counted=(scan 'heapify, first' 'heapify, unchanged' write read diff)

# instructions NAME COMMAND...: adds the number to $found
instructions() {
    local name=$1
    shift
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" >/dev/null 2>"$place/log" </dev/null || [ $? = 1 ] || return 0
    found[$name]=$(sed -n 's/.*Collected : //p' "$place/log")
}

# count NUMBER: counts the instructions of each stage for this number of files of 1 KB
count() {
    local folder=$place/count.$1
    python3 "$bench/files.py" "$1" 1000 "$folder"
    local -x FILE_ROOT=$folder HEAP_ROOT=$folder.heap SNAP_ROOT=$folder.snap
    snap-scan -o "$folder.scan"
    instructions scan snap-scan
    instructions 'heapify, first' snap-heapify -o "$folder.first" "$folder.scan"
    instructions write snap-write "$folder.first"
    instructions 'heapify, unchanged' snap-heapify -o "$folder.again" "$folder.scan"
    instructions read snap-read latest
    head -n 10 "$folder.first" | snap-write --unterminated >/dev/null
    sed 's/"size":1000/"size":1001/' "$folder.first" | snap-write >/dev/null
    instructions diff snap-diff latest~2 latest
}

# The difference of two sizes of the input: starting a program takes as many instructions for both.
measure_counts() {
    local name few=500 many=1500
    local -A found less
    wants counts || return 0
    count $few
    for name in "${counted[@]}"; do
        less[$name]=${found[$name]:-}
    done
    found=()
    count $many
    for name in "${counted[@]}"; do
        if [ -n "${less[$name]:-}" ] && [ -n "${found[$name]:-}" ]; then
            counts[$name]=$(((found[$name] - less[$name]) / (many - few)))
        fi
    done
}

print_counts() {
    local name
    wants counts || return 0
    printf '\nInstructions for each file of 1 KB and its record.\n\n| stage | instructions |\n|---|---:|\n'
    for name in "${counted[@]}"; do
        printf '| %s | %s |\n' "$name" "${counts[$name]:-failed}"
    done
}
