import datetime

from common import FOLDER, failure, fill, new, put, show, short

s = new()
fill()
first, _, _ = s.make_snapshot(save_snapshot=False)
time = datetime.datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=datetime.timezone.utc)
path = s._save_snapshot(first, time)
show(path=path, read=short(s.read_snapshot(path)), paths=s.get_snapshot_paths() == [path])
less = first[1:]
show(same=s._save_snapshot(less, time) == path, replaced=short(s.read_snapshot(path)) == short(less), count=len(s.get_snapshot_paths()))
zone = datetime.timezone(datetime.timedelta(hours=5))
other = s._save_snapshot([], datetime.datetime(2026, 2, 3, 4, 5, 6))
show(other=other, empty=s.read_snapshot(other), latest=s.try_get_snapshot_path() == path)
put("later", b"later")
again, _, newest = s.make_snapshot()
show(names=[record["name"] for record in again], newest=s.try_get_snapshot_path() == newest)
show(kind=failure(type(s), 7, "x", "file", "y", s.heap))
