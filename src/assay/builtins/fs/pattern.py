"""The paths that match a pattern.

Not Python's `glob`: its `**` goes through symbolic links, and where two of them lead back it does not come to an end.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator

_MAGIC = re.compile(rb"[*?[]")


def find(pattern: bytes) -> Iterator[bytes]:
    """The paths that match, some of them perhaps twice; only folders when the pattern ends with a slash."""
    parts: list[bytes] = []
    for part in pattern.split(b"/"):
        if part and not (part == b"**" and parts[-1:] == [part]):
            parts.append(part)
    for path in _below(b"/" if pattern.startswith(b"/") else b"", parts):
        if path and (not pattern.endswith(b"/") or os.path.isdir(path)):
            yield path


def _below(folder: bytes, parts: list[bytes]) -> Iterator[bytes]:
    if not parts:
        yield folder
    elif parts[0] == b"**":
        for inner in _folders(folder):
            yield from _below(inner, parts[1:])
            if len(parts) == 1:
                yield from (os.path.join(inner, entry.name) for entry in _entries(inner))
    elif _MAGIC.search(parts[0]):
        matches = re.compile(fnmatch.translate(os.fsdecode(parts[0]))).match
        for entry in _entries(folder):
            if matches(os.fsdecode(entry.name)) and (len(parts) == 1 or entry.is_dir()):
                yield from _below(os.path.join(folder, entry.name), parts[1:])
    else:
        path = os.path.join(folder, parts[0])
        if os.path.lexists(path):
            yield from _below(path, parts[1:])


def _folders(folder: bytes) -> Iterator[bytes]:
    """A folder and those in it, on all levels."""
    waiting = [folder]
    while waiting:
        folder = waiting.pop()
        yield folder
        waiting += [
            os.path.join(folder, entry.name) for entry in _entries(folder) if entry.is_dir(follow_symlinks=False)
        ]


def _entries(folder: bytes) -> list[os.DirEntry[bytes]]:
    """What a folder holds; nothing when it cannot be read."""
    try:
        with os.scandir(folder or b".") as entries:
            return list(entries)
    except OSError:
        return []
