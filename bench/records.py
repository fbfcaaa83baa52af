"""Makes a long list of records from a short one: copies in folders of their own, each with contents of its own.

Usage: records.py NUMBER [CHANGED] <records >records

One of CHANGED records has changed: its content is another one, or its name, or it is gone. There is no end record.
"""

import json
import sys
from itertools import count

number, changed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
records = [r for r in map(json.loads, sys.stdin) if r["type"] not in ("end", "error")]
written = 0


def turned(digest, by):
    """Another digest of the same length for each copy."""
    by = by % len(digest)
    return digest[by:] + digest[:by] if by else digest


for copy in count():
    folder = f"copy-{copy:04}"
    for record in records:
        if written == number:
            sys.exit()
        written += 1
        record = dict(record, name=f"{folder}/{record['name']}")
        if "ino" in record:
            record["ino"] += 1_000_000 * copy
        for key in ("md5", "sha256"):
            if key in record:
                record[key] = turned(record[key], copy)
        if changed and written % changed == 0:
            kind = written // changed % 10
            if kind == 0:
                continue
            if kind == 1:
                record["name"] += "~"
            elif record["type"] == "file":
                record.update(md5=turned(record["md5"], copy + 7), sha256=turned(record["sha256"], copy + 7))
                record.update(size=record["size"] + written % 1000, mtime=1_800_000_000.5, created=1_800_000_000.5)
                record["modified"] = "2027-01-15T08:00:00.500000000Z"
        sys.stdout.write(json.dumps(record, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n")
