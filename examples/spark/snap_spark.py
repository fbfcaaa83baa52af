#!/usr/bin/env python3
"""Backs up, verifies and compares with the filters of Snapshooter on the machines of a Spark cluster. See README.md."""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import uuid

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

# What the filters need of the environment of the driver. It goes to the tasks with their code, not on a command line.
NAMES = {"PATH", "HOME", "LIMIT_RATE", "LANG", "LC_ALL"} | {
    f"{root}_{what}" for root in ("FILE", "HEAP", "SNAP") for what in ("ROOT", "STORAGE_OPTIONS")
}
PREFIXES = ("AWS_", "AZURE_", "GOOGLE_")

# Runs a pipeline for each range. Status 1 means that records have failed: they are in the output, and another try would not help.
TASK = """
while read -r range; do
    %s
    for status in "${PIPESTATUS[@]}"; do [ "$status" -le 1 ] || exit "$status"; done
done"""

# What is compared. The name alone is not enough: Spark's strings can't hold those that are not UTF-8.
SCHEMA = "name STRING, name_bytes STRING, type STRING, size BIGINT, modified STRING, md5 STRING, destination STRING"


def environment(more):
    known = NAMES.union(more)
    return {name: value for name, value in os.environ.items() if name in known or name.startswith(PREFIXES)}


def piped(spark, args, ranges, pipeline, *arguments):
    """The lines that a pipeline prints for all ranges, one task for each. A task that fails is tried again on its own."""
    command = shlex.join(["bash", "-c", TASK % pipeline, "task", *arguments])
    tasks = spark.sparkContext.parallelize(ranges, len(ranges))
    return tasks.pipe(command, environment(args.env), checkCode=True)


def split(command, args, spark):
    """The ranges that divide what this command prints; None if it fails."""
    count = args.parts or 4 * spark.sparkContext.defaultParallelism
    done = subprocess.run([*command, "--split", str(count)], stdout=subprocess.PIPE, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else None


def fixed(snapshot):
    """The path of a snapshot, so that all tasks read the same one."""
    if not snapshot.startswith(("latest", "@")):
        return snapshot
    # A range without names: only the index is read.
    done = subprocess.run(["snap-read", snapshot, "--range", r'{"until":"\u0001"}'], stdout=subprocess.PIPE, text=True)
    name = json.loads(done.stdout.splitlines()[-1])["part"]["snapshot"] if done.returncode == 0 else sys.exit(2)
    return f"{name[:4]}/{name[5:7]}/{name}"


def backup(spark, args):
    scan = shlex.split(args.scan)
    ranges = split(["snap-read", "latest"], args, spark)
    if ranges is None:
        print("snap_spark: there is no snapshot to divide, so the file root is listed first", file=sys.stderr)
        ranges = split(["snap-scan", *scan], args, spark) or sys.exit(2)
    parts = f"{args.work.rstrip('/')}/snap-spark-{uuid.uuid4()}"
    java = spark.sparkContext._jvm.org.apache.hadoop.fs.Path
    storage = java(parts).getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
    try:
        lines = piped(spark, args, ranges, 'snap-scan --range "$range" "$@" </dev/null | snap-heapify', *scan)
        # The output committer takes the output of one try of each task, whatever was repeated.
        lines.saveAsTextFile(parts)
        with tempfile.TemporaryDirectory() as place:
            found = [part.getPath() for part in storage.globStatus(java(f"{parts}/part-*"))]
            for path in found:
                storage.copyToLocalFile(path, java(f"file://{place}"))
            files = [f"{place}/{path.getName()}" for path in found]
            merge = subprocess.Popen(["snap-merge", *files], stdout=subprocess.PIPE)
            # It publishes nothing if the merge failed, or if a part is missing.
            write = subprocess.run(["snap-write", "--whole", *shlex.split(args.write)], stdin=merge.stdout)
            return write.returncode or merge.wait()
    finally:
        storage.delete(java(parts), True)


def read(spark, args, snapshot, stage=""):
    """The lines of a snapshot, or what a filter makes of them. The parts are found by the index, in any storage."""
    snapshot = fixed(snapshot)
    ranges = split(["snap-read", snapshot], args, spark) or sys.exit(2)
    return piped(spark, args, ranges, 'snap-read "$1" --range "$range" </dev/null' + stage, snapshot)


def verify(spark, args):
    lines = read(spark, args, args.snapshot, " | snap-verify").collect()
    return [line for line in lines if json.loads(line)["type"] != "end"]


def records(spark, args, snapshot):
    return spark.read.schema(SCHEMA).json(read(spark, args, snapshot)).where("type NOT IN ('end', 'error')")


def diff(spark, args):
    """A row for each name that is on one side only or different, in the order and with the statuses of snap-diff."""
    left, right = records(spark, args, args.left), records(spark, args, args.right)
    key = (F.col("l.name") == F.col("r.name")) & F.col("l.name_bytes").eqNullSafe(F.col("r.name_bytes"))
    content = F.expr("coalesce(l.md5, l.destination) <=> coalesce(r.md5, r.destination)")
    same = (F.col("l.type") == F.col("r.type")) & (content | (F.col("l.type") == "directory"))
    status = F.when(F.col("r.type").isNull(), "only_left").when(F.col("l.type").isNull(), "only_right")
    status = status.when(same, "equal").otherwise("different").alias("status")
    side = "CASE WHEN {0}.type IS NOT NULL THEN struct({0}.type, {0}.size, {0}.modified, {0}.md5) END AS {1}"
    columns = [F.expr(f"coalesce(l.{name}, r.{name}) AS {name}") for name in ("name", "name_bytes")]
    columns += [status, F.expr(side.format("l", "left")), F.expr(side.format("r", "right"))]
    rows = left.alias("l").join(right.alias("r"), key, "full_outer").select(*columns)
    rows = rows.where("status != 'equal'").orderBy("name")
    if args.output:
        return rows.write.json(args.output)
    return [row[0] for row in rows.select(F.to_json(F.struct("*"))).collect()]


def main(words=None):
    parser = argparse.ArgumentParser(prog="snap_spark.py", description=__doc__)
    parser.add_argument("--parts", type=int, metavar="N", help="the number of parts [four for each core]")
    parser.add_argument("--env", action="append", default=[], metavar="NAME", help="a variable that the filters need, too")
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("backup", help="back up FILE_ROOT to HEAP_ROOT and SNAP_ROOT")
    one.add_argument("--work", required=True, metavar="PATH", help="a folder that the driver and all tasks see, for the parts")
    one.add_argument("--scan", default="", metavar="OPTIONS", help="options of snap-scan, in one word")
    one.add_argument("--write", default="", metavar="OPTIONS", help="options of snap-write, in one word")
    one.set_defaults(work_of=backup)
    one = commands.add_parser("verify", help="check the contents of a snapshot; exit with 1 if some fail")
    one.add_argument("snapshot", nargs="?", default="latest")
    one.set_defaults(work_of=verify)
    one = commands.add_parser("diff", help="compare two snapshots; exit with 1 if rows are printed")
    one.add_argument("--output", metavar="PATH", help="write the rows as JSON to this folder")
    one.add_argument("left", nargs="?", default="latest~1")
    one.add_argument("right", nargs="?", default="latest")
    one.set_defaults(work_of=diff)
    args = parser.parse_args(words)
    result = args.work_of(SparkSession.builder.appName("snap-spark").getOrCreate(), args)
    if not isinstance(result, list):
        return result
    print("".join(line + "\n" for line in result), end="")
    return 1 if result else 0


if __name__ == "__main__":
    sys.exit(main())
