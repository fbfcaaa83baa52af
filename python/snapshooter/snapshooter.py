"""The classes of the Python tool snapshooter, over the tools of this package.

They have the same names, arguments and results, and write the same files. Where the Python tool loses data, the tools refuse:
a file root that does not exist is an error, and a restore does not delete everything for an empty snapshot.
"""

from __future__ import annotations

import datetime
import gzip
import logging
import os
import subprocess
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Callable, Generator, Iterator, cast

from . import tools
from .fsspec_utils import natural_sort_key
from .jsonl_utils import Record, dumps_jsonl, loads_jsonl

if TYPE_CHECKING:
    import pandas as pd
    from fsspec import AbstractFileSystem

log = logging.getLogger("snapshooter")

SNAP_TIMESTAMP_UTC_FMT = "%Y-%m-%d_%H-%M-%S_%fZ"
SNAP_PATH_FMT = f"{{timestamp_utc:%Y}}/{{timestamp_utc:%m}}/{{timestamp_utc:{SNAP_TIMESTAMP_UTC_FMT}}}.jsonl.gz"
DEFAULT_SNAP_ROOT = os.path.abspath("./data/backup/snapshots")
DEFAULT_HEAP_ROOT = os.path.abspath("./data/backup/heap")
BLOCK_SIZE = 8 * 1024 * 1024
DEFAULT_PARALLEL = 20


def HEAP_FMT_FN(md5: str) -> str:
    """Return the path of an object below the heap root."""
    return f"{md5[:2]}/{md5}.gz"


def __getattr__(name: str) -> Any:
    """The default file systems. fsspec is imported only for those who use them."""
    if name in ("DEFAULT_SRC_FS", "DEFAULT_SNAP_FS", "DEFAULT_HEAP_FS"):
        return _coerce_fs("file")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as e:
        raise ImportError("tables of snapshots need pandas: pip install pandas") from e
    return pandas


def _coerce_fs(fs: AbstractFileSystem | str) -> AbstractFileSystem:
    import fsspec

    if isinstance(fs, str):
        return fsspec.filesystem(fs)
    if isinstance(fs, fsspec.AbstractFileSystem):
        return fs
    raise Exception(f"Unknown type {type(fs)}. Accepted: str, AbstractFileSystem")


def _coerce_root_dir(fs: AbstractFileSystem, root: str) -> str:
    return fs._strip_protocol(root.strip()).replace("\\", "/").rstrip("/") or "/"


def _utc(timestamp: datetime.datetime) -> datetime.datetime:
    """Return a time in UTC. One without a time zone is local."""
    return timestamp.astimezone(datetime.timezone.utc)


def convert_snapshot_to_df(snapshot: list[Record]) -> pd.DataFrame:
    """Return the records as a table whose index is their names."""
    if not isinstance(snapshot, list):
        raise Exception(f"convert_snapshot_to_df: Unknown type {type(snapshot)} for snapshot. Expected: List[dict]")
    pandas = _pandas()
    table = pandas.DataFrame(snapshot) if snapshot else pandas.DataFrame(columns=["name", "md5"])
    return cast("pd.DataFrame", table.set_index("name"))


def compare_snapshots(left_snapshot: pd.DataFrame, right_snapshot: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the records of both sides and their status: equal, different, only_left or only_right."""
    pandas = _pandas()
    for name, side in [("left_snapshot", left_snapshot), ("right_snapshot", right_snapshot)]:
        if not isinstance(side, pandas.DataFrame):
            raise Exception(f"compare_snapshots: Unknown type {type(side)} for {name}. Expected: pd.DataFrame")
    left, right = left_snapshot.add_suffix("_left"), right_snapshot.add_suffix("_right")
    both = pandas.merge(left, right, how="outer", left_index=True, right_index=True)
    both["status"] = "equal"
    both.loc[both["md5_left"] != both["md5_right"], "status"] = "different"
    both.loc[both["md5_left"].isna(), "status"] = "only_right"
    both.loc[both["md5_right"].isna(), "status"] = "only_left"
    both = both.reindex(sorted(both.columns), axis=1).sort_values(by=["name"])
    log.info(f"Snapshot comparison stats: {both.groupby('status').size().to_dict()}")
    return cast("pd.DataFrame", both)


class Heap:
    """Keeps each content once, by its md5."""

    def __init__(
        self,
        heap_fs: AbstractFileSystem,
        heap_root: str,
        parallel_listing: int = DEFAULT_PARALLEL,
        heap_cache_file: str | None = None,
    ) -> None:
        self.heap_fs = _coerce_fs(heap_fs)
        self.heap_root = _coerce_root_dir(self.heap_fs, heap_root)
        self.parallel_listing = parallel_listing
        self.heap_cache_file = heap_cache_file

    def _root(self) -> list[str]:
        return tools.roots(heap=(self.heap_fs, self.heap_root))

    def ensure_init(self) -> None:
        """Check that the heap exists and can be read."""
        tools.run(["snap-verify", "--quick", *self._root()], text="")

    def contains(self, md5: str) -> bool:
        """Return whether the heap has the content of this md5."""
        record = {"name": md5, "md5": md5, "type": "file"}
        try:
            tools.run(["snap-verify", "--quick", *self._root()], text=dumps_jsonl([record]))
        except tools.ToolError as e:
            if e.status != 1:
                raise
            return False
        return True

    def add_file(self, f: BinaryIO, check_interrupted_fn: Callable[[], Any]) -> str:
        """Store a content, and return its md5. ``check_interrupted_fn`` is called before each block and stops the work by an
        exception; nothing is stored then."""
        process = tools.start(["snap-put", *self._root(), "content"], stdin=subprocess.PIPE)
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        messages = tools.Messages(process.stderr)
        try:
            try:
                while True:
                    check_interrupted_fn()
                    block = f.read(BLOCK_SIZE)
                    if not block:
                        break
                    process.stdin.write(block)
                process.stdin.close()
            except BrokenPipeError:
                pass  # The tool says why it does not read on.
            output = process.stdout.read().decode()
            tools.check(process, messages)
        except BaseException:
            # The end of its input would make it store what has come. It removes its temporary file.
            process.terminate()
            process.wait()
            raise
        return cast(str, tools.records(output)[0]["md5"])

    @contextmanager
    def open(self, md5: str) -> Generator[BinaryIO, Any, Any]:
        """Open a content for reading. At its end it is compared with its md5."""
        with tempfile.TemporaryFile() as record:
            record.write(dumps_jsonl([{"name": md5, "md5": md5, "type": "file"}]).encode())
            record.seek(0)
            process = tools.start(["snap-cat", *self._root()], stdin=record)
        assert process.stdout is not None and process.stderr is not None
        messages = tools.Messages(process.stderr)
        try:
            # What can't be opened fails here, as a file would.
            if not process.stdout.peek(1):  # type: ignore[attr-defined]
                tools.check(process, messages)
            yield cast(BinaryIO, process.stdout)
            was_read = not process.stdout.peek(1)  # type: ignore[attr-defined]
        except BaseException:
            process.kill()
            process.wait()
            raise
        process.stdout.close()
        if was_read:
            tools.check(process, messages)
        process.wait()


class Snapshooter:
    """Backs up and restores a folder."""

    def __init__(
        self,
        file_fs: AbstractFileSystem,
        file_root: str,
        snap_fs: AbstractFileSystem,
        snap_root: str,
        heap: Heap,
        parallel_copy_to_heap: int = DEFAULT_PARALLEL,
        parallel_copy_to_file: int = DEFAULT_PARALLEL,
        parallel_delete_in_file: int = DEFAULT_PARALLEL,
        parallel_listing: int = DEFAULT_PARALLEL,
    ) -> None:
        self.file_fs = _coerce_fs(file_fs)
        self.file_root = _coerce_root_dir(self.file_fs, file_root)
        self.snap_fs = _coerce_fs(snap_fs)
        self.snap_root = _coerce_root_dir(self.snap_fs, snap_root)
        self.heap = heap
        self.parallel_copy_to_heap = parallel_copy_to_heap
        self.parallel_copy_to_file = parallel_copy_to_file
        self.parallel_delete_in_file = parallel_delete_in_file
        self.parallel_listing = parallel_listing

    def _roots(self, *words: str) -> list[str]:
        all_roots = {
            "file": (self.file_fs, self.file_root),
            "heap": (self.heap.heap_fs, self.heap.heap_root),
            "snap": (self.snap_fs, self.snap_root),
        }
        return tools.roots(**{word: all_roots[word] for word in words})

    def _command(self, *arguments: str) -> str:
        """Run a command of the tool snapshooter, and return its output."""
        options = ["--parallel-copy-to-heap", str(self.parallel_copy_to_heap), "--loglevel", "NONE", "--progress=never"]
        options += ["--parallel-copy-to-file", str(self.parallel_copy_to_file)]
        if self.heap.heap_cache_file is not None:
            options += ["--heap-cache-file", self.heap.heap_cache_file]
        return tools.run(["snapshooter", *self._roots("file", "heap", "snap"), *options, *arguments])

    def convert_snapshot_timestamp_to_path(self, timestamp: datetime.datetime) -> str:
        """Return the path of the snapshot of a time. A time without a time zone is local."""
        return f"{self.snap_root}/{SNAP_PATH_FMT.format(timestamp_utc=_utc(timestamp))}"

    def convert_snapshot_path_to_timestamp(self, snap_file_path: str) -> datetime.datetime:
        """Return the time of a snapshot by its path."""
        stem = os.path.basename(snap_file_path).split(".")[0]
        return datetime.datetime.strptime(stem, SNAP_TIMESTAMP_UTC_FMT).replace(tzinfo=datetime.timezone.utc)

    def get_snapshot_paths(self) -> list[str]:
        """Return the paths of all snapshots, newest first."""
        if not self.snap_fs.exists(self.snap_root):
            return []
        lines = tools.run(["snap-list", *self._roots("snap")]).splitlines()
        return [self.snap_fs._strip_protocol(line) for line in lines]

    def try_get_snapshot_path(self, latest_timestamp: datetime.datetime | None = None) -> str | None:
        """Return the path of the latest snapshot, made at or before a time if one is given. None if there is none."""
        paths = sorted(self.get_snapshot_paths(), key=lambda path: natural_sort_key(os.path.basename(path)), reverse=True)
        if latest_timestamp is not None:
            limit = os.path.basename(self.convert_snapshot_timestamp_to_path(latest_timestamp))
            paths = [path for path in paths if os.path.basename(path) <= limit]
        if not paths:
            log.info(f"No snapshot found in {self.snap_root}")
            return None
        log.info(f"Found snapshot '{paths[0]}'")
        return paths[0]

    def try_read_snapshot(
        self, snapshot_path: str | None = None, latest_timestamp: datetime.datetime | None = None
    ) -> list[Record] | None:
        """Return the records of a snapshot: of a path, or of the latest one at or before a time. None if there is none."""
        path = snapshot_path if snapshot_path is not None else self.try_get_snapshot_path(latest_timestamp)
        if path is None:
            return None
        is_local = self.snap_fs.protocol == "file" or "file" in self.snap_fs.protocol
        place = path if is_local or "://" in path else str(self.snap_fs.unstrip_protocol(path))
        if is_local and not os.path.exists(path):
            raise FileNotFoundError(f"no snapshot {path}")
        return tools.records(tools.run(["snap-read", *self._roots("snap"), "--no-end", place]))

    def read_snapshot(
        self, snapshot_path: str | None = None, latest_timestamp: datetime.datetime | None = None
    ) -> list[Record]:
        """Return the records of a snapshot, as :meth:`try_read_snapshot` does. It is an error if there is none."""
        snapshot = self.try_read_snapshot(snapshot_path, latest_timestamp)
        if snapshot is None:
            before = "" if latest_timestamp is None else f" before or at '{latest_timestamp}'"
            raise Exception(f"No snapshot found in {self.snap_root}{before}")
        return snapshot

    def _make_snapshot_without_md5(self) -> list[Record]:
        leave_out = self._roots("file", "heap", "snap")
        return tools.records(tools.run(["snap-scan", "--type", "f", "--no-end", *leave_out]))

    def make_snapshot(
        self, save_snapshot: bool = True, download_missing_files: bool = True
    ) -> tuple[list[Record], datetime.datetime, str | None]:
        """Store the contents of all files, and publish a snapshot. Return its records, its time and its path. Without
        ``save_snapshot``, nothing is published, and the path is None."""
        if save_snapshot:
            download = "--download-missing-files" if download_missing_files else "--no-download-missing-files"
            path = self.snap_fs._strip_protocol(self._command("make-snapshot", "--type", "f", download).strip())
            return self.read_snapshot(path), self.convert_snapshot_path_to_timestamp(path), path
        timestamp = datetime.datetime.now(datetime.timezone.utc)
        heapify = ["snap-heapify", "-j", str(self.parallel_copy_to_heap), *self._roots("file", "heap", "snap")]
        scan = ["snap-scan", "--type", "f", *self._roots("file", "heap", "snap")]
        return tools.records(tools.run(scan, heapify)), timestamp, None

    def _save_snapshot(self, snapshot: list[Record], snapshot_timestamp: datetime.datetime) -> str:
        """Publish records as the snapshot of a time, in the place of the one of the same time. Return its path."""
        naive = snapshot_timestamp.tzinfo is None
        time = snapshot_timestamp.replace(tzinfo=datetime.timezone.utc) if naive else _utc(snapshot_timestamp)
        how = ["--time", time.isoformat(), "--replace", "--unterminated", "--complete", "--allow-empty"]
        roots = self._roots("file", "heap", "snap")
        output = tools.run(["snap-write", *how, *roots], text=dumps_jsonl(snapshot))
        return cast(str, self.snap_fs._strip_protocol(output.strip()))

    def restore_snapshot(
        self,
        snapshot_to_restore: str | list[Record] | pd.DataFrame | None = None,
        latest_timestamp: datetime.datetime | None = None,
        save_snapshot_before: bool = True,
        save_snapshot_after: bool = True,
    ) -> tuple[list[Record], datetime.datetime, str | None]:
        """Make the files match a snapshot, and delete the others: of a path, of a time, of records or of a table. Return the
        records of the result, the time and the path of the snapshot that was saved after it."""
        with _as_path(snapshot_to_restore) as path:
            if path is None:
                path = self.try_get_snapshot_path(latest_timestamp)
            if path is None:
                before = "" if latest_timestamp is None else f" before or at '{latest_timestamp}'"
                raise Exception(f"No snapshot found in {self.snap_root}{before}")
            before_option = "--save-snapshot-before" if save_snapshot_before else "--no-save-snapshot-before"
            after_option = "--save-snapshot-after" if save_snapshot_after else "--no-save-snapshot-after"
            earlier = set(self.get_snapshot_paths())
            self._command("restore-snapshot", "--path", path, before_option, after_option)
        if save_snapshot_before and self._newest_but(earlier) is None:
            # The tool saves nothing if there is nothing to restore.
            _, _, saved = self.make_snapshot()
            earlier.add(cast(str, saved))
        if not save_snapshot_after:
            snapshot, timestamp, _ = self.make_snapshot(save_snapshot=False)
            return snapshot, timestamp, None
        made = self._newest_but(earlier)
        if made is None:
            return self.make_snapshot()
        return self.read_snapshot(made), self.convert_snapshot_path_to_timestamp(made), made

    def _newest_but(self, earlier: set[str]) -> str | None:
        """Return the path of the newest snapshot that is none of these. The newest of all can have a time in the future."""
        return next((path for path in self.get_snapshot_paths() if path not in earlier), None)

    def apply_diff(self, df_diff: pd.DataFrame) -> tuple[dict[str, Record], set[str]]:
        """Restore what is only left or different in a table of :func:`compare_snapshots`, and delete what is only right. Return
        the records of the restored files by their names, and the names that were deleted."""
        if not isinstance(df_diff, _pandas().DataFrame):
            raise Exception(f"apply_diff: Unknown type {type(df_diff)} for diff. Expected: pd.DataFrame")
        rows = list(_rows(df_diff))
        end = {"name": "", "type": "end", "diff": True, "errors": 0, "records": len(rows)}
        end.update(left={"errors": 0}, right={"errors": 0})
        command = ["snap-restore", "--side", "left", "--delete", "--max-delete", "100%", "-o", "-"]
        command += ["-j", str(self.parallel_copy_to_file), "--progress=never", *self._roots("file", "heap")]
        restored = tools.records(tools.run(command, text=dumps_jsonl([*rows, end])))
        for record in restored:
            # The table need not have the sizes.
            record.setdefault("size", self.file_fs.size(f"{self.file_root}/{record['name']}"))
        deleted = {row["name"] for row in rows if row["status"] == "only_right"}
        return {record["name"]: record for record in restored}, deleted


def _rows(df_diff: pd.DataFrame) -> Iterator[Record]:
    """Return the rows of snap-diff for a table, without those that are equal."""
    for name, row in df_diff.sort_index().iterrows():
        status, sides = row["status"], {}
        for side in ("left", "right"):
            md5 = row[f"md5_{side}"]
            sides[side] = {"name": name, "md5": md5, "type": "file"} if isinstance(md5, str) else None
        if status != "equal":
            yield {"name": name, "status": status, **sides}


@contextmanager
def _as_path(snapshot: Any) -> Iterator[str | None]:
    """Give the path of a snapshot. Records and tables are in a temporary file meanwhile."""
    if snapshot is None or isinstance(snapshot, str):
        yield snapshot
        return
    if not isinstance(snapshot, list):
        if not isinstance(snapshot, _pandas().DataFrame):
            raise Exception(
                f"restore_snapshot: Unknown type {type(snapshot)} for snapshot_to_restore. Expected: pd.DataFrame, List[dict]"
            )
        snapshot = loads_jsonl(snapshot.reset_index().to_json(orient="records", lines=True))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "records.jsonl.gz")
        with gzip.open(path, "wb") as file:
            file.write(dumps_jsonl(_checked(snapshot)).encode("utf-8"))
        yield path


def _checked(snapshot: list[Record]) -> list[Record]:
    """Return the records in order of name, without those that occur twice. Two contents of one name are an error."""
    by_name: dict[str, Record] = {}
    for record in snapshot:
        other = by_name.setdefault(record["name"], record)
        if other.get("md5") != record.get("md5"):
            raise Exception(
                "Snapshot to restore contains duplicate file names with different md5s: "
                f"'{record['name']}' with md5s: {other.get('md5')}, {record.get('md5')}"
            )
    # A program may have changed the md5, and then size, sha256 and times are those of another content. The md5 decides.
    keys = ("name", "md5", "type", "mode")
    known = [{key: record[key] for key in keys if record.get(key) is not None} for record in by_name.values()]
    for record in known:
        if "mode" in record:
            # A table with gaps has numbers with a point.
            record["mode"] = int(record["mode"])
    return sorted(known, key=lambda record: record["name"].encode("utf-8", "surrogatepass"))
