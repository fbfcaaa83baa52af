#!/usr/bin/env bash
# Compares the speed with that of other tools, and prints tables. The programs alternate, so that other load affects all of them.
# Results are checked; a wrong one is shown as failed. It asserts nothing.
#
#   BENCH_ROWS="A B"    only these rows: tree random text sparse diff far listing small empty growth memory counts queries
#                       machines [all]
#   BENCH_ONLY="A B"    only these programs: snapshooter restic rustic borg python [those installed, but python]
#   BENCH_RUNS=N        the number of runs; the best time counts [1]
#   BENCH_DIR=FOLDER    the folder of the row tree [the kernel sources in /usr/src, else /usr/share]
#   BENCH_PYTHON=PATH   the Python tool [.venv/bin/snapshooter of the checkout]
#   BENCH_SCALE=N       divides the sizes of all other rows, to try the script [1]
# All files are created in TMPDIR, which needs 60 GB for all rows, and deleted at the end.
# shellcheck disable=SC2034 # The other files use the variables.
set -euo pipefail
export LC_ALL=C
bench=$(cd "$(dirname "$0")" && pwd)
project=$(dirname "$bench")
PATH=$project/.bench/bin:$PATH
place=$(mktemp -d "${TMPDIR:-/tmp}/snap-bench.XXXXXX")
trap 'rm -rf "$place"' EXIT
runs=${BENCH_RUNS:-1}
scale=${BENCH_SCALE:-1}
python=${BENCH_PYTHON:-$project/.venv/bin/snapshooter}
read -r -a rows <<<"${BENCH_ROWS:-tree random text sparse diff far listing small empty growth memory counts queries machines}"

programs=(snapshooter)
for program in restic rustic borg; do
    if command -v $program >/dev/null; then
        programs+=("$program")
    fi
done
if [ -n "${BENCH_ONLY:-}" ]; then
    read -r -a programs <<<"$BENCH_ONLY"
fi

for part in lib programs backups diff memory counts queries; do
    # shellcheck source=/dev/null
    . "$bench/$part.sh"
done

# Prints the folder of the row tree, which other rows use, too. It was read once.
sources() {
    local folder=${BENCH_DIR:-} kernel=/usr/src/linux-source-6.1.tar.xz
    if [ -z "$folder" ] && [ -r $kernel ]; then
        folder=$place/source/linux-source-6.1
        if [ ! -d "$folder" ]; then
            echo "unpacking $kernel" >&2
            mkdir "$place/source"
            tar -C "$place/source" -xf $kernel
        fi
    fi
    folder=$(cd "${folder:-/usr/share}" && pwd)
    if [ ! -e "$place/was_read" ]; then
        find "$folder" -type f -exec cat {} + >/dev/null
        touch "$place/was_read"
    fi
    echo "$folder"
}

measure_backups
measure_diff
measure_memory
measure_counts
measure_queries

echo
printf '%s processors, best of %d.\n\n' "$(nproc)" "$runs"
head_of_table
print_backups
print_diff
print_queries
print_growth
print_memory
print_counts
if wants far; then
    echo
    if [ -x "$bench/far.sh" ]; then
        "$bench/far.sh"
    else
        echo 'The distant object store was not measured: there is no bench/far.sh.'
    fi
fi
if wants listing; then
    echo
    "$bench/listing.sh"
fi
if wants machines; then
    echo
    "$bench/machines.sh"
fi
