"""Finds the paths that match a pattern.

Python's `glob` is not used, because its `**` follows symbolic links, which takes forever if two of them form cycles.
"""

from __future__ import annotations

import fnmatch
import itertools
import os
import re
from collections.abc import Iterator

from assay.permissions import Permissions

_MAGIC = re.compile(rb"[*?[]")


def find(pattern: bytes, permissions: Permissions) -> Iterator[bytes]:
    """Yield the matching paths, possibly with duplicates; only folders if the pattern ends with a slash.

    Raises DeniedError if the folder in which the search begins may not be read. Other such folders are skipped.
    """
    parts: list[bytes] = []
    for part in pattern.split(b"/"):
        if part and not (part == b"**" and parts[-1:] == [part]):
            parts.append(part)
    root = b"/" if pattern.startswith(b"/") else b""
    literal = itertools.takewhile(lambda part: part != b"**" and not _MAGIC.search(part), parts)
    permissions.path("read", os.path.join(root, *literal) or b".")
    for path in _below(root, parts, permissions):
        if path and (not pattern.endswith(b"/") or os.path.isdir(path)):
            yield path


def _below(folder: bytes, parts: list[bytes], permissions: Permissions) -> Iterator[bytes]:
    if not parts:
        yield folder
    elif parts[0] == b"**":
        for inner in _folders(folder, permissions):
            yield from _below(inner, parts[1:], permissions)
            if len(parts) == 1:
                yield from (os.path.join(inner, entry.name) for entry in _entries(inner, permissions))
    elif _MAGIC.search(parts[0]):
        matches = re.compile(fnmatch.translate(os.fsdecode(parts[0]))).match
        for entry in _entries(folder, permissions):
            if matches(os.fsdecode(entry.name)) and (len(parts) == 1 or entry.is_dir()):
                yield from _below(os.path.join(folder, entry.name), parts[1:], permissions)
    else:
        path = os.path.join(folder, parts[0])
        if os.path.lexists(path) and (permissions.may_read(path) or permissions.may_read(folder or b".")):
            yield from _below(path, parts[1:], permissions)


def _folders(folder: bytes, permissions: Permissions) -> Iterator[bytes]:
    """Yield a folder and all its subfolders."""
    pending = [folder]
    while pending:
        folder = pending.pop()
        yield folder
        pending += [
            os.path.join(folder, entry.name)
            for entry in _entries(folder, permissions)
            if entry.is_dir(follow_symlinks=False)
        ]


def _entries(folder: bytes, permissions: Permissions) -> list[os.DirEntry[bytes]]:
    """Return the entries of a folder, or none if it cannot or may not be read."""
    if not permissions.may_read(folder or b"."):
        return []
    try:
        with os.scandir(folder or b".") as entries:
            return list(entries)
    except OSError:
        return []
