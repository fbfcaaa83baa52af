# shellcheck shell=bash disable=SC2154,SC2034
# The rows of long lists of records: diff, read, write and merge.

# Prints the records of the sources, with a digest for each file. The contents are not stored.
some_records() {
    local folder
    if [ ! -e "$place/records" ]; then
        folder=$(sources)
        snap-scan "$folder" | snap-heapify --file-root "$folder" --no-store --no-base >"$place/records"
    fi
    cat "$place/records"
}

# snapshots: publishes two snapshots, $place/{left,right}.gz, of which one percent differs, and writes the same records in one
# gzip member each, as the Python tool does
snapshots() {
    local side changed=0
    [ ! -e "$place/left.gz" ] || return 0
    for side in left right; do
        some_records | python3 "$bench/records.py" "$(scaled 1000000)" $changed >"$place/$side.jsonl"
        ln -s "$(snap-write --unterminated --snap-root "$place/$side.snap" "$place/$side.jsonl")" "$place/$side.gz"
        gzip -1 <"$place/$side.jsonl" >"$place/$side.jsonl.gz"
        changed=100
    done
}

ours_diff() { snap-diff "$place/left.gz" "$place/right.gz" >"$place/rows" || [ $? = 1 ]; }
ours_diff_one_member() { snap-diff "$place/left.jsonl.gz" "$place/right.jsonl.gz" >"$place/rows" || [ $? = 1 ]; }
ours_read() { snap-read "$place/left.gz" >/dev/null; }
ours_merge() { snap-merge "$place/left.jsonl" /dev/null >/dev/null; }
ours_write() { snap-write --unterminated --snap-root "$place/written" "$place/left.jsonl"; }
duckdb_diff() { "$project/.bench/venv/bin/python" "$bench/duck.py" "$place/left.gz" "$place/right.gz" >"$place/counts"; }
# Both at once, as ours has two processors.
gzip_diff() { gzip -dc "$place/left.gz" >/dev/null & gzip -dc "$place/right.gz" >/dev/null && wait $!; }
gzip_diff_one_member() { gzip -dc "$place/left.jsonl.gz" >/dev/null & gzip -dc "$place/right.jsonl.gz" >/dev/null && wait $!; }
gzip_read() { gzip -dc "$place/left.gz" >/dev/null; }
pigz_write() { pigz -6 <"$place/left.jsonl" >"$place/pigz"; }

same_counts() {
    local counts
    counts=$(jq -rs '[.[].status] | map(select(.)) | [(map(select(. == "only_right")), map(select(. == "only_left")),
        map(select(. == "different"))) | length] | join(" ")' "$place/rows")
    echo "ours: $counts, DuckDB: $(cat "$place/counts")"
    [ "$counts" = "$(cat "$place/counts")" ]
}

# The Python tool records files only, so only they are compared in its snapshots.
same_files() {
    local files='select((.left // .right).type == "file")'
    cmp <(jq -c "$files" "$place/rows.members") <(jq -c "$files" "$place/rows")
}

# hyper ROW [PROGRAM FUNCTION]...: measures with hyperfine, which runs each program once to warm up
hyper() {
    local row=$1 program name seconds user system
    shift
    while [ $# -gt 0 ]; do
        program=$1 name=$2
        shift 2
        if ! hyperfine --style none --warmup 1 --runs "$((runs > 3 ? runs : 3))" --export-csv "$place/hyper" --shell bash \
            "$name" >"$place/log" 2>&1 </dev/null; then
            failed "$row/$program" "$row: $program"
            continue
        fi
        # The columns: command, mean, deviation, median, user, system, least, most.
        IFS=, read -r _ _ _ _ user system seconds _ < <(tail -n 1 "$place/hyper")
        keep "$row/$program" "$seconds" "$(awk -v u="$user" -v s="$system" 'BEGIN { print u + s }')"
        echo "$row: $program: $seconds s" >&2
    done
}

measure_diff() {
    wants diff || return 0
    snapshots
    # The shells of hyperfine have these functions, too.
    export place bench project
    export -f ours_diff ours_diff_one_member ours_read ours_merge ours_write duckdb_diff gzip_diff gzip_diff_one_member \
        gzip_read pigz_write
    hyper diff snapshooter ours_diff duckdb duckdb_diff gzip gzip_diff
    checked diff snapshooter same_counts
    cp "$place/rows" "$place/rows.members"
    hyper diff.one_member snapshooter ours_diff_one_member gzip gzip_diff_one_member
    checked diff.one_member snapshooter same_files
    hyper read snapshooter ours_read gzip gzip_read
    hyper merge snapshooter ours_merge
    hyper write snapshooter ours_write pigz pigz_write
}

print_diff() {
    line diff 'diff of two snapshots of 1,000,000 records, 1 % changed' duckdb .50 gzip 1.0
    line diff.one_member '… of gzip files of one member, as Python writes them' gzip -
    line read 'read a snapshot of 1,000,000 records' gzip -
    line merge 'merge a list of 1,000,000 records with an empty one'
    line write 'write a snapshot of 1,000,000 records' pigz -
}
