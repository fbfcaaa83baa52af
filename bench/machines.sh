#!/usr/bin/env bash
# Measures the seconds for a backup from a bucket to a bucket that is far away: with one worker, with four hosts (examples/parallel) and
# with four workers of Spark (examples/spark), which have as many requests at once each. Then one of the workers is killed in
# the middle. Each snapshot is compared with that of the one worker. The store is on this machine and in memory (bench/store.rs), behind
# a proxy that delays every byte (bench/delay.rs). The hosts are OpenSSH servers on this machine, so all workers share its processors.
#
#   MACHINES_OBJECTS=N    the number of objects [100000]
#   MACHINES_BYTES=N      the size of an object [1000]
#   MACHINES_REQUESTS=N   the number of requests at once of each worker [4]: with more, the processors are the limit
#   MACHINES_RUNS="A B"   only these: one slices ranges killed spark [all; spark if there is a spark-submit]
#   MACHINES_STORE=PATH   the store [the example store, which cargo builds]
#   FAR_DELAY, FAR_PROXY: as for bench/far.sh
# The tools of this project come from PATH.
set -euo pipefail
export LC_ALL=C
project=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=bench/servers.sh
. "$project/bench/servers.sh"
delay=${FAR_DELAY:-10} count=${MACHINES_OBJECTS:-100000} bytes=${MACHINES_BYTES:-1000} requests=${MACHINES_REQUESTS:-4}
all='one slices ranges killed'
if command -v spark-submit >/dev/null; then
    all+=' spark'
fi
read -r -a runs <<<"${MACHINES_RUNS:-$all}"

begin machines
mkdir -p "$place/store/files" "$place/store/backup" "$place/bin" "$place/work"

echo "writing $count objects of $bytes bytes" >&2
python3 - "$place/store/files" "$count" "$bytes" <<'END'
import os
import sys

folder, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for number in range(count):
    if number % 1000 == 0:
        os.mkdir(f"{folder}/{number // 1000:04}")
    with open(f"{folder}/{number // 1000:04}/{number % 1000:03}", "wb") as file:
        file.write(os.urandom(size))
END
# Not s3s-fs, which walks through the whole bucket for each page of a listing.
serve "$place/server.log" "${MACHINES_STORE:-$(example store)}" "$place/store"
serve "$place/proxy.log" "${FAR_PROXY:-$(example delay)}" 127.0.0.1:0 "$address" "$delay"
store=http://$address

# Hosts: one server of OpenSSH for each, for the user who runs this.
sshd=$(PATH=$PATH:/usr/sbin:/sbin command -v sshd)
ssh-keygen -q -t ed25519 -N '' -f "$place/key"
{ [ -d /run/sshd ] || mkdir /run/sshd; } 2>/dev/null || true
for host in h1 h2 h3 h4; do
    # Another server may take a port first, so several are tried.
    for ((try = 0; try < 20; try++)); do
        port=$((10000 + RANDOM % 20000))
        printf '%s\n' "Port $port" 'ListenAddress 127.0.0.1' "HostKey $place/key" "AuthorizedKeysFile $place/key.pub" \
            'PidFile none' 'StrictModes no' 'UsePAM no' 'MaxSessions 200' 'MaxStartups 200' >"$place/$host.config"
        touch "$place/$host.log"
        "$sshd" -D -e -f "$place/$host.config" 2>"$place/$host.log" &
        process=$!
        until grep -q listening "$place/$host.log" || ! kill -0 $process 2>/dev/null; do sleep 0.1; done
        if kill -0 $process 2>/dev/null; then
            started+=("$process")
            printf 'Host %s\n HostName 127.0.0.1\n Port %s\n' $host $port >>"$place/ssh.config"
            break
        fi
    done
done
printf 'Host *\n IdentityFile %s\n UserKnownHostsFile /dev/null\n StrictHostKeyChecking no\n LogLevel ERROR\n' "$place/key" \
    >>"$place/ssh.config"

# The number of requests, and the worker that is killed, are matters of this tool alone.
heapify=$(command -v snap-heapify)
cat >"$place/bin/snap-heapify" <<END
#!/bin/bash
jobs=\$(cat "$place/jobs")
if [ -e "$place/kill" ] && mkdir "$place/killed" 2>/dev/null; then
    "$heapify" -j "\$jobs" "\$@" | head -n $((count / 50))
    kill -KILL \$\$
fi
exec "$heapify" -j "\$jobs" "\$@"
END
chmod +x "$place/bin/snap-heapify"
# env_of RUN: writes and reads the environment of a run, which has a heap of its own
env_of() {
    cat >"$place/env" <<END
PATH=$place/bin:$path
HOME=$HOME
AWS_ENDPOINT_URL=$store AWS_ACCESS_KEY_ID=far AWS_SECRET_ACCESS_KEY=far-away AWS_DEFAULT_REGION=us-east-1
FILE_ROOT=s3://files HEAP_ROOT=s3://backup/$1 SNAP_ROOT=$place/snap.$1
END
    chmod 600 "$place/env"
    set -a
    # shellcheck source=/dev/null
    . "$place/env"
    set +a
}
path=$PATH
export HOSTS=h1,h2,h3,h4 SSH="ssh -F $place/ssh.config" ENV_FILE=$place/env JOBLOG=$place/joblog
# The store has no certificates.
unset AWS_CA_BUNDLE AWS_PROFILE

run_one() { echo "$requests" >"$place/jobs"; snap-scan | snap-heapify | snap-write; }
run_slices() { echo "$requests" >"$place/jobs"; SHAPE=slices "$project/examples/parallel/backup"; }
run_ranges() { echo "$requests" >"$place/jobs"; "$project/examples/parallel/backup"; }
run_killed() { touch "$place/kill"; run_ranges; rm "$place/kill" && rmdir "$place/killed"; }
run_spark() {
    echo "$requests" >"$place/jobs"
    # The workers put their logs into the folder of Spark.
    local home
    home=${SPARK_HOME:-$("${PYSPARK_PYTHON:-python3}" -c 'import pyspark; print(pyspark.__path__[0])')}
    mkdir -p "$place/spark" && ln -sf "$home"/* "$place/spark"
    SPARK_HOME=$place/spark SPARK_LOCAL_IP=127.0.0.1 SPARK_LOCAL_DIRS=$place/work \
        spark-submit --master 'local-cluster[4,1,1024]' --conf spark.ui.enabled=false --conf spark.driver.host=127.0.0.1 \
        "$project/examples/spark/snap_spark.py" --parts 16 backup --work "$place/work"
}

declare -A seconds
for run in "${runs[@]}"; do
    env_of "$run"
    began=$EPOCHREALTIME
    if ! "run_$run" >"$place/log" 2>&1 </dev/null; then
        echo "machines: $run failed:" >&2
        tail -n 20 "$place/log" >&2
        exit 1
    fi
    seconds[$run]=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
    snap-read -o "$place/$run.jsonl"
    if [ "$(wc -l <"$place/$run.jsonl")" != $((count + 1)) ] || ! cmp "$place/$run.jsonl" "$place/${runs[0]}.jsonl"; then
        echo "machines: $run: the snapshot is not the same" >&2
        exit 1
    fi
    echo "$run: ${seconds[$run]} s" >&2
done

printf '\n%d objects of %d bytes in an S3 store %d ms away, %d requests at once for each worker, %s processors.\n\n' \
    "$count" "$bytes" $((2 * delay)) "$requests" "$(nproc)"
echo '| run | seconds | ratio to the first |'
echo '|---|---:|---:|'
for run in "${runs[@]}"; do
    awk -v run="$run" -v s="${seconds[$run]}" -v one="${seconds[${runs[0]}]}" 'BEGIN { printf "| %s | %s | %.2f |\n", run, s, s / one }'
done
