"""Back up and restore a folder on any storage: the classes of the Python tool snapshooter, over the tools of this package."""

from importlib.metadata import PackageNotFoundError, version as _version

from . import jsonl_utils
from .snapshooter import Heap, Snapshooter, compare_snapshots, convert_snapshot_to_df

try:
    __version__ = _version("snapshooter")
except PackageNotFoundError:  # The package is used from its source.
    __version__ = "0"

__all__ = ["Heap", "Snapshooter", "compare_snapshots", "convert_snapshot_to_df", "jsonl_utils"]
