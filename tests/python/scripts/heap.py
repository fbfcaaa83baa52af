import hashlib
import io

from common import FOLDER, failure, new, show

content = bytes(range(256)) * 50_000


def stop():
    raise InterruptedError("stop")


s = new(heap_cache_file=str(FOLDER / "cache"), parallel_listing=2)
heap = s.heap
heap.ensure_init()
md5 = heap.add_file(io.BytesIO(content), lambda: None)
show(md5=md5 == hashlib.md5(content).hexdigest(), has=heap.contains(md5), not_has=heap.contains("0" * 32))
show(again=heap.add_file(io.BytesIO(content), lambda: None) == md5, empty=heap.add_file(io.BytesIO(b""), lambda: None))
with heap.open(md5) as file:
    part = file.read(1000)
    show(part=part == content[:1000], rest=file.read() == content[1000:])
with heap.open(md5) as file:
    show(start=file.read(3) == content[:3])
with heap.open("d41d8cd98f00b204e9800998ecf8427e") as file:
    show(nothing=file.read() == b"")


def read(md5):
    with heap.open(md5) as file:
        file.read()


show(missing=failure(read, "0" * 32), stopped=failure(heap.add_file, io.BytesIO(content + b"x"), stop))
show(objects=sorted(path.name for path in (FOLDER / "heap").glob("??/*.gz")))
