"""On Azure: the file systems are those of adlfs, with the connection string in AZURE and the roots in FILES, HEAP and SNAP."""

import os

from common import show, short

import fsspec
from snapshooter import Heap, Snapshooter

fs = fsspec.filesystem("abfs", connection_string=os.environ["AZURE"])
files, heap, snap = (os.environ[name] for name in ["FILES", "HEAP", "SNAP"])
for name, content in [("a.txt", b"one"), ("docs/b.txt", b"two"), ("docs/c.txt", b"two")]:
    fs.pipe_file(f"{files}/{name}", content)
for place in [heap, snap]:
    fs.pipe_file(f"{place}/keep", b"")
s = Snapshooter(file_fs=fs, file_root=f"abfs://{files}", snap_fs=fs, snap_root=snap, heap=Heap(heap_fs=fs, heap_root=heap))
first, time, path = s.make_snapshot()
show(first=short(first), read=short(s.read_snapshot(path)) == short(first), paths=s.get_snapshot_paths() == [path], below=path.startswith(snap))
fs.pipe_file(f"{files}/a.txt", b"changed")
fs.rm_file(f"{files}/docs/b.txt")
fs.pipe_file(f"{files}/new", b"new")
fs.invalidate_cache()
restored, _, saved = s.restore_snapshot(path)
fs.invalidate_cache()
show(restored=short(restored), files=sorted((name[len(files) + 1 :], fs.cat_file(name).decode()) for name in fs.find(files)))
show(saved=saved == s.get_snapshot_paths()[0], count=len(s.get_snapshot_paths()))
md5 = first[0]["md5"]
with s.heap.open(md5) as file:
    show(content=file.read().decode(), has=s.heap.contains(md5))
