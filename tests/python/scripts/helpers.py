import datetime

from common import failure, fill, new, show

from snapshooter import jsonl_utils
from snapshooter.fsspec_utils import get_md5_getter, jsonify_file_info, md5_getter_by_fs_protocol, natural_sort_key
from snapshooter.jsonl_utils import dumps_jsonl, loads_jsonl
from snapshooter.snapshooter import DEFAULT_PARALLEL, DEFAULT_SRC_FS, HEAP_FMT_FN, SNAP_PATH_FMT, SNAP_TIMESTAMP_UTC_FMT

show(dumps=dumps_jsonl([{"b": 1, "a": "ü"}, [1, None]]), loads=loads_jsonl('{"a": 1}\n\n  \n[2]\n'), none=jsonl_utils.loads_jsonl(""))
for bad in [lambda: loads_jsonl("{}\nx"), lambda: dumps_jsonl([{}, {"a": object}])]:
    try:
        bad()
    except ValueError as e:
        show(error=str(e).split("<")[0])
show(sorted=sorted(["a10", "a9", "b", "a9b10", "a9b9"], key=natural_sort_key), parallel=DEFAULT_PARALLEL, heap=HEAP_FMT_FN("abc"))
time = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)
show(path=SNAP_PATH_FMT.format(timestamp_utc=time), stamp=time.strftime(SNAP_TIMESTAMP_UTC_FMT))
show(json=jsonify_file_info({"t": time, "b": b"\x00\xff", "l": [1.5, None, {"x": bytearray(b"y")}]}), odd=failure(jsonify_file_info, {"a": {1, 2}}))
show(fs=type(DEFAULT_SRC_FS).__name__)
s = new()
getter = get_md5_getter(s.file_fs)
show(getters=sorted(name for name in md5_getter_by_fs_protocol if name != "abfss"), same=md5_getter_by_fs_protocol["file"] is getter)
latest = {"a": {"name": "a", "mtime": 1.0, "md5": "m"}}
infos = [{"name": "a", "mtime": 1.0}, {"name": "a", "mtime": 2.0}, {"name": "b", "mtime": 1.0}, {"name": "a"}]
show(md5=[getter(info, latest) for info in infos])
fill()
show(scan=[(info["name"], info["size"]) for info in s._make_snapshot_without_md5()])
