"""What the scripts share. They use the classes as any program would, so they run with the Python tool and with the wheel."""

import hashlib
import json
import os
import sys
from pathlib import Path

import fsspec
from snapshooter import Heap, Snapshooter

FOLDER = Path(sys.argv[1])
FS = fsspec.filesystem("file")


def put(name, content):
    path = FOLDER / "files" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def tree():
    """The files and the md5 of their contents."""
    root = FOLDER / "files"
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.md5(path.read_bytes()).hexdigest() for path in paths}


def new(fs=FS, **options):
    for folder in ["files", "heap", "snap"]:
        (FOLDER / folder).mkdir(exist_ok=True)
    heap = Heap(heap_fs=fs, heap_root=str(FOLDER / "heap"), **options)
    return Snapshooter(file_fs=fs, file_root=str(FOLDER / "files"), snap_fs=fs, snap_root=str(FOLDER / "snap"), heap=heap)


def fill():
    put("a.txt", b"one")
    put("docs/b.txt", b"two")
    put("docs/copy of b.txt", b"two")
    put("große Datei.bin", bytes(range(256)) * 20_000)
    put("empty", b"")


def short(snapshot):
    """What both tools say of the files."""
    return [{key: record[key] for key in ["name", "size", "md5", "type"]} for record in sorted(snapshot, key=lambda r: r["name"])]


def failure(work, *arguments, **options):
    """Whether it fails."""
    try:
        work(*arguments, **options)
    except Exception as e:
        return "Exception" if isinstance(e, Exception) else type(e).__name__
    return "no exception"


def show(**values):
    print(json.dumps(values, sort_keys=True, indent=1, default=str).replace(str(FOLDER), "FOLDER").replace(os.sep + "private", ""))
