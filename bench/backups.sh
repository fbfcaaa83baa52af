# shellcheck shell=bash disable=SC2154,SC2034
# The rows that back up and restore: a real folder, large files, many small files.

scaled() { echo $(($1 / scale)); }

# one_file ROW: makes a folder for the one file of a row, and prints it
one_file() { mkdir "$place/$1.files" && echo "$place/$1.files"; }

measure_backups() {
    local folder
    if wants tree; then
        backups tree "$(sources)" 'first unchanged restore verify' pigz cp find
    fi
    if wants random; then
        folder=$(one_file random)
        head -c "$(scaled 2000000000)" /dev/urandom >"$folder/random"
        backups random "$folder" 'first restore' md5sum cp
    fi
    if wants text; then
        folder=$(one_file text)
        # head closes the pipe.
        { find "$(sources)" -type f -name '*.c' -print0 | sort -z | xargs -0 cat || true; } 2>/dev/null |
            head -c "$(scaled 700000000)" >"$folder/text"
        backups text "$folder" 'first restore' pigz cp
    fi
    if wants sparse; then
        folder=$(one_file sparse)
        truncate -s "$(scaled 4294967296)" "$folder/sparse"
        head -c 4096 /dev/urandom | dd of="$folder/sparse" bs=4096 seek=100 conv=notrunc status=none
        head -c 4096 /dev/urandom | dd of="$folder/sparse" bs=4096 seek=$(($(scaled 4294967296) / 8192)) conv=notrunc status=none
        backups sparse "$folder" 'first restore' tar-S
    fi
    if wants small; then
        backups small "$(tree "$(scaled 100000)" 1000)" 'first unchanged restore verify' pigz cp find
    fi
    if wants empty; then
        backups empty "$(tree "$(scaled 1000000)" 0)" 'first unchanged restore' cp find
    fi
    if wants growth; then
        measure_growth
    fi
}

# measure_growth: the same work for more and more files, by our tools alone
measure_growth() {
    local programs=(snapshooter) number
    for number in $(scaled 10000) $(scaled 100000) $(scaled 1000000); do
        backups "growth.$number" "$(tree "$number" 0)" 'first unchanged restore'
    done
}

print_backups() {
    line tree/first 'first backup' restic .60 pigz .60 cp -
    line tree/unchanged 'unchanged' restic .20 find 2.5
    line tree/restore 'restore' restic .50 cp .80
    line tree/verify 'full verify' restic .55
    line random/first 'one file, 2 GB random: backup' restic .35 md5sum -
    line random/restore '… restore' restic .60 cp -
    line text/first 'one file, 700 MB of sources: backup' restic .80
    line text/restore '… restore' restic .60
    line sparse/first 'sparse file of 4 GiB with 8 KB: backup' restic -
    line sparse/restore '… restore' restic -
    line small/first '100,000 files of 1 KB: first backup' restic - pigz -
    line small/unchanged '… unchanged' restic - find -
    line small/restore '… restore' restic - cp -
    line small/verify '… full verify' restic -
    line empty/first '1,000,000 empty files: first backup' restic - cp -
    line empty/unchanged '… unchanged' restic - find -
    line empty/restore '… restore' restic - cp -
}

print_growth() {
    local step number
    wants growth || return 0
    printf '\nGrowth: seconds for each 10,000 of so many empty files.\n\n| work |'
    for number in 10000 100000 1000000; do
        printf " %'d |" "$(scaled $number)"
    done
    printf '\n|---|---:|---:|---:|\n'
    for step in first unchanged restore; do
        printf '| %s |' "$step"
        for number in $(scaled 10000) $(scaled 100000) $(scaled 1000000); do
            awk -v s="${best[growth.$number/$step/snapshooter]:-failed}" -v n="$number" \
                'BEGIN { if (s == "failed") printf " failed |"; else printf " %.2f |", s / n * 10000 }'
        done
        echo
    done
}
