"""JSON Lines: one object on each line, its keys in order."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable

#: A record of a file, or a row.
Record = Dict[str, Any]


def loads_jsonl(content: str) -> list[Any]:
    """Return the objects of a text. Blank lines are skipped."""
    items = []
    for number, line in enumerate(content.split("\n")):
        if line.strip():
            try:
                items.append(json.loads(line))
            except ValueError as e:
                raise ValueError(f"Error parsing line {number}: {line}") from e
    return items


def dumps_jsonl(items: Iterable[Any]) -> str:
    """Return the text of some objects, without a newline at its end."""
    lines = []
    for number, item in enumerate(items):
        try:
            lines.append(json.dumps(item, sort_keys=True))
        except (TypeError, ValueError) as e:
            raise ValueError(f"Error dumping line {number}: {item}") from e
    return "\n".join(lines)
