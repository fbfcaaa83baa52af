"""File systems of fsspec: their roots as the tools name them, and what a file system says of its files."""

from __future__ import annotations

import base64
import datetime
import inspect
import json
import re
from typing import TYPE_CHECKING, Any, Callable, Union

from .jsonl_utils import Record

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

Md5Getter = Callable[[Record, Record], Union[str, None]]

_DIGITS = re.compile(r"(\d+)")
_LOCAL = ("local", "file")


def natural_sort_key(s: str) -> list[str | int]:
    """Return a key by which numbers in a text sort by their value."""
    return [int(part) if part.isdigit() else part for part in _DIGITS.split(s)]


def jsonify_file_info(node: Any, debug_path: list[Any] | None = None) -> Any:
    """Return a value of only what JSON has: times as text, bytes in base64."""
    path = debug_path or []
    if hasattr(node, "items"):
        return {key: jsonify_file_info(value, [*path, key]) for key, value in node.items()}
    if isinstance(node, list):
        return [jsonify_file_info(value, [*path, at]) for at, value in enumerate(node)]
    if isinstance(node, datetime.datetime):
        return node.isoformat()
    if isinstance(node, (bytes, bytearray)):
        return base64.b64encode(node).decode("ascii")
    if node is None or isinstance(node, (int, float, str, bool)):
        return node
    raise Exception(f"Unknown type {type(node)} for {path}")


def _unchanged(key: str, info: Record, latest: Record) -> str | None:
    """Return the md5 of the earlier record of a file, if this key has the same value there."""
    earlier = latest.get(info["name"], {})
    is_same = info.get(key) is not None and earlier.get(key) == info[key]
    return earlier.get("md5") if is_same else None


def try_find_md5_in_file_info_azure_fs(file_info: Record, latest_snapshot_by_filename: dict[str, Record]) -> str | None:
    """Return the md5 that Azure states, or that of the earlier record with the same etag."""
    stated = file_info.get("content_settings", {}).get("content_md5")
    if stated is not None:
        return base64.b64decode(stated).hex()
    return _unchanged("etag", file_info, latest_snapshot_by_filename)


def try_find_md5_hex_in_file_info_local_fs(file_info: Record, latest_snapshot_by_filename: dict[str, Record]) -> str | None:
    """Return the md5 of the earlier record with the same mtime."""
    return _unchanged("mtime", file_info, latest_snapshot_by_filename)


def protocols(fs: AbstractFileSystem) -> tuple[str, ...]:
    """Return the protocols of a file system."""
    return fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,)


#: What finds an md5 without reading the file, by protocol. Programs can add to it, for :func:`get_md5_getter`; the tools have
#: their own ways for all their storages.
md5_getter_by_fs_protocol: dict[str, Md5Getter] = {
    **dict.fromkeys(("az", "adl", "abfs", "abfss"), try_find_md5_in_file_info_azure_fs),
    **dict.fromkeys(_LOCAL, try_find_md5_hex_in_file_info_local_fs),
}


def get_md5_getter(src_fs: AbstractFileSystem) -> Md5Getter:
    """Return the function that finds the md5 of a file without reading it."""
    for protocol in protocols(src_fs):
        if protocol in md5_getter_by_fs_protocol:
            return md5_getter_by_fs_protocol[protocol]
    raise Exception(f"Unsupported fs_protocol(s) {src_fs.protocol}: No md5 getter implemented")


def _storage_options(fs: AbstractFileSystem, what: str) -> dict[str, Any]:
    """Return the arguments that a file system was made with, by name: those given by position are not in its options."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = list(inspect.signature(type(fs).__init__).parameters.values())[1:]
    names = [parameter.name for parameter in parameters if parameter.kind in positional]
    if len(fs.storage_args) > len(names):
        raise ValueError(f"{what}: the arguments of {type(fs).__name__} have no names")
    options = {**dict(zip(names, fs.storage_args)), **fs.storage_options}
    options.pop("protocol", None)
    return options


def root_of(fs: AbstractFileSystem, root: str, what: str) -> tuple[str, str | None]:
    """Return a root as the tools name it, a path or a URL, and the storage options as JSON."""
    names = protocols(fs)
    if any(name in _LOCAL for name in names):
        return root, None
    if "memory" in names:
        raise ValueError(f"{what}: a file system in memory can't be shared with another process; use a folder")
    options = _storage_options(fs, what)
    try:
        text = json.dumps(options)
    except TypeError as e:
        raise ValueError(f"{what}: a storage option of {type(fs).__name__} can't be passed on as JSON: {e}") from e
    if "sftp" in names or "ssh" in names:
        # fsspec's URL lacks the host, which is an argument of the file system.
        host, user, port = (options.get(key) for key in ("host", "username", "port"))
        place = f"{user}@{host}" if user else host
        return f"sftp://{place}{f':{port}' if port else ''}{root}", text
    if "webdav" in names:
        base = re.sub(r"^http", "webdav", str(getattr(fs.client, "base_url")))
        return f"{base.rstrip('/')}/{root.lstrip('/')}", text
    return str(fs.unstrip_protocol(root)), text
