# shellcheck shell=bash disable=SC2154,SC2034
# Measuring, checking and printing. bench/run.sh sets $place (the folder of this run) and $runs.

declare -A best cpu

# wants ROW: whether the row was asked for
wants() { [[ " ${rows[*]} " == *" $1 "* ]]; }

# timed ROW PROGRAM COMMAND...: runs a command in a shell of its own, and keeps the best seconds and the least processor time
timed() {
    local key=$1/$2 what="$1: $2" seconds user system
    shift 2
    # Else the data of the program before is written to the disk meanwhile.
    sync
    local TIMEFORMAT='%R %U %S'
    if ! { time { ("$@") >"$place/log" 2>&1 </dev/null; }; } 2>"$place/time"; then
        failed "$key" "$what"
        return
    fi
    read -r seconds user system < <(tail -n 1 "$place/time")
    keep "$key" "$seconds" "$(awk -v u="$user" -v s="$system" 'BEGIN { print u + s }')"
    echo "$what: $seconds s" >&2
}

# keep KEY SECONDS CPU
keep() {
    [ "${best[$1]:-}" != failed ] || return 0
    best[$1]=$(awk -v new="$2" -v old="${best[$1]:-$2}" 'BEGIN { printf "%.2f", new < old ? new : old }')
    cpu[$1]=$(awk -v new="$3" -v old="${cpu[$1]:-$3}" 'BEGIN { printf "%.1f", new < old ? new : old }')
}

# failed KEY WHAT: the table shows it, whatever comes later
failed() {
    echo "bench: $2 failed:" >&2
    tail -n 5 "$place/log" >&2
    best[$1]=failed
}

# checked ROW PROGRAM COMMAND...: marks what was measured as failed if the command fails
checked() {
    local key=$1/$2 what="$1: $2: the check of its result"
    shift 2
    [ "${best[$key]:-}" != failed ] || return 0
    ("$@") >"$place/log" 2>&1 </dev/null || failed "$key" "$what"
}

# cell KEY: the seconds
cell() { printf '%s' "${best[$1]:-–}"; }

head_of_table() {
    echo '| work | ours, s (cpu) | restic | rustic | borg | limits | ours / peer (goal) |'
    echo '|---|---:|---:|---:|---:|---|---|'
}

# line ROW TITLE [PEER GOAL]...: prints a line of the table, if ours was measured
line() {
    local row=$1 title=$2 key name limits='' ratios=''
    shift 2
    [ -n "${best[$row/snapshooter]:-}" ] || return 0
    for key in "${!best[@]}"; do
        name=${key##*/}
        case $name in
            snapshooter | restic | rustic | borg) ;;
            *) [ "${key%/*}" != "$row" ] || limits+="${limits:+, }$name ${best[$key]}" ;;
        esac
    done
    while [ $# -gt 0 ]; do
        if [ -n "${best[$row/$1]:-}" ]; then
            ratios+="${ratios:+, }$1 $(awk -v ours="${best[$row/snapshooter]}" -v peer="${best[$row/$1]}" \
                'BEGIN { if (ours + 0 == 0 || peer + 0 == 0) print "?"; else printf "%.2f", ours / peer }') ($2)"
        fi
        shift 2
    done
    printf '| %s | %s (%s) | %s | %s | %s | %s | %s |\n' "$title" "$(cell "$row/snapshooter")" \
        "${cpu[$row/snapshooter]:-}" "$(cell "$row/restic")" "$(cell "$row/rustic")" "$(cell "$row/borg")" "$limits" "$ratios"
}

# tree NUMBER SIZE: prints the folder with this number of files of this size, which is made once
tree() {
    local folder=$place/files.$1.$2
    if [ ! -d "$folder" ]; then
        echo "making $1 files of $2 bytes" >&2
        python3 "$bench/files.py" "$1" "$2" "$folder"
    fi
    echo "$folder"
}
