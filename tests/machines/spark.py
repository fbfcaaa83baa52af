"""Runs the commands of snap_spark.py in one session, with two workers. Their output is in files of the working folder."""

import contextlib
import os
import sys

from pyspark.sql import SparkSession

sys.dont_write_bytecode = True
sys.path.insert(0, os.environ["EXAMPLE"])
import snap_spark  # noqa: E402

settings = {
    "spark.speculation": "true",
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.shuffle.partitions": "2",
    "spark.local.dir": os.path.abspath("tmp"),
    "spark.sql.warehouse.dir": os.path.abspath("tmp"),
}
builder = SparkSession.builder.master("local-cluster[2,1,1024]")
for key, value in settings.items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()


def run(file, status, *words):
    with open(file, "w") as output, contextlib.redirect_stdout(output):
        found = snap_spark.main(["--parts", "5", *words])
    assert found == status, (words, found)


run("path", 0, "backup", "--work", "work", "--write", "--tag spark")
run("good", 0, "verify")
run("rows", 1, "diff")
run("same", 0, "diff", "latest", "latest")
assert os.path.getsize("good") == os.path.getsize("same") == 0
# A content that is missed.
md5 = os.popen("snap-read | jq -r 'select(.name == \"new\").md5'").read().strip()
os.remove(f"heap/{md5[:2]}/{md5}.gz")
run("failed", 1, "verify")
spark.stop()
