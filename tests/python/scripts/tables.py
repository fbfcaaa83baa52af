from common import FOLDER, failure, fill, new, put, show, tree

from snapshooter import compare_snapshots, convert_snapshot_to_df

s = new()
fill()
first, _, _ = s.make_snapshot()
put("a.txt", b"changed")
put("new", b"new")
(FOLDER / "files" / "empty").unlink()
second, _, _ = s.make_snapshot()
left, right = convert_snapshot_to_df(first), convert_snapshot_to_df(second)
rows = compare_snapshots(left, right)
common = ["md5_left", "md5_right", "size_left", "size_right", "status", "type_left"]
show(columns=[c for c in rows.columns if c in common], rows=rows[common].fillna("-").to_dict(orient="index"), name=rows.index.name)
empty = convert_snapshot_to_df([])
show(empty=[list(empty.columns), empty.index.name, len(empty)], all=compare_snapshots(left, empty)["status"].tolist())
show(none=compare_snapshots(empty, right)["status"].tolist(), same=compare_snapshots(right, right)["status"].tolist())
show(list=failure(compare_snapshots, first, right), text=failure(convert_snapshot_to_df, "x"), frame=failure(s.apply_diff, rows.to_dict()))
restored, deleted = s.apply_diff(rows)
show(restored=sorted((name, record["md5"], record["size"]) for name, record in restored.items()), deleted=sorted(deleted), tree=tree())
