# shellcheck shell=bash
# What the scripts of this folder share: the hosts, and what the jobs on them know. README.md describes the variables.

: "${HOSTS:?the hosts, separated by commas, as for parallel -S}"
# shellcheck disable=SC2034 # The scripts use it.
parts=${PARTS:-$((4 * $(tr ',' '\n' <<<"$HOSTS" | wc -l)))}

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
log=${JOBLOG:-$place/log}

# The file is read here and by each job, so nothing in it is on a command line.
secrets=${ENV_FILE:-}
if [ -n "$secrets" ]; then
    set -a
    # shellcheck source=/dev/null
    . "$secrets"
    set +a
fi

# What is in these variables can be seen in the list of processes while a job runs.
environment=()
for name in FILE_ROOT HEAP_ROOT SNAP_ROOT LIMIT_RATE FILE_STORAGE_OPTIONS HEAP_STORAGE_OPTIONS SNAP_STORAGE_OPTIONS; do
    if [ -n "${!name:-}" ] && [ -z "$secrets" ]; then
        environment+=(--env "$name")
    fi
done

# on_hosts OPTION... JOB ARGUMENT...: runs the script JOB for each line of standard input on one of the hosts, again on another
# one if it fails, with ARGUMENT... as its arguments. A job fails with status 2 and more; with 1, records have failed.
on_hosts() {
    local options=()
    while [ $# -gt 0 ] && [[ $1 == -* ]]; do
        options+=("$1")
        shift
    done
    # shellcheck disable=SC2016 # The job expands them.
    local job='
        if [ -n "$1" ]; then set -a; . "$1"; set +a; fi
        shift
        '$1'
        for status in "${PIPESTATUS[@]}"; do [ "$status" -le 1 ] || exit "$status"; done'
    shift
    if ! parallel --will-cite --quote -S "$HOSTS" --ssh "${SSH:-ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=20}" \
        --jobs "${JOBS:-1}" --retries 3 --halt soon,fail=1 --joblog "$log" "${environment[@]}" "${options[@]}" \
        bash -c "$job" job "$secrets" "$@"; then
        echo "${0##*/}: a part has failed on each host where it was tried:" >&2
        awk -F '\t' 'NR > 1 && ($7 || $8) { print "part " $1 ", last on " $2 ": status " $7 ", signal " $8 }' "$log" >&2
        return 2
    fi
}

# shards: prints the names of all shards, a line each
shards() {
    local k
    for ((k = 1; k <= parts; k++)); do echo "$k/$parts"; done
}

# fixed SNAPSHOT: prints the path of a snapshot, so that all jobs read the same one
fixed() {
    local name
    case $1 in
        latest* | @*)
            # A range without names: only the index is read.
            name=$(snap-read "$1" --range '{"until":"\u0001"}' | jq -r 'select(.type == "end").part.snapshot')
            echo "${name:0:4}/${name:5:2}/$name"
            ;;
        *) echo "$1" ;;
    esac
}
