"""`disk`: room on disks."""

from __future__ import annotations

import os
import shutil
import stat
import time
from dataclasses import dataclass

from assay.lua.declare import Library
from assay.lua.values import Path
from assay.permissions import paths
from assay.permissions.needs import reads, writes

library = Library("disk", "Disk usage. Symbolic links inside a folder are not followed.")


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


@library.function(needs=reads("path"))
def usage(path: Path) -> Usage:
    """Return how full a file system is.

    Args:
        path: Any file or folder on it.
    """
    info = os.statvfs(path)
    total, free = info.f_blocks * info.f_frsize, info.f_bfree * info.f_frsize
    used = total - free
    return Usage(total, free, used, info.f_bavail * info.f_frsize, used / total * 100 if total else 0.0)


@library.function(needs=reads("dir") + writes("dir"))
async def sweep(dir: Path, max_age_secs: float) -> int:
    """Remove what a folder holds and what has not changed for some time; returns how many entries were removed.

    A folder in it counts as one entry: its own time decides, and it goes with all that it holds.

    Args:
        dir: The folder.
        max_age_secs: Entries that changed longer ago than these seconds are removed.
    """
    import asyncio

    return await asyncio.to_thread(_sweep, dir, time.time() - max_age_secs)


@library.function(needs=reads("path"))
async def dir_size(path: Path) -> int:
    """Return the bytes of all regular files in a folder and in the folders in it.

    Args:
        path: The folder.
    """
    import asyncio

    return await asyncio.to_thread(_size, path)


def _sweep(folder: bytes, oldest: float) -> int:
    removed = 0
    with paths.open_folder(folder) as at, os.scandir(at) as entries:
        for entry in entries:
            info = entry.stat(follow_symlinks=False)
            if info.st_mtime >= oldest:
                continue
            if stat.S_ISDIR(info.st_mode):
                shutil.rmtree(entry.name, dir_fd=at)
            else:
                os.unlink(entry.name, dir_fd=at)
            removed += 1
    return removed


def _size(folder: bytes) -> int:
    total = 0
    with paths.open_folder(folder) as at:
        for _, _, names, inside in os.fwalk(".", onerror=_give_up, dir_fd=at):
            infos = (os.stat(name, dir_fd=inside, follow_symlinks=False) for name in names)
            total += sum(info.st_size for info in infos if stat.S_ISREG(info.st_mode))
    return total


def _give_up(error: OSError) -> None:
    raise error
