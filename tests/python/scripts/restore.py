import datetime

from common import FOLDER, failure, fill, new, put, short, show, tree

from snapshooter import convert_snapshot_to_df


def damage():
    put("a.txt", b"damaged")
    put("extra/file", b"extra")
    (FOLDER / "files" / "docs" / "b.txt").unlink()


s = new()
fill()
first, time, path = s.make_snapshot()
good = tree()
for what in [path, first, convert_snapshot_to_df(first), None]:
    damage()
    count = len(s.get_snapshot_paths())
    at = {} if what is not None else {"latest_timestamp": time}
    restored, _, saved = s.restore_snapshot(what, save_snapshot_before=False, save_snapshot_after=False, **at)
    show(tree=tree() == good, records=short(restored), saved=saved, new=len(s.get_snapshot_paths()) - count)
for before in [False, True]:
    for after in [False, True]:
        damage()
        count = len(s.get_snapshot_paths())
        restored, when, saved = s.restore_snapshot(path, save_snapshot_before=before, save_snapshot_after=after)
        made = s.get_snapshot_paths()
        show(before=before, after=after, tree=tree() == good, new=len(made) - count, records=short(restored) == short(first))
        show(saved=saved == (made[0] if after else None), time=saved is None or s.convert_snapshot_path_to_timestamp(saved) == when)
# Records that a program changed: one file less, another content.
chosen = [dict(record) for record in first if record["name"] != "empty"]
chosen[0]["md5"] = next(record["md5"] for record in first if record["name"] == "docs/b.txt")
s.restore_snapshot(chosen)
show(chosen=tree())
double = [dict(first[0]), dict(first[0], md5="0" * 32)]
show(double=failure(s.restore_snapshot, double), number=failure(s.restore_snapshot, 7), missing=failure(s.restore_snapshot, path + "x"))
show(unchanged=tree())
# The result is what the restore made, also if there is nothing to do, and if another snapshot has a later time.
later = s._save_snapshot(first[:1], datetime.datetime(2199, 1, 1, tzinfo=datetime.timezone.utc))
for change in [damage, lambda: None]:
    for before in [False, True]:
        for after in [False, True]:
            change()
            count = len(s.get_snapshot_paths())
            restored, when, saved = s.restore_snapshot(path, save_snapshot_before=before, save_snapshot_after=after)
            show(records=short(restored) == short(first), year=when.year < 2199, tree=tree() == good, new=len(s.get_snapshot_paths()) - count)
            show(saved=saved != later and (saved is not None) == after, is_written=saved is None or short(s.read_snapshot(saved)) == short(first))
