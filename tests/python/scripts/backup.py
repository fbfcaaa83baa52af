import datetime
import gzip

from common import FOLDER, failure, fill, new, put, short, show

from snapshooter import jsonl_utils

s = new()
show(none=s.try_read_snapshot(), paths=s.get_snapshot_paths(), path=s.try_get_snapshot_path(), error=failure(s.read_snapshot))
fill()
first, time, path = s.make_snapshot()
with gzip.open(path) as file:
    written = jsonl_utils.loads_jsonl(file.read().decode())
show(first=short(first), is_written=written == first, utc=str(time.tzinfo), round=s.convert_snapshot_timestamp_to_path(time) == path)
show(back=s.convert_snapshot_path_to_timestamp(path) == time, read=s.read_snapshot(path) == first, latest=s.read_snapshot() == first)
put("a.txt", b"changed")
put("new", b"new")
second, time2, path2 = s.make_snapshot()
show(second=short(second), paths=s.get_snapshot_paths() == [path2, path], latest=s.try_get_snapshot_path() == path2)
show(
    at=s.read_snapshot(latest_timestamp=time) == first,
    after=s.read_snapshot(latest_timestamp=time2 + datetime.timedelta(days=1)) == second,
    before=s.try_read_snapshot(latest_timestamp=time - datetime.timedelta(seconds=1)),
    naive=s.try_get_snapshot_path(datetime.datetime.now() + datetime.timedelta(seconds=5)) == path2,
    missing=failure(s.read_snapshot, str(FOLDER / "snap" / "none.jsonl.gz")),
)
unsaved, _, none = s.make_snapshot(save_snapshot=False)
show(unsaved=short(unsaved) == short(second), path=none, count=len(s.get_snapshot_paths()))
put("late", b"late")
late, _, none = s.make_snapshot(save_snapshot=False, download_missing_files=False)
show(late=short(late), objects=sorted(path.name for path in (FOLDER / "heap").glob("??/*.gz")))
naive = datetime.datetime(2026, 3, 1, 12, 30, 15, 123456)
show(naive=s.convert_snapshot_timestamp_to_path(naive), utc=s.convert_snapshot_timestamp_to_path(naive.replace(tzinfo=datetime.timezone.utc)))
