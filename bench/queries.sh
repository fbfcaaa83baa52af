# shellcheck shell=bash disable=SC2154,SC2034
# The row queries: questions to a repository of 30 snapshots of 10,000 files, and work that is not a whole backup or restore. A program
# without a function for a step can't do it, except in more commands than one.

queried=000/00/07.txt folder_queried=000/03

snapshooter_versions() { roots && snap-log "$queried"; }
snapshooter_folder() { roots && snap-read latest -- "$folder_queried/" | snap-restore --file-root "$target"; }
snapshooter_stdin() { roots && snap-put dump -- cat "$data" | snap-write; }
snapshooter_copy() {
    local snapshot
    roots
    snap-list --order asc | while read -r snapshot; do
        snap-read "$snapshot" | snap-copy --to-heap-root "$target/heap" |
            snap-write --snap-root "$target/snap" --heap-root "$target/heap" --like "$snapshot"
    done
}
snapshooter_tar() { roots && snap-read latest | snap-to-tar >"$target"; }
snapshooter_compare() {
    roots
    snap-diff --by size,md5 <(snap-scan | snap-heapify --no-store --no-base) \
        <(snap-scan --file-root "$data.copy" | snap-heapify --file-root "$data.copy" --no-store --no-base)
}

restic_versions() { restic_roots && restic -q find --long "$folder/$queried"; }
restic_folder() { restic_roots && restic -q restore latest --include "$folder/$folder_queried" --target "$target"; }
restic_stdin() { restic_roots && restic -q backup --stdin --stdin-filename dump <"$data"; }
restic_copy() {
    restic_roots
    export RESTIC_FROM_REPOSITORY=$repo RESTIC_FROM_PASSWORD=bench RESTIC_REPOSITORY=$target
    restic -q init --copy-chunker-params && restic -q copy
}
restic_tar() { restic_roots && restic -q dump --archive tar latest / >"$target"; }

borg_latest() { borg_run list --short --last 1 "$repo"; }
borg_versions() {
    local archive
    for archive in $(borg_run list --short "$repo"); do
        borg_run list "$repo::$archive" "${folder#/}/$queried"
    done
}
borg_folder() { mkdir "$target" && cd "$target" && borg_run extract "$repo::$(borg_latest)" "${folder#/}/$folder_queried"; }
borg_stdin() { borg_run create --stdin-name dump "$repo::stdin.$run" - <"$data"; }
borg_tar() { borg_run export-tar "$repo::$(borg_latest)" "$target"; }

rclone_stdin() { rclone rcat "$target/dump" <"$data"; }
rclone_copy() { rclone sync "$repo_of_ours" "$target"; }
rclone_compare() { rclone check "$folder" "$data.copy"; }

snapshooter_next() { snapshooter_first; }
restic_next() { restic_roots && { [ -e "$repo/config" ] || restic -q init; } && restic -q backup "$folder"; }
borg_next() { { [ -e "$repo/config" ] || borg_run init -e none "$repo"; } && borg_run create "$repo::$number" "$folder"; }

# The 30 snapshots of each program: between two of them a file changes and another one is new.
make_repositories() {
    local number program repo
    for ((number = 1; number <= 30; number++)); do
        echo "version $number" >"$folder/$queried"
        echo "new in $number" >"$folder/000/00/new-$number.txt"
        for program in "${asked[@]}"; do
            repo=$place/queries.$program
            declare -F "${program}_next" >/dev/null || continue
            if ! ("${program}_next") >"$place/log" 2>&1 </dev/null; then
                failed "queries/versions/$program" "queries: $program: a backup"
            fi
        done
    done
}

# right STEP PROGRAM: whether the result is what was asked for
right() {
    case $1/$2 in
        versions/*) [ "$(grep -c "${queried##*/}" "$place/answer")" = 30 ] ;;
        folder/*) diff -r "$folder/$folder_queried" "$(restored)/$folder_queried" ;;
        stdin/snapshooter) roots && snap-read latest | snap-cat | cmp - "$data" ;;
        stdin/restic) restic_roots && restic -q dump latest dump | cmp - "$data" ;;
        stdin/borg) borg_run extract --stdout "$repo::stdin.$run" dump | cmp - "$data" ;;
        stdin/rclone) cmp "$target/dump" "$data" ;;
        copy/snapshooter) diff -r "$repo/heap" "$target/heap" -x roots && [ "$(find "$target/snap" -type f | wc -l)" = 30 ] ;;
        copy/restic) restic_roots && [ "$(RESTIC_REPOSITORY=$target restic -q list snapshots | wc -l)" = 30 ] ;;
        copy/rclone) diff -r -x temp "$repo_of_ours" "$target" ;; # It copies no empty folder.
        tar/*) [ "$(tar -tf "$target" | grep -c '\.txt$')" = "$(find "$folder" -type f | wc -l)" ] ;;
        compare/*) ;; # The status says it: the two are the same.
    esac
}

measure_queries() {
    local folder data=$place/dump asked=("${programs[@]}") repo_of_ours=$place/queries.snapshooter run step program repo target
    wants queries || return 0
    folder=$(tree "$(scaled 10000)" 1000)
    ! command -v rclone >/dev/null || asked+=(rclone)
    make_repositories
    cp -a "$folder" "$data.copy"
    # The backup of standard input comes last: it would be the latest snapshot of the other steps.
    for step in versions folder copy tar compare stdin; do
        for ((run = 1; run <= runs; run++)); do
            # Each run has another content, because the second backup of the same one stores nothing.
            [ "$step" != stdin ] || (set +o pipefail; base64 -w 0 /dev/urandom | head -c "$(scaled 200000000)") >"$data"
            for program in "${asked[@]}"; do
                declare -F "${program}_$step" >/dev/null || continue
                repo=$place/queries.$program target=$place/queries.$run.$program.$step
                timed "queries/$step" "$program" "${program}_$step"
                cp "$place/log" "$place/answer"
                checked "queries/$step" "$program" right "$step" "$program"
            done
        done
    done
}

print_queries() {
    line queries/versions '30 snapshots of 10,000 files: the versions of one name' restic - borg -
    line queries/folder '… restore one folder of 100 files' restic - borg -
    line queries/stdin '… store 200 MB from standard input' restic - borg - rclone -
    line queries/copy '… copy the repository' restic - rclone -
    line queries/tar '… a snapshot as tar' restic - borg -
    line queries/compare '… compare the folder with a copy by size and md5' rclone -
}
