# shellcheck shell=bash disable=SC2034,SC2154
# The servers of a benchmark, and the folder of a run, which are gone at its end. The script sets $project and $delay.

# example NAME: builds an example, and prints its path
example() {
    local folder
    cargo build --quiet --release --locked --manifest-path "$project/Cargo.toml" --example "$1"
    folder=$(cargo metadata --format-version 1 --no-deps --locked --manifest-path "$project/Cargo.toml" |
        sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    echo "$folder/release/examples/$1"
}

# s3s_fs: prints the path of s3s-fs: that of PATH, else one in the user's cache folder, where cargo installs it
s3s_fs() {
    local cache=${XDG_CACHE_HOME:-$HOME/.cache}/snapshooter-bench
    if ! command -v s3s-fs; then
        [ -x "$cache/bin/s3s-fs" ] || cargo install s3s-fs --version 0.14.1 --features binary --locked --root "$cache" >&2
        echo "$cache/bin/s3s-fs"
    fi
}

# end_servers: ends all that were started
end_servers() {
    local process
    for process in "${started[@]}"; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    started=()
}

# begin NAME: makes $place, the folder of this run
begin() {
    bench_name=$1 started=()
    place=$(mktemp -d "${TMPDIR:-/tmp}/snap-$1.XXXXXX")
    trap 'end_servers; rm -rf "$place"' EXIT
}

# serve LOG COMMAND...: starts a server, and sets $address to the address on which it listens
serve() {
    local log=$1
    shift
    : >"$log"
    "$@" >"$log" 2>&1 &
    started+=($!)
    for _ in {1..600}; do
        address=$(grep -aoE '(127\.0\.0\.1|localhost):[0-9]+' "$log" | tail -n 1 || true)
        [ -z "$address" ] || return 0
        sleep 0.1
    done
    echo "$bench_name: a server does not start:" >&2
    cat "$log" >&2
    exit 1
}

# far_store: starts s3s-fs in $place/store behind a proxy that delays every byte by $delay, and sets $store to its URL
far_store() {
    serve "$place/server.log" env RUST_LOG=info "${FAR_S3S:-$(s3s_fs)}" --host 127.0.0.1 --port 0 \
        --access-key far --secret-key far-away "$place/store"
    serve "$place/proxy.log" "${FAR_PROXY:-$(example delay)}" 127.0.0.1:0 "$address" "$delay"
    store=http://$address
}
