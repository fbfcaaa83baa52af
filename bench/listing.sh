#!/usr/bin/env bash
# Measures the seconds for listing a large bucket that is far away: with snap-scan, and with its requests one after the other. The
# bucket is a server on this machine that delays each answer (bench/listing.rs). It prints a table.
#
#   LISTING_DELAY=MS    the delay of each answer in milliseconds [20]
#   LISTING_OBJECTS=N   the number of objects [200000]
#   LISTING_SERVER=PATH the server [the example listing, which cargo builds]
# The tools of this project come from PATH.
set -euo pipefail
export LC_ALL=C
project=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=bench/servers.sh
. "$project/bench/servers.sh"
delay=${LISTING_DELAY:-20} count=${LISTING_OBJECTS:-200000}

server=${LISTING_SERVER:-$(example listing)}
begin listing

export AWS_ACCESS_KEY_ID=far AWS_SECRET_ACCESS_KEY=far-away AWS_DEFAULT_REGION=us-east-1
unset AWS_CA_BUNDLE AWS_PROFILE

# bucket FORM [in-turn]: starts the server and sets AWS_ENDPOINT_URL
bucket() {
    serve "$place/log" "$server" "$1" "$count" "$delay" ${2:+"$2"}
    export AWS_ENDPOINT_URL=http://$address
}

# seconds COMMAND…: runs it, checks the number of lines that it prints, and prints the seconds
seconds() {
    local began=$EPOCHREALTIME lines
    lines=$("$@" 2>"$place/err" | wc -l)
    local ended=$EPOCHREALTIME
    [ "$lines" = "$count" ] || { echo "listing: $lines lines from $*" >&2; cat "$place/err" >&2; exit 1; }
    awk -v a="$began" -v b="$ended" 'BEGIN { printf "%.2f", b - a }'
}

printf '\n%d objects in a bucket whose answers take %d ms, %s processors. Seconds.\n\n' "$count" "$delay" "$(nproc)"
echo '| names | snap-scan | its requests | one page after the other |'
echo '|---|---:|---:|---:|'
for form in flat folders hex; do
    bucket "$form" in-turn
    in_turn=$(seconds snap-scan --no-end s3://b)
    bucket "$form"
    ours=$(seconds snap-scan --no-end s3://b)
    requests=$(snap-scan -v -o "$place/records" s3://b 2>&1 | grep -aoE '[0-9,]+ requests?' | tr -dc 0-9 || true)
    echo "| $form | $ours | ${requests:-—} | $in_turn |"
done
