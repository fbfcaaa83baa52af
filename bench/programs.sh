# shellcheck shell=bash disable=SC2154,SC2034
# What each program does in each step. $folder is backed up to $repo, and restored to $target, which is created.
# A limit, such as cp, has only the steps that it can do.

roots() { export FILE_ROOT=$folder HEAP_ROOT=$repo/heap SNAP_ROOT=$repo/snap; }
snapshooter_first() { roots && snap-scan | snap-heapify | snap-write; }
snapshooter_unchanged() { snapshooter_first; }
snapshooter_restore() { roots && snap-read latest | snap-restore --file-root "$target"; }
snapshooter_verify() { roots && snap-read latest | snap-verify; }

restic_roots() { export RESTIC_PASSWORD=bench RESTIC_REPOSITORY=$repo RESTIC_CACHE_DIR=$repo.cache; }
restic_first() { restic_roots && restic -q init && restic -q backup "$folder"; }
restic_unchanged() { restic_roots && restic -q backup "$folder"; }
restic_restore() { restic_roots && restic -q restore latest --target "$target"; }
restic_verify() { restic_roots && restic -q check --read-data; }

rustic_run() { RUSTIC_PASSWORD=bench rustic -r "$repo" --cache-dir "$repo.cache" "$@"; }
rustic_first() { rustic_run init && rustic_run backup "$folder"; }
rustic_unchanged() { rustic_run backup "$folder"; }
rustic_restore() { rustic_run restore latest "$target"; }
rustic_verify() { rustic_run check --read-data; }

borg_run() { BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes BORG_BASE_DIR=$repo.base borg "$@"; }
borg_first() { borg_run init -e none "$repo" && borg_run create "$repo::first" "$folder"; }
borg_unchanged() { borg_run create "$repo::second" "$folder"; }
borg_restore() { mkdir "$target" && cd "$target" && borg_run extract "$repo::$(borg_run list --short --last 1 "$repo")"; }
borg_verify() { borg_run check --verify-data "$repo"; }

# The Python tool takes part only if BENCH_ONLY names it.
python_run() { "$python" --file-root "$1" --heap-root "$repo/heap" --snap-root "$repo/snap" "$2"; }
python_first() { mkdir -p "$repo/heap" "$repo/snap" && python_run "$folder" make-snapshot; }
python_unchanged() { python_run "$folder" make-snapshot; }
python_restore() { mkdir "$target" && python_run "$target" restore-snapshot; }

cp_first() { cp -r "$folder" "$repo"; }
cp_restore() { cp -r "$repo" "$target"; }
find_unchanged() { find "$folder" -printf '%p %s %T@ %C@ %i\n'; }
pigz_first() { tar -C "$folder" -c . | pigz -1 >"$repo"; }
md5sum_first() { find "$folder" -type f -exec md5sum {} +; }
tar-S_first() { tar -C "$folder" -S -c . >"$repo"; }
tar-S_restore() { mkdir "$target" && tar -C "$target" -S -xf "$repo"; }

# Prints where the program restored to: some restore the whole path of the folder.
restored() {
    local at
    for at in "$target$folder" "$target"; do
        if [ -d "$at" ]; then
            echo "$at"
            return
        fi
    done
}

equals_the_folder() { diff -r --no-dereference "$folder" "$(restored)"; }

# backups ROW FOLDER STEPS [LIMIT]...: measures the steps of all programs, which alternate
backups() {
    local row=$1 folder=$2 steps=$3 run step program repo target
    shift 3
    for ((run = 1; run <= runs; run++)); do
        for step in $steps; do
            for program in "${programs[@]}" "$@"; do
                declare -F "${program}_$step" >/dev/null || continue
                # New folders for each run, and nothing is deleted before the end: ext4 does not use the inodes of deleted files
                # for minutes, and searching for others makes every file that is created several times slower.
                repo=$place/$row.$run.$program
                target=$repo.restored
                timed "$row/$step" "$program" "${program}_$step"
                if [ "$step" = restore ]; then
                    checked "$row/restore" "$program" equals_the_folder
                fi
            done
        done
    done
}
