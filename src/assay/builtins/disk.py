"""`disk`: room on disks."""

from __future__ import annotations

import os
import shutil
import stat
import time
from dataclasses import dataclass

from assay.lua.declare import Library
from assay.lua.values import Path

library = Library("disk", "Room on disks. Symbolic links inside a folder are not followed.")


@dataclass
class Usage:
    """The room on a file system, in bytes.

    Attributes:
        total: All of it.
        free: What nothing takes.
        used: `total` minus `free`.
        available: What of `free` this user can take.
        percent: How much of `total` is used, from 0 to 100.
    """

    total: int
    free: int
    used: int
    available: int
    percent: float


@library.function()
def usage(path: Path) -> Usage:
    """Return how full a file system is.

    Args:
        path: Any file or folder on it.
    """
    info = os.statvfs(path)
    total, free = info.f_blocks * info.f_frsize, info.f_bfree * info.f_frsize
    used = total - free
    return Usage(total, free, used, info.f_bavail * info.f_frsize, used / total * 100 if total else 0.0)


@library.function()
async def sweep(dir: Path, max_age_secs: float) -> int:
    """Remove what a folder holds and what has not changed for some time; returns how many entries were removed.

    A folder in it counts as one entry: its own time decides, and it goes with all that it holds.

    Args:
        dir: The folder.
        max_age_secs: Entries that changed longer ago than these seconds are removed.
    """
    import asyncio

    return await asyncio.to_thread(_sweep, dir, time.time() - max_age_secs)


@library.function()
async def dir_size(path: Path) -> int:
    """Return the bytes of all regular files in a folder and in the folders in it.

    Args:
        path: The folder.
    """
    import asyncio

    return await asyncio.to_thread(_size, path)


def _sweep(folder: bytes, oldest: float) -> int:
    removed = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            info = entry.stat(follow_symlinks=False)
            if info.st_mtime >= oldest:
                continue
            if stat.S_ISDIR(info.st_mode):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
            removed += 1
    return removed


def _size(folder: bytes) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += _size(entry.path)
            elif entry.is_file(follow_symlinks=False):
                total += entry.stat(follow_symlinks=False).st_size
    return total
