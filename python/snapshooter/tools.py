"""Running the tools: where they are, with which roots, and what they print."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path
from typing import IO, Any, Iterable, Sequence

from .fsspec_utils import root_of
from .jsonl_utils import Record, loads_jsonl

log = logging.getLogger("snapshooter")

#: Variables that the tools would take for options that were not given.
_VARIABLES = [f"{root}_{part}" for root in ("FILE", "HEAP", "SNAP") for part in ("ROOT", "STORAGE_OPTIONS")]
_VARIABLES += ["HEAP_CACHE_FILE", "LOGLEVEL"]


class Variable(str):
    """NAME=VALUE among the arguments of a tool. It becomes a variable of its environment: arguments are seen by all users."""


class ToolError(Exception):
    """A tool failed. The message is what it said; ``status`` is its exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def find(name: str) -> str:
    """Return the path of a tool: beside this package or this Python, where it was installed, or else in PATH."""
    folders = [Path(sysconfig.get_path("scripts"))]
    if sys.executable:  # A program that contains Python may have none.
        folders.insert(0, Path(sys.executable).parent)
    library = Path(__file__).resolve().parents[1]
    if library.name in ("site-packages", "dist-packages"):
        folders.insert(0, library.parents[2] / "bin")  # pip install --prefix, and environments.
    folders.insert(0, library / "bin")  # pip install --target
    try:
        folders.append(Path(sysconfig.get_path("scripts", f"{os.name}_user")))
    except KeyError:
        pass
    for folder in folders:
        if os.access(folder / name, os.X_OK):
            return str(folder / name)
    found = shutil.which(name)
    if found is None:
        places = ", ".join(str(folder) for folder in dict.fromkeys(folders))
        raise FileNotFoundError(f"{name} is neither in {places} nor in PATH")
    return found


def roots(**given: tuple[Any, str]) -> list[str]:
    """Return the options for roots: ``file=(fs, root)`` gives ``--file-root``. Storage options can have passwords."""
    options: list[str] = []
    for word, (fs, root) in given.items():
        place, storage = root_of(fs, root, f"{word}_root")
        options += [f"--{word}-root", place]
        if storage is not None:
            options.append(Variable(f"{word.upper()}_STORAGE_OPTIONS={storage}"))
    return options


def environment() -> dict[str, str]:
    """Return the environment for a tool: what was given to the classes counts, and no variable."""
    return {key: value for key, value in os.environ.items() if key not in _VARIABLES}


def start(command: Sequence[str], stdin: Any = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Start a tool. Its output can be read, and so can its messages."""
    line, variables = [find(command[0])], environment()
    for argument in command[1:]:
        if isinstance(argument, Variable):
            name, _, value = argument.partition("=")
            variables[name] = value
        else:
            line.append(argument)
    return subprocess.Popen(line, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=variables)


class Messages:
    """Logs the messages of a tool while it runs, and keeps them."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.lines: list[str] = []
        self._stream = stream
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._stream:
            text = line.decode("utf-8", "replace").rstrip("\n")
            self.lines.append(text)
            log.log(logging.WARNING if ": warning: " in text else logging.INFO, text)

    def text(self) -> str:
        """Return all messages, when the tool has closed its stderr."""
        self._thread.join()
        return "\n".join(self.lines)


def check(process: subprocess.Popen[bytes], messages: Messages, accepted: Iterable[int] = (0,)) -> None:
    """Wait for a tool, and raise an exception with its messages if it failed."""
    status = process.wait()
    text = messages.text()
    if status not in accepted:
        raise ToolError(text or f"{process.args!r} ended with status {status}", status)


def run(*commands: Sequence[str], text: str | None = None) -> str:
    """Run a pipeline of tools with this text as its input, and return its output. The first tool that failed is the reason of
    the exception."""
    processes: list[subprocess.Popen[bytes]] = []
    stdin: Any = subprocess.DEVNULL if text is None else subprocess.PIPE
    for command in commands:
        process = start(command, stdin)
        # The next tool alone holds the output, so that the end of one is seen by the other.
        if processes and processes[-1].stdout is not None:
            processes[-1].stdout.close()
        processes.append(process)
        stdin = process.stdout
    messages = [Messages(process.stderr) for process in processes if process.stderr is not None]
    feeder = threading.Thread(target=_feed, args=(processes[0].stdin, text), daemon=True)
    feeder.start()
    last = processes[-1].stdout
    output = last.read().decode("utf-8", "surrogateescape") if last is not None else ""
    feeder.join()
    for process, told in zip(processes, messages):
        check(process, told)
    return output


def _feed(stream: IO[bytes] | None, text: str | None) -> None:
    if stream is not None and text is not None:
        try:
            with stream:
                stream.write(text.encode("utf-8", "surrogateescape"))
        except BrokenPipeError:
            pass  # The tool says why it does not read on.


def records(output: str) -> list[Record]:
    """Return the records that a tool printed, without the end record."""
    return [record for record in loads_jsonl(output) if record.get("type") != "end"]
