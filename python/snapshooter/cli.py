"""The command line: ``python -m snapshooter.cli`` is the tool snapshooter."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from .tools import find


def main_cli() -> NoReturn:
    """Become the tool snapshooter, with the arguments of this process."""
    os.execv(find("snapshooter"), ["snapshooter", *sys.argv[1:]])


if __name__ == "__main__":
    main_cli()
